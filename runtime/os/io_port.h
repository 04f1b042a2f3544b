// A place where requests to the kernel are begun and their completions are taken: a ring of io_uring, or what stands in
// for one where the kernel refuses it (epoll).
//
// Each processor that does I/O has one, and only the thread that drives the processor touches it; wake() alone may be
// called by every thread. A request's tag comes back with its completion. What a request points to must stay where it
// is until then, also after it was cancelled: the kernel may still write there.
//
// This is a seam: a test puts a port of its own in between and lets requests fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <weft/detail/io_request.h>

namespace weft::os {

// Without initializers, so that an array of them costs nothing before it is filled.
struct io_completion {
  uint64_t tag;
  int32_t result;  ///< what the system call would have returned, or -errno
  int32_t buffer;  ///< io_op::recvpool: which one was taken; -1: none
};

class io_port {
 public:
  static constexpr uint64_t first_tag = 16;  ///< smaller ones are the port's own

  io_port() noexcept = default;
  virtual ~io_port() = default;
  io_port(const io_port&) = delete;
  io_port& operator=(const io_port&) = delete;

  /// Takes a request. It begins at the latest at the next flush() or wait().
  virtual void start(const detail::io_request& request, uint64_t tag) noexcept = 0;

  /// Asks for the request with this tag, on this descriptor, to end soon, if it is under way. Its completion still
  /// comes: -ECANCELED, or what it came to.
  virtual void cancel(uint64_t tag, int fd) noexcept = 0;

  /// The same for all that are under way.
  virtual void cancel_all() noexcept = 0;

  /// Begins what was taken, and lets the kernel hand over what it has completed. Never blocks.
  virtual void flush() noexcept = 0;

  /// Whether nothing waits for the next flush() or wait(): a kernel may take a part only, for a while.
  [[nodiscard]] virtual bool has_begun_all() const noexcept = 0;

  /// Takes completions, in order; returns how many. Never blocks.
  [[nodiscard]] virtual std::size_t take(std::span<io_completion> out) noexcept = 0;

  /// How many wakes take() has taken.
  [[nodiscard]] virtual uint64_t wakes_taken() const noexcept = 0;

  /// Begins what was taken, and blocks until there are completions, or wake() was called, or the time is over
  /// (negative: no limit).
  virtual void wait(int64_t timeout_ns) noexcept = 0;

  /// Gives a buffer, or gives it again, for io_op::recvpool, which takes any of those that it was given. False:
  /// the port has no such requests. Without a buffer left they fail with -ENOBUFS. `index`: below most_buffers.
  virtual bool provide(uint16_t /*index*/, std::span<std::byte> /*buffer*/) noexcept { return false; }
  static constexpr uint16_t most_buffers = 256;

  /// How often completions found no place and waited in the kernel. Any thread.
  [[nodiscard]] virtual uint64_t overflows() const noexcept { return 0; }

  /// How often the kernel was called for it. Any thread.
  [[nodiscard]] virtual uint64_t enters() const noexcept { return 0; }

  /// Ends a wait(), or the next one at once, unless a flush() or take() comes before it: what the driver is woken for
  /// is to be looked for after them. Any thread.
  virtual void wake() noexcept = 0;

  /// Readable while take() may have something, for a host's epoll.
  [[nodiscard]] virtual int poll_fd() const noexcept = 0;

  /// Whether reads and writes of regular files complete by themselves; if not, they would block the caller.
  [[nodiscard]] virtual bool does_files() const noexcept = 0;
};

/// How a ring may be set up, best first: each step asks less of the kernel.
enum class uring_mode : uint8_t {
  deferred,     ///< one thread submits, and runs the kernel's part when it asks for completions
  cooperative,  ///< any thread may submit, one at a time; no interrupts
  plain,
};
inline constexpr int uring_modes = 3;
const char* uring_mode_name(uring_mode mode) noexcept;

}  // namespace weft::os
