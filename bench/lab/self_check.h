// Whether the lab can be believed on this machine, now.
//
// It compares each of several workloads with itself, twice, where nothing may be found; and then with itself plus a
// tenth more computed work, which must be found. The simulated machine of tests/lab/stats_test.cc shows the same of the
// method; this shows it of the whole, with real processes.
#pragma once

#include "absl/status/statusor.h"
#include "command_line.h"
#include "document.h"

namespace weft_lab {

/// Prints a line for each comparison, and what they come to. Options: --only=WORKLOAD,... and --sessions=N, how often
/// each workload is compared with itself.
///
/// Returns the exit status: 0, all that was planted was found, and differences where there are none in at most one of
/// twenty; 1, otherwise; 130, interrupted. Error: INVALID_ARGUMENT, nothing was measured.
absl::StatusOr<int> self_check(const command_line& line, const measurer& measure);

}  // namespace weft_lab
