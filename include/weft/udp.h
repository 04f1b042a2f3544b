// UDP sockets: datagrams to and from any address.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>
#include <weft/socket_address.h>

namespace weft {

/// A datagram that was received.
struct datagram {
  std::size_t bytes = 0;   ///< in the caller's buffer
  bool truncated = false;  ///< it was longer than the buffer
  socket_address from;
};

namespace detail {

/// What the kernel is told about a datagram; lives in the awaiter, as long as the operation.
struct datagram_head {
  alignas(8) std::array<std::byte, 64> header;  // a msghdr
  alignas(8) std::array<std::byte, 16> vector;  // an iovec
  alignas(8) std::array<std::byte, socket_address::most_bytes> address;
  uint32_t address_bytes;
};

class [[nodiscard]] datagram_awaiter : public operation_awaiter<io_operation> {
 public:
  datagram_awaiter(descriptor& on, io_op op, std::span<std::byte> data, const socket_address* to,
                   std::source_location where) noexcept;
  ~datagram_awaiter() {
    if (op_.in_list) on_.remove(op_);
  }

 protected:
  datagram_head head_;
};

class [[nodiscard]] receive_datagram_awaiter : public datagram_awaiter {
 public:
  using datagram_awaiter::datagram_awaiter;
  absl::StatusOr<datagram> await_resume();
};

class [[nodiscard]] send_datagram_awaiter : public datagram_awaiter {
 public:
  using datagram_awaiter::datagram_awaiter;
  absl::StatusOr<std::size_t> await_resume();
};

}  // namespace detail

/// A UDP socket. Several tasks may send and receive at once; a datagram goes to one of them.
class udp_socket : public descriptor {
 public:
  using descriptor::descriptor;

  /// A socket on `address`; port 0 takes a free one. From any thread. Errors: the kernel's, with the address.
  static absl::StatusOr<udp_socket> bind(const socket_address& address);

  /// Sets the peer that send() goes to and the only one that is heard from. Error: the kernel's.
  absl::Status connect(const socket_address& peer) noexcept;

  /// The next datagram. Selectable. Errors as for stream_socket; a peer that refuses shows as UNAVAILABLE.
  detail::receive_datagram_awaiter receive_from(std::span<std::byte> buffer,
                                                std::source_location where = std::source_location::current()) noexcept;

  /// Sends one datagram; returns its bytes. Selectable.
  detail::send_datagram_awaiter send_to(const socket_address& peer, std::span<const std::byte> data,
                                        std::source_location where = std::source_location::current()) noexcept;

  /// The same to the connected peer.
  detail::send_datagram_awaiter send(std::span<const std::byte> data,
                                     std::source_location where = std::source_location::current()) noexcept;

  socket_address local_address() const;
};

}  // namespace weft
