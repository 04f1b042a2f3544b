// Cutting blocks from slabs and slabs from chunks, and the depot. See block_heap.h.
#include "mem/block_heap.h"

#include <algorithm>

namespace weft::mem {

using detail::mark_used;
using detail::spin_guard;

namespace {
constexpr std::size_t chunk_bytes = 1024 * 1024;
constexpr std::size_t page_bytes = 4096;
}  // namespace

block_heap::~block_heap() {
  for (const auto& [address, bytes] : chunks_) {
    mark_used(address, bytes);
    sys_.unmap(address, bytes);
  }
}

free_block* block_heap::take_batch(block_kind kind, std::size_t size_class, uint32_t want, uint32_t& count) noexcept {
  spin_guard guard(lock_);
  depot& d = depots_[static_cast<std::size_t>(kind)][size_class];
  if (free_block* batch = d.batches) {
    d.batches = batch->next_batch;
    count = batch->batch_count;
    return batch;
  }
  const std::size_t bytes = class_bytes(size_class);
  if (d.fresh == d.fresh_end && !add_fresh(kind, size_class)) return nullptr;
  // Linked in address order, so that a burst of new tasks walks through memory forward.
  const auto available = static_cast<uint32_t>(static_cast<std::size_t>(d.fresh_end - d.fresh) / bytes);
  // A page at a time: each is a page fault, and while the processor waits for several of them its run-next slot looks
  // forgotten.
  const auto in_a_page = static_cast<uint32_t>(std::max<std::size_t>(page_bytes / bytes, 1));
  count = std::min({want, available, in_a_page});
  free_block* first = reinterpret_cast<free_block*>(d.fresh);
  free_block* last = first;
  for (uint32_t i = 1; i < count; ++i) {
    auto* b = reinterpret_cast<free_block*>(d.fresh + i * bytes);
    last->next = b;
    last = b;
  }
  last->next = nullptr;
  d.fresh += count * bytes;
  return first;
}

void block_heap::give_batch(block_kind kind, std::size_t size_class, free_block* first, uint32_t count) noexcept {
  first->batch_count = count;
  spin_guard guard(lock_);
  depot& d = depots_[static_cast<std::size_t>(kind)][size_class];
  first->next_batch = d.batches;
  d.batches = first;
}

void* block_heap::take_large(std::size_t bytes) noexcept {
  absl::StatusOr<void*> memory = sys_.map(bytes, 4096);
  if (!memory.ok()) return nullptr;
  spin_guard guard(lock_);
  figures_.mapped_bytes += bytes;
  count_stack_bytes(figures_.segment_slab_bytes, bytes);
  return *memory;
}

void block_heap::give_large(void* block, std::size_t bytes) noexcept {
  mark_used(block, bytes);
  sys_.unmap(block, bytes);
  spin_guard guard(lock_);
  figures_.mapped_bytes -= bytes;
  figures_.segment_slab_bytes -= bytes;
}

heap_figures block_heap::figures() noexcept {
  spin_guard guard(lock_);
  return figures_;
}

void block_heap::count_stack_bytes(uint64_t& part, uint64_t bytes) noexcept {
  part += bytes;
  figures_.peak_stack_bytes =
      std::max(figures_.peak_stack_bytes, figures_.strand_slab_bytes + figures_.segment_slab_bytes);
}

bool block_heap::add_fresh(block_kind kind, std::size_t size_class) noexcept {
  const std::size_t bytes = class_bytes(size_class);
  const std::size_t region = std::max(slab_bytes, bytes);
  char* memory = carve(region);
  if (memory == nullptr) return false;
  depot& d = depots_[static_cast<std::size_t>(kind)][size_class];
  if (kind == block_kind::segment) {
    count_stack_bytes(figures_.segment_slab_bytes, region);
    d.fresh = memory;
    d.fresh_end = memory + region / bytes * bytes;
    return true;
  }
  count_stack_bytes(figures_.strand_slab_bytes, region);
  auto* s = reinterpret_cast<slab*>(memory);
  s->owner = owner_;
  s->next = strand_slabs_;
  s->block_bytes = static_cast<uint32_t>(bytes);
  s->count = static_cast<uint32_t>((slab_bytes - sizeof(slab)) / bytes);
  strand_slabs_ = s;
  d.fresh = s->block(0);
  d.fresh_end = s->block(s->count);
  return true;
}

// A piece of a chunk; all pieces are multiples of 4 KiB and at most 256 KiB, and slabs come out slab_bytes aligned.
char* block_heap::carve(std::size_t bytes) noexcept {
  bytes = (bytes + slab_bytes - 1) & ~(slab_bytes - 1);
  if (static_cast<std::size_t>(chunk_end_ - chunk_) < bytes) {
    absl::StatusOr<void*> memory = sys_.map(chunk_bytes, chunk_bytes);
    if (!memory.ok()) return nullptr;
    chunks_.emplace_back(*memory, chunk_bytes);
    figures_.mapped_bytes += chunk_bytes;
    chunk_ = static_cast<char*>(*memory);
    chunk_end_ = chunk_ + chunk_bytes;
  }
  char* piece = chunk_;
  chunk_ += bytes;
  return piece;
}

bool block_cache::refill(list& l, block_kind kind, std::size_t size_class) noexcept {
  uint32_t count = 0;
  l.head = heap_.take_batch(kind, size_class, batch_size(size_class), count);
  l.count = count;
  return l.head != nullptr;
}

// Keeps the warmer half.
void block_cache::spill(list& l, block_kind kind, std::size_t size_class) noexcept {
  const uint32_t keep = batch_size(size_class);
  free_block* last = l.head;
  for (uint32_t i = 1; i < keep; ++i) last = last->next;
  free_block* cold = last->next;
  last->next = nullptr;
  heap_.give_batch(kind, size_class, cold, l.count - keep);
  l.count = keep;
}

void block_cache::flush() noexcept {
  for (std::size_t kind = 0; kind < lists_.size(); ++kind)
    for (std::size_t c = 0; c < class_count; ++c) {
      list& l = lists_[kind][c];
      if (l.head != nullptr) heap_.give_batch(static_cast<block_kind>(kind), c, l.head, l.count);
      l = list{};
    }
}

}  // namespace weft::mem
