// Waiting for a mutex, and handing it over. All of it happens under lock_for(the mutex).
#include <weft/mutex.h>

#include <weft/detail/check.h>
#include <weft/task.h>
#include <weft/this_task.h>

#include "sched/scheduler.h"

namespace weft {

using detail::biased_guard;
using detail::biased_lock;
using detail::lock_for;
using detail::waiter;

mutex::~mutex() {
  // An unlocker may still be inside the lock on its way out.
  const biased_guard guard(lock_for(this));
  WEFT_CHECK(!held_, "weft::mutex destroyed while it is locked");
}

std::coroutine_handle<> detail::lock_park(mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                          std::source_location where) noexcept {
  strand* s = detach(leaf);
  // relaxed: this wait is no stop point; ordered before `waiting` by its release store.
  s->wait_lock.store(nullptr, std::memory_order_relaxed);
  begin_wait(s, w, wait_reason::mutex_lock, where);
  waits_for_mutex_from_now(s);
  m.waiters_.push(w);
  lock_for(&m).unlock();
  return switch_away();
}

namespace {

task<> yield_and_lock(mutex* m, std::source_location where) {
  co_await yield(where);
  ++detail::this_context.budget;  // a new turn, however short: enough for this operation
  mutex_guard lock = co_await m->lock(where);
  lock_access::take(lock);
}

}  // namespace

std::coroutine_handle<> detail::lock_after_yield(mutex& m, void*& frame, std::coroutine_handle<> leaf,
                                                 std::source_location where) noexcept {
  const std::coroutine_handle<promise<void>> callee = task_access::frame(yield_and_lock(&m, where));
  count_calls(1);
  frame = callee.address();
  callee.promise().continuation = leaf;
  return callee;
}

void detail::abandon_lock(mutex& m, waiter& w) noexcept {
  biased_lock& lock = lock_for(&m);
  lock.lock();
  const bool given = w.result == wait_result::done;
  if (!given) wait_queue::unlink(w);
  lock.unlock();
  if (given) m.unlock();
}

mutex_guard mutex::blocking_lock() {
  waiter w;
  detail::thread_note note;
  detail::begin_thread_wait(w, note, "mutex::blocking_lock inside a task; use co_await lock()");
  biased_lock& lock = lock_for(this);
  lock.lock();
  const bool taken = take();
  if (!taken) waiters_.push(w);
  lock.unlock();
  if (!taken) detail::thread_wait(note);
  return mutex_guard(this);
}

// Hands the mutex to the first waiter. lock_for(this) held.
void mutex::unlock_slow(biased_lock& lock) noexcept {
  WEFT_CHECK(held_, "weft::mutex unlocked while it is not locked");
  waiter* w = waiters_.take();
  uintptr_t who = 0;
  if (w != nullptr)
    who = detail::end_wait(*w, detail::wait_result::done);
  else
    held_ = false;
  lock.unlock();
  if (who != 0) detail::wake(who);
}

}  // namespace weft
