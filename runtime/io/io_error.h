// What the kernel's refusals mean, in words and as a status.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

#include <weft/descriptor.h>

#include "os/system.h"

namespace weft::detail {

/// The system calls of the running task's runtime, or the real ones outside tasks.
os::system& kernel() noexcept;

/// Stands among the errnos for a processor that can have no I/O; its io_refusal says why.
inline constexpr int io_unavailable = 4096;

/// `result`: -errno. "<operation> <subject>: <reason>"; CANCELLED after a stop, FAILED_PRECONDITION after a close,
/// RESOURCE_EXHAUSTED for io_unavailable.
[[gnu::cold]] absl::Status io_error(std::string_view operation, std::string_view subject, int32_t result);

/// The same for a socket, whose ends are named.
[[gnu::cold]] absl::Status socket_error(std::string_view operation, const descriptor& socket, int32_t result);

/// The kernel takes at most this much at a time.
inline uint32_t length_of(std::size_t bytes) noexcept {
  constexpr std::size_t most = 0x7ffff000;
  return static_cast<uint32_t>(bytes < most ? bytes : most);
}

}  // namespace weft::detail
