// TCP listeners and connections; see weft/tcp.h.
#include <weft/tcp.h>

#include <array>
#include <string>

#include "io/io_error.h"
#include "os/address.h"

namespace weft {

namespace {

socket_address name_of(const descriptor& socket, bool peer) {
  alignas(8) std::array<std::byte, socket_address::most_bytes> name{};
  if (!socket.is_open()) return {};
  const int size = detail::kernel().socket_name(socket.fd(), peer, name);
  return size <= 0 ? socket_address() : socket_address::from_bytes(std::span(name).first(static_cast<std::size_t>(size)));
}

absl::Status set_option(const descriptor& socket, int level, int name, int value, std::string_view what) noexcept {
  const int result = socket.is_open() ? detail::kernel().set_socket_option(socket.fd(), level, name, value) : -9;
  return result < 0 ? detail::socket_error(what, socket, result) : absl::OkStatus();
}

absl::Status finish_connect(const descriptor& on, int32_t result) {
  return result < 0 ? detail::socket_error("connect to", on, result) : absl::OkStatus();
}

}  // namespace

namespace detail {

absl::StatusOr<tcp_stream> finish_tcp_accept(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("accept on", on, result);
  return tcp_stream(result);
}

}  // namespace detail

absl::StatusOr<tcp_listener> tcp_listener::bind(const socket_address& address, tcp_listen_options options) {
  os::system& sys = detail::kernel();
  const auto refused = [&](std::string_view call, int result) {
    return detail::io_error(call, address.to_string(), result);
  };
  const int fd = sys.open_socket(os::family_number(address.bytes()), os::stream_socket, 0);
  if (fd < 0) return refused("make a socket for", fd);
  tcp_listener listener(fd);
  if (const int r = sys.set_socket_option(fd, os::level_socket, os::option_reuse_address, 1); r < 0)
    return refused("set SO_REUSEADDR for", r);
  if (options.reuse_port)
    if (const int r = sys.set_socket_option(fd, os::level_socket, os::option_reuse_port, 1); r < 0)
      return refused("set SO_REUSEPORT for", r);
  // Accepted connections inherit it.
  if (const int r = sys.set_socket_option(fd, os::level_tcp, os::option_no_delay, 1); r < 0)
    return refused("set TCP_NODELAY for", r);
  if (const int r = sys.bind_socket(fd, address.bytes()); r < 0) return refused("bind to", r);
  if (const int r = sys.listen_on(fd, options.backlog); r < 0) return refused("listen on", r);
  return listener;
}

tcp_listener::accept_awaiter tcp_listener::accept(std::source_location where) noexcept {
  return accept_awaiter(*this, {.op = detail::io_op::accept, .fd = fd(), .flags = os::accept_flags}, where);
}

socket_address tcp_listener::local_address() const { return name_of(*this, false); }

task<absl::StatusOr<tcp_stream>> tcp_stream::connect(socket_address peer) {
  os::system& sys = detail::kernel();
  const int fd = sys.open_socket(os::family_number(peer.bytes()), os::stream_socket, 0);
  if (fd < 0) co_return detail::io_error("make a socket for", peer.to_string(), fd);
  tcp_stream stream(fd);
  using connect_awaiter = detail::io_awaiter<absl::Status, &finish_connect>;
  const absl::Status connected = co_await connect_awaiter(
      stream,
      {.op = detail::io_op::connect,
       .fd = fd,
       .length = static_cast<uint32_t>(peer.bytes().size()),
       .address = reinterpret_cast<uint64_t>(peer.bytes().data())},
      std::source_location::current());
  if (!connected.ok())
    co_return absl::Status(connected.code(), "connect to " + peer.to_string() + ": " + std::string(connected.message()));
  if (absl::Status s = stream.set_no_delay(true); !s.ok()) co_return s;
  co_return stream;
}

socket_address tcp_stream::local_address() const { return name_of(*this, false); }
socket_address tcp_stream::peer_address() const { return name_of(*this, true); }

absl::Status tcp_stream::set_no_delay(bool on) noexcept {
  return set_option(*this, os::level_tcp, os::option_no_delay, on ? 1 : 0, "set TCP_NODELAY of");
}

absl::Status tcp_stream::set_keep_alive(bool on) noexcept {
  return set_option(*this, os::level_socket, os::option_keep_alive, on ? 1 : 0, "set SO_KEEPALIVE of");
}

}  // namespace weft
