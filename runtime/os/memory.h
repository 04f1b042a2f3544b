// How much memory this process may use: what a container's memory limit says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace weft::os {

/// The tightest cgroup memory limit, in bytes; nullopt when there is none. Files that cannot be read or understood
/// count as no limit.
///
/// `root` is the folder that plays "/"; see cgroup_folders(). Version 2 (memory.max) and version 1
/// (memory.limit_in_bytes) alike. Reads files; ask once and keep the answer. Thread safety: any thread.
[[nodiscard]] std::optional<int64_t> cgroup_memory_bytes(const std::string& root);

}  // namespace weft::os
