// Affinity from the scheduler, quota from the cgroup files.
#include "os/cpu.h"

#include <errno.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace weft::os {
namespace {

// Where a hierarchy is mounted: the folder `mount_point` shows the group `group_root` and what is below it.
struct cgroup_mount {
  std::string group_root;
  std::string mount_point;
  bool version_2;
};

absl::string_view to_absl(std::string_view text) { return {text.data(), text.size()}; }

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::optional<std::string> first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

// mountinfo writes blanks and backslashes in paths as three octal digits: "\040".
std::string unescaped(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool lists(std::string_view comma_separated, std::string_view word) {
  const std::vector<std::string> words = absl::StrSplit(to_absl(comma_separated), ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// One line of mountinfo (proc_pid_mountinfo(5)): "36 35 0:31 /root /point options optional... - type source options".
std::optional<cgroup_mount> parse_mount(const std::string& line) {
  const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  if (halves.size() != 2) return std::nullopt;
  const std::vector<std::string> place = absl::StrSplit(halves[0], ' ');
  const std::vector<std::string> kind = absl::StrSplit(halves[1], ' ');
  if (place.size() < 6 || kind.size() < 3) return std::nullopt;
  const bool version_2 = kind[0] == "cgroup2";
  const bool version_1_cpu = kind[0] == "cgroup" && lists(kind[2], "cpu");
  if (!version_2 && !version_1_cpu) return std::nullopt;
  return cgroup_mount{unescaped(place[3]), unescaped(place[4]), version_2};
}

// The process's group in a hierarchy, from lines "id:controllers:path" (cgroups(7)); version 2 is "0::path".
std::optional<std::string> group_of(const std::vector<std::string>& memberships, bool version_2) {
  for (const std::string& line : memberships) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (version_2 ? fields[0] == "0" && fields[1].empty() : lists(fields[1], "cpu")) return fields[2];
  }
  return std::nullopt;
}

// The group's path below the mount point, "" for the mounted group itself and for a group outside of what is mounted.
std::string below_mount(const std::string& group, const cgroup_mount& mount) {
  const std::string_view prefix = mount.group_root == "/" ? std::string_view() : std::string_view(mount.group_root);
  std::string_view rest = group;
  if (!rest.starts_with(prefix)) return {};
  rest.remove_prefix(prefix.size());
  if (rest == "/" || !rest.starts_with('/') || rest.find("/..") != std::string_view::npos) return {};
  return std::string(rest);
}

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

// The tightest limit from the group up to the mount point: a parent's quota binds its children together.
std::optional<int> limit_along(const std::string& mount_folder, std::string group, bool version_2) {
  std::optional<int> limit;
  for (;;) {
    const std::string folder = mount_folder + group;
    limit = smaller(limit, version_2 ? limit_version_2(folder) : limit_version_1(folder));
    if (group.empty()) return limit;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

std::optional<int> cgroup_processors(const std::string& root) {
  const std::vector<std::string> memberships = lines_of(root + "/proc/self/cgroup");
  std::optional<int> limit;
  for (const std::string& line : lines_of(root + "/proc/self/mountinfo")) {
    const std::optional<cgroup_mount> mount = parse_mount(line);
    if (!mount.has_value()) continue;
    const std::optional<std::string> group = group_of(memberships, mount->version_2);
    if (!group.has_value()) continue;
    limit = smaller(limit, limit_along(root + mount->mount_point, below_mount(*group, *mount), mount->version_2));
  }
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
