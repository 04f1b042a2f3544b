// The CPU time of this process, for benchmarks whose wall time is spent asleep.
#pragma once

#include <sys/resource.h>

namespace weft_bench {

/// Nanoseconds that all threads of this process have computed, in user mode and in the kernel.
inline double cpu_ns() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto ns = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_usec) * 1e3;
  };
  return ns(used.ru_utime) + ns(used.ru_stime);
}

}  // namespace weft_bench
