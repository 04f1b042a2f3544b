// See weft/udp.h.
#include <weft/udp.h>

#include <algorithm>
#include <cerrno>

#include "io/io_error.h"
#include "io/socket.h"
#include "os/address.h"

namespace weft {

namespace detail {

datagram_awaiter::datagram_awaiter(descriptor& on, io_op op, std::span<std::byte> data, const socket_address* to,
                                   std::source_location where) noexcept
    : operation_awaiter(on, where,
                        io_request{.op = op, .fd = on.fd(), .flags = op == io_op::sendmsg ? os::send_flags : 0}) {
  op_.request.address = reinterpret_cast<uint64_t>(head_.header.data());
  std::span<std::byte> address;
  if (op == io_op::recvmsg) {
    address = head_.address;
  } else if (to != nullptr) {
    std::copy(to->bytes().begin(), to->bytes().end(), head_.address.begin());
    address = std::span(head_.address).first(to->bytes().size());
  }
  os::write_message(head_.header, head_.vector, data, address);
}

absl::StatusOr<datagram> receive_datagram_awaiter::await_resume() {
  const int32_t result = take_result();
  if (result < 0) [[unlikely]]
    return socket_error("receive on", on_, result);
  const os::message_figures m = os::read_message(head_.header);
  return datagram{static_cast<std::size_t>(result), m.truncated,
                  socket_address::from_bytes(std::span(head_.address).first(m.address_bytes))};
}

absl::StatusOr<std::size_t> send_datagram_awaiter::await_resume() {
  const int32_t result = take_result();
  if (result < 0) [[unlikely]]
    return socket_error("send on", on_, result);
  return static_cast<std::size_t>(result);
}

}  // namespace detail

namespace {

// The kernel's interface has no place for const; a send does not write.
std::span<std::byte> as_mutable(std::span<const std::byte> data) noexcept {
  return {const_cast<std::byte*>(data.data()), data.size()};
}

}  // namespace

absl::StatusOr<udp_socket> udp_socket::bind(const socket_address& address) {
  absl::StatusOr<descriptor> socket = detail::bind_socket(address, os::datagram_socket, {});
  if (!socket.ok()) return socket.status();
  return udp_socket(socket->release());
}

absl::Status udp_socket::connect(const socket_address& peer) noexcept {
  const int32_t result = is_open()
                             ? detail::kernel().do_now({.op = detail::io_op::connect,
                                                        .fd = fd(),
                                                        .length = static_cast<uint32_t>(peer.bytes().size()),
                                                        .address = reinterpret_cast<uint64_t>(peer.bytes().data())})
                             : -EBADF;
  return result < 0 ? detail::io_error("connect to", peer.to_string(), result) : absl::OkStatus();
}

detail::receive_datagram_awaiter udp_socket::receive_from(std::span<std::byte> buffer,
                                                          std::source_location where) noexcept {
  return detail::receive_datagram_awaiter(*this, detail::io_op::recvmsg, buffer, nullptr, where);
}

detail::send_datagram_awaiter udp_socket::send_to(const socket_address& peer, std::span<const std::byte> data,
                                                  std::source_location where) noexcept {
  return detail::send_datagram_awaiter(*this, detail::io_op::sendmsg, as_mutable(data), &peer, where);
}

detail::send_datagram_awaiter udp_socket::send(std::span<const std::byte> data, std::source_location where) noexcept {
  return detail::send_datagram_awaiter(*this, detail::io_op::sendmsg, as_mutable(data), nullptr, where);
}

socket_address udp_socket::local_address() const { return detail::socket_name(*this, false); }

}  // namespace weft
