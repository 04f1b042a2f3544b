// Reading /proc/self/cgroup and mountinfo; see cgroup.h.
#include "os/cgroup.h"

#include <algorithm>
#include <fstream>
#include <utility>

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
std::optional<cgroup_mount> parse_mount(const std::string& line, std::string_view controller) {
  const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  if (halves.size() != 2) return std::nullopt;
  const std::vector<std::string> place = absl::StrSplit(halves[0], ' ');
  const std::vector<std::string> kind = absl::StrSplit(halves[1], ' ');
  if (place.size() < 6 || kind.size() < 3) return std::nullopt;
  const bool version_2 = kind[0] == "cgroup2";
  const bool version_1 = kind[0] == "cgroup" && lists(kind[2], controller);
  if (!version_2 && !version_1) return std::nullopt;
  return cgroup_mount{unescaped(place[3]), unescaped(place[4]), version_2};
}

// The process's group in a hierarchy, from lines "id:controllers:path" (cgroups(7)); version 2 is "0::path".
std::optional<std::string> group_of(const std::vector<std::string>& memberships, bool version_2,
                                    std::string_view controller) {
  for (const std::string& line : memberships) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (version_2 ? fields[0] == "0" && fields[1].empty() : lists(fields[1], controller)) return fields[2];
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

}  // namespace

std::optional<std::string> first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::vector<cgroup_folder> cgroup_folders(const std::string& root, std::string_view controller) {
  const std::vector<std::string> memberships = lines_of(root + "/proc/self/cgroup");
  std::vector<cgroup_folder> folders;
  for (const std::string& line : lines_of(root + "/proc/self/mountinfo")) {
    const std::optional<cgroup_mount> mount = parse_mount(line, controller);
    if (!mount.has_value()) continue;
    const std::optional<std::string> group = group_of(memberships, mount->version_2, controller);
    if (!group.has_value()) continue;
    for (std::string below = below_mount(*group, *mount);;) {
      folders.push_back({root + mount->mount_point + below, mount->version_2});
      if (below.empty()) break;
      below.resize(below.rfind('/'));
    }
  }
  return folders;
}

}  // namespace weft::os
