// Waiting on several things at once. See [select] in detail/select_core.h.
#include <weft/detail/select_core.h>

#include <atomic>
#include <bit>

#include "base/fast_random.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

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

[[maybe_unused]] const bool registered = (set_leave_wait(wait_reason::select, stop_select), true);

}  // namespace

bool claim_select(waiter& w) noexcept {
  auto* core = reinterpret_cast<select_core*>(w.who & ~who_tags);
  uint32_t open = select_core::open;
  // relaxed: C1; what the winner does to the arm is published by making the strand ready.
  return core->winner.compare_exchange_strong(open, w.arm, std::memory_order_relaxed, std::memory_order_relaxed);
}

uintptr_t end_other_wait(waiter& w) noexcept {
  uintptr_t who = w.who;
  if ((who & who_is_thread) != 0) return who;
  if ((who & who_is_select) != 0) who = reinterpret_cast<select_core*>(who & ~who_tags)->who;
  // relaxed: C2; either the stopper's lock is held, or X5 waits for it. Where there is no select, as in end_wait().
  strand_of(who)->waiting.store(nullptr, std::memory_order_relaxed);
  return who;
}

void begin_select_wait(select_core& core, std::coroutine_handle<> leaf, std::source_location where) noexcept {
  strand* s = detach(leaf);
  core.who = reinterpret_cast<uintptr_t>(s);
  // relaxed: for the dump.
  s->reason.store(static_cast<uint8_t>(wait_reason::select), std::memory_order_relaxed);
  // relaxed: as above.
  s->parked_at.store(std::bit_cast<const void*>(where), std::memory_order_relaxed);
  // release: S4 of [stop] reads `waiting` (acquire) and then wait_lock.
  s->waiting.store(&core, std::memory_order_release);
  waits_from_now(s);
}

uint32_t select_random(uint32_t n) noexcept {
  if (processor* p = this_context.proc) [[likely]]
    return p->random.below(n);
  static std::atomic<uint64_t> threads{0};
  // relaxed: only sets threads apart.
  thread_local base::fast_random random(threads.fetch_add(1, std::memory_order_relaxed));
  return random.below(n);
}

uint64_t random_bit(uint64_t bits) noexcept {
  for (uint32_t below = select_random(static_cast<uint32_t>(std::popcount(bits))); below > 0; --below) bits &= bits - 1;
  return bits & -bits;
}

}  // namespace weft::detail
