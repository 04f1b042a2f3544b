// Work of a known size, for workloads whose tasks are to compute: twice the steps take twice the time.
#pragma once

#include <cstdint>

#include "peers/fork_join_work.h"
#include "workload.h"

namespace weft_lab {

/// Computes so many steps, each of which needs the result of the one before: a multiplication and an addition.
inline void compute(int64_t steps) {
  uint64_t x = static_cast<uint64_t>(steps);
  for (int64_t i = 0; i < steps; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    peer::keep(x);  // so that the compiler leaves each step where it is
  }
}

/// For a workload whose operations call compute().
inline constexpr parameter work_parameter{"work", 0, 1'000'000'000, 0,
                                          "steps that each operation computes, about a nanosecond each"};

}  // namespace weft_lab
