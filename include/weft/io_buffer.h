// A buffer that the runtime read into: there from the moment that something has come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>

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

/// Waits for something to read without holding a buffer.
class [[nodiscard]] io_buffer_awaiter : public operation_awaiter<io_buffer_operation> {
 public:
  io_buffer_awaiter(descriptor& on, const io_request& request, std::source_location where) noexcept
      : operation_awaiter(on, where, request) {}
  ~io_buffer_awaiter() {
    if (op_.in_list) on_.remove(op_);
    if (op_.buffer != nullptr) [[unlikely]]
      io_buffer(op_.buffer, 0);
  }

  absl::StatusOr<io_buffer> await_resume() {
    const int32_t result = take_result();
    return finish_buffered_receive(on_, op_, result);
  }
};

}  // namespace detail
}  // namespace weft
