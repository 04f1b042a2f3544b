// What the kinds of sockets have in common: making, naming and connecting one.
#pragma once

#include <span>

#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/socket_address.h>
#include <weft/task.h>

namespace weft::detail {

/// An option to set to 1 before a socket is bound.
struct socket_option {
  int level;
  int name;
  const char* text;
};

/// A socket of this type (os::stream_socket ...) on an address. Error: the kernel's, with the address.
absl::StatusOr<descriptor> bind_socket(const socket_address& address, int type, std::span<const socket_option> options);

/// A stream socket that is connected to `peer`. Parks the task.
task<absl::StatusOr<descriptor>> connect_socket(socket_address peer);

/// An empty address where there is none.
socket_address socket_name(const descriptor& socket, bool peer) noexcept;

/// Sets an option that is an int.
absl::Status set_socket_option(const descriptor& socket, int level, int name, int value, const char* what) noexcept;

}  // namespace weft::detail
