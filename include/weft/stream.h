// Bytes in order, in two directions: what connected sockets and pipes have in common.
#pragma once

#include <cstddef>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>
#include <weft/io_buffer.h>
#include <weft/task.h>

namespace weft {

namespace detail {
absl::StatusOr<std::size_t> finish_receive(const descriptor& on, int32_t result);
absl::StatusOr<std::size_t> finish_send(const descriptor& on, int32_t result);
}  // namespace detail

/// A connected socket. At most one task reads from it and one writes to it at a time.
///
/// Buffers belong to the caller and must stay until the operation has ended, also when the task is asked to stop: it
/// goes on only then. Everything parks the task, nothing else. No operation raises SIGPIPE.
class stream_socket : public descriptor {
 public:
  using descriptor::descriptor;

  using read_awaiter = detail::io_awaiter<absl::StatusOr<std::size_t>, &detail::finish_receive>;
  using write_awaiter = detail::io_awaiter<absl::StatusOr<std::size_t>, &detail::finish_send>;

  /// Reads what has come, at least one byte and at most `buffer`; 0: the peer has closed its end (or the buffer is
  /// empty). Errors: CANCELLED after a stop, FAILED_PRECONDITION once closed, else the kernel's, with the peer's
  /// address. Selectable. Cost: no allocation; the system call is shared with the processor's other operations.
  read_awaiter read_some(std::span<std::byte> buffer,
                         std::source_location where = std::source_location::current()) noexcept;

  /// The same without a buffer of the caller's: none is held while nothing comes, so that many idle connections cost
  /// little. What comes is in a buffer of the runtime's, at most io_buffer::capacity bytes; empty: the peer has closed
  /// its end. Errors and use as above. Cost: no allocation while the processor has buffers.
  detail::io_buffer_awaiter read_some(std::source_location where = std::source_location::current()) noexcept;

  /// The same into several buffers in order, such as a head and a body: each is filled before the next one. 0 at once
  /// if all are empty. Looks at the first 1024 of them. A task, so not selectable itself.
  task<absl::StatusOr<std::size_t>> read_some(std::span<const mutable_buffer> buffers);

  /// Writes a first part of `data`, at least one byte; returns how many. Errors as for read_some(). Selectable.
  write_awaiter write_some(std::span<const std::byte> data,
                           std::source_location where = std::source_location::current()) noexcept;

  /// Fills the whole buffer. OUT_OF_RANGE: the peer's end came before; what did come is in the buffer.
  task<absl::Status> read_exactly(std::span<std::byte> buffer);

  /// Writes everything, or says why not; a part may have been written then.
  task<absl::Status> write_all(std::span<const std::byte> data);
  task<absl::Status> write_all(std::string_view text);

  /// The same from several buffers in order, such as a head and a body, with one system call where the kernel takes
  /// them whole. write_some() looks at the first 1024 of them.
  task<absl::StatusOr<std::size_t>> write_some(std::span<const const_buffer> buffers);
  task<absl::Status> write_all(std::span<const const_buffer> buffers);

  /// Reading and writing with a buffer of the operation's own; called from a task, which parks until the socket is
  /// ready. One that is asked to stop leaves at once, with CANCELLED, also while the processor of its operation
  /// computes, and nobody touches the buffer or the socket afterwards. Not selectable; a time limit is set with
  /// with_timeout(). Cost: no allocation but the call's own; system calls that are not shared, see docs/io.md.
  ///
  /// Reading gives the buffer back, as long as what was read (empty: the peer has closed its end, or the buffer was);
  /// after an error it is gone. A stop loses nothing: what comes later is for the next read.
  task<absl::StatusOr<std::vector<std::byte>>> read_owned(std::vector<std::byte> buffer);

  /// Writes everything and returns how many bytes these were: fewer only if the task was asked to stop when a part was
  /// written, CANCELLED if nothing was. After any other error it is unknown how much was.
  task<absl::StatusOr<std::size_t>> write_owned(std::vector<std::byte> data);

  /// Tells the peer that nothing more comes; reading goes on.
  absl::Status shutdown_write() noexcept;
};

}  // namespace weft
