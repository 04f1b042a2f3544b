// within: an operation with a deadline.
#pragma once

#include <chrono>
#include <coroutine>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"

#include <weft/select.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/time.h>

namespace weft {
namespace detail {

/// DEADLINE_EXCEEDED, with the limit in words.
absl::Status deadline_exceeded(std::chrono::nanoseconds limit);
absl::Status stopped_before_deadline();

template <class T>
concept says_why_not = std::is_constructible_v<T, absl::Status>;

template <class Op>
using awaited_t = decltype(std::declval<Op&>().await_resume());

/// An operation that says why not: a read, an accept, ...
template <class Op>
concept limitable = selectable<Op> && says_why_not<awaited_t<Op>>;

/// A select of the operation and a timer.
template <class Op>
class [[nodiscard]] within_awaiter {
 public:
  within_awaiter(Op& op, std::chrono::nanoseconds limit, std::source_location where) noexcept
      : limit_(limit), timer_(deadline_after(limit), limit.count() <= 0, where), both_(op, timer_) {}
  within_awaiter(const within_awaiter&) = delete;
  within_awaiter& operator=(const within_awaiter&) = delete;

  bool await_ready() noexcept { return both_.await_ready(); }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept { return both_.await_suspend(leaf); }
  awaited_t<Op> await_resume() {
    auto first = both_.await_resume();
    if (!first) return stopped_before_deadline();
    if (first.index() == 0) return std::move(first.template get<0>());
    return deadline_exceeded(limit_);
  }

 private:
  const std::chrono::nanoseconds limit_;
  sleep_awaiter timer_;
  select_awaiter<arm_order::given, Op, sleep_awaiter> both_;
};

}  // namespace detail

/// Waits for an operation, but at most so long: `co_await weft::within(100ms, stream.read_some(buffer))`.
///
/// Anything that is selectable and comes to a Status or StatusOr. DEADLINE_EXCEEDED: the time was over first; then the
/// operation had no effect, so nothing that was read is lost. With a limit of zero or less the operation is done only
/// if that is possible at once. Otherwise what the operation comes to; CANCELLED after a stop. Time is the runtime's,
/// so tests may set it. Parks the task. Cost: as a select with a timer; no allocation.
template <class Rep, class Period, class Op>
  requires detail::limitable<std::remove_cvref_t<Op>>
detail::within_awaiter<std::remove_cvref_t<Op>> within(
    std::chrono::duration<Rep, Period> limit, Op&& op,
    std::source_location where = std::source_location::current()) noexcept {
  return {op, detail::saturate(limit), where};
}

/// The same for a whole call, f(args...), that returns a task: `co_await weft::within(1s, &tcp_stream::connect, peer)`.
///
/// with_timeout() of weft/task_group.h, with DEADLINE_EXCEEDED for its nullopt: f is asked to stop when the time is
/// over, and waited for. Parks the task. Cost: a task and a timer.
template <class Rep, class Period, class F, class... Args>
  requires detail::says_why_not<detail::spawn_result_t<F, Args...>>
task<detail::spawn_result_t<F, Args...>> within(std::chrono::duration<Rep, Period> limit, F f, Args... args) {
  std::optional<detail::spawn_result_t<F, Args...>> result =
      co_await with_timeout(limit, std::move(f), std::move(args)...);
  if (!result) co_return detail::deadline_exceeded(detail::saturate(limit));
  co_return *std::move(result);
}

}  // namespace weft
