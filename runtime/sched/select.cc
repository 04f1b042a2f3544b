// Waiting on several things at once. See [select] in detail/select_core.h.
#include <weft/detail/select_core.h>

#include <algorithm>
#include <array>
#include <atomic>

#include "base/fast_random.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

constexpr std::size_t most_arms = 64;

// The locks of all arms, each once, in the order of their addresses.
class all_locks {
 public:
  all_locks(select_arm* arms, uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) {
      select_arm& arm = arms[i];
      arm.lock = arm.does->lock(arm.object);
      if (arm.lock != nullptr) locks_[size_++] = arm.lock;
    }
    std::sort(locks_.begin(), end());
    size_ = static_cast<std::size_t>(std::unique(locks_.begin(), end()) - locks_.begin());
  }
  bool empty() const noexcept { return size_ == 0; }
  biased_lock& first() noexcept { return *locks_[0]; }
  void lock() noexcept {
    for (std::size_t i = 0; i < size_; ++i) locks_[i]->lock();
  }
  void unlock() noexcept {
    for (std::size_t i = size_; i-- > 0;) locks_[i]->unlock();
  }

 private:
  biased_lock** end() noexcept { return locks_.begin() + size_; }
  std::array<biased_lock*, most_arms> locks_;
  std::size_t size_ = 0;
};

void set_winner(select_core& core, uint32_t arm) noexcept {
  // relaxed: nobody else can set it now.
  core.winner.store(arm, std::memory_order_relaxed);
}

// All locks held: does the first arm in order that can be done and unlocks. open: none can, and the locks stay held.
uint32_t poll_all(all_locks& locks, select_arm* arms, uint32_t count, const uint8_t* order) noexcept {
  for (uint32_t i = 0; i < count; ++i) {
    select_arm& arm = arms[order[i]];
    uintptr_t woken = 0;
    if (arm.lock == nullptr || !arm.does->poll(arm.object, woken)) continue;
    locks.unlock();
    if (woken != 0) wake(woken);
    return order[i];
  }
  return select_core::open;
}

// [stop]: lock held.
void stop_select(strand* s, waiter& w, biased_lock& lock) noexcept {
  uint32_t open = select_core::open;
  // relaxed: the locks order everything else.
  const bool won = static_cast<select_core&>(w).winner.compare_exchange_strong(
      open, select_core::stopped, std::memory_order_relaxed, std::memory_order_relaxed);
  // relaxed: under the lock.
  if (won) s->waiting.store(nullptr, std::memory_order_relaxed);
  lock.unlock();
  if (won) scheduler_of(s).ready(s);
}

}  // namespace

bool claim_select(waiter& w) noexcept {
  auto* core = reinterpret_cast<select_core*>(w.who & ~who_tags);
  uint32_t open = select_core::open;
  // relaxed: C1; what the winner does to the arm is published by making the strand ready.
  return core->winner.compare_exchange_strong(open, w.arm, std::memory_order_relaxed, std::memory_order_relaxed);
}

uintptr_t end_other_wait(waiter& w) noexcept {
  if ((w.who & who_is_thread) != 0) return w.who;
  auto* core = reinterpret_cast<select_core*>(w.who & ~who_tags);
  // relaxed: C2; either the stopper's lock is held, or X5 waits for it.
  reinterpret_cast<strand*>(core->who)->waiting.store(nullptr, std::memory_order_relaxed);
  return core->who;
}

std::coroutine_handle<> park_in_select(select_core& core, select_arm* arms, uint32_t count, const uint8_t* order,
                                       std::coroutine_handle<> leaf, std::source_location where) noexcept {
  static const bool registered = (set_leave_wait(wait_reason::select, stop_select), true);
  (void)registered;
  all_locks locks(arms, count);
  if (locks.empty()) {
    set_winner(core, select_core::stopped);  // a stop is all that can end it
    return park_for_ever(core, leaf, wait_reason::select_none, where);
  }
  announce_wait(locks.first());
  locks.lock();
  if (stop_pending()) {
    locks.unlock();
    set_winner(core, select_core::stopped);
    return leaf;
  }
  if (const uint32_t ready = poll_all(locks, arms, count, order); ready != select_core::open) {
    set_winner(core, ready);
    return leaf;
  }
  strand* s = detach(leaf);
  core.who = reinterpret_cast<uintptr_t>(s);
  for (uint32_t i = 0; i < count; ++i) {
    select_arm& arm = arms[i];
    if (arm.lock == nullptr) continue;
    waiter& w = arm.does->node(arm.object);
    w.who = reinterpret_cast<uintptr_t>(&core) | who_is_select;
    w.result = wait_result::pending;
    w.arm = static_cast<uint8_t>(i);
    if (arm.does->enqueue(arm.object)) continue;
    // It could be done after all. Nobody has seen the others yet.
    waiter_chain woken;
    for (uint32_t k = 0; k < i; ++k)
      if (arms[k].lock != nullptr) arms[k].does->leave(arms[k].object, woken);
    locks.unlock();
    wake_chain(woken.first());
    set_winner(core, i);
    return leaf;
  }
  core.queued = true;
  waits_from_now(s);
  // relaxed: for the dump.
  s->reason.store(static_cast<uint8_t>(wait_reason::select), std::memory_order_relaxed);
  // relaxed: as above.
  s->parked_at.store(std::bit_cast<const void*>(where), std::memory_order_relaxed);
  // release: S4 of [stop] reads `waiting` (acquire) and then wait_lock.
  s->waiting.store(&core, std::memory_order_release);
  locks.unlock();
  return switch_away();
}

uint32_t try_together(select_arm* arms, uint32_t count, const uint8_t* order) noexcept {
  all_locks locks(arms, count);
  locks.lock();
  const uint32_t ready = poll_all(locks, arms, count, order);
  if (ready == select_core::open) locks.unlock();
  return ready;
}

void leave_select(select_core& core, select_arm* arms, uint32_t count) noexcept {
  // relaxed: it does not change any more.
  const uint32_t winner = core.winner.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    if (i == winner || arms[i].lock == nullptr) continue;
    waiter_chain woken;
    arms[i].lock->lock();
    arms[i].does->leave(arms[i].object, woken);
    arms[i].lock->unlock();
    wake_chain(woken.first());
  }
  core.queued = false;
}

uint32_t select_random(uint32_t n) noexcept {
  if (processor* p = this_context.proc) [[likely]]
    return p->random.below(n);
  static std::atomic<uint64_t> threads{0};
  // relaxed: only sets threads apart.
  thread_local base::fast_random random(threads.fetch_add(1, std::memory_order_relaxed));
  return random.below(n);
}

}  // namespace weft::detail
