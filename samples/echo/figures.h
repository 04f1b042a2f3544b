// What the runtime and the process did: counters that are read before and after some work.
#pragma once

#include <cstdint>
#include <string>

#include <weft/runtime.h>

namespace echo {

struct figures {
  uint64_t tasks = 0;   // started
  uint64_t parks = 0;   // times that a task had to wait
  uint64_t hops = 0;    // times that a processor went straight from one task to the next
  uint64_t sleeps = 0;  // times that a worker went to sleep
  uint64_t wakes = 0;   // workers woken by others
  uint64_t steals = 0;  // tasks that changed their processor
  double user_ms = 0;   // processor time of the whole process
  double system_ms = 0;

  /// As they are now.
  [[nodiscard]] static figures read(const weft::runtime& rt);
  /// What was added since.
  [[nodiscard]] figures since(const figures& before) const;
};

/// The rows of a report; `requests`: what the times are divided by.
[[nodiscard]] std::string figures_text(const figures& used, uint64_t requests);

}  // namespace echo
