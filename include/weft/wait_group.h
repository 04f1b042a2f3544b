// wait_group: waits until a number of things are done.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

#include <weft/detail/lock_table.h>
#include <weft/detail/wait.h>
#include <weft/go.h>
#include <weft/task.h>

namespace weft {

class wait_group;

namespace detail {

std::coroutine_handle<> wait_group_park(wait_group& g, waiter& w, bool stop_point, std::coroutine_handle<> leaf,
                                        std::source_location where) noexcept;

class [[nodiscard]] wait_group_awaiter {
 public:
  wait_group_awaiter(wait_group& g, bool stop_point, std::source_location where) noexcept
      : group_(&g), stop_point_(stop_point), where_(where) {}
  wait_group_awaiter(const wait_group_awaiter&) = delete;
  wait_group_awaiter& operator=(const wait_group_awaiter&) = delete;

  bool await_ready() noexcept;
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(wait_group_park(*group_, waiter_, stop_point_, leaf, where_));
  }
  /// False: the task was asked to stop.
  bool await_resume() const noexcept { return waiter_.result == wait_result::done; }

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept { return &lock_for(group_); }
  bool arm_try() noexcept;
  bool arm_poll(uintptr_t&) noexcept { return arm_try(); }
  bool arm_enqueue() noexcept;
  void arm_leave(waiter_chain&) noexcept { wait_queue::unlink(waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  wait_group* group_;
  waiter waiter_;
  const bool stop_point_;
  std::source_location where_;
};

}  // namespace detail

/// A count of things under way: add() before starting one, done() at its end, `co_await wait()` until none is left.
///
/// May be used again once it came to zero. wait() returns true, or false when the task was asked to stop (then
/// things may still be under way). Thread safety: any task or thread; wait() is for tasks, blocking_wait() for plain
/// threads. Must outlive its waiters and the last done().
/// wait() may be an arm of a select. Cost: add and done are one atomic addition.
class wait_group {
 public:
  wait_group() noexcept = default;
  ~wait_group();
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;

  /// Adds `n`, which may be negative. Aborts if the count would become negative.
  void add(int64_t n = 1) noexcept {
    // acq_rel: what each done() published is visible to whoever brings the count to zero, and passed on to the waiters.
    const int64_t before = count_.fetch_add(n * one, std::memory_order_acq_rel);
    if ((before + n * one) >> 1 <= 0) [[unlikely]]
      add_slow(before + n * one);
  }

  void done() noexcept { add(-1); }

  /// Parks the task until the count is zero.
  detail::wait_group_awaiter wait(std::source_location where = std::source_location::current()) noexcept {
    return detail::wait_group_awaiter(*this, true, where);
  }

  /// The same, but no stop point: waits until the count is zero in every case.
  detail::wait_group_awaiter wait_shielded(std::source_location where = std::source_location::current()) noexcept {
    return detail::wait_group_awaiter(*this, false, where);
  }

  /// For plain threads: wait() that blocks the calling thread. Aborts inside a task.
  void blocking_wait();

  /// add(1), and weft::go of f(args...) with done() at its end, also when it throws.
  template <class F, class... Args>
  void go(F&& f, Args&&... args);

  int64_t count() const noexcept {
    // relaxed: a snapshot.
    return count_.load(std::memory_order_relaxed) >> 1;
  }

 private:
  friend class detail::wait_group_awaiter;
  friend std::coroutine_handle<> detail::wait_group_park(wait_group&, detail::waiter&, bool, std::coroutine_handle<>,
                                                         std::source_location) noexcept;
  static constexpr int64_t one = 2;
  static constexpr int64_t waiting_bit = 1;

  void add_slow(int64_t now) noexcept;
  bool queue_waiter(detail::waiter& w) noexcept;

  std::atomic<int64_t> count_{0};  // {things under way, somebody waits}
  detail::wait_queue waiters_;     // guarded by lock_for(this)
};

inline bool detail::wait_group_awaiter::await_ready() noexcept {
  if (stop_point_ && stop_pending()) [[unlikely]] {
    waiter_.result = wait_result::stopped;
    return true;
  }
  return arm_try();
}

inline bool detail::wait_group_awaiter::arm_try() noexcept {
  // acquire: pairs with the release half of the last add().
  if (group_->count_.load(std::memory_order_acquire) >> 1 != 0) return false;
  waiter_.result = wait_result::done;
  return true;
}

inline bool detail::wait_group_awaiter::arm_enqueue() noexcept {
  if (group_->queue_waiter(waiter_)) return true;
  waiter_.result = wait_result::done;
  return false;
}

namespace detail {

template <class F, class... Args>
task<> counted(wait_group* group, F f, Args... args) {
  struct ender {
    wait_group* group;
    ~ender() { group->done(); }
  } e{group};
  co_await std::move(f)(std::move(args)...);
}

}  // namespace detail

template <class F, class... Args>
void wait_group::go(F&& f, Args&&... args) {
  add(1);
  weft::go(detail::counted<std::decay_t<F>, std::decay_t<Args>...>, this, std::forward<F>(f),
           std::forward<Args>(args)...);
}

}  // namespace weft
