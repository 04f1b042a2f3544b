// go(f, args...): starts a task and lets it go.
#pragma once

#include <utility>

#include <weft/detail/task_block.h>

namespace weft {
namespace detail {

/// Makes the task ready, detached from any handle.
WEFT_NOINLINE void launch_detached(task_control* task, void* root_frame) noexcept;

}  // namespace detail

/// Starts a task that runs f(args...) concurrently with the caller, in the same runtime.
///
/// The callable and the arguments are decay-copied into the task (moved if rvalues), as with std::thread; a parameter
/// that is an lvalue reference takes std::ref. An exception that leaves the task goes to
/// options::on_unhandled_exception. Called from: a task; elsewhere it aborts (use runtime::spawn). Parks: nothing.
/// Order: what happens before the call happens before the task's first step.
/// Cost: no allocation from malloc in steady state; wakes no other processor by itself.
template <class F, class... Args>
void go(F&& f, Args&&... args) {
  void* root_frame = nullptr;
  detail::task_control* task = detail::make_task(nullptr, root_frame, std::forward<F>(f), std::forward<Args>(args)...);
  detail::launch_detached(task, root_frame);
}

}  // namespace weft
