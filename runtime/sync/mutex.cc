// The slow paths of the mutex. See [mutex] in mutex.h.
#include <weft/mutex.h>

#include <weft/detail/check.h>

#include "sched/lock_table.h"
#include "sched/scheduler.h"

namespace weft {

using detail::lock_for;
using detail::spin_guard;
using detail::waiter;

mutex::~mutex() {
  // An unlocker may still be inside the waiters' lock on its way out.
  spin_guard guard(lock_for(this));
  // relaxed: under the lock; nobody may use the mutex any more.
  WEFT_CHECK(word_.load(std::memory_order_relaxed) == free, "weft::mutex destroyed while it is locked");
}

// M2. False: the lock is ours.
bool mutex::queue_waiter(waiter& w) noexcept {
  // acquire: as M1.
  if (word_.exchange(contended, std::memory_order_acquire) == free) return false;
  waiters_.push(w);
  return true;
}

std::coroutine_handle<> detail::lock_slow(mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                          std::source_location where) noexcept {
  spin_lock& lock = lock_for(&m);
  strand* s = detach(leaf);
  lock.lock();
  // relaxed: this wait is no stop point; ordered before `waiting` by its release store.
  s->wait_lock.store(nullptr, std::memory_order_relaxed);
  // relaxed: for the dump.
  s->since.store(this_context.proc->sched.coarse_ms(), std::memory_order_relaxed);
  begin_wait(s, w, wait_reason::mutex_lock, where);
  if (m.queue_waiter(w)) {
    lock.unlock();
    return switch_away();
  }
  end_wait(w, wait_result::done);
  lock.unlock();
  return leaf;
}

void detail::abandon_lock(mutex& m, waiter& w) noexcept {
  spin_lock& lock = lock_for(&m);
  lock.lock();
  // Never awaited: not linked.
  if (w.result == wait_result::pending && w.next != nullptr) wait_queue::unlink(w);
  lock.unlock();
  if (w.result == wait_result::done) m.unlock();
}

mutex_guard mutex::blocking_lock() {
  waiter w;
  detail::thread_note note;
  detail::begin_thread_wait(w, note, "mutex::blocking_lock inside a task; use co_await lock()");
  detail::spin_lock& lock = lock_for(this);
  lock.lock();
  const bool wait = queue_waiter(w);
  lock.unlock();
  if (wait) detail::thread_wait(note);
  return mutex_guard(this);
}

void mutex::unlock_slow() noexcept {
  detail::spin_lock& lock = lock_for(this);
  lock.lock();
  if (waiters_.empty()) {
    // release: M4, as M3.
    WEFT_CHECK(word_.exchange(free, std::memory_order_release) != free, "weft::mutex unlocked while it is not locked");
    lock.unlock();
    return;
  }
  // The lock is handed over: the word stays `contended`, and the next unlock looks here again.
  waiter* w = waiters_.pop();
  const uintptr_t who = detail::end_wait(*w, detail::wait_result::done);
  lock.unlock();
  detail::wake(who);
}

}  // namespace weft
