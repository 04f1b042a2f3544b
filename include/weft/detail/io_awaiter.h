// The awaitable of one operation on a descriptor.
#pragma once

#include <coroutine>
#include <source_location>
#include <utility>

#include <weft/descriptor.h>
#include <weft/detail/io_operation.h>
#include <weft/detail/promise.h>

namespace weft::detail {

/// What the awaitables of operations on a descriptor have in common: how they park, and how they are an arm of a
/// select, which waits until the descriptor is ready and does the operation by a plain call then.
template <class Operation>
class operation_awaiter {
 public:
  operation_awaiter(const operation_awaiter&) = delete;
  operation_awaiter& operator=(const operation_awaiter&) = delete;

  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(park_io(op_, &on_, leaf, where_));
  }

  biased_lock* arm_lock() noexcept { return io_arm_lock(op_); }
  bool arm_try() noexcept { return io_arm_try(op_, on_); }
  static bool arm_poll(uintptr_t&) noexcept { return false; }
  bool arm_enqueue() noexcept { return io_arm_enqueue(op_); }
  void arm_leave(waiter_chain&) noexcept { io_arm_leave(op_); }
  waiter& arm_waiter() noexcept { return op_; }
  std::source_location arm_where() const noexcept { return where_; }

 protected:
  template <class... Args>
  operation_awaiter(descriptor& on, std::source_location where, Args&&... args) noexcept
      : op_(std::forward<Args>(args)...), on_(on), where_(where) {}
  ~operation_awaiter() = default;

  /// What the system call would have returned or -errno: -ECANCELED after a stop, -EBADF after a close.
  int32_t take_result() noexcept {
    const int32_t result = op_.outcome();
    return on_.remove(op_) && result < 0 ? io_closed_result : result;
  }

  Operation op_;
  descriptor& on_;
  std::source_location where_;
};

/// Waits for an operation, and turns what it came to into a Result by `Finish(on, result)`.
template <class Result, Result (*Finish)(const descriptor& on, int32_t result)>
class [[nodiscard]] io_awaiter : public operation_awaiter<io_operation> {
 public:
  io_awaiter(descriptor& on, const io_request& request, std::source_location where, bool of_file = false) noexcept
      : operation_awaiter(on, where, request, of_file) {}
  ~io_awaiter() {
    if (op_.in_list) [[unlikely]]
      drop_io(op_, &on_);
  }

  Result await_resume() { return Finish(on_, take_result()); }
};

}  // namespace weft::detail
