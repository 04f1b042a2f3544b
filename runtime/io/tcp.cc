// TCP listeners and connections; see weft/tcp.h.
#include <weft/tcp.h>

#include <array>
#include <string>

#include "io/io_error.h"
#include "io/socket.h"
#include "os/address.h"

namespace weft {

namespace detail {

absl::StatusOr<tcp_stream> finish_tcp_accept(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("accept on", on, result);
  return tcp_stream(result);
}

}  // namespace detail

absl::StatusOr<tcp_listener> tcp_listener::bind(const socket_address& address, tcp_listen_options options) {
  // Accepted connections inherit TCP_NODELAY.
  const std::array all{detail::socket_option{os::level_socket, os::option_reuse_address, "SO_REUSEADDR"},
                       detail::socket_option{os::level_tcp, os::option_no_delay, "TCP_NODELAY"},
                       detail::socket_option{os::level_socket, os::option_reuse_port, "SO_REUSEPORT"}};
  absl::StatusOr<descriptor> socket =
      detail::bind_socket(address, os::stream_socket, std::span(all).first(options.reuse_port ? 3 : 2));
  if (!socket.ok()) return socket.status();
  if (const int r = detail::kernel().listen_on(socket->fd(), options.backlog); r < 0)
    return detail::io_error("listen on", address.to_string(), r);
  return tcp_listener(socket->release());
}

tcp_listener::accept_awaiter tcp_listener::accept(std::source_location where) noexcept {
  return accept_awaiter(*this, {.op = detail::io_op::accept, .fd = fd(), .flags = os::accept_flags}, where);
}

socket_address tcp_listener::local_address() const { return detail::socket_name(*this, false); }

task<absl::StatusOr<tcp_stream>> tcp_stream::connect(socket_address peer) {
  absl::StatusOr<descriptor> socket = co_await detail::connect_socket(peer);
  if (!socket.ok()) co_return socket.status();
  tcp_stream stream(socket->release());
  if (absl::Status s = stream.set_no_delay(true); !s.ok()) co_return s;
  co_return stream;
}

socket_address tcp_stream::local_address() const { return detail::socket_name(*this, false); }
socket_address tcp_stream::peer_address() const { return detail::socket_name(*this, true); }

absl::Status tcp_stream::set_no_delay(bool on) noexcept {
  return detail::set_socket_option(*this, os::level_tcp, os::option_no_delay, on ? 1 : 0, "set TCP_NODELAY of");
}

absl::Status tcp_stream::set_keep_alive(bool on) noexcept {
  return detail::set_socket_option(*this, os::level_socket, os::option_keep_alive, on ? 1 : 0, "set SO_KEEPALIVE of");
}

}  // namespace weft
