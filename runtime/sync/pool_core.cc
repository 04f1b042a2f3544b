// Pools: the ways that leave the fast path, and what epochs do. See detail/pool_core.h.
//
// Protocol [pool-slot]: who may touch what a slot's owner owns.
//   S1 a processor's thread enrols its slot in the list of its number, under that list's mutex, and marks the list as
//      owned. From then on only it touches the slot, and at its pass of an epoch it ages all slots of the list, under
//      the mutex.
//   S2 when the processor ends, whoever ends it moves all into `shared`, takes the slots out of the fast path, and
//      marks the list as not owned; all under the mutex. bias_owner's hand-over orders this before the number's next
//      use.
//   S3 lists that are not owned, and that of slot 0, are aged at the end of an epoch, under the mutex.
//   S4 a pool that dies takes its slots out of the lists, each under the list's mutex.
//   S5 anybody may take the stacks of batches of a slot that is in a list, under the list's mutex, for destruction.
// Order of locks: a list's mutex, then a pool's lock_. The registry's mutex is taken alone.
#include <weft/detail/pool_core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <weft/detail/check.h>
#include <weft/pool.h>

#include "base/fast_random.h"
#include "mem/span_heap.h"
#include "sched/epoch.h"
#include "sched/scheduler.h"
#include "sync/pool_core.h"

namespace weft::detail {

namespace {

#ifdef WEFT_POOL_DROPS
constexpr bool drops_at_random = true;
#else
constexpr bool drops_at_random = false;
#endif

// Whether the calling task's runtime is told to have no pools; see options.pools.
bool keeps_nothing() noexcept {
  const processor* p = this_context.proc;
  return p != nullptr && !p->sched.opts().pools;
}

bool lucky() {
  thread_local base::fast_random dice(reinterpret_cast<uintptr_t>(&dice));
  return dice.below(4) != 0;
}

// What one slot may keep of a limit: with eight processors at most an eighth lies idle.
int64_t most_kept_of(uint64_t limit) noexcept { return static_cast<int64_t>(limit / 64); }

int64_t clamp_limit(uint64_t limit) noexcept {
  return static_cast<int64_t>(std::min<uint64_t>(limit, static_cast<uint64_t>(pool_room::unlimited)));
}

// Takes `n` out of what the slot has kept and what is left for all. False: there is not so much.
bool take_room(pool_room& room, int64_t& own, int64_t n) noexcept {
  if (own >= n) {
    own -= n;
    return true;
  }
  const int64_t needed = n - own;
  // relaxed: a number; it orders nothing.
  int64_t left = room.left.load(std::memory_order_relaxed);
  for (;;) {
    if (left < needed) return false;
    const int64_t some = std::min(left, needed + room.most_kept / 2);
    // relaxed: as above.
    if (room.left.compare_exchange_weak(left, left - some, std::memory_order_relaxed)) {
      own += some - n;
      return true;
    }
  }
}

void return_some(pool_room& room, int64_t n) noexcept {
  // relaxed: as in take_room().
  if (n != 0) room.left.fetch_add(n, std::memory_order_relaxed);
}

void give_room(pool_room& room, int64_t& own, int64_t n) noexcept {
  own += n;
  if (own <= room.most_kept) return;
  const int64_t keeps = room.most_kept / 2;
  return_some(room, own - keeps);
  own = keeps;
}

}  // namespace

// All pools, and the lists of [pool-slot].
class pool_registry {
 public:
  static pool_registry& get() {
    static auto& registry = *new pool_registry;  // never destroyed: pools may be global variables
    return registry;
  }

  void add(pool_core& c) {
    const std::lock_guard guard(mutex_);
    c.next_pool_ = first_;
    if (first_ != nullptr) first_->prev_pool_ = &c;
    first_ = &c;
  }

  void remove(pool_core& c) noexcept {
    {
      std::unique_lock lock(mutex_);
      cleaned_.wait(lock, [&] { return !c.cleaning_; });
      (c.prev_pool_ != nullptr ? c.prev_pool_->next_pool_ : first_) = c.next_pool_;
      if (c.next_pool_ != nullptr) c.next_pool_->prev_pool_ = c.prev_pool_;
      if (next_to_clean_ == &c) next_to_clean_ = c.next_pool_;
    }
    c.for_each_slot([&](pool_slot& s) {
      slot_list& list = lists_[s.number];
      const std::lock_guard guard(list.mutex);
      if (s.linked) list.unlink(s);
    });
  }

