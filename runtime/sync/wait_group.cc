// The slow paths of the wait group.
//
// Protocol [wait-group]: a waiter sets the waiting bit under the waiters' lock by a CAS that fails once the count is
// zero (G1). Whoever brings the count to zero and sees the bit takes the lock and wakes all, unless the count rose
// again in between, which is misuse in Go and here means that the waiters wait for the next zero (G2).
#include <weft/wait_group.h>

#include <weft/detail/check.h>

#include <weft/detail/lock_table.h>
#include "sched/scheduler.h"

namespace weft {

using detail::biased_lock;
using detail::lock_for;
using detail::wait_result;
using detail::waiter;

wait_group::~wait_group() {
  // The last done() may still be inside the lock on its way out.
  detail::biased_guard guard(lock_for(this));
  WEFT_CHECK(waiters_.empty(), "weft::wait_group destroyed while tasks wait for it");
}

void wait_group::add_slow(int64_t now) noexcept {
  WEFT_CHECK(now >> 1 >= 0, "weft::wait_group: the count became negative");
  if ((now & waiting_bit) == 0) return;
  biased_lock& lock = lock_for(this);
  lock.lock();
  detail::waiter_chain woken;
  // relaxed: G2; under the lock, and the bit is only changed under it.
  if (count_.load(std::memory_order_relaxed) == waiting_bit) {
    // acq_rel: passes on what the done() calls published.
    count_.fetch_and(~waiting_bit, std::memory_order_acq_rel);
    while (waiter* w = waiters_.take()) woken.add(*w, detail::end_wait(*w, wait_result::done));
  }
  lock.unlock();
  detail::wake_chain(woken.first());
}

// G1. Lock held. False: the count is zero.
bool wait_group::queue_waiter(waiter& w) noexcept {
  // acquire: as in await_ready().
  int64_t count = count_.load(std::memory_order_acquire);
  do {
    if (count >> 1 == 0) return false;
    // acquire on failure: another round needs what made it zero. relaxed: the bit only sends done() to the lock.
  } while (
      !count_.compare_exchange_weak(count, count | waiting_bit, std::memory_order_relaxed, std::memory_order_acquire));
  waiters_.push(w);
  return true;
}

std::coroutine_handle<> detail::wait_group_park(wait_group& g, waiter& w, bool stop_point, std::coroutine_handle<> leaf,
                                                std::source_location where) noexcept {
  biased_lock& lock = lock_for(&g);
  if (stop_point) announce_wait(lock);
  lock.lock();
  if (stop_point && stop_pending()) {
    lock.unlock();
    w.result = wait_result::stopped;
    return leaf;
  }
  strand* s = detach(leaf);
  // relaxed: not where a stop looks; ordered before `waiting` by its release store.
  if (!stop_point) s->wait_lock.store(nullptr, std::memory_order_relaxed);
  begin_wait(s, w, wait_reason::wait_group_wait, where);
  waits_from_now(s);
  if (g.queue_waiter(w)) {
    lock.unlock();
    return switch_away();
  }
  end_wait(w, wait_result::done);
  waits_not(s);
  lock.unlock();
  return leaf;
}

void wait_group::blocking_wait() {
  waiter w;
  detail::thread_note note;
  detail::begin_thread_wait(w, note, "wait_group::blocking_wait inside a task; use co_await wait()");
  biased_lock& lock = lock_for(this);
  lock.lock();
  const bool wait = queue_waiter(w);
  lock.unlock();
  if (wait) detail::thread_wait(note);
}

}  // namespace weft
