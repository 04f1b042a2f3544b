// A buffer that the runtime read into: there from the moment that something has come.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_operation.h>
#include <weft/detail/promise.h>

namespace weft {

/// Bytes that were read, in a buffer which gives itself back to the runtime when it dies. Movable; a moved-from or
/// default-constructed one is empty.
///
/// May be kept as long as one likes, moved to other tasks and threads, and may outlive its runtime.
class io_buffer {
 public:
  /// The most that one holds.
  static constexpr std::size_t capacity = 4096;

  io_buffer() noexcept = default;
  io_buffer(io_buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  io_buffer& operator=(io_buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~io_buffer() {
    if (data_ != nullptr) give_back();
  }

  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

  /// What was read. The owner may write there too.
  std::span<std::byte> bytes() noexcept { return {data_, size_}; }
  std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }

  /// For the runtime: takes over a buffer that holds this much.
  io_buffer(std::byte* data, std::size_t size) noexcept : data_(data), size_(size) {}

 private:
  void give_back() noexcept;

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

absl::StatusOr<io_buffer> finish_buffered_receive(const descriptor& on, io_buffer_operation& op, int32_t result);

/// Waits for something to read without holding a buffer; see io_awaiter.
class [[nodiscard]] io_buffer_awaiter {
 public:
  io_buffer_awaiter(descriptor& on, const io_request& request, std::source_location where) noexcept
      : op_(request), on_(on), where_(where) {}
  io_buffer_awaiter(const io_buffer_awaiter&) = delete;
  io_buffer_awaiter& operator=(const io_buffer_awaiter&) = delete;
  ~io_buffer_awaiter() {
    if (op_.in_list) on_.remove(op_);
    if (op_.buffer != nullptr) [[unlikely]]
      io_buffer(op_.buffer, 0);
  }

  static bool await_ready() noexcept { return false; }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(park_io(op_, &on_, leaf, where_));
  }
  absl::StatusOr<io_buffer> await_resume() {
    int32_t result = op_.result;
    if (on_.remove(op_) && result < 0) result = io_closed_result;
    return finish_buffered_receive(on_, op_, result);
  }

  biased_lock* arm_lock() noexcept { return io_arm_lock(op_); }
  bool arm_try() noexcept { return io_arm_try(op_, on_); }
  static bool arm_poll(uintptr_t&) noexcept { return false; }
  bool arm_enqueue() noexcept { return io_arm_enqueue(op_); }
  void arm_leave(waiter_chain&) noexcept { io_arm_leave(op_); }
  waiter& arm_waiter() noexcept { return op_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  io_buffer_operation op_;
  descriptor& on_;
  std::source_location where_;
};

}  // namespace detail
}  // namespace weft
