// mutex: a lock that parks the task, not the thread.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

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

/// Queues the waiter unless the lock is free after all; parks or goes on.
std::coroutine_handle<> lock_slow(mutex& m, waiter& w, std::coroutine_handle<> leaf,
                                  std::source_location where) noexcept;

/// For an awaiter that is destroyed with its task (shutdown): leaves the queue, or gives back a lock that it was given.
void abandon_lock(mutex& m, waiter& w) noexcept;

class [[nodiscard]] lock_awaiter {
 public:
  lock_awaiter(mutex& m, std::source_location where) noexcept : mutex_(&m), where_(where) {}
  ~lock_awaiter() {
    if (waiter_.result != taken) [[unlikely]]
      abandon_lock(*mutex_, waiter_);
  }
  lock_awaiter(const lock_awaiter&) = delete;
  lock_awaiter& operator=(const lock_awaiter&) = delete;

  bool await_ready() noexcept;
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    if (waiter_.result != wait_result::pending) return transfer_to(yield_strand(leaf, where_));
    return transfer_to(lock_slow(*mutex_, waiter_, leaf, where_));
  }
  mutex_guard await_resume() noexcept;

 private:
  static constexpr wait_result taken = wait_result::closed;  // the guard has the lock; a mutex has no other use for it

  mutex* mutex_;
  waiter waiter_;
  std::source_location where_;
};

}  // namespace detail

/// Mutual exclusion between tasks: `auto lock = co_await m.lock();`.
///
/// Fair: waiters get the lock in order, handed over by the unlock. Not recursive. lock() is not a stop point.
/// Thread safety: any task may lock; any task or thread may unlock. Must outlive its guards and waiters.
/// Cost: a compare-and-swap each for lock and unlock while nobody waits.
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
  mutex_guard try_lock() noexcept { return take() ? mutex_guard(this) : mutex_guard(); }

  /// For plain threads: lock() that blocks the calling thread. Aborts inside a task.
  mutex_guard blocking_lock();

 private:
  friend class mutex_guard;
  friend class lock_access;
  friend class detail::lock_awaiter;
  friend std::coroutine_handle<> detail::lock_slow(mutex&, detail::waiter&, std::coroutine_handle<>,
                                                   std::source_location) noexcept;
  friend void detail::abandon_lock(mutex&, detail::waiter&) noexcept;

  // Protocol [mutex]: M1 lock: CAS free -> held. M2 else, under the waiters' lock: exchange `contended` in; if that
  // found `free`, the lock is ours (a waiter-less `contended` is corrected by the unlock). M3 unlock: CAS held -> free.
  // M4 else, under the waiters' lock: hand over to the first waiter, or, with none left, store `free`.
  static constexpr uint32_t free = 0;
  static constexpr uint32_t held = 1;
  static constexpr uint32_t contended = 2;

  bool take() noexcept {
    uint32_t expected = free;
    // acquire: M1; pairs with the release of M3. relaxed on failure: nothing was read.
    return word_.compare_exchange_strong(expected, held, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    uint32_t expected = held;
    // release: M3; pairs with the acquire of M1. relaxed on failure: the slow path decides.
    if (!word_.compare_exchange_strong(expected, free, std::memory_order_release, std::memory_order_relaxed))
      unlock_slow();
  }
  void unlock_slow() noexcept;
  bool queue_waiter(detail::waiter& w) noexcept;

  std::atomic<uint32_t> word_{free};
  detail::wait_queue waiters_;  // guarded by lock_for(this)
};

inline void mutex_guard::unlock() noexcept {
  if (mutex_ != nullptr) std::exchange(mutex_, nullptr)->unlock();
}

inline bool detail::lock_awaiter::await_ready() noexcept {
  if (!mutex_->take()) return false;
  waiter_.result = wait_result::done;
  return spend_budget();
}

/// For the condition variable, too.
class lock_access {
 public:
  static mutex_guard guard(mutex* m) noexcept { return mutex_guard(m); }
  static mutex* take(mutex_guard& g) noexcept { return std::exchange(g.mutex_, nullptr); }
  static void unlock(mutex& m) noexcept { m.unlock(); }
};

inline mutex_guard detail::lock_awaiter::await_resume() noexcept {
  waiter_.result = taken;
  return lock_access::guard(mutex_);
}

}  // namespace weft
