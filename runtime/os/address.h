// Socket addresses as text, and the numbers that sockets are asked for with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::os {

enum class address_family : uint8_t { none, ip4, ip6, local };

address_family family_of(std::span<const std::byte> address) noexcept;
int family_number(std::span<const std::byte> address) noexcept;  ///< AF_*
uint16_t port_of(std::span<const std::byte> address) noexcept;

/// Writes an address; returns its size. Nothing if the text is none.
std::optional<std::size_t> write_ip4(std::string_view host, uint16_t port, std::span<std::byte> out) noexcept;
std::optional<std::size_t> write_ip6(std::string_view host, uint16_t port, std::span<std::byte> out) noexcept;
std::size_t write_any(uint16_t port, std::span<std::byte> out) noexcept;

/// `path` has at most most_local_path bytes; a leading '@' means an abstract name.
inline constexpr std::size_t most_local_path = 107;
std::size_t write_local(std::string_view path, std::span<std::byte> out) noexcept;

std::string address_text(std::span<const std::byte> address);

/// Writes a msghdr and its iovec for one datagram; `address` may be empty.
void write_message(std::span<std::byte> header, std::span<std::byte> vector, std::span<std::byte> data,
                   std::span<std::byte> address) noexcept;

/// Room for a msghdr.
using message_header = std::array<std::byte, 64>;

/// Writes a msghdr for parts that are sent, or filled, one after the other; they must stay where they are.
void write_message(message_header& header, std::span<const std::span<const std::byte>> parts) noexcept;
void write_message(message_header& header, std::span<const std::span<std::byte>> parts) noexcept;

struct message_figures {
  std::size_t address_bytes;
  bool truncated;
};
/// What a receive wrote into it.
message_figures read_message(std::span<const std::byte> header) noexcept;

// What sockets are asked for with.
extern const int stream_socket, datagram_socket, level_socket, level_tcp, level_ip6;
extern const int option_reuse_address, option_reuse_port, option_no_delay, option_keep_alive, option_only_ip6,
    option_error, option_receive_buffer, option_send_buffer;
extern const uint32_t accept_flags, send_flags, shut_read, shut_write, shut_both;

}  // namespace weft::os
