// How many processors this process may use: the default number of weft processors.
//
// A container often sees every core of its machine but is paid for by CPU quota; more processors than quota means
// being throttled in the middle of a task. So the count is the smaller of the affinity mask and the quota.
//
// Invariants: the answer is at least 1, whatever the files say; an unreadable or malformed file counts as no limit.
//
// Source: the rule is Go 1.25's for GOMAXPROCS (affinity and cgroup CPU limit, rounded up), without its floor of 2.
#pragma once

#include <optional>
#include <string>

namespace weft::os {

/// Processors available to this process: min(CPUs in the affinity mask, cgroup CPU quota rounded up), at least 1.
///
/// Reads files; ask once and keep the answer. Thread safety: any thread.
[[nodiscard]] int available_processors();

/// CPUs in the calling thread's affinity mask, at least 1.
[[nodiscard]] int affinity_processors() noexcept;

/// The cgroup CPU quota in whole processors, rounded up; nullopt when there is none.
///
/// `root` is the folder that plays "/": <root>/proc/self/cgroup and <root>/proc/self/mountinfo name the groups, and
/// the limits are read below <root> + the mount point. Each ancestor's limit counts, version 2 and version 1 alike.
[[nodiscard]] std::optional<int> cgroup_processors(const std::string& root);

}  // namespace weft::os
