// semaphore: weighted permits, first come first served.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <weft/detail/check.h>
#include <weft/detail/lock_table.h>
#include <weft/detail/wait.h>

namespace weft {

class semaphore;

namespace detail {
class acquire_awaiter;
}

/// Permits that were acquired; gives them back when it dies. Movable. Empty: nothing was acquired.
class [[nodiscard]] permit {
 public:
  permit() noexcept = default;
  permit(permit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  permit& operator=(permit&& other) noexcept {
    if (this != &other) {
      release();
      semaphore_ = std::exchange(other.semaphore_, nullptr);
      count_ = std::exchange(other.count_, 0);
    }
    return *this;
  }
  ~permit() { release(); }

  /// Whether permits are held.
  explicit operator bool() const noexcept { return semaphore_ != nullptr; }
  int64_t count() const noexcept { return count_; }

  /// Gives the permits back now.
  void release() noexcept;

  /// Keeps the permits taken for good, or until semaphore::release(): the handle becomes empty.
  void keep() noexcept {
    semaphore_ = nullptr;
    count_ = 0;
  }

 private:
  friend class semaphore;
  friend class detail::acquire_awaiter;
  permit(semaphore* s, int64_t count) noexcept : semaphore_(s), count_(count) {}
  semaphore* semaphore_ = nullptr;
  int64_t count_ = 0;
};

namespace detail {

struct semaphore_waiter : waiter {
  semaphore* owner;
  int64_t count;
  wait_reason reason;
  bool stop_point;
};

/// Queues the waiter, with lock_for(w.owner) held; parks, or goes on at once if the task was asked to stop.
std::coroutine_handle<> acquire_park(semaphore_waiter& w, std::coroutine_handle<> leaf,
                                     std::source_location where) noexcept;

/// The task's turn is over, so it yields before it acquires. Leaves in w.result how that went, and in `frame` what to
/// free then.
std::coroutine_handle<> acquire_after_yield(semaphore_waiter& w, void*& frame, std::coroutine_handle<> leaf,
                                            std::source_location where) noexcept;

class [[nodiscard]] acquire_awaiter {
 public:
  acquire_awaiter(semaphore& s, int64_t count, std::source_location where) noexcept
      : acquire_awaiter(s, count, wait_reason::semacquire, true, where) {}
  acquire_awaiter(semaphore& s, int64_t count, wait_reason reason, bool stop_point, std::source_location where) noexcept
      : where_(where) {
    WEFT_CHECK(count > 0, "weft::semaphore::acquire of less than one permit");
    waiter_.owner = &s;
    waiter_.count = count;
    waiter_.reason = reason;
    waiter_.stop_point = stop_point;
  }
  /// An awaiter that is destroyed with its task (shutdown) gives back what it was granted and never took.
  ~acquire_awaiter() {
    if (waiter_.result == wait_result::done) [[unlikely]]
      permit(waiter_.owner, waiter_.count).release();
  }
  acquire_awaiter(const acquire_awaiter&) = delete;
  acquire_awaiter& operator=(const acquire_awaiter&) = delete;

  // The budget is spent first: who yielded with permits would keep them from the others. Else, false means that
  // lock_for(owner) stays locked for await_suspend().
  bool await_ready() noexcept;
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    if (this_context.budget <= 0) [[unlikely]]
      return transfer_to(acquire_after_yield(waiter_, yielded_, leaf, where_));
    return transfer_to(acquire_park(waiter_, leaf, where_));
  }
  [[nodiscard]] permit await_resume() noexcept;

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept { return &lock_for(waiter_.owner); }
  bool arm_try() noexcept;
  bool arm_poll(uintptr_t&) noexcept;
  bool arm_enqueue() noexcept;
  void arm_leave(waiter_chain& woken) noexcept;
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  semaphore_waiter waiter_;
  void* yielded_ = nullptr;  // the frame of acquire_after_yield()
  std::source_location where_;
};

}  // namespace detail

/// A number of permits that tasks acquire and give back, each any amount at a time.
///
/// Waiting tasks are served first come first served; a large request at the head is not overtaken by small ones, and
/// nobody acquires while anyone waits. A request for more than there are in all waits until it is stopped, and holds up
/// nobody that fits: as in Go, it does not stand in the queue.
///
/// Thread safety: any task or thread may call any member; acquire() is for tasks. Must outlive its permits and waiters.
/// Cost: a biased lock each for acquire and release (see docs/locks.md): no locked instruction while one processor uses
/// it.
class semaphore {
 public:
  /// A semaphore with `permits` permits, 0 to 2^62 - 1.
  explicit semaphore(int64_t permits);
  ~semaphore();
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// Acquires `count` permits, parking the task until they are there. The permit is empty if the task was asked to
  /// stop.
  detail::acquire_awaiter acquire(int64_t count = 1,
                                  std::source_location where = std::source_location::current()) noexcept {
    return detail::acquire_awaiter(*this, count, where);
  }

