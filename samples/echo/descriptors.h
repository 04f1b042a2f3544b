// How many connections a process may have.
#pragma once

#include <sys/resource.h>

namespace echo {

/// Lets this process open as many descriptors as its hard limit allows.
inline void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace echo
