// condition_variable: waits, under a mutex, until somebody says that something has changed.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

#include <weft/detail/check.h>
#include <weft/detail/lock_table.h>
#include <weft/detail/wait.h>
#include <weft/mutex.h>
#include <weft/select.h>
#include <weft/task.h>
#include <weft/time.h>

namespace weft {

class condition_variable;

namespace detail {

/// Queues the waiter and unlocks the mutex; goes on at once, with the mutex locked, if the task was asked to stop.
std::coroutine_handle<> condition_park(condition_variable& c, mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                       std::source_location where) noexcept;

class notified_awaiter;

class [[nodiscard]] condition_awaiter {
 public:
  condition_awaiter(condition_variable& c, mutex& m, std::source_location where) noexcept
      : condition_(&c), mutex_(&m), where_(where) {}
  condition_awaiter(const condition_awaiter&) = delete;
  condition_awaiter& operator=(const condition_awaiter&) = delete;

  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(condition_park(*condition_, *mutex_, waiter_, leaf, where_));
  }
  /// done: notified; stopped: asked to stop while it waited; closed: asked to before, and the mutex is still locked.
  wait_result await_resume() const noexcept { return waiter_.result; }

 private:
  condition_variable* condition_;
  mutex* mutex_;
  waiter waiter_;
  std::source_location where_;
};

}  // namespace detail

/// Tasks wait under a mutex until they are notified: `while (!ready) if (!co_await changed.wait(lock)) break;`.
///
/// Waiters are notified in the order in which they came. There are no spurious wake-ups, but another task may run
/// between the notification and the lock, so conditions are still to be looked at again. Thread safety: any task or
/// thread may notify, with or without the mutex. Must outlive its waiters. Cost: a lock each for waiting and notifying.
class condition_variable {
 public:
  condition_variable() noexcept = default;
  ~condition_variable();
  condition_variable(const condition_variable&) = delete;
  condition_variable& operator=(const condition_variable&) = delete;

  /// Unlocks, parks until notified, and locks again. False: the task was asked to stop. The lock is held again
  /// in either case.
  task<bool> wait(mutex_guard& lock, std::source_location where = std::source_location::current()) {
    mutex* m = lock_access::take(lock);
    WEFT_CHECK(m != nullptr, "weft::condition_variable::wait with a guard that holds no lock");
    const detail::wait_result result = co_await detail::condition_awaiter(*this, *m, where);
    if (result == detail::wait_result::closed)
      lock = lock_access::guard(m);
    else
      lock = co_await m->lock(where);
    co_return result == detail::wait_result::done;
  }

  /// The same with a deadline. True: notified; false: the time was up, or the task was asked to stop. May also return
  /// true without a notification of its own if another waiter was notified meanwhile.
  template <class Rep, class Period>
  task<bool> wait_for(mutex_guard& lock, std::chrono::duration<Rep, Period> d,
                      std::source_location where = std::source_location::current()) {
    return wait_until_due(lock, sleep_for(d, where), where);
  }
  task<bool> wait_until(mutex_guard& lock, std::chrono::steady_clock::time_point t,
                        std::source_location where = std::source_location::current()) {
    return wait_until_due(lock, sleep_until(t, where), where);
  }

  /// For plain threads: wait() that blocks the calling thread. Aborts inside a task.
  void blocking_wait(mutex_guard& lock);

  /// Waits until the predicate holds. False: it does not, and the task was asked to stop.
  template <class Predicate>
  task<bool> wait_until_true(mutex_guard& lock, Predicate holds,
                             std::source_location where = std::source_location::current()) {
    bool undisturbed = true;
    while (!holds()) {
      undisturbed = co_await wait(lock, where);
      if (!undisturbed) co_return holds();
    }
    co_return true;
  }

  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  friend std::coroutine_handle<> detail::condition_park(condition_variable&, mutex&, detail::waiter&,
                                                        std::coroutine_handle<>, std::source_location) noexcept;
  friend class detail::notified_awaiter;

  task<bool> wait_until_due(mutex_guard& lock, detail::sleep_awaiter deadline, std::source_location where);
  uint64_t notifications() const noexcept;

  // Guarded by lock_for(this).
  detail::wait_queue waiters_;
  uint64_t notified_ = 0;  // calls of notify_one() and notify_all()
};

/// An arm of a select: a notification that came after the first `seen`.
class [[nodiscard]] detail::notified_awaiter {
 public:
  notified_awaiter(condition_variable& c, uint64_t seen, std::source_location where) noexcept
      : condition_(&c), seen_(seen), where_(where) {}
  notified_awaiter(const notified_awaiter&) = delete;
  notified_awaiter& operator=(const notified_awaiter&) = delete;

  biased_lock* arm_lock() noexcept { return &lock_for(condition_); }
  bool arm_try() noexcept {
    const biased_guard guard(lock_for(condition_));
    return condition_->notified_ != seen_;
  }
  bool arm_poll(uintptr_t&) noexcept { return condition_->notified_ != seen_; }
  bool arm_enqueue() noexcept {
    condition_->waiters_.push(waiter_);
    return true;
  }
  void arm_leave(waiter_chain&) noexcept { wait_queue::unlink(waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }
  static void await_resume() noexcept {}

 private:
  condition_variable* condition_;
  const uint64_t seen_;
  waiter waiter_;
  std::source_location where_;
};

// The mutex is let go before the select queues its waiters; what is notified in between is seen by the count.
inline task<bool> condition_variable::wait_until_due(mutex_guard& lock, detail::sleep_awaiter deadline,
                                                     std::source_location where) {
  mutex* m = lock_access::take(lock);
  WEFT_CHECK(m != nullptr, "weft::condition_variable::wait_for with a guard that holds no lock");
  detail::notified_awaiter notified(*this, notifications(), where);
  lock_access::unlock(*m);
  const auto r = co_await select_first(notified, deadline);
  const bool came = r && r.index() == 0;
  lock = co_await m->lock(where);
  co_return came;
}

}  // namespace weft