  /// Acquires without waiting; nullopt when they are not there, or while anyone waits.
  [[nodiscard]] std::optional<permit> try_acquire(int64_t count = 1) noexcept {
    WEFT_CHECK(count > 0, "weft::semaphore::try_acquire of less than one permit");
    const detail::biased_guard guard(detail::lock_for(this));
    if (!take(count)) return std::nullopt;
    return permit(this, count);
  }

  /// For plain threads: acquire() that blocks the calling thread. Aborts inside a task.
  [[nodiscard]] permit blocking_acquire(int64_t count = 1);

  /// Gives permits back that were kept (permit::keep). Aborts when more come back than were acquired.
  void release(int64_t count = 1) noexcept {
    detail::biased_lock& lock = detail::lock_for(this);
    lock.lock();
    if (count < 0 || count > total_ - free() || !waiters_.empty()) [[unlikely]]
      return release_slow(count, lock);
    set_free(free() + count);
    lock.unlock();
  }

  /// Permits that are free, a snapshot.
  int64_t available() const noexcept { return free(); }

 private:
  friend class permit;
  friend class detail::acquire_awaiter;
  friend std::coroutine_handle<> detail::acquire_park(detail::semaphore_waiter&, std::coroutine_handle<>,
                                                      std::source_location) noexcept;
  friend struct semaphore_access;

  int64_t free() const noexcept {
    // relaxed: under lock_for(this), or a snapshot.
    return free_.load(std::memory_order_relaxed);
  }
  void set_free(int64_t n) noexcept {
    // relaxed: under lock_for(this).
    free_.store(n, std::memory_order_relaxed);
  }
  // lock_for(this) held, here and below.
  bool take(int64_t count) noexcept {
    const int64_t n = free();
    if (n < count || !waiters_.empty()) return false;
    set_free(n - count);
    return true;
  }
  void queue_waiter(detail::semaphore_waiter& w) noexcept { (w.count > total_ ? too_large_ : waiters_).push(w); }
  void grant(detail::waiter_chain& granted) noexcept;
  WEFT_RARE void release_slow(int64_t count, detail::biased_lock& lock) noexcept;
  static void leave(detail::strand* s, detail::waiter& w, detail::biased_lock& lock) noexcept;

  std::atomic<int64_t> free_;  // written under lock_for(this)
  const int64_t total_;
  // Guarded by lock_for(this). Requests above total_ stand apart: only a stop ends them.
  detail::wait_queue waiters_;
  detail::wait_queue too_large_;
};

inline void permit::release() noexcept {
  if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->release(std::exchange(count_, 0));
}

inline bool detail::acquire_awaiter::await_ready() noexcept {
  if (!spend_budget()) [[unlikely]]
    return false;
  biased_lock& lock = lock_for(waiter_.owner);
  if (waiter_.stop_point) announce_wait(lock);
  lock.lock();
  if (waiter_.stop_point && stop_pending()) [[unlikely]] {
    lock.unlock();
    waiter_.result = wait_result::stopped;
    return true;
  }
  if (!waiter_.owner->take(waiter_.count)) return false;
  lock.unlock();
  waiter_.result = wait_result::done;
  return true;
}

inline bool detail::acquire_awaiter::arm_try() noexcept {
  const biased_guard guard(lock_for(waiter_.owner));
  uintptr_t nobody;
  return arm_poll(nobody);
}

inline bool detail::acquire_awaiter::arm_poll(uintptr_t&) noexcept {
  if (!waiter_.owner->take(waiter_.count)) return false;
  waiter_.result = wait_result::done;
  return true;
}

inline bool detail::acquire_awaiter::arm_enqueue() noexcept {
  waiter_.owner->queue_waiter(waiter_);
  return true;
}

inline permit detail::acquire_awaiter::await_resume() noexcept {
  if (yielded_ != nullptr) [[unlikely]]
    frame_free(std::exchange(yielded_, nullptr));
  if (waiter_.result != wait_result::done) return permit();
  waiter_.result = wait_result::closed;  // the permit has them now
  return permit(waiter_.owner, waiter_.count);
}

}  // namespace weft
