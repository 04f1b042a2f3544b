// See address.h.
#include "os/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace weft::os {

const int stream_socket = SOCK_STREAM, datagram_socket = SOCK_DGRAM, level_socket = SOL_SOCKET, level_tcp = IPPROTO_TCP,
          level_ip6 = IPPROTO_IPV6;
const int option_reuse_address = SO_REUSEADDR, option_reuse_port = SO_REUSEPORT, option_no_delay = TCP_NODELAY,
          option_keep_alive = SO_KEEPALIVE, option_only_ip6 = IPV6_V6ONLY, option_error = SO_ERROR,
          option_receive_buffer = SO_RCVBUF, option_send_buffer = SO_SNDBUF;
const uint32_t accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC, send_flags = MSG_NOSIGNAL, shut_read = SHUT_RD,
               shut_write = SHUT_WR, shut_both = SHUT_RDWR;

namespace {

template <class T>
T read_as(std::span<const std::byte> address) noexcept {
  T value{};
  std::memcpy(&value, address.data(), std::min(sizeof value, address.size()));
  return value;
}

template <class T>
std::size_t write_as(const T& value, std::span<std::byte> out) noexcept {
  std::memcpy(out.data(), &value, sizeof value);
  return sizeof value;
}

}  // namespace

int family_number(std::span<const std::byte> address) noexcept {
  return address.size() < sizeof(sa_family_t) ? AF_UNSPEC : read_as<sockaddr>(address).sa_family;
}

address_family family_of(std::span<const std::byte> address) noexcept {
  switch (family_number(address)) {
    case AF_INET: return address_family::ip4;
    case AF_INET6: return address_family::ip6;
    case AF_UNIX: return address_family::local;
    default: return address_family::none;
  }
}

uint16_t port_of(std::span<const std::byte> address) noexcept {
  switch (family_of(address)) {
    case address_family::ip4: return ntohs(read_as<sockaddr_in>(address).sin_port);
    case address_family::ip6: return ntohs(read_as<sockaddr_in6>(address).sin6_port);
    default: return 0;
  }
}

std::optional<std::size_t> write_ip4(std::string_view host, uint16_t port, std::span<std::byte> out) noexcept {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  if (::inet_pton(AF_INET, std::string(host).c_str(), &a.sin_addr) != 1) return std::nullopt;
  return write_as(a, out);
}

std::optional<std::size_t> write_ip6(std::string_view host, uint16_t port, std::span<std::byte> out) noexcept {
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  a.sin6_port = htons(port);
  const std::size_t zone = host.find('%');
  if (zone != std::string_view::npos) {
    a.sin6_scope_id = ::if_nametoindex(std::string(host.substr(zone + 1)).c_str());
    if (a.sin6_scope_id == 0) return std::nullopt;
  }
  if (::inet_pton(AF_INET6, std::string(host.substr(0, zone)).c_str(), &a.sin6_addr) != 1) return std::nullopt;
  return write_as(a, out);
}

std::size_t write_any(uint16_t port, std::span<std::byte> out) noexcept {
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  a.sin6_port = htons(port);
  a.sin6_addr = in6addr_any;
  return write_as(a, out);
}

std::size_t write_local(std::string_view path, std::span<std::byte> out) noexcept {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::memcpy(a.sun_path, path.data(), path.size());
  const bool abstract = path.starts_with('@');
  if (abstract) a.sun_path[0] = 0;
  const std::size_t size = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
  std::memcpy(out.data(), &a, size);
  return size;
}

void write_message(std::span<std::byte> header, std::span<std::byte> vector, std::span<std::byte> data,
                   std::span<std::byte> address) noexcept {
  static_assert(sizeof(msghdr) <= 64 && sizeof(iovec) <= 16);
  const iovec v{data.data(), data.size()};
  write_as(v, vector);
  msghdr m{};
  m.msg_iov = reinterpret_cast<iovec*>(vector.data());
  m.msg_iovlen = 1;
  if (!address.empty()) {
    m.msg_name = address.data();
    m.msg_namelen = static_cast<socklen_t>(address.size());
  }
  write_as(m, header);
}

namespace {
// Spans lie in memory as iovecs do: a pointer and a size. Nobody writes to them, though the interface is not const.
template <class Byte>
void write_message_of(message_header& header, std::span<const std::span<Byte>> parts) noexcept {
  static_assert(sizeof(std::span<Byte>) == sizeof(iovec));
  msghdr m{};
  m.msg_iov = reinterpret_cast<iovec*>(const_cast<std::span<Byte>*>(parts.data()));
  m.msg_iovlen = parts.size();
  write_as(m, header);
}
}  // namespace

void write_message(message_header& header, std::span<const std::span<const std::byte>> parts) noexcept {
  write_message_of(header, parts);
}

void write_message(message_header& header, std::span<const std::span<std::byte>> parts) noexcept {
  write_message_of(header, parts);
}

message_figures read_message(std::span<const std::byte> header) noexcept {
  const auto m = read_as<msghdr>(header);
  return {m.msg_namelen, (m.msg_flags & MSG_TRUNC) != 0};
}

std::string address_text(std::span<const std::byte> address) {
  char text[INET6_ADDRSTRLEN + 1] = "";
  switch (family_of(address)) {
    case address_family::ip4: {
      const auto a = read_as<sockaddr_in>(address);
      ::inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
      return std::string(text) + ":" + std::to_string(ntohs(a.sin_port));
    }
    case address_family::ip6: {
      const auto a = read_as<sockaddr_in6>(address);
      ::inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
      std::string host = text;
      char zone[IF_NAMESIZE];
      if (a.sin6_scope_id != 0 && ::if_indextoname(a.sin6_scope_id, zone) != nullptr) host += std::string("%") + zone;
      return "[" + host + "]:" + std::to_string(ntohs(a.sin6_port));
    }
    case address_family::local: {
      const auto a = read_as<sockaddr_un>(address);
      const std::size_t start = offsetof(sockaddr_un, sun_path);
      if (address.size() <= start) return "unix:";
      const std::size_t length = address.size() - start;
      if (a.sun_path[0] == 0) return "unix:@" + std::string(a.sun_path + 1, length - 1);
      return "unix:" + std::string(a.sun_path, ::strnlen(a.sun_path, length));
    }
    case address_family::none: break;
  }
  return "no address";
}

}  // namespace weft::os
