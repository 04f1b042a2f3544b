// An open descriptor, and the operations that are under way on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <weft/detail/biased_lock.h>
#include <weft/detail/check.h>
#include <weft/detail/io_operation.h>
#include <weft/detail/own_calls.h>

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
  descriptor(descriptor&& other) noexcept : fd_(other.release()), nature_(other.known_nature()), calls_(other.calls_) {}
  descriptor& operator=(descriptor&& other) noexcept;
  ~descriptor() {
    if (number() != none || operations_ != nullptr) destroy();
  }

  /// The kernel's number; -1 once closed.
  int fd() const noexcept {
    // relaxed: a number; who wants to use it asks again under the lock (add()), or by K3 or K5 of [own-call].
    const int fd = fd_.load(std::memory_order_relaxed);
    return fd < 0 ? -1 : fd;
  }
  bool is_open() const noexcept { return fd() >= 0; }

  /// Closes it; nothing if it is closed already. Any thread. Blocks nothing; [own-call] says what it costs.
  void close() noexcept;

  /// Gives the descriptor to the caller, who closes it. Misuse while operations are under way.
  [[nodiscard]] int release() noexcept {
    WEFT_CHECK(operations_ == nullptr, "a descriptor was moved or released while an operation is under way on it");
    // relaxed: nobody else uses it, so it needs no locked instruction either.
    const int fd = fd_.load(std::memory_order_relaxed);
    fd_.store(none, std::memory_order_relaxed);
    return fd;
  }

  // For awaiters.

  /// Takes over one that `home` has opened, and will mostly use.
  descriptor(int fd, detail::bias_owner<>& home) noexcept : fd_(fd), calls_(home) {}

  /// A call of the kernel that does not wait, by [own-call]. False: it needs the lock, or there is nothing to call.
  bool begin_own_call() noexcept {
    if (!calls_.enter(*detail::this_context.locks)) return false;
    if (is_open()) [[likely]]  // K3
      return true;
    end_own_call();
    return false;
  }
  void end_own_call() noexcept {
    calls_.leave(*detail::this_context.locks);
    if (!is_open()) [[unlikely]]  // K5
      finish_close();
  }

  /// Whether what was opened as a file has a position in it, or readiness; unknown until a read or a write has to wait.
  enum class nature : uint8_t { unknown, file, stream };
  nature known_nature() const noexcept {
    // relaxed: all who look at the same number find the same.
    return nature_.load(std::memory_order_relaxed);
  }
  void note_nature(nature n) noexcept {
    // relaxed: as above.
    nature_.store(n, std::memory_order_relaxed);
  }

  /// Adds an operation; false: closed. The lock is held.
  bool add(detail::io_operation& op) noexcept;

  /// Takes it away if it was added; the last one closes the descriptor if that was asked for. True: closing was asked
  /// for.
  bool remove(detail::io_operation& op) noexcept;

  detail::biased_lock& lock() noexcept { return lock_; }

 private:
  void destroy() noexcept;
  void finish_close() noexcept;
  void close_unless_used() noexcept;

  static constexpr int none = -1;

  // Closed, and its operations have not ended yet: the number's complement, less one so that it is not `none`.
  static constexpr int closing(int fd) noexcept { return -2 - fd; }
  int number() const noexcept {
    // relaxed: under the lock.
    return fd_.load(std::memory_order_relaxed);
  }
  bool is_closing() const noexcept { return number() < none; }

  std::atomic<int> fd_{none};  // written under lock_
  std::atomic<nature> nature_{nature::unknown};
  detail::own_calls<> calls_;
  detail::biased_lock lock_;
  detail::io_operation* operations_ = nullptr;  // guarded by lock_
};

}  // namespace weft
