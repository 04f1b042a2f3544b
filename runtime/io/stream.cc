// Connected sockets; see weft/stream.h.
#include <weft/stream.h>

#include <algorithm>
#include <array>

#include <weft/detail/check.h>

#include "io/io_error.h"
#include "io/owned.h"
#include "os/address.h"

namespace weft {

namespace detail {

absl::StatusOr<std::size_t> finish_receive(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("read from", on, result);
  return static_cast<std::size_t>(result);
}

absl::StatusOr<io_buffer> finish_buffered_receive(const descriptor& on, io_buffer_operation& op, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("read from", on, result);
  return io_buffer(std::exchange(op.buffer, nullptr), static_cast<std::size_t>(result));
}

absl::StatusOr<std::size_t> finish_send(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return socket_error("write to", on, result);
  return static_cast<std::size_t>(result);
}

}  // namespace detail

namespace {

constexpr std::size_t most_vectors = 1024;  // the kernel's limit, IOV_MAX

// What is left of the buffers after so many bytes; the first one is not empty.
std::span<const_buffer> without(std::span<const_buffer> buffers, std::size_t bytes) noexcept {
  while (!buffers.empty() && bytes >= buffers.front().size()) {
    bytes -= buffers.front().size();
    buffers = buffers.subspan(1);
  }
  if (!buffers.empty()) buffers.front() = buffers.front().subspan(bytes);
  return buffers;
}

}  // namespace

stream_socket::read_awaiter stream_socket::read_some(std::span<std::byte> buffer, std::source_location where) noexcept {
  return read_awaiter(*this,
                      {.op = detail::io_op::receive,
                       .fd = fd(),
                       .length = detail::length_of(buffer.size()),
                       .address = reinterpret_cast<uint64_t>(buffer.data())},
                      where);
}

detail::io_buffer_awaiter stream_socket::read_some(std::source_location where) noexcept {
  return detail::io_buffer_awaiter(*this, {.op = detail::io_op::recvpool, .fd = fd()}, where);
}

stream_socket::write_awaiter stream_socket::write_some(std::span<const std::byte> data,
                                                       std::source_location where) noexcept {
  return write_awaiter(*this,
                       {.op = detail::io_op::send,
                        .fd = fd(),
                        .length = detail::length_of(data.size()),
                        .flags = os::send_flags,
                        .address = reinterpret_cast<uint64_t>(data.data())},
                       where);
}

task<absl::StatusOr<std::size_t>> stream_socket::read_some(std::span<const mutable_buffer> buffers) {
  buffers = buffers.first(std::min(buffers.size(), most_vectors));
  if (std::all_of(buffers.begin(), buffers.end(), [](mutable_buffer b) { return b.empty(); })) co_return 0;
  alignas(8) os::message_header header;
  os::write_message(header, buffers);
  read_awaiter reading(*this,
                       {.op = detail::io_op::recvmsg, .fd = fd(), .address = reinterpret_cast<uint64_t>(header.data())},
                       std::source_location::current());
  co_return co_await reading;
}

task<absl::Status> stream_socket::read_exactly(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    absl::StatusOr<std::size_t> n = co_await read_some(buffer);
    if (!n.ok()) co_return n.status();
    if (*n == 0)
      co_return absl::OutOfRangeError("read: the peer closed its end with " + std::to_string(buffer.size()) +
                                      " bytes still to come");
    buffer = buffer.subspan(*n);
  }
  co_return absl::OkStatus();
}

task<absl::Status> stream_socket::write_all(std::span<const std::byte> data) {
  while (!data.empty()) {
    absl::StatusOr<std::size_t> n = co_await write_some(data);
    if (!n.ok()) co_return n.status();
    data = data.subspan(*n);
  }
  co_return absl::OkStatus();
}

task<absl::Status> stream_socket::write_all(std::string_view text) {
  co_return co_await write_all(std::as_bytes(std::span(text.data(), text.size())));
}

task<absl::StatusOr<std::size_t>> stream_socket::write_some(std::span<const const_buffer> buffers) {
  alignas(8) os::message_header header;
  os::write_message(header, buffers.first(std::min(buffers.size(), most_vectors)));
  write_awaiter writing(*this,
                        {.op = detail::io_op::sendmsg,
                         .fd = fd(),
                         .flags = os::send_flags,
                         .address = reinterpret_cast<uint64_t>(header.data())},
                        std::source_location::current());
  co_return co_await writing;
}

task<absl::Status> stream_socket::write_all(std::span<const const_buffer> buffers) {
  std::array<const_buffer, 16> copies;
  while (!buffers.empty()) {
    const std::size_t count = std::min(buffers.size(), copies.size());
    std::copy_n(buffers.begin(), count, copies.begin());
    buffers = buffers.subspan(count);
    std::span<const_buffer> left = without(std::span(copies).first(count), 0);
    while (!left.empty()) {
      absl::StatusOr<std::size_t> n = co_await write_some(left);
      if (!n.ok()) co_return n.status();
      left = without(left, *n);
    }
  }
  co_return absl::OkStatus();
}

task<absl::StatusOr<std::vector<std::byte>>> stream_socket::read_owned(std::vector<std::byte> buffer) {
  return detail::read_owned<detail::finish_receive>(*this, std::move(buffer));
}

task<absl::StatusOr<std::size_t>> stream_socket::write_owned(std::vector<std::byte> data) {
  return detail::write_owned<detail::finish_send>(*this, std::move(data));
}

absl::Status stream_socket::shutdown_write() noexcept {
  const int32_t result =
      is_open() ? detail::kernel().do_now({.op = detail::io_op::shutdown, .fd = fd(), .flags = os::shut_write}) : -9;
  return result < 0 ? detail::socket_error("shut down", *this, result) : absl::OkStatus();
}

}  // namespace weft
