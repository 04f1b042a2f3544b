// Shards, and who a count belongs to. See heap_counts.h.
#include "counting/heap_counts.h"

#include <malloc.h>

#include <cstdlib>
#include <mutex>
#include <new>

#include <weft/counting_allocator.h>
#include "mem/program_heap.h"
#include "sched/scheduler.h"

namespace weft::heap {

const char owner_none = 0;
const char owner_starting = 0;

namespace {

struct shard_list {
  std::atomic<shard*> made{nullptr};
  std::mutex lock;
  shard* free = nullptr;  // of ended threads; guarded by lock
};
// Never destroyed: destructors of static objects allocate and free, too.
constinit shard_list shards;

// What nobody's shard can take, under its lock.
struct shared_shard {
  std::mutex lock;
  shard counts;
  std::atomic<bool> listed{false};
};
union never_destroyed {
  constexpr never_destroyed() noexcept : value() {}
  ~never_destroyed() {}
  shared_shard value;
};
constinit never_destroyed leftover;

void publish(shard* s) noexcept {
  // relaxed: the exchange below looks again.
  s->next_made = shards.made.load(std::memory_order_relaxed);
  // release: publishes the shard; pairs with first_shard(). relaxed: looked at again.
  while (!shards.made.compare_exchange_weak(s->next_made, s, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

constinit thread_local shard* own [[gnu::tls_model("initial-exec")]] = nullptr;
constinit thread_local bool has_ended [[gnu::tls_model("initial-exec")]] = false;

struct shard_holder {
  ~shard_holder() {
    has_ended = true;
    shard* s = own;
    own = nullptr;
    if (s == nullptr) return;
    const std::lock_guard guard(shards.lock);
    s->next_free = shards.free;
    shards.free = s;
  }
  void hold(shard* s) noexcept { own = s; }
};
thread_local shard_holder holder;

shard* take_free_shard() noexcept {
  const std::lock_guard guard(shards.lock);
  shard* s = shards.free;
  if (s != nullptr) shards.free = s->next_free;
  return s;
}

// Null when the thread has none any more, or there is no memory for one.
[[gnu::noinline]] shard* make_own() noexcept {
  if (has_ended) return nullptr;
  shard* s = take_free_shard();
  if (s == nullptr) {
    void* memory = std::aligned_alloc(alignof(shard), sizeof(shard));
    if (memory == nullptr) return nullptr;
    s = new (memory) shard;
    publish(s);
  }
  holder.hold(s);  // its first use registers its destructor
  return s;
}

// A forked child's strand works for the task that forked it.
const void* current_owner() noexcept {
  weft::detail::strand* s = weft::detail::this_context.current;
  if (s == nullptr) return &owner_none;
  const weft::detail::task_control* t = weft::detail::task_of(s);
  if (t == nullptr) return &owner_none;
  // relaxed: here and in function(), the thread's own task.
  return t->id.load(std::memory_order_relaxed) == 0 ? static_cast<const void*>(&owner_starting) : t->function();
}

// Calls f(shard&) as the shard's only writer.
template <class F>
void with_shard(F&& f) noexcept {
  shard* s = own;
  if (s == nullptr) [[unlikely]]
    s = make_own();
  if (s != nullptr) [[likely]]
    return f(*s);
  shared_shard& shared = leftover.value;
  const std::lock_guard guard(shared.lock);
  // relaxed: under the lock.
  if (!shared.listed.exchange(true, std::memory_order_relaxed)) publish(&shared.counts);
  f(shared.counts);
}

// Before main(), so that the pacer of every runtime sees it.
[[gnu::constructor]] void register_heap() noexcept {
  // release: pairs with program_heap_bytes().
  mem::program_heap.store(&live_bytes, std::memory_order_release);
}

}  // namespace

shard* first_shard() noexcept {
  // acquire: pairs with publish().
  return shards.made.load(std::memory_order_acquire);
}

void count_allocation(void* block, const void* place) noexcept {
  const std::size_t bytes = ::malloc_usable_size(block);
  const void* owner = current_owner();
  with_shard([&](shard& s) {
    s.allocations.add();
    s.allocated_bytes.add(bytes);
    place_figures& f = s.places.at({owner, place});
    f.allocations.add();
    f.allocated_bytes.add(bytes);
  });
}

void count_free(void* block) noexcept {
  if (block == nullptr) return;
  const std::size_t bytes = ::malloc_usable_size(block);
  const void* owner = current_owner();
  with_shard([&](shard& s) {
    s.freed_bytes.add(bytes);
    place_figures& f = s.places.at({owner, nullptr});
    f.frees.add();
    f.freed_bytes.add(bytes);
  });
}

uint64_t live_bytes() noexcept {
  uint64_t freed = 0;
  for_each_shard([&](const shard& s) { freed += s.freed_bytes.value(); });
  // Frees first: what is freed meanwhile was allocated before, so the difference stays positive but for lagging reads.
  uint64_t allocated = 0;
  for_each_shard([&](const shard& s) { allocated += s.allocated_bytes.value(); });
  return allocated > freed ? allocated - freed : 0;
}

uint64_t allocations_of_this_thread() noexcept { return own != nullptr ? own->allocations.value() : 0; }

}  // namespace weft::heap
