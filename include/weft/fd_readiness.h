// Waiting for descriptors that belong to someone else: a library's sockets, a device, an inotify instance.
#pragma once

#include <cstdint>
#include <source_location>

#include "absl/status/status.h"

#include <weft/descriptor.h>
#include <weft/detail/io_awaiter.h>

namespace weft {

namespace detail {
absl::Status finish_readiness(const descriptor& on, int32_t result);
}  // namespace detail

/// Waits until a foreign descriptor is ready; reading and writing stay with its owner. The descriptor must stay open
/// while a task waits, and is not closed by this object.
class fd_readiness {
 public:
  using awaiter = detail::io_awaiter<absl::Status, &detail::finish_readiness>;

  explicit fd_readiness(int fd) noexcept : watched_(fd) {}
  fd_readiness(const fd_readiness&) = delete;
  fd_readiness& operator=(const fd_readiness&) = delete;
  ~fd_readiness();

  /// Parks the task until a read would not block (data, the end, or an error is there). Errors: CANCELLED after a stop,
  /// else the kernel's. Selectable.
  awaiter readable(std::source_location where = std::source_location::current()) noexcept;

  /// The same for a write.
  awaiter writable(std::source_location where = std::source_location::current()) noexcept;

 private:
  descriptor watched_;
};

}  // namespace weft
