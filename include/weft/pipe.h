// Byte streams in one direction: pipes, and the standard streams.
#pragma once

#include <cstddef>
#include <source_location>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>
#include <weft/task.h>

namespace weft {

namespace detail {
absl::StatusOr<std::size_t> finish_read(const descriptor& on, int32_t result);
absl::StatusOr<std::size_t> finish_write(const descriptor& on, int32_t result);
}  // namespace detail

/// The end of a pipe that is read from. Rules for buffers, stops and errors as for stream_socket.
class pipe_reader : public descriptor {
 public:
  using descriptor::descriptor;
  using read_awaiter = detail::io_awaiter<absl::StatusOr<std::size_t>, &detail::finish_read>;

  /// Reads what there is, at least one byte; 0: every writer has closed its end. Selectable.
  read_awaiter read_some(std::span<std::byte> buffer,
                         std::source_location where = std::source_location::current()) noexcept;

  /// Fills the whole buffer. OUT_OF_RANGE: the end came before.
  task<absl::Status> read_exactly(std::span<std::byte> buffer);

  /// As read_some() with a buffer of the operation's own, which a stopped task leaves at once; see stream_socket.
  task<absl::StatusOr<std::vector<std::byte>>> read_owned(std::vector<std::byte> buffer);
};

/// The end of a pipe that is written to.
class pipe_writer : public descriptor {
 public:
  using descriptor::descriptor;
  using write_awaiter = detail::io_awaiter<absl::StatusOr<std::size_t>, &detail::finish_write>;

  /// Writes a first part, at least one byte; returns how many. A pipe without readers: UNAVAILABLE ("Broken pipe"); the
  /// process gets no SIGPIPE for it if it ignores that signal (see ignore_sigpipe()). Selectable.
  write_awaiter write_some(std::span<const std::byte> data,
                           std::source_location where = std::source_location::current()) noexcept;

  /// Writes everything, or says why not; a part may have been written then.
  task<absl::Status> write_all(std::span<const std::byte> data);
  task<absl::Status> write_all(std::string_view text);

  /// As write_all() with data of the operation's own, which a stopped task leaves at once, and with the number of bytes
  /// that were written; see stream_socket.
  task<absl::StatusOr<std::size_t>> write_owned(std::vector<std::byte> data);
};

struct pipe_ends {
  pipe_reader reader;
  pipe_writer writer;
};

/// A new pipe. Any thread. Error: RESOURCE_EXHAUSTED.
absl::StatusOr<pipe_ends> make_pipe();

/// The process's own standard streams, as duplicates: closing them leaves the originals open. Error: the kernel's.
absl::StatusOr<pipe_reader> standard_input();
absl::StatusOr<pipe_writer> standard_output();
absl::StatusOr<pipe_writer> standard_error();

/// Lets writes to pipes without readers fail instead of ending the process, unless it handles SIGPIPE already.
void ignore_sigpipe() noexcept;

}  // namespace weft
