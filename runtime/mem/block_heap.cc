// The depot, cutting slabs from chunks, what goes back to the kernel, and the figures. See block_heap.h.
#include "mem/block_heap.h"

#include <bit>
#include <new>
#include <utility>

namespace weft::mem {

using detail::mark_used;
using detail::spin_guard;

namespace {

std::size_t quarter(const slab_info& s) noexcept { return (s.free * 4u - 1) / s.count; }

// relaxed: written under the heap's lock; a reader that sees a free sees the alloc, since the free is a release.
void count_one(std::atomic<uint64_t>& tally) noexcept {
  tally.store(tally.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace

block_heap::~block_heap() {
  for (const chunk* c = chunks_; c != nullptr; c = c->next) {
    mark_used(c->base, chunk_bytes);
    sys_.unmap(c->base, chunk_bytes);
  }
  while (piece* p = pieces_) {
    pieces_ = p->next;
    sys_.unmap(p, piece_bytes);
  }
}

// --- the depot -------------------------------------------------------------------------------------------------------

uint32_t block_heap::take_spans(block_kind kind, std::size_t size_class, uint32_t want, span_array& out) noexcept {
  uint32_t count = 0;
  spin_guard guard(lock_);
  for (uint32_t blocks = 0; blocks < want && count < out.size(); ++count) {
    // A batch is not completed from memory that is not there yet.
    out[count] = claim(kind, size_class, want - blocks, count == 0);
    if (out[count].mask == 0) break;
    blocks += out[count].count();
  }
  return count;
}

void block_heap::give_span(block_kind kind, std::size_t size_class, const block_span& span) noexcept {
  spin_guard guard(lock_);
  depot& d = depot_of(kind, size_class);
  slab_info& s = slab_of(kind, span.first);
  unlist(d, s);
  s.put(span);
  list(d, s);
  d.free_blocks += span.count();
}

void block_heap::batch_list::push(free_block* b) noexcept {
  b->next_batch = first;
  if (first == nullptr) last = b;
  first = b;
}

free_block* block_heap::batch_list::pop() noexcept {
  free_block* b = first;
  if (b != nullptr) first = b->next_batch;
  return b;
}

void block_heap::batch_list::append(batch_list& other) noexcept {
  if (other.first == nullptr) return;
  (first != nullptr ? last->next_batch : first) = other.first;
  last = other.last;
  other.first = nullptr;
}

free_block* block_heap::take_batch(block_kind kind, std::size_t size_class, uint32_t& count) noexcept {
  spin_guard guard(lock_);
  depot& d = depot_of(kind, size_class);
  free_block* b = d.recent.pop();
  if (b == nullptr) b = d.older.pop();
  if (b == nullptr) b = d.idle.pop();
  if (b == nullptr) return nullptr;
  count = b->batch_count;
  d.free_blocks -= count;
  return b;
}

void block_heap::give_batch(block_kind kind, std::size_t size_class, free_block* first, uint32_t count) noexcept {
  first->batch_count = count;
  spin_guard guard(lock_);
  depot& d = depot_of(kind, size_class);
  d.recent.push(first);
  d.free_blocks += count;
}

void* block_heap::take_one(block_kind kind, std::size_t size_class) noexcept {
  uint32_t count = 0;
  void* block = nullptr;
  if (free_block* batch = take_batch(kind, size_class, count)) {
    if (count > 1) give_batch(kind, size_class, batch->next, count - 1);
    block = batch;
  }
  spin_guard guard(lock_);
  if (block == nullptr) {
    const block_span taken = claim(kind, size_class, 1, true);
    if (taken.mask == 0) return nullptr;
    block = taken.first + static_cast<std::size_t>(std::countr_zero(taken.mask)) * class_bytes(size_class);
  }
  count_one(depot_of(kind, size_class).allocs);
  mark_used(block, class_bytes(size_class));
  return block;
}

void block_heap::give_one(block_kind kind, std::size_t size_class, void* block) noexcept {
  auto* b = static_cast<char*>(block);
  spin_guard guard(lock_);
  put(kind, size_class, &b, 1, false);
  depot_of(kind, size_class).free_blocks += 1;
  count_one(depot_of(kind, size_class).frees);
}

// No blocks: there are none, or only such as the kernel has yet to give and `fresh` does not allow.
block_span block_heap::claim(block_kind kind, std::size_t size_class, uint32_t want, bool fresh) noexcept {
  depot& d = depot_of(kind, size_class);
  slab_info* s = find_slab(d);
  if (s == nullptr && fresh) s = fresh_slab(kind, size_class);
  if (s == nullptr) return {};
  unlist(d, *s);
  const uint32_t used = s->high;
  const block_span taken = s->take(want);
  const uint32_t first_used = s->high - used;
  d.fresh_blocks -= first_used;
  d.free_blocks -= taken.count() - first_used;
  list(d, *s);
  return taken;
}

// `idle`: they have not been used for a whole epoch.
void block_heap::put(block_kind kind, std::size_t size_class, char* const* blocks, uint32_t count, bool idle) noexcept {
  depot& d = depot_of(kind, size_class);
  slab_info* s = nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    if (s == nullptr || !s->contains(blocks[i])) {
      if (s != nullptr) list(d, *s, idle);
      s = &slab_of(kind, blocks[i]);
      unlist(d, *s);
    }
    s->put(blocks[i]);
  }
  if (s != nullptr) list(d, *s, idle);
}

// The fullest one, so that others become empty; of the empty ones the one that became so last.
slab_info* block_heap::find_slab(depot& d) noexcept {
  for (const slab_list& l : d.partial)
    if (l.front() != nullptr) return l.front();
  return d.empty.front();
}

// Those that may go back at once are the last of the empty ones.
void block_heap::list(depot& d, slab_info& s, bool idle) noexcept {
  if (s.free == 0) return;
  if (s.is_empty()) {
    s.empty_since = idle ? 0 : epoch_;
    idle ? d.empty.push_back(s) : d.empty.push_front(s);
  } else {
    d.partial[quarter(s)].push_front(s);
  }
}

void block_heap::unlist(depot& d, slab_info& s) noexcept {
  if (s.free == 0) return;
  (s.is_empty() ? d.empty : d.partial[quarter(s)]).remove(s);
}

slab_info& block_heap::slab_of(block_kind kind, const void* block) noexcept {
  if (kind == block_kind::strand) return *slab_of_strand(block).info;
  chunk& c = chunk_of(block);
  // A block of a larger slab may begin in any of its units.
  auto unit = static_cast<std::size_t>(static_cast<const char*>(block) - c.base) / slab_bytes;
  while (c.slabs[unit].state == slab_state::none) --unit;
  return c.slabs[unit];
}

block_heap::chunk& block_heap::chunk_of(const void* p) noexcept {
  chunk* c = by_address_[bucket_of(p)];
  while (static_cast<std::size_t>(static_cast<const char*>(p) - c->base) >= chunk_bytes) c = c->next_in_bucket;
  return *c;
}

// --- slabs and chunks ------------------------------------------------------------------------------------------------

// One that was given back to the kernel, or a new one; on the list of the empty ones.
slab_info* block_heap::fresh_slab(block_kind kind, std::size_t size_class) noexcept {
  depot& d = depot_of(kind, size_class);
  slab_info* s = d.released.front();
  if (s != nullptr) {
    d.released.remove(*s);
    --d.released_slabs;
  } else {
    s = cut_slab(kind, size_class);
    if (s == nullptr) return nullptr;
    ++d.slabs;
  }
  begin_slab(*s);
  d.fresh_blocks += s->count;
  list(d, *s);
  return s;
}

slab_info* block_heap::cut_slab(block_kind kind, std::size_t size_class) noexcept {
  const slab_shape shape = shape_of(kind, size_class);
  const auto bytes = static_cast<uint32_t>(class_bytes(size_class));
  slab_info* s = carve(shape.units);
  if (s == nullptr) return nullptr;
  s->kind = kind;
  s->size_class = static_cast<uint8_t>(size_class);
  s->block_bytes = bytes;
  s->inverse = static_cast<uint32_t>(((uint64_t{1} << 32) + bytes - 1) / bytes);
  s->first = static_cast<uint16_t>(shape.first);
  s->count = static_cast<uint16_t>(shape.count);
  if (kind == block_kind::strand) ++strand_slabs_;
  return s;
}

void block_heap::begin_slab(slab_info& s) noexcept {
  s.make_fresh();
  s.state = slab_state::used;
  count_stack_bytes(s.kind, static_cast<int64_t>(s.bytes()));
  if (s.kind == block_kind::strand) ::new (s.base) slab{owner_, &s, s.block_bytes};
}

// The first open chunks are looked at only: what is left of the others is too small for anything but small slabs.
slab_info* block_heap::carve(uint32_t units) noexcept {
  constexpr int most_looks = 4;
  chunk** at = &open_;
  for (int i = 0; *at != nullptr && (*at)->used_units + units > chunk_units && i < most_looks; ++i)
    at = &(*at)->next_open;
  chunk* c = *at;
  if (c == nullptr || c->used_units + units > chunk_units) {
    c = add_chunk();
    if (c == nullptr) return nullptr;
    at = &open_;
  }
  slab_info& s = c->slabs[c->used_units];
  s.base = c->base + c->used_units * slab_bytes;
  s.units = static_cast<uint8_t>(units);
  c->used_units += units;
  figures_.uncut_bytes -= units * slab_bytes;
  if (c->used_units == chunk_units) *at = c->next_open;
  return &s;
}

block_heap::chunk* block_heap::add_chunk() noexcept {
  chunk* c = new_chunk_info();
  if (c == nullptr) return nullptr;
  absl::StatusOr<void*> memory = sys_.map(chunk_bytes, chunk_bytes);
  if (!memory.ok()) return nullptr;
  ++pieces_->used;
  c->base = static_cast<char*>(*memory);
  chunk*& bucket = by_address_[bucket_of(c->base)];
  c->next_in_bucket = std::exchange(bucket, c);
  c->next = std::exchange(chunks_, c);
  c->next_open = std::exchange(open_, c);
  figures_.mapped_bytes += chunk_bytes;
  figures_.uncut_bytes += chunk_bytes;
  return c;
}

// The next one, which is not counted as used yet.
block_heap::chunk* block_heap::new_chunk_info() noexcept {
  if (pieces_ == nullptr || pieces_->used == chunks_per_piece) {
    absl::StatusOr<void*> memory = sys_.map(piece_bytes, 4096);
    if (!memory.ok()) return nullptr;
    pieces_ = ::new (*memory) piece{pieces_, 0};
    figures_.mapped_bytes += piece_bytes;
    figures_.metadata_bytes += piece_bytes;
  }
  auto* room = reinterpret_cast<chunk*>(pieces_ + 1);
  return ::new (room + pieces_->used) chunk;
}

void block_heap::count_stack_bytes(block_kind kind, int64_t bytes) noexcept {
  if (kind == block_kind::queue) return;
  uint64_t& part = kind == block_kind::strand ? figures_.strand_slab_bytes : figures_.segment_slab_bytes;
  part += static_cast<uint64_t>(bytes);
  figures_.peak_stack_bytes =
      std::max(figures_.peak_stack_bytes, figures_.strand_slab_bytes + figures_.segment_slab_bytes);
}

// --- large segments --------------------------------------------------------------------------------------------------

void* block_heap::take_large(std::size_t bytes) noexcept {
  absl::StatusOr<void*> memory = sys_.map(bytes, 4096);
  if (!memory.ok()) return nullptr;
  spin_guard guard(lock_);
  ++figures_.large.allocs;
  figures_.large_allocated_bytes += bytes;
  figures_.mapped_bytes += bytes;
  count_stack_bytes(block_kind::segment, static_cast<int64_t>(bytes));
  return *memory;
}

void block_heap::give_large(void* block, std::size_t bytes) noexcept {
  mark_used(block, bytes);
  sys_.unmap(block, bytes);
  spin_guard guard(lock_);
  ++figures_.large.frees;
  figures_.large_freed_bytes += bytes;
  figures_.mapped_bytes -= bytes;
  count_stack_bytes(block_kind::segment, -static_cast<int64_t>(bytes));
}

// --- giving memory back ----------------------------------------------------------------------------------------------

// What came in this epoch has not been here for a whole one at the next end, but at the one after it.
void block_heap::end_epoch(trim_level level) noexcept {
  const bool everything = level == trim_level::everything;
  spin_guard guard(lock_);
  for (depot& d : depots_) {
    d.idle.append(d.older);
    (everything ? d.idle : d.older).append(d.recent);
  }
  returnable_before_ = everything ? epoch_ + 1 : std::max(epoch_, returnable_before_);
  ++epoch_;
  // relaxed: a hint.
  has_returnable_.store(true, std::memory_order_relaxed);
}

uint64_t block_heap::release_some(uint64_t most_bytes) noexcept {
  // relaxed: a hint. Cleared first, so that an epoch's end meanwhile is not lost.
  has_returnable_.store(false, std::memory_order_relaxed);
  uint64_t sorted = 0;
  while (sorted < most_bytes && sort_batches(sorted)) continue;
  uint64_t done = 0;
  while (done < most_bytes) {
    std::array<slab_info*, chunk_units> slabs;
    uint32_t count = 0;
    {
      spin_guard guard(lock_);
      count = begin_release(most_bytes - done, slabs);  // R1
    }
    if (count == 0) break;
    for (uint32_t i = 0; i < count;) {  // R2
      char* const from = slabs[i]->base;
      char* to = from;
      for (; i < count && slabs[i]->base == to; ++i) to = slabs[i]->end();
      sys_.release(from, static_cast<std::size_t>(to - from));
      done += static_cast<uint64_t>(to - from);
    }
    spin_guard guard(lock_);
    for (uint32_t i = 0; i < count; ++i) end_release(*slabs[i]);  // R3
  }
  // relaxed: a hint.
  if (sorted + done != 0) has_returnable_.store(true, std::memory_order_relaxed);
  return done;
}

// False: no batch is idle. Nobody used the blocks for long, so each of them is a cache miss that leads to the next one:
// several batches are walked side by side, which lets their misses overlap.
bool block_heap::sort_batches(uint64_t& bytes) noexcept {
  std::array<free_block*, batches_side_by_side> at{};
  uint32_t batches = 0;
  std::size_t from = 0;
  {
    spin_guard guard(lock_);
    for (std::size_t looks = 0; looks < depots_.size(); ++looks) {
      from = sort_cursor_;
      while (batches < at.size() && (at[batches] = depots_[from].idle.pop()) != nullptr) ++batches;
      if (batches != 0) break;
      sort_cursor_ = (sort_cursor_ + 1) % depots_.size();
    }
  }
  if (batches == 0) return false;
  const auto kind = static_cast<block_kind>(from / class_count);
  const std::size_t size_class = from % class_count;
  std::array<std::array<char*, most_batch>, batches_side_by_side> blocks;
  for (bool more = true; more;) {
    std::array<uint32_t, batches_side_by_side> counts{};
    more = false;
    for (uint32_t step = 0; step < most_batch; ++step)
      for (uint32_t i = 0; i < batches; ++i) {
        if (at[i] == nullptr) continue;
        blocks[i][counts[i]++] = reinterpret_cast<char*>(at[i]);
        at[i] = at[i]->next;
      }
    for (uint32_t i = 0; i < batches; ++i) {
      bytes += counts[i] * class_bytes(size_class);
      more = more || at[i] != nullptr;
      spin_guard guard(lock_);
      put(kind, size_class, blocks[i].data(), counts[i], true);
    }
  }
  return true;
}

// Of one chunk, in the order of addresses.
uint32_t block_heap::begin_release(uint64_t most_bytes, std::array<slab_info*, chunk_units>& out) noexcept {
  slab_info* found = nullptr;
  for (std::size_t looks = 0; looks < depots_.size(); ++looks) {
    slab_info* oldest = depots_[release_cursor_].empty.back();
    if (oldest != nullptr && is_returnable(*oldest)) {
      found = oldest;
      break;
    }
    release_cursor_ = (release_cursor_ + 1) % depots_.size();
  }
  if (found == nullptr) return 0;
  chunk& c = chunk_of(found->base);
  uint32_t count = 0;
  uint64_t bytes = 0;
  for (uint32_t unit = 0; unit < c.used_units && bytes < most_bytes; unit += c.slabs[unit].units) {
    slab_info& s = c.slabs[unit];
    if (!is_returnable(s)) continue;
    unlist(depot_of(s), s);
    s.state = slab_state::releasing;
    bytes += s.bytes();
    out[count++] = &s;
  }
  return count;
}

void block_heap::end_release(slab_info& s) noexcept {
  depot& d = depot_of(s);
  d.free_blocks -= s.high;
  d.fresh_blocks -= s.count - s.high;
  s.state = slab_state::released;
  d.released.push_front(s);
  ++d.released_slabs;
  count_stack_bytes(s.kind, -static_cast<int64_t>(s.bytes()));
  figures_.given_back_bytes += s.bytes();
}

// --- readers ---------------------------------------------------------------------------------------------------------

std::vector<block_heap::strand_span> block_heap::strand_spans() {
  std::vector<strand_span> spans;
  for (;;) {
    std::size_t wanted = 0;
    {
      spin_guard guard(lock_);
      wanted = strand_slabs_;
      if (wanted <= spans.capacity()) {
        for (const chunk* c = chunks_; c != nullptr; c = c->next)  // V1
          for (uint32_t unit = 0; unit < c->used_units; unit += c->slabs[unit].units) {
            const slab_info& s = c->slabs[unit];
            if (s.kind == block_kind::strand && s.state == slab_state::used && !s.is_empty())
              spans.push_back({s.block(0), s.block_bytes, s.high});
          }
        return spans;
      }
    }
    spans.reserve(wanted + wanted / 8);  // without the lock
  }
}

heap_figures block_heap::figures() noexcept {
  heap_figures out;
  spin_guard caches(caches_lock_);
  read_tallies(out);
  spin_guard guard(lock_);
  read_depots(out);
  return out;
}

// All frees before all allocs.
void block_heap::read_tallies(heap_figures& out) noexcept {
  for (std::size_t kind = 0; kind < block_kinds; ++kind)
    for (std::size_t c = 0; c < class_count; ++c) {
      // acquire: pairs with the release in block_cache::give() and count_one().
      uint64_t frees = depots_[kind * class_count + c].frees.load(std::memory_order_acquire);
      if (kind < block_cache::kinds) {
        frees += ended_[kind][c].frees;
        // acquire: as above.
        for (const block_cache* at = caches_; at != nullptr; at = at->next_)
          frees += at->lists_[kind][c].given.load(std::memory_order_acquire);
      }
      out.kinds[kind].by_size[c].frees = frees;
    }
  for (std::size_t kind = 0; kind < block_kinds; ++kind)
    for (std::size_t c = 0; c < class_count; ++c) {
      // relaxed: ordered by the acquire loads above.
      uint64_t allocs = depots_[kind * class_count + c].allocs.load(std::memory_order_relaxed);
      if (kind < block_cache::kinds) {
        allocs += ended_[kind][c].allocs;
        // relaxed: as above.
        for (const block_cache* at = caches_; at != nullptr; at = at->next_)
          allocs += at->lists_[kind][c].taken.load(std::memory_order_relaxed);
      }
      out.kinds[kind].by_size[c].allocs = allocs;
    }
}

void block_heap::read_depots(heap_figures& out) noexcept {
  const auto kinds = out.kinds;
  out = figures_;
  out.kinds = kinds;
  out.large_bytes = out.large_allocated_bytes - out.large_freed_bytes;
  for (std::size_t kind = 0; kind < block_kinds; ++kind) {
    kind_figures& k = out.kinds[kind];
    for (std::size_t c = 0; c < class_count; ++c) {
      size_figures& size = k.by_size[c];
      const depot& d = depots_[kind * class_count + c];
      const uint64_t bytes = class_bytes(c);
      if (d.slabs == 0) continue;
      const slab_shape shape = shape_of(static_cast<block_kind>(kind), c);
      const uint64_t region = shape.units * slab_bytes;
      const uint64_t present = d.slabs - d.released_slabs;
      const uint64_t outside = present * shape.count - d.free_blocks - d.fresh_blocks;
      // Blocks moved between the counts and now: what is not in use is cached.
      const uint64_t in_use = std::min(size.allocs - size.frees, outside);
      // Such as came back since the frees were counted: later counts have them, too.
      size.frees = size.allocs - in_use;
      k.all.allocs += size.allocs;
      k.all.frees += size.frees;
      k.allocated_bytes += size.allocs * bytes;
      k.freed_bytes += size.frees * bytes;
      k.in_use_bytes += in_use * bytes;
      k.cached_bytes += (outside - in_use) * bytes;
      k.free_bytes += d.free_blocks * bytes;
      k.fresh_bytes += d.fresh_blocks * bytes;
      k.rest_bytes += present * (region - shape.count * bytes);
      k.released_bytes += d.released_slabs * region;
    }
  }
}

// --- the cache -------------------------------------------------------------------------------------------------------

void block_heap::enter(block_cache& cache) noexcept {
  spin_guard guard(caches_lock_);
  cache.next_ = std::exchange(caches_, &cache);
}

void block_heap::leave(block_cache& cache) noexcept {
  spin_guard guard(caches_lock_);
  block_cache** at = &caches_;
  while (*at != &cache) at = &(*at)->next_;
  *at = cache.next_;
  for (std::size_t kind = 0; kind < block_cache::kinds; ++kind)
    for (std::size_t c = 0; c < class_count; ++c) {
      const block_cache::list& l = cache.lists_[kind][c];
      // relaxed: the owner's own.
      ended_[kind][c].allocs += l.taken.load(std::memory_order_relaxed);
      // relaxed: as above.
      ended_[kind][c].frees += l.given.load(std::memory_order_relaxed);
    }
}

block_cache::block_cache(block_heap& heap) noexcept : heap_(heap) {
  for (auto& of_kind : lists_)
    for (std::size_t c = 0; c < class_count; ++c) of_kind[c].full_at = batch_size(c);
  heap_.enter(*this);
}

block_cache::~block_cache() {
  flush();
  heap_.leave(*this);
}

bool block_cache::refill(list& l, block_kind kind, std::size_t size_class) noexcept {
  if (l.second != nullptr) {
    l.head = std::exchange(l.second, nullptr);
    l.full_at -= std::exchange(l.second_count, 0);
    l.second_needed = true;
    return true;
  }
  if (l.span_count == 0) {
    uint32_t count = 0;
    l.head = heap_.take_batch(kind, size_class, count);
    l.full_at -= count;
    if (l.head != nullptr) return true;
    l.span_count = static_cast<uint8_t>(heap_.take_spans(kind, size_class, batch_size(size_class), l.spans));
  }
  if (l.span_count == 0) return false;
  link_some(l, size_class);
  return true;
}

void block_cache::link_some(list& l, std::size_t size_class) noexcept {
  const std::size_t bytes = class_bytes(size_class);
  block_span& span = l.spans[l.span_count - 1u];
  const auto at = [&](uint64_t mask) { return span.first + static_cast<std::size_t>(std::countr_zero(mask)) * bytes; };
  free_block** last = &l.head;
  uint32_t count = 0;
  for (; span.mask != 0 && count < link_step; span.mask &= span.mask - 1, ++count) {
    auto* b = reinterpret_cast<free_block*>(at(span.mask));
    *last = b;
    last = &b->next;
  }
  *last = nullptr;
  l.full_at -= count;
  uint64_t ahead = span.mask;
  for (uint32_t i = 0; ahead != 0 && i < link_step; ahead &= ahead - 1, ++i) {
    char* const b = at(ahead);
    __builtin_prefetch(b, 1);
    if (bytes > 64) __builtin_prefetch(b + 64, 1);
    if (bytes > 128) __builtin_prefetch(b + 128, 1);
  }
  if (span.mask == 0) --l.span_count;
}

// The block that came last stays, the others become the second list.
void block_cache::spill(list& l, block_kind kind, std::size_t size_class) noexcept {
  free_block* const before = std::exchange(l.second, std::exchange(l.head->next, nullptr));
  const uint32_t before_count = std::exchange(l.second_count, batch_size(size_class));
  l.full_at += batch_size(size_class);
  if (before != nullptr) heap_.give_batch(kind, size_class, before, before_count);
}

void block_cache::trim(trim_level level) noexcept {
  for (std::size_t kind = 0; kind < kinds; ++kind)
    for (std::size_t c = 0; c < class_count; ++c) trim(lists_[kind][c], static_cast<block_kind>(kind), c, level);
}

void block_cache::trim(list& l, block_kind kind, std::size_t size_class, trim_level level) noexcept {
  // relaxed: the owner's own.
  const uint64_t taken = l.taken.load(std::memory_order_relaxed);
  const uint64_t needed = level == trim_level::everything ? 0 : taken - l.taken_before;
  l.taken_before = taken;
  const uint64_t count = head_count(l, size_class);
  if (l.second != nullptr && (!l.second_needed || needed <= count)) {
    heap_.give_batch(kind, size_class, std::exchange(l.second, nullptr), std::exchange(l.second_count, 0));
  }
  l.second_needed = false;
  if (count < needed) return;
  while (l.span_count != 0) heap_.give_span(kind, size_class, l.spans[--l.span_count]);
  if (count == needed) return;
  free_block** at = &l.head;
  for (uint64_t i = 0; i < needed; ++i) at = &(*at)->next;
  l.full_at += static_cast<int64_t>(count - needed);
  heap_.give_batch(kind, size_class, std::exchange(*at, nullptr), static_cast<uint32_t>(count - needed));
}

}  // namespace weft::mem