  // S1, or slot 0, whose pool's lock_ is not held.
  void enrol(pool_slot& s) noexcept {
    slot_list& list = lists_[s.number];
    const std::lock_guard guard(list.mutex);
    if (s.number == 0) {
      const spin_guard slot_guard(s.core.lock_);
      s.enrolled = true;
      if (!s.linked) list.link(s);
      return;
    }
    list.owned = true;
    raise_end(s.number + 1);
    s.enrolled = true;
    if (!s.linked) list.link(s);
    if (!s.core.looks_at_puts_ && !keeps_nothing()) s.core.set_fast(s, s);
  }

  // The epoch's passes.
  void age_slot(uint32_t number, bool everything) noexcept {
    if (number == 0 || number >= most_pool_slots) return;
    slot_list& list = lists_[number];
    const std::lock_guard guard(list.mutex);
    list.owned = true;
    raise_end(number + 1);
    age_list(list, everything);
  }

  void age_shared(bool everything) noexcept {
    {
      slot_list& list = lists_[0];
      const std::lock_guard guard(list.mutex);
      uint64_t queued = 0;
      for (pool_slot *s = list.first, *next; s != nullptr; s = next) {
        next = s->next;
        const spin_guard slot_guard(s->core.lock_);
        bool empty = false;
        queued += s->core.age(*s, everything, empty);
        if (!empty) continue;
        s->enrolled = false;
        list.unlink(*s);
      }
      queue(queued);
    }
    // relaxed: a number of which none is interesting that is not yet there.
    const uint32_t end = end_.load(std::memory_order_relaxed);
    for (uint32_t i = 1; i < end; ++i) {
      const std::lock_guard guard(lists_[i].mutex);
      if (!lists_[i].owned) age_list(lists_[i], everything);
    }
  }

  // S5.
  bool clear_open() noexcept {
    uint64_t queued = 0;
    // relaxed: as in age_shared().
    const uint32_t end = end_.load(std::memory_order_relaxed);
    for (uint32_t i = 0; i < end; ++i) {
      const std::lock_guard guard(lists_[i].mutex);
      for (pool_slot* s = lists_[i].first; s != nullptr; s = s->next) queued += s->core.clear_open(*s);
    }
    queue(queued);
    return queued != 0;
  }

  void forget_slot(uint32_t number) noexcept {
    if (number == 0 || number >= most_pool_slots) return;
    slot_list& list = lists_[number];
    const std::lock_guard guard(list.mutex);
    for (pool_slot* s = list.first; s != nullptr; s = s->next) s->core.abandon(*s);
    list.owned = false;
  }

  void queue(uint64_t n) noexcept {
    // relaxed: a figure; what is queued is found by looking.
    if (n != 0) queued_.fetch_add(n, std::memory_order_relaxed);
  }
  void executed(uint64_t n) noexcept {
    // relaxed: a figure.
    if (n != 0) executed_.fetch_add(n, std::memory_order_relaxed);
  }

  uint64_t run_cleanups(uint64_t most) noexcept {
    uint64_t done = 0;
    std::unique_lock lock(mutex_);
    for (pool_core* c = first_to_clean(); c != nullptr && done < most; c = first_to_clean()) {
      c->cleaning_ = true;
      lock.unlock();
      const uint64_t n = c->clean(most - done);
      executed(n);
      done += n;
      lock.lock();
      c->cleaning_ = false;
      next_to_clean_ = c->next_pool_;
      cleaned_.notify_all();
    }
    return done;
  }

  pool_cleanup_counts counts() const noexcept {
    // relaxed: figures. `executed` first, so that it is never the greater one by much.
    const uint64_t ended = executed_.load(std::memory_order_relaxed);
    // relaxed: as above.
    return {std::max(ended, queued_.load(std::memory_order_relaxed)), ended};
  }

  template <class F>
  void for_each_pool(F f) {
    const std::lock_guard guard(mutex_);
    for (pool_core* c = first_; c != nullptr; c = c->next_pool_) f(*c);
  }

 private:
  struct slot_list {
    std::mutex mutex;
    bool owned = false;  // guarded by mutex, as is the rest
    pool_slot* first = nullptr;

    void link(pool_slot& s) noexcept {
      s.linked = true;
      s.prev = nullptr;
      s.next = first;
      if (first != nullptr) first->prev = &s;
      first = &s;
    }
    void unlink(pool_slot& s) noexcept {
      s.linked = false;
      (s.prev != nullptr ? s.prev->next : first) = s.next;
      if (s.next != nullptr) s.next->prev = s.prev;
    }
  };

  pool_registry() {
    static constexpr epoch_hooks hooks{
        .age_slot = age_pools,
        .age_shared = [](bool everything) noexcept { get().age_shared(everything); },
        .forget_slot = forget_pools,
        .clear_open = clear_open_pools,
        .held_bytes = pool_memory_bytes,
        .idle_bytes = pooled_bytes,
        .clean_up = [](uint32_t most) noexcept { return get().run_cleanups(most) == most; }};
    set_epoch_hooks(hooks);
  }

