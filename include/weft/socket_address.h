// Where a socket is: an address of IPv4, IPv6 or the local (unix) family.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weft {

/// An address and port, or a path. A value.
class socket_address {
 public:
  enum class family : uint8_t { none, ip4, ip6, local };

  socket_address() noexcept = default;

  /// From "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", "unix:/path" or "unix:@abstract". Names are not looked up
  /// (see resolve()). Error: INVALID_ARGUMENT that names the text and what is allowed.
  static absl::StatusOr<socket_address> parse(std::string_view text);

  /// This machine only: 127.0.0.1.
  static socket_address loopback(uint16_t port) noexcept;

  /// Every interface, IPv4 and IPv6: [::].
  static socket_address any(uint16_t port) noexcept;

  /// A path in the file system, or, with a leading '@', a name that lives as long as its socket. At most 107 bytes.
  static absl::StatusOr<socket_address> local(std::string_view path);

  /// As the kernel writes it down.
  static socket_address from_bytes(std::span<const std::byte> bytes) noexcept;
  std::span<const std::byte> bytes() const noexcept { return std::span(bytes_).first(size_); }

  family kind() const noexcept;
  uint16_t port() const noexcept;  ///< 0 for a local address

  /// The form that parse() reads.
  std::string to_string() const;

  friend bool operator==(const socket_address& a, const socket_address& b) noexcept {
    return a.to_string() == b.to_string();
  }

  static constexpr std::size_t most_bytes = 112;

 private:
  alignas(8) std::array<std::byte, most_bytes> bytes_{};
  uint32_t size_ = 0;
};

}  // namespace weft
