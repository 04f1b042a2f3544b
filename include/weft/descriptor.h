// An open descriptor, and the operations that are under way on it.
#pragma once

#include <cstdint>
#include <utility>

#include <weft/detail/biased_lock.h>
#include <weft/detail/io_operation.h>

namespace weft {

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
  int fd() const noexcept { return closing_ ? -1 : fd_; }
  bool is_open() const noexcept { return fd_ >= 0 && !closing_; }

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

  int fd_ = -1;
  bool closing_ = false;
  detail::biased_lock lock_;
  detail::io_operation* operations_ = nullptr;  // guarded by lock_
};

}  // namespace weft
