// The awaitable of one operation on a descriptor.
#pragma once

#include <coroutine>
#include <source_location>

#include <weft/descriptor.h>
#include <weft/detail/io_operation.h>
#include <weft/detail/promise.h>

namespace weft::detail {

/// Waits for an operation, and turns what it came to into a Result by `Finish(on, result)`; `result` is what the system
/// call would have returned or -errno: -ECANCELED after a stop, -EBADF after a close.
template <class Result, Result (*Finish)(const descriptor& on, int32_t result)>
class [[nodiscard]] io_awaiter {
 public:
  io_awaiter(descriptor& on, const io_request& request, std::source_location where, bool of_file = false) noexcept
      : op_(request, of_file), on_(on), where_(where) {}
  io_awaiter(const io_awaiter&) = delete;
  io_awaiter& operator=(const io_awaiter&) = delete;
  ~io_awaiter() {
    if (op_.in_list) [[unlikely]]
      drop_io(op_, &on_);
  }

  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(park_io(op_, &on_, leaf, where_));
  }
  Result await_resume() {
    int32_t result = op_.outcome();
    if (on_.remove(op_) && result < 0) result = io_closed_result;
    return Finish(on_, result);
  }

  // As an arm of a select: waits until the descriptor is ready, and does it by a plain call then.
  biased_lock* arm_lock() noexcept { return io_arm_lock(op_); }
  bool arm_try() noexcept { return io_arm_try(op_, on_); }
  static bool arm_poll(uintptr_t&) noexcept { return false; }
  bool arm_enqueue() noexcept { return io_arm_enqueue(op_); }
  void arm_leave(waiter_chain&) noexcept { io_arm_leave(op_); }
  waiter& arm_waiter() noexcept { return op_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  io_operation op_;
  descriptor& on_;
  std::source_location where_;
};

}  // namespace weft::detail
