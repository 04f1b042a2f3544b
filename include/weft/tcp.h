// TCP: listeners and connections.
#pragma once

#include <cstdint>
#include <source_location>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>
#include <weft/socket_address.h>
#include <weft/stream.h>
#include <weft/task.h>

namespace weft {

class tcp_stream;

namespace detail {
absl::StatusOr<tcp_stream> finish_tcp_accept(const descriptor& on, int32_t result);
}  // namespace detail

/// A TCP connection. Small writes are sent at once (TCP_NODELAY).
class tcp_stream : public stream_socket {
 public:
  using stream_socket::stream_socket;

  /// Connects to `peer`. Parks the task. Errors: the kernel's, with the address; CANCELLED after a stop.
  static task<absl::StatusOr<tcp_stream>> connect(socket_address peer);

  socket_address local_address() const;
  socket_address peer_address() const;

  /// Whether small writes are sent at once. Error: the kernel's.
  absl::Status set_no_delay(bool on) noexcept;

  /// Whether the kernel probes an idle connection. Error: the kernel's.
  absl::Status set_keep_alive(bool on) noexcept;
};

struct tcp_listen_options {
  int backlog = 1024;       ///< connections that wait to be accepted; 1 to what the kernel allows
  bool reuse_port = false;  ///< several listeners share the port
};

/// A TCP port that accepts connections. Several tasks may accept at once.
class tcp_listener : public descriptor {
 public:
  using descriptor::descriptor;
  using accept_awaiter = detail::io_awaiter<absl::StatusOr<tcp_stream>, &detail::finish_tcp_accept>;

  /// Listens on `address`; port 0 takes a free one (see local_address()). From any thread; blocks nothing. Errors: the
  /// kernel's, with the address.
  static absl::StatusOr<tcp_listener> bind(const socket_address& address, tcp_listen_options options = {});

  /// The next connection. Parks the task. Errors: CANCELLED after a stop, FAILED_PRECONDITION once closed, else the
  /// kernel's (RESOURCE_EXHAUSTED: no descriptors left; later tries may succeed). Selectable; UNAVAILABLE there when
  /// another task took the connection first.
  accept_awaiter accept(std::source_location where = std::source_location::current()) noexcept;

  socket_address local_address() const;
};

}  // namespace weft
