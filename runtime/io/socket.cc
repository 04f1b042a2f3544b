// See socket.h.
#include "io/socket.h"

#include <array>
#include <cerrno>
#include <string>

#include <weft/detail/io_awaiter.h>

#include "io/io_error.h"
#include "os/address.h"

namespace weft::detail {

namespace {

absl::Status finish_connect(const descriptor& on, int32_t result) {
  return result < 0 ? io_error("connect to", "", on.is_open() ? result : -EBADF) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<descriptor> bind_socket(const socket_address& address, int type,
                                       std::span<const socket_option> options) {
  os::system& sys = kernel();
  const auto refused = [&](std::string_view call, int result) { return io_error(call, address.to_string(), result); };
  const int fd = sys.open_socket(os::family_number(address.bytes()), type, 0);
  if (fd < 0) return refused("make a socket for", fd);
  descriptor socket(fd);
  for (const socket_option& option : options)
    if (const int r = sys.set_socket_option(fd, option.level, option.name, 1); r < 0)
      return refused(std::string("set ") + option.text + " for", r);
  if (const int r = sys.bind_socket(fd, address.bytes()); r < 0) return refused("bind to", r);
  return socket;
}

task<absl::StatusOr<descriptor>> connect_socket(socket_address peer) {
  const int fd = kernel().open_socket(os::family_number(peer.bytes()), os::stream_socket, 0);
  if (fd < 0) co_return io_error("make a socket for", peer.to_string(), fd);
  descriptor socket(fd);
  const io_request request{.op = io_op::connect,
                           .fd = fd,
                           .length = static_cast<uint32_t>(peer.bytes().size()),
                           .address = reinterpret_cast<uint64_t>(peer.bytes().data())};
  io_awaiter<absl::Status, &finish_connect> connecting(socket, request, std::source_location::current());
  const absl::Status connected = co_await connecting;
  if (!connected.ok()) {
    const std::string reason(connected.message());
    co_return absl::Status(connected.code(), "connect to " + peer.to_string() + reason.substr(reason.find(':')));
  }
  co_return socket;
}

socket_address socket_name(const descriptor& socket, bool peer) noexcept {
  if (!socket.is_open()) return {};
  alignas(8) std::array<std::byte, socket_address::most_bytes> name{};
  const int size = kernel().socket_name(socket.fd(), peer, name);
  return size <= 0 ? socket_address()
                   : socket_address::from_bytes(std::span(name).first(static_cast<std::size_t>(size)));
}

absl::Status set_socket_option(const descriptor& socket, int level, int name, int value, const char* what) noexcept {
  const int result = socket.is_open() ? kernel().set_socket_option(socket.fd(), level, name, value) : -EBADF;
  return result < 0 ? socket_error(what, socket, result) : absl::OkStatus();
}

}  // namespace weft::detail
