// sleep_for and sleep_until.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <weft/detail/wait.h>

namespace weft {
namespace detail {

/// A waiter with a deadline.
struct sleeper : waiter {
  uint32_t heap_index = UINT32_MAX;  ///< place in that heap, or in a slot of the wheel; see timer_queue.h
  uint32_t wheel_slot = 0;           ///< the slot that it was added to
  int64_t deadline_ns = 0;
  processor* home = nullptr;  ///< whose timers it is among
};

/// Now, by the running task's runtime's clock.
int64_t runtime_now_ns() noexcept;

/// How long until `t`, a time of the steady clock; the runtime's differs from it where a manual clock is set.
inline std::chrono::nanoseconds time_until(std::chrono::steady_clock::time_point t) noexcept {
  return t - std::chrono::steady_clock::now();
}

/// Parks the running strand until the sleeper's deadline.
std::coroutine_handle<> park_sleeper(sleeper& s, std::coroutine_handle<> leaf, std::source_location where) noexcept;

/// A timer as an arm of a select (see select_core.h): the running processor's timers, and their lock.
biased_lock* timer_arm_lock(sleeper& s) noexcept;
void timer_arm_enqueue(sleeper& s) noexcept;
void timer_arm_leave(sleeper& s) noexcept;

class [[nodiscard]] sleep_awaiter {
 public:
  /// `due`: the deadline has passed already.
  sleep_awaiter(int64_t deadline_ns, bool due, std::source_location where) noexcept : due_(due), where_(where) {
    sleeper_.deadline_ns = deadline_ns;
  }
  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(park_sleeper(sleeper_, leaf, where_));
  }
  [[nodiscard]] bool await_resume() const noexcept { return sleeper_.result == wait_result::done; }

  // As an arm of a select.
  biased_lock* arm_lock() noexcept { return timer_arm_lock(sleeper_); }
  bool arm_look() const noexcept { return due_; }
  bool arm_try() noexcept {
    if (due_) sleeper_.result = wait_result::done;
    return due_;
  }
  static bool arm_poll(uintptr_t&) noexcept { return false; }
  bool arm_enqueue() noexcept {
    timer_arm_enqueue(sleeper_);
    return true;
  }
  void arm_leave(waiter_chain&) noexcept { timer_arm_leave(sleeper_); }
  waiter& arm_waiter() noexcept { return sleeper_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  sleeper sleeper_;
  const bool due_;
  std::source_location where_;
};

/// now + d without overflow.
int64_t deadline_after(std::chrono::nanoseconds d) noexcept;

/// Any duration as nanoseconds, the longest one where it does not fit.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds saturate(std::chrono::duration<Rep, Period> d) noexcept {
  using seconds = std::chrono::duration<double>;
  constexpr seconds most = std::chrono::nanoseconds::max();
  if (seconds(d) >= most) return std::chrono::nanoseconds::max();
  if (seconds(d) <= -most) return -std::chrono::nanoseconds::max();
  return std::chrono::ceil<std::chrono::nanoseconds>(d);
}

}  // namespace detail

/// Parks the task for at least `d` (not at all if d <= 0, but it yields). True: slept; false: asked to stop.
/// Cost: a lock and a heap operation; no allocation in steady state. Called from: a task.
template <class Rep, class Period>
detail::sleep_awaiter sleep_for(std::chrono::duration<Rep, Period> d,
                                std::source_location where = std::source_location::current()) noexcept {
  return detail::sleep_awaiter(detail::deadline_after(detail::saturate(d)), d <= d.zero(), where);
}

/// Parks the task until `t`. True: slept; false: asked to stop.
inline detail::sleep_awaiter sleep_until(std::chrono::steady_clock::time_point t,
                                         std::source_location where = std::source_location::current()) noexcept {
  const std::chrono::nanoseconds left = detail::time_until(t);
  return detail::sleep_awaiter(detail::deadline_after(left), left.count() <= 0, where);
}

}  // namespace weft
