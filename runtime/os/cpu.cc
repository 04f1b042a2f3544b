// Affinity from the scheduler, quota from the cgroup files.
#include "os/cpu.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

#include "os/cgroup.h"

namespace weft::os {
namespace {

std::optional<int> rounded_up(int64_t quota, int64_t period) {
  constexpr int64_t most = 1 << 20;
  if (quota <= 0 || period <= 0) return std::nullopt;
  const int64_t whole = quota / period + (quota % period != 0 ? 1 : 0);
  return static_cast<int>(std::min(whole, most));
}

// cpu.max holds "quota period" in microseconds, "max" for no quota.
std::optional<int> limit_version_2(const std::string& folder) {
  const std::optional<std::string> line = first_line_of(folder + "/cpu.max");
  if (!line.has_value()) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(*line, ' ');
  int64_t quota = 0;
  int64_t period = 100'000;
  if (!absl::SimpleAtoi(fields[0], &quota)) return std::nullopt;
  if (fields.size() > 1 && !absl::SimpleAtoi(fields[1], &period)) return std::nullopt;
  return rounded_up(quota, period);
}

// Version 1 keeps the two numbers in files of their own; a quota of -1 means none.
std::optional<int> limit_version_1(const std::string& folder) {
  const std::optional<std::string> quota_line = first_line_of(folder + "/cpu.cfs_quota_us");
  const std::optional<std::string> period_line = first_line_of(folder + "/cpu.cfs_period_us");
  if (!quota_line.has_value() || !period_line.has_value()) return std::nullopt;
  int64_t quota = 0;
  int64_t period = 0;
  if (!absl::SimpleAtoi(*quota_line, &quota) || !absl::SimpleAtoi(*period_line, &period)) return std::nullopt;
  return rounded_up(quota, period);
}

std::optional<int> smaller(std::optional<int> a, std::optional<int> b) {
  if (!a.has_value()) return b;
  if (!b.has_value()) return a;
  return std::min(*a, *b);
}

}  // namespace

std::optional<int> cgroup_processors(const std::string& root) {
  // The tightest limit from the group up to the mount point: a parent's quota binds its children together.
  std::optional<int> limit;
  for (const cgroup_folder& f : cgroup_folders(root, "cpu"))
    limit = smaller(limit, f.version_2 ? limit_version_2(f.path) : limit_version_1(f.path));
  return limit;
}

int affinity_processors() noexcept {
  // The kernel rejects a mask smaller than its own; no machine comes near the last size.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t* const mask = CPU_ALLOC(cpus);
    if (mask == nullptr) return 1;
    const size_t mask_bytes = CPU_ALLOC_SIZE(cpus);
    const bool known = ::sched_getaffinity(0, mask_bytes, mask) == 0;
    const int error = errno;
    const int count = known ? CPU_COUNT_S(mask_bytes, mask) : 0;
    CPU_FREE(mask);
    if (known) return std::max(count, 1);
    if (error != EINVAL) return 1;
  }
  return 1;
}

int available_processors() { return std::max(1, smaller(affinity_processors(), cgroup_processors("")).value_or(1)); }

}  // namespace weft::os
