// See weft/pipe.h.
#include <weft/pipe.h>

#include <string>

#include "io/engine.h"
#include "io/io_error.h"
#include "io/owned.h"

namespace weft {

namespace detail {

absl::StatusOr<std::size_t> finish_read(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return io_error("read from", "descriptor " + std::to_string(on.fd()), result);
  return static_cast<std::size_t>(result);
}

absl::StatusOr<std::size_t> finish_write(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return io_error("write to", "descriptor " + std::to_string(on.fd()), result);
  return static_cast<std::size_t>(result);
}

}  // namespace detail

pipe_reader::read_awaiter pipe_reader::read_some(std::span<std::byte> buffer, std::source_location where) noexcept {
  return read_awaiter(*this,
                      {.op = detail::io_op::read,
                       .fd = fd(),
                       .length = detail::length_of(buffer.size()),
                       .address = reinterpret_cast<uint64_t>(buffer.data()),
                       .offset = detail::where_it_stands},
                      where);
}

task<absl::Status> pipe_reader::read_exactly(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    absl::StatusOr<std::size_t> n = co_await read_some(buffer);
    if (!n.ok()) co_return n.status();
    if (*n == 0)
      co_return absl::OutOfRangeError("read: the pipe was closed with " + std::to_string(buffer.size()) +
                                      " bytes still to come");
    buffer = buffer.subspan(*n);
  }
  co_return absl::OkStatus();
}

task<absl::StatusOr<std::vector<std::byte>>> pipe_reader::read_owned(std::vector<std::byte> buffer) {
  return detail::read_owned<detail::finish_read>(*this, std::move(buffer));
}

pipe_writer::write_awaiter pipe_writer::write_some(std::span<const std::byte> data,
                                                   std::source_location where) noexcept {
  return write_awaiter(*this,
                       {.op = detail::io_op::write,
                        .fd = fd(),
                        .length = detail::length_of(data.size()),
                        .address = reinterpret_cast<uint64_t>(data.data()),
                        .offset = detail::where_it_stands},
                       where);
}

task<absl::Status> pipe_writer::write_all(std::span<const std::byte> data) {
  while (!data.empty()) {
    absl::StatusOr<std::size_t> n = co_await write_some(data);
    if (!n.ok()) co_return n.status();
    data = data.subspan(*n);
  }
  co_return absl::OkStatus();
}

task<absl::Status> pipe_writer::write_all(std::string_view text) {
  co_return co_await write_all(std::as_bytes(std::span(text.data(), text.size())));
}

task<absl::StatusOr<std::size_t>> pipe_writer::write_owned(std::vector<std::byte> data) {
  return detail::write_owned<detail::finish_write>(*this, std::move(data));
}

absl::StatusOr<pipe_ends> make_pipe() {
  int ends[2];
  if (const int r = detail::kernel().open_pipe(ends); r < 0) return detail::io_error("make a pipe", "", r);
  return pipe_ends{pipe_reader(ends[0]), pipe_writer(ends[1])};
}

namespace {

template <class End>
absl::StatusOr<End> duplicate_of(int fd, std::string_view name) {
  const int duplicate = detail::kernel().duplicate(fd);
  if (duplicate < 0) return detail::io_error("duplicate", name, duplicate);
  return End(duplicate);
}

}  // namespace

absl::StatusOr<pipe_reader> standard_input() { return duplicate_of<pipe_reader>(0, "standard input"); }
absl::StatusOr<pipe_writer> standard_output() { return duplicate_of<pipe_writer>(1, "standard output"); }
absl::StatusOr<pipe_writer> standard_error() { return duplicate_of<pipe_writer>(2, "standard error"); }

void ignore_sigpipe() noexcept { detail::kernel().ignore_sigpipe(); }

}  // namespace weft
