// The memory limit from the cgroup files.
#include "os/memory.h"

#include <algorithm>

#include "absl/strings/numbers.h"

#include "os/cgroup.h"

namespace weft::os {

std::optional<int64_t> cgroup_memory_bytes(const std::string& root) {
  // Version 1 says "none" with the largest number of pages, which is beyond any machine's memory.
  constexpr int64_t absurd = int64_t{1} << 60;
  std::optional<int64_t> limit;
  for (const cgroup_folder& f : cgroup_folders(root, "memory")) {
    const std::optional<std::string> line =
        first_line_of(f.path + (f.version_2 ? "/memory.max" : "/memory.limit_in_bytes"));
    int64_t bytes = 0;
    // "max" is no number.
    if (!line.has_value() || !absl::SimpleAtoi(*line, &bytes) || bytes < 0 || bytes >= absurd) continue;
    limit = limit.has_value() ? std::min(*limit, bytes) : bytes;
  }
  return limit;
}

}  // namespace weft::os
