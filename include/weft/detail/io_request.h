// What is asked of the kernel for a descriptor, in the form that both back ends understand.
#pragma once

#include <cstdint>

namespace weft::detail {

enum class io_op : uint8_t {
  read,      ///< address, length, offset (-1: where the file stands)
  write,     ///< the same
  readv,     ///< address of iovecs, length: how many, offset
  writev,    ///< the same
  receive,   ///< address, length, flags: MSG_*
  send,      ///< the same
  receive_provided,  ///< flags: MSG_*; into one of the buffers that the port was given
  recvmsg,   ///< address of a msghdr, flags: MSG_*
  sendmsg,   ///< the same
  accept,    ///< flags: SOCK_*; address and address2 of a sockaddr and its length, or null; gives a descriptor
  connect,   ///< address and length of a sockaddr; flags: io_connect_at_once
  poll,      ///< flags: POLL*; gives the events that came
  fsync,     ///< flags: 1 data only
  open,      ///< address of the path, flags: O_*, length: mode, fd: directory; gives a descriptor
  statx,     ///< address of the path, flags: AT_*, length: mask, address2 of a statx, fd: directory
  shutdown,  ///< flags: SHUT_*
};

/// What io_op::poll waits for: POLLIN and POLLOUT.
inline constexpr uint32_t io_readable = 0x1;
inline constexpr uint32_t io_writable = 0x4;

/// io_op::connect never waits: -EAGAIN is what it came to. For local sockets, whose connects are done at once or find
/// the listener's queue full, which no poll tells.
inline constexpr uint32_t io_connect_at_once = 1;

struct io_request {
  io_op op;
  int32_t fd;
  uint32_t length = 0;
  uint32_t flags = 0;
  uint64_t address = 0;
  uint64_t address2 = 0;
  uint64_t offset = 0;
};

}  // namespace weft::detail
