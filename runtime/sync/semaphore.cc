// The slow paths of the semaphore: waiting, granting, being stopped. All of it happens under lock_for(the semaphore).
#include <weft/semaphore.h>

#include <weft/detail/check.h>
#include <weft/task.h>
#include <weft/this_task.h>

#include "sched/scheduler.h"

namespace weft {

using detail::biased_guard;
using detail::biased_lock;
using detail::lock_for;
using detail::semaphore_waiter;
using detail::strand;
using detail::wait_reason;
using detail::wait_result;
using detail::waiter;

struct semaphore_access {
  static void leave(strand* s, waiter& w, biased_lock& lock) noexcept { semaphore::leave(s, w, lock); }
};

semaphore::semaphore(int64_t permits) : free_(permits), total_(permits) {
  WEFT_CHECK(permits >= 0 && permits < int64_t{1} << 62, "weft::semaphore: permits must be 0 to 2^62 - 1");
  static const bool registered = (detail::set_leave_wait(wait_reason::semacquire, &semaphore_access::leave), true);
  (void)registered;
}

semaphore::~semaphore() {
  // A releaser may still be inside the lock on its way out.
  const biased_guard guard(lock_for(this));
  WEFT_CHECK(waiters_.empty() && too_large_.empty(), "weft::semaphore destroyed while tasks wait for it");
}

std::coroutine_handle<> detail::acquire_park(semaphore_waiter& w, std::coroutine_handle<> leaf,
                                             std::source_location where) noexcept {
  strand* self = detach(leaf);
  // relaxed: not where a stop looks; ordered before `waiting` by its release store.
  if (!w.stop_point) self->wait_lock.store(nullptr, std::memory_order_relaxed);
  begin_wait(self, w, w.reason, where);
  if (waits_for_mutex(w.reason))
    waits_for_mutex_from_now(self);
  else
    waits_from_now(self);
  w.owner->queue_waiter(w);
  lock_for(w.owner).unlock();
  return switch_away();
}

namespace {

task<> yield_and_acquire(semaphore_waiter* w, std::source_location where) {
  co_await yield(where);
  ++detail::this_context.budget;  // a new turn, however short: enough for this operation
  detail::acquire_awaiter acquiring(*w->owner, w->count, w->reason, w->stop_point, where);
  permit p = co_await acquiring;
  w->result = p ? wait_result::done : wait_result::stopped;
  p.keep();
}

}  // namespace

std::coroutine_handle<> detail::acquire_after_yield(semaphore_waiter& w, void*& frame, std::coroutine_handle<> leaf,
                                                    std::source_location where) noexcept {
  const std::coroutine_handle<promise<void>> callee = task_access::frame(yield_and_acquire(&w, where));
  count_calls(1);
  frame = callee.address();
  callee.promise().continuation = leaf;
  return callee;
}

// Those behind it may fit now.
void detail::acquire_awaiter::arm_leave(waiter_chain& woken) noexcept {
  wait_queue::unlink(waiter_);
  waiter_.owner->grant(woken);
}

permit semaphore::blocking_acquire(int64_t count) {
  WEFT_CHECK(count > 0 && count <= total_,
             "weft::semaphore::blocking_acquire: count must be 1 to the number of permits");
  semaphore_waiter w;
  detail::thread_note note;
  detail::begin_thread_wait(w, note, "semaphore::blocking_acquire inside a task; use co_await acquire()");
  w.owner = this;
  w.count = count;
  biased_lock& lock = lock_for(this);
  lock.lock();
  const bool taken = take(count);
  if (!taken) queue_waiter(w);
  lock.unlock();
  if (!taken) detail::thread_wait(note);
  return permit(this, count);
}

void semaphore::release_slow(int64_t count, biased_lock& lock) noexcept {
  WEFT_CHECK(count >= 0, "weft::semaphore::release of a negative count");
  WEFT_CHECK(count <= total_ - free(), "weft::semaphore: released more than held");
  set_free(free() + count);
  detail::waiter_chain granted;
  grant(granted);
  lock.unlock();
  detail::wake_chain(granted.first());
}

// Serves the head of the queue while it fits. `this` may be gone once the lock is let go and somebody woken.
void semaphore::grant(detail::waiter_chain& granted) noexcept {
  while (!waiters_.empty()) {
    auto& w = static_cast<semaphore_waiter&>(*waiters_.front());
    if (free() < w.count) return;
    detail::wait_queue::unlink(w);
    if (!detail::claim(w)) {
      detail::wait_queue::isolate(w);
      continue;
    }
    set_free(free() - w.count);
    granted.add(w, detail::end_wait(w, wait_result::done));
  }
}

// A stopped waiter leaves; if it stood at the head, those behind it may fit now.
void semaphore::leave(strand*, waiter& w, biased_lock& lock) noexcept {
  semaphore& self = *static_cast<semaphore_waiter&>(w).owner;
  detail::wait_queue::unlink(w);
  detail::waiter_chain woken;
  woken.add(w, detail::end_wait(w, wait_result::stopped));
  self.grant(woken);
  lock.unlock();
  detail::wake_chain(woken.first());
}

}  // namespace weft
