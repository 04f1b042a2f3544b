// What a task says of itself, and yield().
#pragma once

#include <coroutine>
#include <cstdint>
#include <source_location>

#include <weft/detail/wait.h>

namespace weft {
namespace detail {

/// Whether nobody else on this processor waits for a turn, so that a yield has nobody to yield to.
bool nobody_waits_for_a_turn() noexcept;

class [[nodiscard]] yield_awaiter {
 public:
  explicit yield_awaiter(std::source_location where) noexcept : where_(where) {}
  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) const noexcept {
    return transfer_to(yield_strand(leaf, where_));
  }
  static void await_resume() noexcept {}

 private:
  std::source_location where_;
};

}  // namespace detail

/// Lets the other ready tasks run: the caller goes to the end of its processor's queue. `co_await weft::yield();`
/// Called from: a task. Not a stop point.
inline detail::yield_awaiter yield(std::source_location where = std::source_location::current()) noexcept {
  return detail::yield_awaiter(where);
}

namespace this_task {

/// The running task's number, as in dumps; 0 outside any task.
uint64_t id() noexcept;

/// Whether the running task was asked to stop; false outside any task. Cost: a load.
inline bool stop_requested() noexcept {
  const detail::strand* s = detail::this_context.current;
  // acquire: what the stopper did before is visible.
  return s != nullptr && s->stop.load(std::memory_order_acquire) == detail::stop_asked;
}

}  // namespace this_task
}  // namespace weft
