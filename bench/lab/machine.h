// The machine: what it is, and whether it was quiet while the lab measured.
#pragma once

#include <string>
#include <vector>

#include "session.h"

namespace weft_lab {

/// Lines for reports: processor, cores, kernel, compiler, weft's version and how it was built.
std::vector<std::string> describe_machine();

/// What the kernel counts of the processors' time, of all of them, in seconds.
struct processor_time {
  double busy = 0;
  double stolen = 0;  ///< by the hypervisor
  double total = 0;
  double ours = 0;  ///< of busy: this process and its children that have ended
};

processor_time read_processor_time();

/// What a reader should know before believing the figures; empty: nothing. `judged` names each side's figure.
std::vector<std::string> noise_warnings(const processor_time& before, const processor_time& after,
                                        const session_result& s, const std::vector<std::string>& judged);

}  // namespace weft_lab
