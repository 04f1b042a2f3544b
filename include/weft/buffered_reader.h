// Reads lines and records from a stream, and keeps what came beyond them for the next read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/task.h>

namespace weft {

/// Reads from `Stream` (anything with read_some(span)) by way of a buffer of its own. One task at a time.
template <class Stream>
class buffered_reader {
 public:
  static constexpr std::size_t default_bytes = 16 * 1024;

  /// `stream` must outlive the reader. `capacity`: the longest record that read_until() can give; at least 1.
  explicit buffered_reader(Stream& stream, std::size_t capacity = default_bytes)
      : stream_(stream), capacity_(std::max<std::size_t>(capacity, 1)), buffer_(new std::byte[capacity_]) {}

  /// What comes up to and including `delimiter`, valid until the next read. OUT_OF_RANGE: the end came before, with
  /// nothing left; a last record without delimiter is given as it is. RESOURCE_EXHAUSTED: longer than the capacity.
  task<absl::StatusOr<std::string_view>> read_until(char delimiter) {
    std::size_t looked = 0;
    for (;;) {
      const std::string_view there = held();
      if (const std::size_t at = there.find(delimiter, looked); at != std::string_view::npos) co_return take(at + 1);
      looked = there.size();
      if (there.size() == capacity_)
        co_return absl::ResourceExhaustedError("read_until: no delimiter in the first " + std::to_string(capacity_) +
                                               " bytes, the reader's capacity");
      absl::StatusOr<std::size_t> n = co_await fill();
      if (!n.ok()) co_return n.status();
      if (*n != 0) continue;
      if (looked == 0) co_return absl::OutOfRangeError("read_until: the stream has ended");
      co_return take(looked);
    }
  }

  /// Fills `out`. OUT_OF_RANGE: the end came before.
  task<absl::Status> read_exactly(std::span<std::byte> out) {
    while (!out.empty()) {
      absl::StatusOr<std::size_t> n = co_await read_some(out);
      if (!n.ok()) co_return n.status();
      if (*n == 0)
        co_return absl::OutOfRangeError("read_exactly: the stream has ended with " + std::to_string(out.size()) +
                                        " bytes still to come");
      out = out.subspan(*n);
    }
    co_return absl::OkStatus();
  }

  /// What is held, or else what the stream gives; 0: the end.
  task<absl::StatusOr<std::size_t>> read_some(std::span<std::byte> out) {
    if (begin_ == end_ && out.size() >= capacity_) {
      absl::StatusOr<std::size_t> n = co_await stream_.read_some(out);
      co_return n;
    }
    if (begin_ == end_) {
      absl::StatusOr<std::size_t> n = co_await fill();
      if (!n.ok() || *n == 0) co_return n;
    }
    const std::size_t n = std::min(out.size(), end_ - begin_);
    std::memcpy(out.data(), buffer_.get() + begin_, n);
    begin_ += n;
    co_return n;
  }

  /// What was read from the stream and not taken yet.
  std::string_view held() const noexcept {
    return {reinterpret_cast<const char*>(buffer_.get() + begin_), end_ - begin_};
  }

  /// Drops the first `bytes` of what is held.
  void skip(std::size_t bytes) noexcept { begin_ += std::min(bytes, end_ - begin_); }

  /// Reads more behind what is held; 0: the end, or no room.
  task<absl::StatusOr<std::size_t>> fill() {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (end_ == capacity_ && begin_ != 0) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    absl::StatusOr<std::size_t> n = co_await stream_.read_some(std::span(buffer_.get() + end_, capacity_ - end_));
    if (n.ok()) end_ += *n;
    co_return n;
  }

 private:
  std::string_view take(std::size_t bytes) noexcept {
    const std::string_view record = held().substr(0, bytes);
    begin_ += bytes;
    return record;
  }

  Stream& stream_;
  const std::size_t capacity_;
  const std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace weft
