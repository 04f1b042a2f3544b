// What a runtime is made from.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <string>

#include "absl/status/statusor.h"

namespace weft {

/// One task, as dumps, reports and handlers describe it.
struct task_info {
  uint64_t id = 0;                       ///< unique in its runtime; the main task of weft::run is 1
  std::string function;                  ///< the coroutine it was started with
  std::string state;                     ///< "running", "runnable" or the wait reason, e.g. "chan receive"
  std::chrono::milliseconds waiting{0};  ///< how long it has been parked, to the monitor's resolution (10 ms)
  std::string parked_at;                 ///< "file:line" or the function where it parked; empty when it is not parked
  std::string started_at;                ///< the function that started it
};

enum class io_backend : uint8_t { automatic, uring, epoll };

/// How much of a ring a thief takes, rounded up.
enum class steal_share : uint8_t { half, quarter, one };

/// Where a worker that searches begins to look: at random, or each time one processor further on.
enum class victim_order : uint8_t { random, in_turn };

/// Whom ready tasks wake.
enum class wake_policy : uint8_t {
  chain,  ///< one worker, if none searches; when it has found something it wakes the next
  one,    ///< one worker, if none searches; it wakes another only for what no running processor will reach
  eager,  ///< one worker for each task that becomes ready, whoever searches and wherever the task is
};

/// Where the timers are.
enum class timer_placement : uint8_t {
  per_processor,  ///< with the processor that set them
  global,         ///< in one queue, which all processors share
};

/// Constants of the scheduler. The defaults are Go's where Go has them; see docs/scheduling.md.
///
/// Those from `steal` on are choices that others have made otherwise, here to be compared. Each may be combined with
/// any other, but for what validate() says.
struct scheduling_options {
  bool run_next = true;            ///< a readied task goes into the run-next slot, not to the end of the ring
  int run_next_in_a_row = 61;      ///< dispatches before run-next goes behind the ring; 1 to 1000000
  int global_queue_interval = 61;  ///< dispatches between looks at the global queue first; 1 to 1000000
  int budget = 128;                ///< operations that never parked before a task must yield; 1 to 1000000
  int search_passes = 4;           ///< passes over all other processors before an idle worker sleeps; 1 to 1000
  std::chrono::nanoseconds run_next_steal_delay{3000};  ///< how long run-next must stay untouched before it is taken
  /// Percent of its time that a processor waits for locks which another one had, before the tasks of both are brought
  /// together on one (runtime/sched/gather.cc); 1 to 1000, above 100: never.
  int gather_above = 40;
  std::chrono::nanoseconds idle_spin{20000};  ///< how long an idle worker searches at most; 0 to 1 s
  /// How much later than its deadline a timer may fire while all workers are idle, when many are due within a
  /// millisecond, so that one waking serves many (docs/scheduling.md); 0 to 1 s.
  std::chrono::nanoseconds timer_slack{1000000};

  steal_share steal = steal_share::half;
  victim_order victims = victim_order::random;
  wake_policy wakes = wake_policy::chain;

  /// Whether processors take ready tasks and forks from each other. Without it a task stays with the processor that
  /// made it ready; what comes from outside goes round, what overflows a ring may go anywhere, and due timers of a
  /// processor that sleeps or computes are fired by others.
  bool stealing = true;

  /// Every task that becomes ready goes through the global queue, one at a time: no rings, no run-next slots. Forks
  /// are offered as ever.
  bool global_fifo = false;

  int io_interval = 61;  ///< dispatches between looks at what I/O has completed; 1 to 1000000

  /// Worker i stays on the i-th of the CPUs that the process may use, beginning again after the last. What a task
  /// starts by itself, threads and child processes, inherits that CPU. Nothing in a runtime that the host drives.
  bool pin_workers = false;

  timer_placement timers = timer_placement::per_processor;

  /// Stacks of new tasks are as large as earlier tasks with the same function needed; else as large as the first one's.
  bool stack_hint = true;

  /// The monitor's thread. Without it nobody moves what waits behind a task that computes, tasks that share a lock are
  /// never brought together, an epoch comes by growth alone, and dumps do not know for how long tasks have waited. It
  /// also finds deadlocks and prints the schedtrace line, so these need it.
  bool monitor = true;
};

struct options {
  static constexpr int automatic = -1;

  /// Processors: 1 to 1024; 0 makes a runtime without threads that the host drives (runtime::poll); `automatic` takes
  /// min(CPU affinity, cgroup quota rounded up), at least 1.
  int processors = automatic;

  /// Largest coroutine stack of one task, 64 KiB to 1 TiB; a task that needs more ends the process with a message that
  /// names the function.
  std::size_t stack_limit_bytes = std::size_t{1} << 30;

  /// Report "all tasks are asleep - deadlock!" and exit with status 2 (always on in weft::run).
  bool detect_deadlock = false;

  /// Gets an exception that leaves a task whose handle nobody holds. Default: print the task and terminate.
  std::function<void(std::exception_ptr, const task_info&)> on_unhandled_exception;

  /// Period of the schedtrace line on stderr; 0: none.
  std::chrono::milliseconds schedtrace{0};

  /// Dumps, a deadlock's too, end with the text of memory_report().
  bool memory_in_dumps = false;

  /// Not empty: the file to which the runtime, when it ends, writes when each of its tasks arrived and for how long it
  /// held processors; weft-lab replays it. Tasks run slower meanwhile. See docs/lab.md.
  std::string trace_path;

  /// How much memory may grow, in percent of what the last epoch left, before the next; 0 to 1000000, or -1: off. See
  /// docs/memory.md.
  int gc_percent = 100;

  /// Soft limit of the memory that weft holds, in bytes: epochs keep below it, if they can. The maximum: none.
  int64_t memory_limit_bytes = std::numeric_limits<int64_t>::max();

  /// If not 0: so many percent of the container's memory limit (cgroup), where there is one and memory_limit_bytes is
  /// not smaller; 0 to 100. What the program holds besides needs room too, so take less than 100.
  int memory_limit_percent_of_cgroup = 0;

  /// Whether pools keep what this runtime's tasks give back. Without it each get makes an object and each give-back
  /// destroys one, as if there were no pools; to compare.
  bool pools = true;

  io_backend io = io_backend::automatic;

  /// Most threads that run weft::blocking calls at the same time, 1 to 10000.
  int blocking_threads = 512;

  scheduling_options scheduling;

  /// The defaults, changed by WEFT_PROCS, WEFT_GC, WEFT_MEMLIMIT, WEFT_IO, WEFT_DEBUG and WEFT_TRACE (trace_path).
  /// Error: INVALID_ARGUMENT that names the variable, its value and what is allowed.
  static absl::StatusOr<options> from_env();

  /// Whether every field is in range. Error: INVALID_ARGUMENT that names the field, its value and the range.
  absl::Status validate() const;
};

}  // namespace weft
