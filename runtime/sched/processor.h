// A processor (Go's P): the right to run tasks, with its queues, caches and counters.
//
// Fields are grouped by who touches them. A worker drives a processor; in a hosted runtime the host's poll() does, and
// in tests a single thread drives several in turn.
#pragma once

#include <algorithm>
#include <array>
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
#include "os/clock.h"
#include "sched/epoch.h"
#include "sched/escape.h"
#include "sched/inbox.h"
#include "sched/poller.h"
#include "sched/run_next.h"
#include "sched/run_queue.h"
#include "sched/stop.h"
#include "sched/timer_queue.h"

namespace weft::detail {

class scheduler;

/// One in so many is measured where measuring each would cost too much. Process-wide, and changed by tests alone,
/// before they make a runtime.
struct sampling {
  static inline std::atomic<uint32_t> waits{256};  ///< waits of strands, and strands that become ready by no wait
  static inline std::atomic<uint32_t> locks{8};    ///< waits for mutexes, and for weft's own locks; Go's figure
};

/// Counts of what one processor did. Written by whoever drives it. The statistics are for metrics alone, the counters
/// are used by the runtime itself, too.
struct processor_counters {
  base::counter dispatches;         // resumptions of strands, Go's schedtick
  base::statistic loop_dispatches;  // of which by the worker's loop; the rest were hops from one strand to the next
  base::statistic queue_hops;       // hops to a strand from the ring, as opposed to the one that was readied last
  base::counter tasks_created;
  base::counter tasks_finished;
  base::statistic yields;          // strands that gave way, which parked nowhere
  base::statistic steals;          // successful steals from a ring
  base::statistic stolen_strands;  // strands moved by them
  base::statistic run_next_steals;
  base::statistic forks_stolen;
  base::statistic forks_published;
  base::statistic overflows;  // strands moved from a full ring to the global queue
  base::statistic searches;
  base::statistic sleeps;
  base::statistic wakes;  // workers woken by this one
  base::statistic stack_growths;
  base::statistic hot_splits;  // growths served by the spare segment
  base::statistic calls;       // of coroutines, but for tasks' first
  base::statistic frames;      // coroutine frames put on a stack; not counted where each call has one
  base::statistic timers_fired;
  base::statistic from_caches;     // operations on files that needed no more than what the kernel's caches have
  base::statistic retreats;        // times that it handed its strands to a processor that gathers
  base::statistic lock_crossings;  // weft's own locks taken that another thread had held last
  base::statistic lock_wait_ns;    // time that this took, estimated from a sample
};

/// How long a processor had nothing to do. Written by whoever drives it.
class idle_clock {
 public:
  void begin(int64_t now_ns) noexcept { store(load() - now_ns - idle); }
  void end(int64_t now_ns) noexcept { store(load() + now_ns + idle); }

  struct reading {
    int64_t idle_ns;  // until then
    int64_t now_ns;
  };

  /// Off by no more than it takes the processor from its look at the clock to the store, so it may fall by as much. Any
  /// thread.
  reading read(os::clock& clock) const noexcept {
    for (;;) {
      // acquire: before the look at the clock.
      const int64_t before = state_.load(std::memory_order_acquire);
      const int64_t now = clock.now_ns();
      if (load() == before) return {before >= 0 ? before : before + now + idle, now};
    }
  }

 private:
  static constexpr int64_t idle = int64_t{1} << 62;

  // relaxed: a statistic.
  int64_t load() const noexcept { return state_.load(std::memory_order_relaxed); }
  // release: stored after its own look at the clock; pairs with the acquire load in read().
  void store(int64_t state) noexcept { state_.store(state, std::memory_order_release); }

  std::atomic<int64_t> state_{0};  // busy: the idle time so far; idle: that less the time of the beginning, less `idle`
};

/// What has its turn when a slice of dispatches is over, and how long slices are. With the defaults everything has,
/// each time.
class slice_turns {
 public:
  /// `one_each`: slices of one dispatch, which changes nobody's turn.
  slice_turns(const scheduling_options& rules, bool one_each) noexcept
      : intervals_{rules.run_next_in_a_row, rules.global_queue_interval, rules.io_interval},
        left_(intervals_),
        // Without a ring each dispatch comes from the global queue, by way of the loop.
        longest_(rules.global_fifo || one_each ? 1 : INT32_MAX),
        length_(shortest_left()),
        coincide_(longest_ > 1 && left_[0] == left_[1] && left_[1] == left_[2]) {}

  /// A slice is over. One that was cut short counts whole, so that all have their turns in short ones, too.
  WEFT_INLINE void pass() noexcept {
    if (!coincide_) [[unlikely]]
      count();
  }

  bool of_ring() const noexcept { return ring_; }      ///< before run-next
  bool of_global() const noexcept { return global_; }  ///< the global queue before both
  bool of_io() const noexcept { return io_; }          ///< what I/O has completed
  int32_t length() const noexcept { return length_; }  ///< of the next slice

 private:
  int32_t shortest_left() const noexcept {
    return std::min(longest_, std::min(left_[0], std::min(left_[1], left_[2])));
  }
  WEFT_RARE void count() noexcept {
    for (std::size_t i = 0; i < left_.size(); ++i) left_[i] -= length_;
    ring_ = left_[0] <= 0;
    global_ = left_[1] <= 0;
    io_ = left_[2] <= 0;
    for (std::size_t i = 0; i < left_.size(); ++i)
      if (left_[i] <= 0) left_[i] = intervals_[i];
    length_ = shortest_left();
  }

