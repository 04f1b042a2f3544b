// See weft/fd_readiness.h.
#include <weft/fd_readiness.h>

#include <string>

#include "io/io_error.h"

namespace weft {

namespace detail {

absl::Status finish_readiness(const descriptor& on, int32_t result) {
  if (result < 0) [[unlikely]]
    return io_error("wait for", "descriptor " + std::to_string(on.fd()), result);
  return absl::OkStatus();
}

}  // namespace detail

fd_readiness::~fd_readiness() { static_cast<void>(watched_.release()); }

fd_readiness::awaiter fd_readiness::readable(std::source_location where) noexcept {
  return awaiter(watched_, {.op = detail::io_op::poll, .fd = watched_.fd(), .flags = detail::io_readable}, where);
}

fd_readiness::awaiter fd_readiness::writable(std::source_location where) noexcept {
  return awaiter(watched_, {.op = detail::io_op::poll, .fd = watched_.fd(), .flags = detail::io_writable}, where);
}

}  // namespace weft
