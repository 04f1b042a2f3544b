// See socket.h.
#include "io/socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>

#include <weft/detail/io_awaiter.h>
#include <weft/time.h>

#include "io/io_error.h"
#include "os/address.h"

namespace weft::detail {

namespace {

constexpr std::chrono::milliseconds most_pause{50};

int32_t finish_connect(const descriptor&, int32_t result) { return result; }

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
  const bool local = os::family_of(peer.bytes()) == os::address_family::local;
  const io_request request{.op = io_op::connect,
                           .fd = fd,
                           .length = static_cast<uint32_t>(peer.bytes().size()),
                           .flags = local ? io_connect_at_once : 0,
                           .address = reinterpret_cast<uint64_t>(peer.bytes().data())};
  for (std::chrono::milliseconds pause{1};; pause = std::min(2 * pause, most_pause)) {
    io_awaiter<int32_t, &finish_connect> connecting(socket, request, std::source_location::current());
    const int32_t result = co_await connecting;
    if (result >= 0) co_return socket;
    if (result != -EAGAIN) co_return io_error("connect to", peer.to_string(), result);
    // A local listener's queue is full, and nothing tells when it is no more.
    const bool slept = co_await sleep_for(pause);
    if (!slept) co_return io_error("connect to", peer.to_string(), -ECANCELED);
  }
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
