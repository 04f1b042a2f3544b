// An open descriptor, and the operations that are under way on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <weft/detail/biased_lock.h>
#include <weft/detail/io_operation.h>

namespace weft {

/// A part of a vectored read or write.
using mutable_buffer = std::span<std::byte>;
using const_buffer = std::span<const std::byte>;

/// Owns a descriptor of the kernel: the common part of sockets, pipes and files.
///
/// close() may be called while operations are under way on it, from any thread: they end with FAILED_PRECONDITION
/// ("closed"), and the descriptor's number is given back to the kernel when the last of them has ended, so that none
/// can hit a later descriptor with the same number. Destroying or moving it meanwhile is misuse and aborts.
class descriptor {
 public:
  descriptor() noexcept = default;

  /// Takes over an open descriptor; -1: none.
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept;
  descriptor& operator=(descriptor&& other) noexcept;
  ~descriptor();

  /// The kernel's number; -1 once closed.
  int fd() const noexcept {
    // relaxed: a number; who wants to use it asks again under the lock (add()).
    const int fd = fd_.load(std::memory_order_relaxed);
    return fd < 0 ? -1 : fd;
  }
  bool is_open() const noexcept { return fd() >= 0; }

  /// Closes it; nothing if it is closed already. Any thread. Blocks nothing.
  void close() noexcept;

  /// Gives the descriptor to the caller, who closes it. Misuse while operations are under way.
  [[nodiscard]] int release() noexcept;

  // For awaiters.

  /// Adds an operation; false: closed. The lock is held.
  bool add(detail::io_operation& op) noexcept;

  /// Takes it away; the last one closes the descriptor if that was asked for. True: closing was asked for.
  bool remove(detail::io_operation& op) noexcept;

  detail::biased_lock& lock() noexcept { return lock_; }

 private:
  void close_now() noexcept;

  static constexpr int none = -1;

  // Closed, and its operations have not ended yet: the number's complement, less one so that it is not `none`.
  static constexpr int closing(int fd) noexcept { return -2 - fd; }
  int number() const noexcept {
    // relaxed: under the lock.
    return fd_.load(std::memory_order_relaxed);
  }
  bool is_closing() const noexcept { return number() < none; }

  std::atomic<int> fd_{none};  // written under lock_
  detail::biased_lock lock_;
  detail::io_operation* operations_ = nullptr;  // guarded by lock_
};

}  // namespace weft