  // By the slots' owner, the mutex held.
  void age_list(slot_list& list, bool everything) noexcept {
    uint64_t queued = 0;
    for (pool_slot *s = list.first, *next; s != nullptr; s = next) {
      next = s->next;
      if (next != nullptr) __builtin_prefetch(next), __builtin_prefetch(&next->shared);
      bool empty = false;
      queued += s->core.age(*s, everything, empty);
      if (!empty) continue;
      s->core.unenrol(*s);
      list.unlink(*s);
    }
    queue(queued);
  }

  void raise_end(uint32_t end) noexcept {
    // relaxed: a bound; see age_shared().
    uint32_t now = end_.load(std::memory_order_relaxed);
    // relaxed: as above.
    while (now < end && !end_.compare_exchange_weak(now, end, std::memory_order_relaxed)) {
    }
  }

  // The mutex held. The search goes on where the last one ended, once around.
  pool_core* first_to_clean() noexcept {
    pool_core* const from = next_to_clean_;
    for (pool_core* c = from; c != nullptr; c = c->next_pool_)
      if (!c->cleaning_ && c->has_waste()) return c;
    for (pool_core* c = first_; c != from; c = c->next_pool_)
      if (!c->cleaning_ && c->has_waste()) return c;
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable cleaned_;
  pool_core* first_ = nullptr;  // guarded by mutex_, as is the next
  pool_core* next_to_clean_ = nullptr;
  std::array<slot_list, most_pool_slots> lists_;
  std::atomic<uint32_t> end_{1};  // one more than the greatest number that was used
  std::atomic<uint64_t> queued_{0};
  std::atomic<uint64_t> executed_{0};
};

static_assert(alignof(pool_core) <= 16);

constinit pool_slot_head pool_core::no_slot{pool_slot_head::no_node, {}, {}};

struct pool_core::slot_table {
  explicit slot_table(uint32_t n)
      : size(n), fast(new std::atomic<pool_slot_head*>[n]), all(new std::atomic<pool_slot*>[n]) {
    for (uint32_t i = 0; i < n; ++i) {
      // relaxed: here and below, not yet shared.
      fast[i].store(&no_slot, std::memory_order_relaxed);
      // relaxed: as above.
      all[i].store(nullptr, std::memory_order_relaxed);
    }
  }
  const uint32_t size;
  const std::unique_ptr<std::atomic<pool_slot_head*>[]> fast;
  const std::unique_ptr<std::atomic<pool_slot*>[]> all;
  slot_table* older = nullptr;
};

pool_core::pool_core(const pool_settings& settings, const pool_type& type, void* pool)
    : looks_at_puts_(drops_at_random || type.bytes_of != nullptr || type.reset != nullptr ||
                     clamp_limit(settings.most_objects) != pool_room::unlimited ||
                     clamp_limit(settings.most_bytes) != pool_room::unlimited || settings.shared_room != nullptr),
      makes_(settings.makes),
      object_offset_(settings.object_offset),
      object_bytes_(settings.object_bytes),
      node_bytes_(settings.node_bytes),
      node_align_(settings.node_align),
      type_(type),
      pool_(pool),
      name_(settings.name),
      spans_(settings.in_spans ? std::make_unique<mem::span_cut>(mem::span_store::get(), settings.node_bytes)
                               : nullptr),
      byte_room_(settings.shared_room != nullptr ? *settings.shared_room : own_byte_room_),
      slot0_(std::make_unique<pool_slot>(*this, 0)) {
  if (const int64_t limit = clamp_limit(settings.most_objects); limit != pool_room::unlimited) {
    // relaxed: here and below, not yet shared.
    object_room_.left.store(limit, std::memory_order_relaxed);
    object_room_.most_kept = most_kept_of(settings.most_objects);
  }
  if (const int64_t limit = clamp_limit(settings.most_bytes); limit != pool_room::unlimited) {
    // relaxed: as above.
    own_byte_room_.left.store(limit, std::memory_order_relaxed);
    own_byte_room_.most_kept = most_kept_of(settings.most_bytes);
  }
  pool_registry::get().add(*this);
}

pool_core::~pool_core() {
  int64_t in_use = 0;
  for_each_slot([&](pool_slot& s) {
    const uint64_t hits =
        s.hits_private.value() + s.hits_shared.value() + s.hits_stolen.value() + s.hits_victim.value();
    const uint64_t made = makes_ ? s.misses.value() - s.failures.value() : 0;
    in_use += static_cast<int64_t>(hits + made + s.donated.value() - s.puts.value() - s.kept.value());
  });
  if (in_use != 0)
    check_failed(("weft::pool " + name_ + " destroyed while " + std::to_string(in_use) +
                  " of its objects are in use: a handle must not outlive its pool")
                     .c_str(),
                 __FILE__, __LINE__);
  pool_registry::get().remove(*this);
  uint64_t cleaned = 0;
  while (const uint64_t n = clean(1024)) cleaned += n;
  pool_registry::get().executed(cleaned);
  for_each_slot([&](pool_slot& s) {
    for (pool_node* n = std::exchange(s.list, nullptr); n != nullptr;) destroy_and_free(std::exchange(n, n->next));
    if (pool_node* n = s.take_one()) destroy_and_free(n);
    destroy_all(s.shared.take_all());
    destroy_all(s.victims.take_all());
    free_blanks(s);
    return_room(s);
  });
  // relaxed: nobody else is here any more.
  slot_table* t = table_.load(std::memory_order_relaxed);
  // relaxed: as above.
  for (uint32_t i = 0; t != nullptr && i < t->size; ++i) delete t->all[i].load(std::memory_order_relaxed);
  while (t != nullptr) delete std::exchange(t, t->older);
}

// Slots -------------------------------------------------------------------------------------------------------------

pool_slot* pool_core::slot_at(uint32_t number) const noexcept {
  if (number == 0) return slot0_.get();
  // acquire: pairs with the release store in grow().
  const slot_table* t = table_.load(std::memory_order_acquire);
  if (t == nullptr || number >= t->size) return nullptr;
  // acquire: pairs with the release store in make_slot().
  return t->all[number].load(std::memory_order_acquire);
}

template <class F>
void pool_core::for_each_slot(F f) const noexcept {
  // acquire: pairs with the CAS in make_slot().
  const uint32_t end = slot_end_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < end; ++i)
    if (pool_slot* s = slot_at(i)) f(*s);
}

// Makes room for the number. False: no memory.
bool pool_core::grow(uint32_t number) noexcept {
  std::unique_ptr<slot_table> fresh;
  try {
    fresh = std::make_unique<slot_table>(std::max(8u, std::bit_ceil(number + 1)));
  } catch (const std::bad_alloc&) {
    return false;
  }
  const spin_guard guard(table_lock_);
  // relaxed: written under the lock only; here and below.
  slot_table* old = table_.load(std::memory_order_relaxed);
  if (old != nullptr && old->size > number) return true;
  for (uint32_t i = 0; old != nullptr && i < old->size; ++i) {
    // relaxed: published by the stores below, as is what they point to.
    fresh->fast[i].store(old->fast[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    // relaxed: as above.
    fresh->all[i].store(old->all[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  fresh->older = old;
  slot_table* t = fresh.release();
  // release: pairs with the acquire load in slot_at().
  table_.store(t, std::memory_order_release);
  // release: here and below, pairs with the acquire loads in fast_slot().
  fast_.store(t->fast.get(), std::memory_order_release);
  // release: after the table, which is then at least so large.
  fast_size_.store(t->size, std::memory_order_release);
  return true;
}

void pool_core::set_fast(pool_slot& s, pool_slot_head& to) noexcept {
  const spin_guard guard(table_lock_);
  // relaxed: written under the lock only. relaxed: the entry is for the slot's owner.
  table_.load(std::memory_order_relaxed)->fast[s.number].store(&to, std::memory_order_relaxed);
}

pool_slot* pool_core::make_slot(uint32_t number) noexcept {
  if (!grow(number)) return nullptr;
  auto* s = new (std::nothrow) pool_slot(*this, number);
  if (s == nullptr) return nullptr;
  {
    const spin_guard guard(table_lock_);
    // relaxed: written under the lock only. release: publishes the slot; pairs with the acquire load in slot_at().
    table_.load(std::memory_order_relaxed)->all[number].store(s, std::memory_order_release);
  }
  // relaxed: a bound that only grows.
  uint32_t end = slot_end_.load(std::memory_order_relaxed);
  while (end <= number &&
         // release: pairs with for_each_slot(). relaxed on failure: tried again.
         !slot_end_.compare_exchange_weak(end, number + 1, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return s;
}

// The calling thread's slot, enrolled; nullptr: use slot 0.
pool_slot* pool_core::own_slot(uint32_t number) noexcept {
  pool_slot_head& enrolled = fast_slot(number);
  if (&enrolled != &no_slot) [[likely]]
    return static_cast<pool_slot*>(&enrolled);
  if (number == 0 || number >= most_pool_slots) return nullptr;
  pool_slot* s = slot_at(number);
  if (s == nullptr) s = make_slot(number);
  if (s != nullptr && !s->enrolled) pool_registry::get().enrol(*s);
  return s;
}

// Calls f(slot) as the slot's owner. f neither calls out nor allocates.
template <class F>
auto pool_core::with_slot(F f) noexcept {
  if (pool_slot* s = own_slot(this_context.locks->slot)) return f(*s);
  lock_.lock();
  auto result = f(*slot0_);
  const bool enrolled = slot0_->enrolled;
  lock_.unlock();
  if (!enrolled) pool_registry::get().enrol(*slot0_);
  return result;
}

// Getting -----------------------------------------------------------------------------------------------------------

pool_node* pool_core::take_slow(pool_node** blank) noexcept {
  pool_node* taken = with_slot([&](pool_slot& s) {
    pool_node* n = take_from(s);
    if (n == nullptr && blank != nullptr && s.blanks != nullptr) {
      *blank = std::exchange(s.blanks, s.blanks->next);
      --s.blank_count;
    }
    return n;
  });
  if (taken == nullptr)
    if (processor* p = this_context.proc) p->sched.epochs().took_memory(*p, node_bytes_, true);
  return taken;
}

pool_node* pool_core::take_from(pool_slot& s) noexcept {
  if (keeps_nothing()) [[unlikely]] {
    s.misses.add();
    return nullptr;
  }
  pool_node* n = s.take_one();
  owner_counter* hit = &s.hits_private;
  if (n == nullptr) {
    hit = &s.hits_shared;
    if (s.list == nullptr && !refill(s, hit)) {
      s.misses.add();
      return nullptr;
    }
    n = std::exchange(s.list, s.list->next);
    --s.list_count;
  }
  hit->add();
  if (looks_at_puts_) leave(s, n);
  return n;
}

// The list is empty: fills it, and says as what the first object of it counts.
bool pool_core::refill(pool_slot& s, owner_counter*& hit) noexcept {
  if (accept(s, s.shared, s.shared.take_all())) return true;
  // acquire: pairs with the CAS in make_slot().
  const uint32_t end = slot_end_.load(std::memory_order_acquire);
  const auto others = [&](batch_stack<pool_node> pool_slot::* stack) {
    // Beginning behind the own number, so that not all go to the same one first.
    for (uint32_t i = 1; i < end; ++i) {
      const uint32_t at = s.number + i < end ? s.number + i : s.number + i - end;
      pool_slot* other = slot_at(at);
      if (other != nullptr && accept(s, s.*stack, (other->*stack).take_all())) return true;
    }
    return false;
  };
  hit = &s.hits_stolen;
  if (others(&pool_slot::shared)) return true;
  hit = &s.hits_victim;
  return accept(s, s.victims, s.victims.take_all()) || others(&pool_slot::victims);
}

// The first batch becomes the list, the rest goes to `own`, which is empty: it was looked at before, and only the owner
// fills it.
bool pool_core::accept(pool_slot& s, batch_stack<pool_node>& own, pool_node* taken) noexcept {
  if (taken == nullptr) return false;
  s.list = taken;
  s.list_count = taken->size.count;
  if (pool_node* rest = taken->next_batch) own.put_back(rest, rest->size.total);
  return true;
}

pool_node* pool_core::take_blank() {
  pool_node* n = with_slot([&](pool_slot& s) -> pool_node* {
    if (s.blanks == nullptr) return nullptr;
    --s.blank_count;
    return std::exchange(s.blanks, s.blanks->next);
  });
  return n != nullptr ? n : allocate();
}

pool_node* pool_core::allocate_for_miss() try { return allocate(); } catch (...) {
  with_slot([](pool_slot& s) {
    s.failures.add();
    return 0;
  });
  throw;
}

pool_node* pool_core::allocate() {
  void* memory = spans_ != nullptr ? spans_->take() : ::operator new(node_bytes_, std::align_val_t{node_align_});
  if (memory == nullptr) throw std::bad_alloc();
  return ::new (memory) pool_node;
}

void pool_core::free_node(pool_node* n) const noexcept {
  if (spans_ == nullptr) return ::operator delete(n, std::align_val_t{node_align_});
  spans_->give(n);
}

// Giving back -------------------------------------------------------------------------------------------------------

void pool_core::give_slow(pool_node* n) noexcept { give_any(n, false); }
void pool_core::donate(pool_node* n) noexcept { give_any(n, true); }

void pool_core::give_any(pool_node* n, bool donated) noexcept {
  if (looks_at_puts_) {
    if (type_.reset != nullptr) type_.reset(pool_, object_of(n));
    n->bytes = type_.bytes_of != nullptr ? type_.bytes_of(pool_, object_of(n)) : object_bytes_;
  }
  const bool admitted = with_slot([&](pool_slot& s) {
    s.puts.add();
    if (donated) s.donated.add();
    if (keeps_nothing() || (looks_at_puts_ && !admit(s, n))) {
      s.drops.add();
      return false;
    }
    put_into(s, n);
    return true;
  });
  if (!admitted) destroy(n);
}

bool pool_core::admit(pool_slot& s, pool_node* n) noexcept {
  if (drops_at_random && !lucky()) return false;
  if (!take_room(object_room_, s.room_objects, 1)) return false;
  const auto bytes = static_cast<int64_t>(n->bytes);
  if (!take_room(byte_room_, s.room_bytes, bytes)) {
    give_room(object_room_, s.room_objects, 1);
    return false;
  }
  s.bytes_in.add(n->bytes);
  return true;
}

void pool_core::leave(pool_slot& s, pool_node* n) noexcept {
  give_room(object_room_, s.room_objects, 1);
  give_room(byte_room_, s.room_bytes, static_cast<int64_t>(n->bytes));
  s.bytes_out.add(n->bytes);
}

void pool_core::put_into(pool_slot& s, pool_node* n) noexcept {
  if (s.give_one(n)) return;
  if (s.list_count == batch_nodes) publish(s);
  n->next = s.list;
  s.list = n;
  ++s.list_count;
}

void pool_core::publish(pool_slot& s) noexcept {
  pool_node* head = std::exchange(s.list, nullptr);
  head->size.count = std::exchange(s.list_count, 0);
  s.shared.push(head, head->size.count);
}

// A blank node for a later object; what is returned is to be freed.
pool_node* pool_core::keep_blank(pool_slot& s, pool_node* blank) noexcept {
  if (s.blank_count == batch_nodes || keeps_nothing()) return blank;
  blank->next = s.blanks;
  s.blanks = blank;
  ++s.blank_count;
  return nullptr;
}

void pool_core::give_blank(pool_node* blank) noexcept {
  if (pool_node* n = with_slot([&](pool_slot& s) { return keep_blank(s, blank); })) free_node(n);
}

void pool_core::failed(pool_node* blank) noexcept {
  if (pool_node* n = with_slot([&](pool_slot& s) {
        s.failures.add();
        return keep_blank(s, blank);
      }))
    free_node(n);
}

void pool_core::kept(pool_node* blank) noexcept {
  if (pool_node* n = with_slot([&](pool_slot& s) {
        s.kept.add();
        return keep_blank(s, blank);
      }))
    free_node(n);
}

void pool_core::destroy(pool_node* n) noexcept {
  type_.drop(pool_, object_of(n));
  give_blank(n);
}

// Epochs ------------------------------------------------------------------------------------------------------------

// What is pooled becomes victims, former victims become waste; `everything`: both do. Returns how many become waste. No
// code of the user runs.
uint64_t pool_core::age(pool_slot& s, bool everything, bool& empty) noexcept {
  pool_node* top = s.shared.take_all();
  const auto add = [&top](pool_node* head, uint32_t count) {
    head->next_batch = top;
    head->size = {count, count + (top != nullptr ? top->size.total : 0)};
    top = head;
  };
  if (s.list != nullptr) add(std::exchange(s.list, nullptr), std::exchange(s.list_count, 0));
  if (pool_node* n = s.take_one()) {
    n->next = nullptr;
    add(n, 1);
  }
  pool_node* old = s.victims.take_all();
  empty = top == nullptr && old == nullptr;
  if (empty || everything) free_blanks(s), return_room(s);
  if (everything) return waste(top) + waste(old);
  if (top != nullptr) s.victims.put_back(top, top->size.total);
  return waste(old);
}

// S5. Returns how many objects wait for destruction from now on.
uint64_t pool_core::clear_open(pool_slot& s) noexcept {
  return waste(s.shared.take_all()) + waste(s.victims.take_all());
}

// A group of batches waits for destruction from now on. Returns how many objects that are.
uint64_t pool_core::waste(pool_node* old) noexcept {
  if (old == nullptr) return 0;
  const uint64_t total = old->size.total;
  // relaxed: only linked to; nobody looks into a group but who took all.
  pool_node* groups = waste_.load(std::memory_order_relaxed);
  do {
    old->next_group = groups;
    // release: pairs with the exchange in clean(). relaxed on failure: tried again.
  } while (!waste_.compare_exchange_weak(groups, old, std::memory_order_release, std::memory_order_relaxed));
  return total;
}

// S2.
void pool_core::abandon(pool_slot& s) noexcept {
  if (s.list != nullptr) publish(s);
  if (pool_node* n = s.take_one()) {
    n->next = nullptr;
    s.list = n;
    s.list_count = 1;
    publish(s);
  }
  return_room(s);
  unenrol(s);
}

void pool_core::unenrol(pool_slot& s) noexcept {
  s.enrolled = false;
  set_fast(s, no_slot);
}

void pool_core::free_blanks(pool_slot& s) noexcept {
  s.blank_count = 0;
  for (pool_node* n = std::exchange(s.blanks, nullptr); n != nullptr;) free_node(std::exchange(n, n->next));
}

void pool_core::return_room(pool_slot& s) noexcept {
  return_some(object_room_, std::exchange(s.room_objects, 0));
  return_some(byte_room_, std::exchange(s.room_bytes, 0));
}

bool pool_core::has_waste() const noexcept {
  // relaxed: a look.
  return nodes_ != nullptr || batches_ != nullptr || groups_ != nullptr ||
         // relaxed: as above.
         waste_.load(std::memory_order_relaxed) != nullptr;
}

uint64_t pool_core::clean(uint64_t most) noexcept {
  uint64_t done = 0;
  int64_t bytes = 0;
  for (; done < most; ++done) {
    if (nodes_ == nullptr) {
      if (batches_ == nullptr) {
        // acquire: pairs with the CAS in age().
        if (groups_ == nullptr) groups_ = waste_.exchange(nullptr, std::memory_order_acquire);
        if (groups_ == nullptr) break;
        batches_ = std::exchange(groups_, groups_->next_group);
      }
      nodes_ = std::exchange(batches_, batches_->next_batch);
    }
    pool_node* n = std::exchange(nodes_, nodes_->next);
    if (looks_at_puts_) {
      bytes += static_cast<int64_t>(n->bytes);
      cleared_bytes_.add(n->bytes);
    }
    cleared_.add();
    destroy_and_free(n);
  }
  if (looks_at_puts_) {
    return_some(object_room_, static_cast<int64_t>(done));
    return_some(byte_room_, bytes);
  }
  return done;
}

void pool_core::destroy_and_free(pool_node* n) noexcept {
  type_.drop(pool_, object_of(n));
  free_node(n);
}

void pool_core::destroy_all(pool_node* batches) noexcept {
  while (batches != nullptr) {
    pool_node* n = std::exchange(batches, batches->next_batch);
    while (n != nullptr) destroy_and_free(std::exchange(n, n->next));
  }
}

// Figures -----------------------------------------------------------------------------------------------------------

pool_stats pool_core::stats() const noexcept {
  pool_stats sum;
  uint64_t in = 0, out = cleared_bytes_.value();
  sum.cleared = cleared_.value();
  for_each_slot([&](const pool_slot& s) {
    sum.hits_private += s.hits_private.value();
    sum.hits_shared += s.hits_shared.value();
    sum.hits_stolen += s.hits_stolen.value();
    sum.hits_victim += s.hits_victim.value();
    sum.misses += s.misses.value();
    sum.drops += s.drops.value();
    sum.kept += s.kept.value();
    out += s.bytes_out.value();
  });
  // What came in last, so that a difference is hardly ever negative.
  for_each_slot([&](const pool_slot& s) {
    sum.puts += s.puts.value();
    in += s.bytes_in.value();
  });
  const uint64_t hits = sum.hits_private + sum.hits_shared + sum.hits_stolen + sum.hits_victim;
  sum.gets = hits + sum.misses;
  const uint64_t gone = sum.drops + hits + sum.cleared;
  sum.held_objects = sum.puts > gone ? sum.puts - gone : 0;
  sum.held_bytes = looks_at_puts_ ? (in > out ? in - out : 0) : sum.held_objects * object_bytes_;
  return sum;
}

uint64_t pool_core::cost_bytes() const noexcept {
  const pool_stats s = stats();
  return s.held_bytes + s.held_objects * (node_bytes_ - object_bytes_);
}

uint64_t pool_core::memory_bytes() const noexcept {
  uint64_t gone = cleared_.value(), made = 0, puts = 0, bytes_in = 0;
  for_each_slot([&](const pool_slot& s) {
    gone += s.drops.value() + s.kept.value() + s.failures.value();
    puts += s.puts.value();
    bytes_in += s.bytes_in.value();
  });
  for_each_slot([&](const pool_slot& s) { made += s.donated.value() + (makes_ ? s.misses.value() : 0); });
  const uint64_t alive = made > gone ? made - gone : 0;
  // What an object in use weighs is not known; taken as the average of those that came back.
  const uint64_t object = type_.bytes_of != nullptr && puts != 0 ? bytes_in / puts : object_bytes_;
  return alive * (node_bytes_ - object_bytes_ + object);
}

pool_cleanup_counts pool_cleanups() noexcept { return pool_registry::get().counts(); }
void age_pools(uint32_t slot, bool everything) noexcept { pool_registry::get().age_slot(slot, everything); }
void age_shared_pools(bool everything) noexcept {
  pool_registry::get().age_shared(everything);
  while (run_pool_cleanups(1024) != 0) {
  }
}
bool clear_open_pools() noexcept { return pool_registry::get().clear_open(); }
void forget_pools(uint32_t slot) noexcept { pool_registry::get().forget_slot(slot); }
uint64_t run_pool_cleanups(uint64_t most) noexcept { return pool_registry::get().run_cleanups(most); }

uint64_t pool_memory_bytes() noexcept {
  uint64_t sum = mem::span_store::get().used_bytes();
  pool_registry::get().for_each_pool([&](const pool_core& c) { sum += c.has_spans() ? 0 : c.memory_bytes(); });
  return sum;
}

uint64_t pooled_bytes() noexcept {
  uint64_t sum = 0;
  pool_registry::get().for_each_pool([&](const pool_core& c) { sum += c.cost_bytes(); });
  return sum;
}

}  // namespace weft::detail

namespace weft {

std::vector<pool_info> all_pools() {
  std::vector<pool_info> all;
  detail::pool_registry::get().for_each_pool([&](const detail::pool_core& c) { all.push_back({c.name(), c.stats()}); });
  std::reverse(all.begin(), all.end());
  return all;
}

// Buffers -----------------------------------------------------------------------------------------------------------

buffer_pool::buffer_pool(buffer_pool_options options, std::source_location where)
    : name_(detail::pool_name(std::move(options.name), where)),
      last_(index_of(options.largest)),
      limited_(options.most_bytes < static_cast<uint64_t>(detail::pool_room::unlimited)) {
  static_assert(bytes_of(most_sizes - 1) == std::size_t{1} << 30);
  WEFT_CHECK(last_ < most_sizes, "weft::buffer_pool: a largest buffer of more than 1 GiB");
  // relaxed: not yet shared.
  if (limited_) room_.left.store(static_cast<int64_t>(options.most_bytes), std::memory_order_relaxed);
}

buffer_pool::~buffer_pool() {
  // relaxed: nobody else is here any more.
  for (auto& size : sizes_) delete size.load(std::memory_order_relaxed);
}

detail::pool_core& buffer_pool::make_size(std::size_t index) {
  const std::lock_guard guard(mutex_);
  // relaxed: written under the mutex only.
  if (detail::pool_core* made = sizes_[index].load(std::memory_order_relaxed)) return *made;
  const std::size_t bytes = bytes_of(index);
  const detail::pool_settings settings{.name = name_ + "/" + std::to_string(bytes),
                                       .object_bytes = bytes,
                                       .object_offset = sizeof(detail::pool_node),
                                       .node_bytes = sizeof(detail::pool_node) + bytes,
                                       .node_align = pooled_buffer::alignment,
                                       .most_objects = pool_options<std::byte>::unlimited,
                                       .most_bytes = pool_options<std::byte>::unlimited,
                                       .makes = true,
                                       .in_spans = true,
                                       .shared_room = limited_ ? &room_ : nullptr};
  auto* core = new detail::pool_core(settings, {.drop = [](void*, void*) noexcept {}}, nullptr);
  // release: publishes it; pairs with the acquire load in get().
  sizes_[index].store(core, std::memory_order_release);
  return *core;
}

pooled_buffer buffer_pool::get_large(std::size_t bytes) {
  auto* data = static_cast<std::byte*>(::operator new(bytes, std::align_val_t{pooled_buffer::alignment}));
  return pooled_buffer(nullptr, data, bytes, bytes);
}

detail::pool_node* buffer_pool::get_slow(detail::pool_core& core) {
  detail::pool_node* blank = nullptr;
  if (detail::pool_node* n = core.take_slow(&blank)) return n;
  return blank != nullptr ? blank : core.allocate_for_miss();
}

pool_stats buffer_pool::stats() const noexcept {
  pool_stats sum;
  for (const auto& size : sizes_) {
    // acquire: pairs with the release store in make_size().
    const detail::pool_core* core = size.load(std::memory_order_acquire);
    if (core == nullptr) continue;
    const pool_stats one = core->stats();
    sum.gets += one.gets;
    sum.hits_private += one.hits_private;
    sum.hits_shared += one.hits_shared;
    sum.hits_stolen += one.hits_stolen;
    sum.hits_victim += one.hits_victim;
    sum.misses += one.misses;
    sum.puts += one.puts;
    sum.drops += one.drops;
    sum.cleared += one.cleared;
    sum.kept += one.kept;
    sum.held_objects += one.held_objects;
    sum.held_bytes += one.held_bytes;
  }
  return sum;
}

}  // namespace weft
