// What stages and hops cost: the same work in several ways, in turns.
#pragma once

#include <string>

#include <weft/runtime.h>

#include "arguments.h"

namespace gzstat {

struct cost_report {
  std::string table;       // for standard output
  std::string complaints;  // files that were left out
};

/// Finds the files, then does their work args.rounds times in each way. Blocks the calling plain thread.
[[nodiscard]] cost_report measure_costs(const arguments& args, weft::runtime& rt);

}  // namespace gzstat
