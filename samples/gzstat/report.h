// What gzstat prints at its end: results for programs, and a report for people.
#pragma once

#include <string>

#include "arguments.h"
#include "figures.h"
#include "pipeline.h"
#include "stages.h"

namespace gzstat {

/// The results, for standard output: a number and what it counts, line by line.
[[nodiscard]] std::string results(const arguments& args, const tally& total);

/// What was damaged or could not be read: the first few by name, and how many there are. Empty if nothing was.
[[nodiscard]] std::string problems(const run_state& run);

/// Why the run ended early, in a line. Empty if it did not.
[[nodiscard]] std::string early_end(const arguments& args, ending how);

/// What became of the files, how fast it went, and what the runtime did meanwhile.
[[nodiscard]] std::string report(const run_state& run, int processors, const figures& used);

}  // namespace gzstat
