// Socket addresses; see weft/socket_address.h.
#include <weft/socket_address.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "os/address.h"

namespace weft {

namespace {

std::optional<uint16_t> parse_port(std::string_view text) noexcept {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

absl::Status no_address(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError("socket address \"" + std::string(text) + "\": " + std::string(why) +
                                    "; allowed are 127.0.0.1:80, [::1]:80, unix:/path and unix:@name");
}

}  // namespace

absl::StatusOr<socket_address> socket_address::parse(std::string_view text) {
  constexpr std::string_view local_prefix = "unix:";
  if (text.starts_with(local_prefix)) return local(text.substr(local_prefix.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return no_address(text, "no port");
  const std::optional<uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return no_address(text, "the port is no number from 0 to 65535");
  std::string_view host = text.substr(0, colon);
  socket_address a;
  std::optional<std::size_t> size;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    size = os::write_ip6(host.substr(1, host.size() - 2), *port, a.bytes_);
  else
    size = os::write_ip4(host, *port, a.bytes_);
  if (!size) return no_address(text, "no numeric address before the port");
  a.size_ = static_cast<uint32_t>(*size);
  return a;
}

socket_address socket_address::loopback(uint16_t port) noexcept {
  socket_address a;
  a.size_ = static_cast<uint32_t>(*os::write_ip4("127.0.0.1", port, a.bytes_));
  return a;
}

socket_address socket_address::any(uint16_t port) noexcept {
  socket_address a;
  a.size_ = static_cast<uint32_t>(os::write_any(port, a.bytes_));
  return a;
}

absl::StatusOr<socket_address> socket_address::local(std::string_view path) {
  if (path.empty() || path.size() > os::most_local_path || path.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("local socket path \"" + std::string(path) + "\" has " +
                                      std::to_string(path.size()) + " bytes; allowed are 1 to 107, none of them zero");
  socket_address a;
  a.size_ = static_cast<uint32_t>(os::write_local(path, a.bytes_));
  return a;
}

socket_address socket_address::from_bytes(std::span<const std::byte> bytes) noexcept {
  socket_address a;
  a.size_ = static_cast<uint32_t>(std::min(bytes.size(), most_bytes));
  std::copy_n(bytes.begin(), a.size_, a.bytes_.begin());
  return a;
}

socket_address::family socket_address::kind() const noexcept { return static_cast<family>(os::family_of(bytes())); }

uint16_t socket_address::port() const noexcept { return os::port_of(bytes()); }

std::string socket_address::to_string() const { return os::address_text(bytes()); }

}  // namespace weft
