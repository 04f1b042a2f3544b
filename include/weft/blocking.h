// blocking: runs a call that blocks its thread, beside the processors.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/detail/task_block.h>
#include <weft/detail/wait.h>

namespace weft {
namespace detail {

/// A call in the queue of the blocking pool. Lives in the awaiter.
struct blocking_job {
  void (*run)(blocking_job*) noexcept;
  blocking_job* next;
};

/// Parks the running strand and hands the job to its runtime's blocking pool.
std::coroutine_handle<> blocking_park(blocking_job& job, waiter& w, std::coroutine_handle<> leaf,
                                      std::source_location where) noexcept;

/// The job is done: wakes its strand.
void blocking_done(waiter& w) noexcept;

template <class F>
class [[nodiscard]] blocking_awaiter : private blocking_job {
 public:
  using result = std::invoke_result_t<F&>;

  blocking_awaiter(F&& f, std::source_location where) : f_(std::move(f)), where_(where) {}
  blocking_awaiter(const blocking_awaiter&) = delete;
  blocking_awaiter& operator=(const blocking_awaiter&) = delete;

  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    run = &call;
    return transfer_to(blocking_park(*this, waiter_, leaf, where_));
  }
  result await_resume() {
    if (error_) std::rethrow_exception(std::move(error_));
    if constexpr (!std::is_void_v<result>) return std::move(*value_);
  }

 private:
  static void call(blocking_job* job) noexcept {
    auto& self = *static_cast<blocking_awaiter*>(job);
    try {
      if constexpr (std::is_void_v<result>) {
        self.f_();
      } else {
        self.value_.emplace(self.f_());
      }
    } catch (...) {
      self.error_ = std::current_exception();
    }
    blocking_done(self.waiter_);
  }

  F f_;
  std::optional<std::conditional_t<std::is_void_v<result>, std::monostate, result>> value_;
  std::exception_ptr error_;
  waiter waiter_;
  std::source_location where_;
};

}  // namespace detail

/// Runs f() on a thread of the runtime's blocking pool and parks the task meanwhile: `auto n = co_await
/// weft::blocking([] { return ::getaddrinfo(...); });`
///
/// For calls that block their thread. At most options::blocking_threads run at once, the others wait in order. Rethrows
/// what f throws. Not a stop point: the call cannot be interrupted. f must not use the running task (no co_await, no
/// this_task). Cost: two switches of threads.
template <class F>
detail::blocking_awaiter<std::decay_t<F>> blocking(F&& f,
                                                   std::source_location where = std::source_location::current()) {
  static_assert(std::is_lvalue_reference_v<F> || detail::callable_is_safe_inside_co_await<std::remove_cvref_t<F>>,
                "weft::blocking with g++ before 13: name the closure before the co_await; see docs/pitfalls.md");
  return {std::decay_t<F>(std::forward<F>(f)), where};
}

}  // namespace weft
