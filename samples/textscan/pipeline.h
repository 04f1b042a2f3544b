// The stages, put together: walk, read, scan, reduce.
#pragma once

#include <weft/task.h>

#include "arguments.h"
#include "progress.h"
#include "tally.h"

namespace textscan {

/// Scans what the arguments name, with `jobs` files at once, and returns what was found. Runs as a task; both
/// references must outlive the runtime.
weft::task<tally> scan_all(const arguments& args, int jobs, progress_line& progress);

}  // namespace textscan
