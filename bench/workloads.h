// The workloads of weft_workloads that lie in files of their own; workloads.cc, which has main(), lists them all.
#pragma once

#include <span>

#include <weft/runtime.h>

namespace weft_bench {

struct workload {
  const char* name;
  const char* unit;
  double (*run)(weft::runtime& rt);  ///< measures, checks what came out, and returns the figure
};

/// workloads_channel.cc: select, streams through channels, a pipeline.
std::span<const workload> channel_workloads();

/// workloads_lock.cc: mutexes and semaphores.
std::span<const workload> lock_workloads();

/// workloads_pool.cc: pools.
std::span<const workload> pool_workloads();

/// workloads_timer.cc: timers and sleepers.
std::span<const workload> timer_workloads();

}  // namespace weft_bench
