// Waiting for a notification, and giving one. See condition_variable.h.
#include <weft/condition_variable.h>

#include <weft/detail/lock_table.h>
#include "sched/scheduler.h"

namespace weft {

using detail::biased_lock;
using detail::lock_for;
using detail::wait_result;
using detail::waiter;

condition_variable::~condition_variable() {
  // A notifier may still be inside the lock on its way out.
  detail::biased_guard guard(lock_for(this));
  WEFT_CHECK(waiters_.empty(), "weft::condition_variable destroyed while tasks wait for it");
}

std::coroutine_handle<> detail::condition_park(condition_variable& c, mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                               std::source_location where) noexcept {
  biased_lock& lock = lock_for(&c);
  announce_wait(lock);
  lock.lock();
  if (stop_pending()) {
    lock.unlock();
    w.result = wait_result::closed;
    return leaf;
  }
  strand* s = detach(leaf);
  begin_wait(s, w, wait_reason::condition_wait, where);
  waits_from_now(s);
  c.waiters_.push(w);
  lock.unlock();
  // The task may run elsewhere by now; it cannot get past the mutex, which therefore lives.
  lock_access::unlock(m);
  return switch_away();
}

void condition_variable::notify_one() noexcept {
  biased_lock& lock = lock_for(this);
  lock.lock();
  ++notified_;
  waiter* w = waiters_.take();
  const uintptr_t who = w != nullptr ? detail::end_wait(*w, wait_result::done) : 0;
  lock.unlock();
  if (who != 0) detail::wake(who);
}

void condition_variable::notify_all() noexcept {
  biased_lock& lock = lock_for(this);
  detail::waiter_chain woken;
  lock.lock();
  ++notified_;
  while (waiter* w = waiters_.take()) woken.add(*w, detail::end_wait(*w, wait_result::done));
  lock.unlock();
  detail::wake_chain(woken.first());
}

uint64_t condition_variable::notifications() const noexcept {
  const detail::biased_guard guard(lock_for(this));
  return notified_;
}

void condition_variable::blocking_wait(mutex_guard& lock) {
  mutex* m = lock_access::take(lock);
  WEFT_CHECK(m != nullptr, "weft::condition_variable::blocking_wait with a guard that holds no lock");
  waiter w;
  detail::thread_note note;
  detail::begin_thread_wait(w, note, "condition_variable::blocking_wait inside a task; use co_await wait()");
  {
    const detail::biased_guard guard(lock_for(this));
    waiters_.push(w);
  }
  lock_access::unlock(*m);
  detail::thread_wait(note);
  lock = m->blocking_lock();
}

}  // namespace weft
