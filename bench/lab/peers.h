// Other runtimes beside weft: the programs of bench/peers on the workloads of weft_workloads.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "command_line.h"

namespace weft_lab {

/// Runs every program that is built as PROG WORKLOAD THREADS, interleaved, and returns a table in Markdown: weft's
/// median, and for each peer its median and how it compares. Options of the line: --only=WORKLOAD,..., --threads=N,...,
/// --peer=NAME=PROG, --programs=FOLDER (where weft_workloads and peers/ are).
///
/// A program that ends with status 2 has no such workload. INVALID_ARGUMENT: an option is wrong.
absl::StatusOr<std::string> compare_peers(const command_line& line);

}  // namespace weft_lab
