// See weft/unix_socket.h.
#include <weft/unix_socket.h>

#include <string>

#include "io/io_error.h"
#include "io/socket.h"
#include "os/address.h"

namespace weft {

namespace detail {

absl::StatusOr<unix_stream> finish_unix_accept(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("accept on", on, result);
  return unix_stream(result);
}

}  // namespace detail

task<absl::StatusOr<unix_stream>> unix_stream::connect(socket_address peer) {
  absl::StatusOr<descriptor> socket = co_await detail::connect_socket(peer);
  if (!socket.ok()) co_return socket.status();
  co_return unix_stream(socket->release());
}

absl::StatusOr<std::pair<unix_stream, unix_stream>> unix_stream::pair() {
  int ends[2];
  if (const int r = detail::kernel().open_socket_pair(ends); r < 0)
    return detail::io_error("make a socket pair", "", r);
  return std::pair(unix_stream(ends[0]), unix_stream(ends[1]));
}

absl::StatusOr<unix_listener> unix_listener::bind(const socket_address& address, int backlog) {
  absl::StatusOr<descriptor> socket = detail::bind_socket(address, os::stream_socket, {});
  if (!socket.ok()) return socket.status();
  if (const int r = detail::kernel().listen_on(socket->fd(), backlog); r < 0)
    return detail::io_error("listen on", address.to_string(), r);
  return unix_listener(socket->release());
}

unix_listener::accept_awaiter unix_listener::accept(std::source_location where) noexcept {
  return accept_awaiter(*this, {.op = detail::io_op::accept, .fd = fd(), .flags = os::accept_flags}, where);
}

socket_address unix_listener::local_address() const { return detail::socket_name(*this, false); }

}  // namespace weft
