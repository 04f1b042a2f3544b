// The resident set of this process, for benchmarks of memory.
#pragma once

#include <cstdint>
#include <cstdio>

#include <unistd.h>

namespace weft_bench {

/// Bytes of this process that are in memory now; -1 if the kernel does not say.
inline int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return -1;
  long total = 0;
  long resident = 0;
  const int fields = std::fscanf(file, "%ld %ld", &total, &resident);
  std::fclose(file);
  return fields == 2 ? int64_t{resident} * sysconf(_SC_PAGESIZE) : -1;
}

}  // namespace weft_bench
