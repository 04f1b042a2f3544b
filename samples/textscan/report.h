// What textscan prints at its end: results for programs, a report for people, and the runtime's own figures.
#pragma once

#include <chrono>
#include <string>

#include <weft/runtime.h>

#include "arguments.h"
#include "tally.h"

namespace textscan {

/// The results, for standard output: words with their counts, the number of lines, or PATH:COUNT by path.
[[nodiscard]] std::string results(const arguments& args, tally& total);

/// What could not be read: the first few by name, and how many there are. Empty if nothing was.
[[nodiscard]] std::string troubles(const tally& total);

/// What was scanned, what was left out, how fast it went, and what the runtime did meanwhile.
[[nodiscard]] std::string report(const arguments& args, const tally& total, std::chrono::duration<double> elapsed,
                                 const weft::runtime& rt);

}  // namespace textscan
