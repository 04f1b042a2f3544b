// Local (unix) sockets: listeners, connections, pairs.
#pragma once

#include <source_location>
#include <utility>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>
#include <weft/socket_address.h>
#include <weft/stream.h>
#include <weft/task.h>

namespace weft {

class unix_stream;

namespace detail {
absl::StatusOr<unix_stream> finish_unix_accept(const descriptor& on, int32_t result);
}  // namespace detail

/// A connection between processes of this machine.
class unix_stream : public stream_socket {
 public:
  using stream_socket::stream_socket;

  /// Connects to a local address. Parks the task. Errors: the kernel's, with the address; CANCELLED after a stop.
  static task<absl::StatusOr<unix_stream>> connect(socket_address peer);

  /// Two that are connected with each other. Any thread.
  static absl::StatusOr<std::pair<unix_stream, unix_stream>> pair();
};

/// A local address that accepts connections. Whoever made a path in the file system removes it afterwards.
class unix_listener : public descriptor {
 public:
  using descriptor::descriptor;
  using accept_awaiter = detail::io_awaiter<absl::StatusOr<unix_stream>, &detail::finish_unix_accept>;

  /// `backlog`: connections that wait to be accepted. From any thread. Errors: the kernel's, with the address.
  static absl::StatusOr<unix_listener> bind(const socket_address& address, int backlog = 1024);

  /// As tcp_listener::accept().
  accept_awaiter accept(std::source_location where = std::source_location::current()) noexcept;

  socket_address local_address() const;
};

}  // namespace weft
