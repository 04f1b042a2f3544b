// std::stop_token, in both directions: a task's stop for others, and others' for a task.
#pragma once

#include <optional>
#include <stop_token>
#include <utility>

#include <weft/detail/task_block.h>
#include <weft/join_handle.h>
#include <weft/task.h>

namespace weft {

namespace this_task {

/// A token that is asked to stop when the running task is: for std::jthread, std::condition_variable_any, and calls
/// that take one, such as in weft::blocking. Under weft::shielded it is asked afterwards.
///
/// Callbacks (std::stop_callback) run on the thread that asks for the stop, once, at once if the stop has been asked
/// for already. A token outlives its task; it is not asked any more then. Outside any task: a token that never is.
/// Called from: a task. Cost: an allocation for the first one of a task, a lock and a look through the watched tasks.
std::stop_token stop_token();

}  // namespace this_task

namespace detail {

/// Asks the running task, which it was made in, to stop when a token is. Dies in the same task.
class token_link {
 public:
  explicit token_link(std::stop_token token) : callback_(std::move(token), stopper{task_of_caller()}) {}

 private:
  struct stopper {
    task_control* task;
    void operator()() const noexcept { request_stop(task); }
  };
  static task_control* task_of_caller() noexcept;
  std::stop_callback<stopper> callback_;
};

/// Asks what the running task started and did not wait for to stop, when this dies.
class stop_rest {
 public:
  stop_rest() noexcept = default;
  ~stop_rest();
  stop_rest(const stop_rest&) = delete;
  stop_rest& operator=(const stop_rest&) = delete;
};

template <class F, class... Args>
spawn_task_t<F, Args...> run_linked(std::stop_token token, F f, Args... args) {
  const stop_rest rest;
  const token_link link(std::move(token));
  co_return co_await std::move(f)(std::move(args)...);
}

}  // namespace detail

/// Runs f(args...) as a task that is asked to stop when the token is. nullopt: it was, and f has ended.
///
/// A stop of the caller stops f too, and what f then returns is the result. What f started and did not wait for is
/// asked to stop when f has ended. Rethrows f's exception. (void: monostate.) Called from: a task. Not a stop point.
template <class F, class... Args>
task<std::optional<detail::optional_result_t<detail::spawn_result_t<F, Args...>>>> with_stop_token(
    std::stop_token token, F f, Args... args) {
  using result = detail::optional_result_t<detail::spawn_result_t<F, Args...>>;
  auto child = spawn(detail::run_linked<F, Args...>, token, std::move(f), std::move(args)...);
  if (!child.valid()) co_return std::nullopt;
  std::optional<result> outcome;
  if constexpr (std::is_same_v<result, std::monostate>) {
    co_await child;
    outcome.emplace();
  } else {
    outcome.emplace(co_await child);
  }
  if (token.stop_requested()) outcome.reset();
  co_return std::move(outcome);
}

}  // namespace weft