  const std::array<int32_t, 3> intervals_;
  std::array<int32_t, 3> left_;
  const int32_t longest_;
  int32_t length_;
  const bool coincide_;
  bool ring_ = true, global_ = true, io_ = true;
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

  /// `shared`: there are other processors. `recorded`: what tasks work is, see trace_recorder.h.
  processor(scheduler& owner, mem::block_heap& heap, uint32_t number, bool shared, bool recorded, uint64_t seed,
            const scheduling_options& rules)
      : sched(owner),
        index(number),
        readies_plainly(rules.run_next && !rules.global_fifo && rules.wakes != wake_policy::eager),
        budget(rules.budget),
        turns(rules, recorded),
        random(seed),
        blocks(heap),
        forks(1024, shared && rules.stealing),
        ring(!rules.global_fifo, shared),
        gathers(!rules.stealing && !rules.global_fifo) {
    if (!rules.stack_hint) no_hint = UINT32_MAX;
    // Counting begins anywhere in a period, so that what is rare is not always measured.
    // relaxed: constant by now.
    latency_countdown = wait_countdown = 1 + random.below(sampling::waits.load(std::memory_order_relaxed));
    // relaxed: as above.
    lock_wait_countdown = crossing_countdown = 1 + random.below(sampling::locks.load(std::memory_order_relaxed));
  }
  ~processor() {
    // relaxed: nobody else is left.
    delete io.load(std::memory_order_relaxed);
    forget_epoch_slot(locks->slot);
    give_bias_owner(locks);
  }
  processor(const processor&) = delete;
  processor& operator=(const processor&) = delete;

  scheduler& sched;
  const uint32_t index;
  bias_owner<>* const locks = take_bias_owner();
  const bool readies_plainly;  // into run-next, and wakes nobody; see scheduler::ready_otherwise()
  const int32_t budget;        // options.scheduling.budget
  // A function whose stack hint is not larger has its tasks begun on the slow path: all of them, if hints are off.
  uint32_t no_hint = 0;
  processor* timers_at = this;  // where its timers are: its own queue or that of all

  // Owner only.
  int32_t slice = 0;             // dispatches left before the worker's loop looks around
  slice_turns turns;             // what it looks at then
  bool asked_kernel = false;     // for completions, since it last looked at I/O
  uint32_t next_victim = 0;      // where the next search begins, if victims have their turns
  uint32_t latency_countdown;    // new tasks until the next one is sampled
  uint32_t wait_countdown;       // waits until the next one is measured
  uint32_t lock_wait_countdown;  // the same for mutexes
  uint32_t lock_waits = 0;       // how many of those were measured
  uint32_t crossing_countdown;   // crossings until the next one is measured
  strand* fork_stack = nullptr;  // an empty stack, ready for a stolen fork
  segment* spare = nullptr;      // the segment that the last shrinking stack gave up
  std::unique_ptr<char[]> path_memory;
  base::fast_random random;
  mem::block_cache blocks;
  fork_deque<fork_entry> forks;
  // The ids of the next tasks; when they are used up, the next task is counted for its function (escape.h).
  uint64_t next_task_id = 0, last_task_id = 0;
  uint32_t tasks_to_next_look = 0;  // what was left of them when look_at_next_launch() cut them short
  uint64_t tasks_looked_over = 0;   // tasks_created when a task was counted last
  entry_table entries;              // read by any thread
  lock_crossings crossings;
  std::atomic<uint32_t> epoch_passed{0};  // the last one; atomic for a look of its worker while others pass; [epoch]
  int64_t bytes_until_look = 0;           // that it may take before it looks at what is held; see epoch.h
  processor* retreat_to = nullptr;        // not null: hand everything to this one; see gather.cc

  /// Sends the next launch of a task to its slow path.
  void look_at_next_launch() noexcept {
    if (next_task_id == last_task_id) return;
    tasks_to_next_look = static_cast<uint32_t>(last_task_id - next_task_id);
    last_task_id = next_task_id;
  }

  // Shared: each has its own protocol.
  alignas(64) sched::run_next_slot<strand> run_next;
  sched::run_queue<strand, ring_capacity> ring;
  sched::inbox<strand> mail;
  std::atomic<poller*> io{nullptr};  // made by the owner with the first operation
  io_refusal_text io_refusal;

  alignas(64) biased_lock timer_lock;
  sched::timer_queue timers;                      // guarded by timer_lock
  base::statistic timers_begun, timers_ended;     // written under timer_lock
  base::time_histogram lateness;                  // of timers that fired; written under timer_lock
  std::atomic<int64_t> next_timer_ns{INT64_MAX};  // the earliest deadline; written under timer_lock
  std::atomic<uint32_t> timer_crowd{0};           // how many are due soon, as of the last look; written there, too

  scope_edges scopes;

  // See gather.cc. `gathers`: nobody steals from it or is woken for it; always so if nobody steals at all.
  alignas(64) std::atomic<bool> gathers;
  // Not 0: the tasks of many timers became ready then, and nobody was woken for them. Written by the owner.
  std::atomic<int64_t> alone_since_ns{0};
  std::atomic<int64_t> gathering_end_ns{0};
  std::atomic<int64_t> gathering_ns{0};  // how long, this time

  // Written by the owner, read by the monitor, the dump and metrics.
  alignas(64) std::atomic<strand*> running{nullptr};
  processor_counters counters;
  base::time_histogram latencies;  // ready to running, of a sample
  idle_clock idle;
};

}  // namespace weft::detail
