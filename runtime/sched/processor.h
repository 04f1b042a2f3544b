// A processor (Go's P): the right to run tasks, with its queues, caches and counters.
//
// Fields are grouped by who touches them. A worker drives a processor; in a hosted runtime the host's poll() does, and
// in tests a single thread drives several in turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <weft/detail/context.h>
#include <weft/detail/fork_deque.h>
#include <weft/detail/promise.h>
#include <weft/options.h>

#include "base/counter.h"
#include "base/fast_random.h"
#include "base/histogram.h"
#include "mem/block_heap.h"
#include "sched/epoch.h"
#include "sched/inbox.h"
#include "sched/run_next.h"
#include "sched/run_queue.h"
#include "sched/stop.h"
#include "sched/timer_queue.h"

namespace weft::detail {

class scheduler;

/// Counts of what one processor did. Written by whoever drives it.
struct processor_counters {
  base::counter dispatches;       // resumptions of strands, Go's schedtick
  base::counter loop_dispatches;  // of which by the worker's loop; the rest were hops from one strand to the next
  base::counter tasks_created;
  base::counter tasks_finished;
  base::counter yields;          // strands that gave way, which parked nowhere
  base::counter steals;          // successful steals from a ring
  base::counter stolen_strands;  // strands moved by them
  base::counter run_next_steals;
  base::counter forks_stolen;
  base::counter forks_published;
  base::counter overflows;  // strands moved from a full ring to the global queue
  base::counter searches;
  base::counter sleeps;
  base::counter wakes;  // workers woken by this one
  base::counter budget_yields;
  base::counter stack_growths;
  base::counter hot_splits;  // growths served by the spare segment
  base::counter frames;      // coroutine frames put on a stack
  base::counter elided_frames;
  base::counter timers_fired;
  base::counter retreats;  // times that it handed its strands to a processor that gathers
};

/// Locks that came from other processors, in a window; see gather.cc.
struct lock_crossings {
  uint32_t count = 0;
  uint32_t windows = 0;
  bool measures = false;  // how long it waits for them
  uint64_t waited = 0;    // in ticks, as is
  uint64_t since = 0;     // the beginning of the window
};

class alignas(128) processor {
 public:
  static constexpr uint32_t ring_capacity = 256;

  /// `shared`: there are other processors.
  processor(scheduler& owner, mem::block_heap& heap, uint32_t number, bool shared, uint64_t seed,
            const scheduling_options& rules)
      : sched(owner),
        index(number),
        use_run_next(rules.run_next),
        budget(rules.budget),
        random(seed),
        blocks(heap),
        forks(1024, shared) {}
  ~processor() {
    forget_epoch_slot(locks->slot);
    give_bias_owner(locks);
  }
  processor(const processor&) = delete;
  processor& operator=(const processor&) = delete;

  scheduler& sched;
  const uint32_t index;
  bias_owner<>* const locks = take_bias_owner();
  const bool use_run_next;  // options.scheduling.run_next
  const int32_t budget;     // options.scheduling.budget

  // Owner only.
  int32_t slice = 0;               // dispatches left before the worker's loop looks around
  uint32_t latency_countdown = 1;  // readied strands until the next one is sampled
  strand* fork_stack = nullptr;    // an empty stack, ready for a stolen fork
  segment* spare = nullptr;        // the segment that the last shrinking stack gave up
  base::fast_random random;
  mem::block_cache blocks;
  fork_deque<fork_entry> forks;
  uint64_t next_task_id = 0, last_task_id = 0;  // a batch of ids
  lock_crossings crossings;
  int64_t alone_since_ns = 0;       // not 0: the tasks of many timers became ready then, and nobody was woken for them
  uint32_t epoch_passed = 0;        // the last one; see [epoch]
  processor* retreat_to = nullptr;  // not null: hand everything to this one; see gather.cc

  // Shared: each has its own protocol.
  sched::run_next_slot<strand> run_next;
  sched::run_queue<strand, ring_capacity> ring;
  sched::inbox<strand> mail;

  alignas(64) biased_lock timer_lock;
  sched::timer_queue timers;                      // guarded by timer_lock
  std::atomic<int64_t> next_timer_ns{INT64_MAX};  // the earliest deadline; written under timer_lock
  std::atomic<uint32_t> timer_crowd{0};           // how many are due soon, as of the last look; written there, too

  scope_edges scopes;

  // See gather.cc. `gathers`: nobody steals from it or is woken for it.
  alignas(64) std::atomic<bool> gathers{false};
  std::atomic<int64_t> gathering_end_ns{0};
  std::atomic<int64_t> gathering_ns{0};  // how long, this time

  // Written by the owner, read by the monitor, the dump and metrics.
  alignas(64) std::atomic<strand*> running{nullptr};
  processor_counters counters;
  base::time_histogram latencies;  // ready to running, one readied strand in latency_sample
  std::atomic<int64_t> idle_ns{0};
  std::atomic<int64_t> idle_since_ns{0};  // 0: busy
};

}  // namespace weft::detail
