// The slow paths of the semaphore: waiting, granting, being stopped.
//
// Protocol [permits]: the word is {free, somebody waits}. Without the bit, acquire and release are CAS loops on it. A
// waiter sets the bit under the waiters' lock by a CAS that fails if permits came free, so none is missed (E1); a
// release that sees the bit takes the lock, adds its permits, grants from the head of the queue and clears the bit when
// the queue is empty (E2). While the bit is set nobody changes the word without the lock.
#include <weft/semaphore.h>

#include <string>

#include <weft/detail/check.h>

#include "sched/lock_table.h"
#include "sched/scheduler.h"

namespace weft {

using detail::lock_for;
using detail::semaphore_waiter;
using detail::spin_lock;
using detail::strand;
using detail::wait_result;
using detail::waiter;

struct semaphore_access {
  static void leave(strand* s, waiter& w, spin_lock& lock) noexcept { semaphore::leave(s, w, lock); }
};

semaphore::semaphore(int64_t permits) : word_(permits << 1), total_(permits) {
  WEFT_CHECK(permits >= 0 && permits < int64_t{1} << 62, "weft::semaphore: permits must be 0 to 2^62 - 1");
  static const bool registered =
      (detail::set_leave_wait(detail::wait_reason::semacquire, &semaphore_access::leave), true);
  (void)registered;
}

semaphore::~semaphore() {
  // A releaser may still be inside the lock on its way out.
  detail::spin_guard guard(lock_for(this));
  WEFT_CHECK(waiters_.empty() && too_large_.empty(), "weft::semaphore destroyed while tasks wait for it");
}

// E1. Lock held. False: the permits were there and are taken.
bool semaphore::queue_waiter(semaphore_waiter& w) noexcept {
  if (w.count > total_) {
    too_large_.push(w);
    return true;
  }
  // relaxed: the CAS decides.
  int64_t word = word_.load(std::memory_order_relaxed);
  for (;;) {
    if ((word & waiting_bit) != 0) break;
    if (word >> 1 >= w.count) {
      // acquire: as in take().
      if (word_.compare_exchange_weak(word, word - (w.count << 1), std::memory_order_acquire,
                                      std::memory_order_relaxed))  // relaxed: retried
        return false;
      // relaxed: the bit only sends others to the lock; relaxed on failure: retried.
    } else if (word_.compare_exchange_weak(word, word | waiting_bit, std::memory_order_relaxed,
                                           std::memory_order_relaxed)) {
      break;
    }
  }
  waiters_.push(w);
  return true;
}

std::coroutine_handle<> detail::acquire_slow(semaphore& s, semaphore_waiter& w, std::coroutine_handle<> leaf,
                                             std::source_location where) noexcept {
  WEFT_CHECK(w.count > 0, "weft::semaphore::acquire of less than one permit");
  spin_lock& lock = lock_for(&s);
  if (w.stop_point) announce_wait(lock);
  lock.lock();
  if (w.stop_point && stop_pending()) {
    lock.unlock();
    w.result = wait_result::stopped;
    return leaf;
  }
  strand* self = detach(leaf);
  // relaxed: not where a stop looks; ordered before `waiting` by its release store.
  if (!w.stop_point) self->wait_lock.store(nullptr, std::memory_order_relaxed);
  // relaxed: for the dump.
  self->since.store(this_context.proc->sched.coarse_ms(), std::memory_order_relaxed);
  begin_wait(self, w, w.reason, where);
  if (s.queue_waiter(w)) {
    lock.unlock();
    return switch_away();
  }
  end_wait(w, wait_result::done);
  lock.unlock();
  return leaf;
}

detail::spin_lock* detail::acquire_awaiter::arm_lock() noexcept {
  WEFT_CHECK(waiter_.count > 0, "weft::semaphore::acquire of less than one permit");
  return &lock_for(waiter_.owner);
}

bool detail::acquire_awaiter::arm_enqueue() noexcept {
  if (waiter_.owner->queue_waiter(waiter_)) return true;
  waiter_.result = wait_result::done;
  return false;
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
  spin_lock& lock = lock_for(this);
  lock.lock();
  const bool wait = queue_waiter(w);
  lock.unlock();
  if (wait) detail::thread_wait(note);
  return permit(this, count);
}

void semaphore::release(int64_t count) noexcept {
  WEFT_CHECK(count >= 0, "weft::semaphore::release of a negative count");
  // relaxed: the CAS decides.
  int64_t word = word_.load(std::memory_order_relaxed);
  while ((word & waiting_bit) == 0) {
    WEFT_CHECK((word >> 1) + count <= total_, "weft::semaphore: released more than held");
    // release: pairs with the acquire in take(). relaxed: retried.
    if (word_.compare_exchange_weak(word, word + (count << 1), std::memory_order_release, std::memory_order_relaxed))
      return;
  }
  spin_lock& lock = lock_for(this);
  lock.lock();
  // acq_rel: E2; as above, and the bit may be gone by now, so that others change the word too.
  const int64_t before = word_.fetch_add(count << 1, std::memory_order_acq_rel);
  WEFT_CHECK((before >> 1) + count <= total_, "weft::semaphore: released more than held");
  detail::waiter_chain granted;
  grant(granted);
  lock.unlock();
  detail::wake_chain(granted.first());
}

// Serves the head of the queue while it fits. Lock held; `this` may be gone once it is let go and somebody woken.
void semaphore::grant(detail::waiter_chain& granted) noexcept {
  while (!waiters_.empty()) {
    auto& w = static_cast<semaphore_waiter&>(*waiters_.front());
    // relaxed: while somebody waits the bit is set, and nobody else changes the word.
    if (word_.load(std::memory_order_relaxed) >> 1 < w.count) return;
    detail::wait_queue::unlink(w);
    if (!detail::claim(w)) {
      detail::wait_queue::isolate(w);
      continue;
    }
    // acq_rel: hands over what the releasers published.
    word_.fetch_sub(w.count << 1, std::memory_order_acq_rel);
    granted.add(w, detail::end_wait(w, wait_result::done));
  }
  // release: keeps what releasers published through the word.
  word_.fetch_and(~waiting_bit, std::memory_order_release);
}

// A stopped waiter leaves; if it stood at the head, those behind it may fit now.
void semaphore::leave(strand*, waiter& w, spin_lock& lock) noexcept {
  semaphore& self = *static_cast<semaphore_waiter&>(w).owner;
  detail::wait_queue::unlink(w);
  detail::waiter_chain woken;
  woken.add(w, detail::end_wait(w, wait_result::stopped));
  self.grant(woken);
  lock.unlock();
  detail::wake_chain(woken.first());
}

}  // namespace weft
