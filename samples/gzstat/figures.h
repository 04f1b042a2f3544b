// What the runtime and the process did: counters that are read before and after some work.
#pragma once

#include <cstdint>

#include <weft/runtime.h>

namespace gzstat {

struct figures {
  uint64_t tasks = 0;        // started
  uint64_t parks = 0;        // times that a task had to wait
  uint64_t hops = 0;         // times that a processor went straight from one task to the next
  uint64_t wakes = 0;        // workers woken by others
  uint64_t steals = 0;       // tasks that changed their processor
  uint64_t blocking = 0;     // calls on the blocking pool
  uint64_t allocations = 0;  // calls of operator new
  double wall_ms = 0;
  double cpu_ms = 0;  // of the whole process, user and system

  /// As they are now.
  [[nodiscard]] static figures read(const weft::runtime& rt);
  /// What was added since.
  [[nodiscard]] figures since(const figures& before) const;
};

}  // namespace gzstat
