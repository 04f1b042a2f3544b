// task<T>: a coroutine that runs on the stack of the task that awaits it.
#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include <weft/detail/promise.h>

namespace weft {

template <class T>
class task;

namespace detail {

template <class T>
class [[nodiscard]] call_awaiter {
 public:
  explicit call_awaiter(std::coroutine_handle<promise<T>> callee) noexcept : callee_(callee) {}

  static bool await_ready() noexcept { return false; }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> caller) noexcept {
    count_calls(1);
    callee_.promise().continuation = caller;
    return transfer_to(callee_);
  }

  WEFT_INLINE T await_resume() {
    promise<T>& p = callee_.promise();
    if (p.role != 0) [[unlikely]]
      return resume_uncommon();
    if constexpr (std::is_void_v<T>) {
      frame_free(callee_.address());
    } else {
      // The frame is only marked free, so a result that is still in it can be moved out first and the mark set after.
      freer f{callee_.address()};
      return p.take();
    }
  }

 private:
  struct freer {
    void* frame;
    ~freer() { frame_free(frame); }
  };

  // It threw, or its parameters need destruction.
  WEFT_NOINLINE T resume_uncommon() {
    promise<T>& p = callee_.promise();
    struct destroyer {
      std::coroutine_handle<> h;
      uintptr_t role;
      ~destroyer() {
        void* frame = h.address();
        if (role & role_destroy) h.destroy();
        frame_free(frame);
      }
    } d{callee_, p.role};
    if (p.role & role_failed) std::rethrow_exception(take_error(p));
    return p.take();
  }

  std::coroutine_handle<promise<T>> callee_;
};

/// The promise type of a coroutine with these parameters.
template <class T, bool ParametersAreTrivial>
struct task_promise : promise<T> {
  task_promise() noexcept { this->role = ParametersAreTrivial ? 0 : role_destroy; }
  task<T> get_return_object() noexcept;
};

struct task_access;

}  // namespace detail

/// A coroutine: `weft::task<int> f(int x) { ... co_return y; }`.
///
/// It starts when awaited, is awaited once, in the expression that calls it (`co_await f(x)`), and cannot be moved: its
/// frame lives on the calling task's stack. What must outlive the expression is started with go(), spawn() or a
/// task_group. A result type needs a move constructor (or is void, or a reference); its alignment is at most 16.
///
/// Exceptions that leave the coroutine are rethrown by the `co_await`.
/// Cost: a call is a bump of the stack's mark and two jumps; no allocation.
template <class T = void>
class [[nodiscard]] task {
 public:
  task(const task&) = delete;
  task& operator=(const task&) = delete;

  detail::call_awaiter<T> operator co_await() && noexcept { return detail::call_awaiter<T>(frame_); }

 private:
  template <class, bool>
  friend struct detail::task_promise;
  friend struct detail::task_access;

  explicit task(std::coroutine_handle<detail::promise<T>> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<detail::promise<T>> frame_;
};

namespace detail {

template <class T, bool ParametersAreTrivial>
task<T> task_promise<T, ParametersAreTrivial>::get_return_object() noexcept {
  static_assert(alignof(promise<T>) <= 16, "weft::task: the result's alignment must not exceed 16");
  return task<T>(std::coroutine_handle<promise<T>>::from_promise(*this));
}

/// How join() and go() get at a task's frame.
struct task_access {
  template <class T>
  static std::coroutine_handle<promise<T>> frame(const task<T>& t) noexcept {
    return t.frame_;
  }
};

template <class T>
struct task_result;
template <class T>
struct task_result<task<T>> {
  using type = T;
};

/// The T of a task<T>.
template <class Task>
using task_result_t = typename task_result<std::remove_cvref_t<Task>>::type;

template <class Task>
concept is_task = requires { typename task_result<std::remove_cvref_t<Task>>::type; };

}  // namespace detail
}  // namespace weft

template <class T, class... Parameters>
struct std::coroutine_traits<weft::task<T>, Parameters...> {
  using promise_type = weft::detail::task_promise<T, (std::is_trivially_destructible_v<Parameters> && ...)>;
};
