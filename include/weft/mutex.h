// mutex: a lock that parks the task, not the thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

#include <weft/detail/lock_table.h>
#include <weft/detail/wait.h>

namespace weft {

class mutex;

/// A held lock; unlocks when it dies. Movable.
class [[nodiscard]] mutex_guard {
 public:
  mutex_guard() noexcept = default;
  mutex_guard(mutex_guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
  mutex_guard& operator=(mutex_guard&& other) noexcept {
    if (this != &other) {
      unlock();
      mutex_ = std::exchange(other.mutex_, nullptr);
    }
    return *this;
  }
  ~mutex_guard() { unlock(); }

  explicit operator bool() const noexcept { return mutex_ != nullptr; }

  /// Unlocks now.
  void unlock() noexcept;

 private:
  friend class mutex;
  friend class lock_access;
  explicit mutex_guard(mutex* m) noexcept : mutex_(m) {}
  mutex* mutex_ = nullptr;
};

namespace detail {

/// Queues the waiter, with lock_for(&m) held; parks.
std::coroutine_handle<> lock_park(mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                  std::source_location where) noexcept;

/// The task's turn is over, so it yields before it locks. Leaves the mutex locked, and in `frame` what to free then.
std::coroutine_handle<> lock_after_yield(mutex& m, void*& frame, std::coroutine_handle<> leaf,
                                         std::source_location where) noexcept;

/// For an awaiter that is destroyed with its task (shutdown) while it waits: leaves the queue, or gives back the lock.
void abandon_lock(mutex& m, waiter& w) noexcept;

class [[nodiscard]] lock_awaiter {
 public:
  lock_awaiter(mutex& m, std::source_location where) noexcept : mutex_(&m), where_(where) {}
  ~lock_awaiter() {
    if (parked_) [[unlikely]]
      abandon_lock(*mutex_, waiter_);
  }
  lock_awaiter(const lock_awaiter&) = delete;
  lock_awaiter& operator=(const lock_awaiter&) = delete;

  // A task that yielded with the lock held would make all others queue for it, and the queue would never dissolve. So
  // the budget is spent first. Else, false means that lock_for(mutex_) stays locked for await_suspend().
  bool await_ready() noexcept;
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    if (this_context.budget <= 0) [[unlikely]]
      return transfer_to(lock_after_yield(*mutex_, yielded_, leaf, where_));
    parked_ = true;
    return transfer_to(lock_park(*mutex_, waiter_, leaf, where_));
  }
  mutex_guard await_resume() noexcept;

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept { return &lock_for(mutex_); }
  bool arm_try() noexcept;
  bool arm_poll(uintptr_t&) noexcept;
  bool arm_enqueue() noexcept;
  void arm_leave(waiter_chain&) noexcept { wait_queue::unlink(waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  mutex* mutex_;
  void* yielded_ = nullptr;  // the frame of lock_after_yield()
  waiter waiter_;
  bool parked_ = false;  // between await_suspend() and await_resume()
  std::source_location where_;
};

}  // namespace detail

/// Mutual exclusion between tasks: `auto lock = co_await m.lock();`.
///
/// Fair: waiters get the lock in order, handed over by the unlock. Not recursive. lock() is not a stop point, but may
/// be an arm of a select, which is: `co_await weft::select(m.lock(), weft::sleep_for(10ms))`.
/// Thread safety: any task may lock; any task or thread may unlock. Must outlive its guards and waiters.
/// Cost: a biased lock each for lock and unlock (see docs/locks.md): no locked instruction while one processor uses it.
class mutex {
 public:
  mutex() noexcept = default;
  ~mutex();
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Locks, parking the task while another holds the lock.
  detail::lock_awaiter lock(std::source_location where = std::source_location::current()) noexcept {
    return detail::lock_awaiter(*this, where);
  }

  /// Locks if that is possible at once; an empty guard if not.
  mutex_guard try_lock() noexcept {
    const detail::biased_guard guard(detail::lock_for(this));
    return take() ? mutex_guard(this) : mutex_guard();
  }

  /// For plain threads: lock() that blocks the calling thread. Aborts inside a task.
  mutex_guard blocking_lock();

 private:
  friend class mutex_guard;
  friend class lock_access;
  friend class detail::lock_awaiter;
  friend std::coroutine_handle<> detail::lock_park(mutex&, detail::waiter&, std::coroutine_handle<>,
                                                   std::source_location) noexcept;
  friend void detail::abandon_lock(mutex&, detail::waiter&) noexcept;

  // lock_for(this) held.
  bool take() noexcept { return !std::exchange(held_, true); }

  void unlock() noexcept {
    detail::biased_lock& lock = detail::lock_for(this);
    lock.lock();
    if (!waiters_.empty() || !held_) [[unlikely]]
      return unlock_slow(lock);
    held_ = false;
    lock.unlock();
  }
  WEFT_RARE void unlock_slow(detail::biased_lock& lock) noexcept;

  // Guarded by lock_for(this).
  bool held_ = false;
  detail::wait_queue waiters_;
};

inline void mutex_guard::unlock() noexcept {
  if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->unlock();
}

inline bool detail::lock_awaiter::await_ready() noexcept {
  if (!spend_budget()) [[unlikely]]
    return false;
  biased_lock& lock = lock_for(mutex_);
  lock.lock();
  if (!mutex_->take()) [[unlikely]]
    return false;
  lock.unlock();
  return true;
}

inline bool detail::lock_awaiter::arm_try() noexcept {
  const biased_guard guard(lock_for(mutex_));
  return mutex_->take();
}

inline bool detail::lock_awaiter::arm_poll(uintptr_t&) noexcept { return mutex_->take(); }

inline bool detail::lock_awaiter::arm_enqueue() noexcept {
  mutex_->waiters_.push(waiter_);
  return true;
}

/// For the condition variable, too.
class lock_access {
 public:
  static mutex_guard guard(mutex* m) noexcept { return mutex_guard(m); }
  static mutex* take(mutex_guard& g) noexcept { return std::exchange(g.mutex_, nullptr); }
  static void unlock(mutex& m) noexcept { m.unlock(); }
};

inline mutex_guard detail::lock_awaiter::await_resume() noexcept {
  parked_ = false;
  if (yielded_ != nullptr) [[unlikely]]
    frame_free(std::exchange(yielded_, nullptr));
  return lock_access::guard(mutex_);
}

}  // namespace weft
