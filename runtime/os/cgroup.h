// Where the limits of this process's control groups are: the folders to read files like cpu.max from.
//
// Invariants: an unreadable or malformed file counts as one that is not there.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::os {

struct cgroup_folder {
  std::string path;
  bool version_2;
};

/// The folders of the process's groups for this controller ("cpu", "memory"), in each hierarchy from the group up to
/// the mount point, since every ancestor's limit binds.
///
/// `root` is the folder that plays "/": <root>/proc/self/cgroup and <root>/proc/self/mountinfo name the groups, and
/// the folders are below <root> + the mount point. Thread safety: any thread.
[[nodiscard]] std::vector<cgroup_folder> cgroup_folders(const std::string& root, std::string_view controller);

/// Nullopt when there is no such file, or nothing in it.
[[nodiscard]] std::optional<std::string> first_line_of(const std::string& path);

}  // namespace weft::os
