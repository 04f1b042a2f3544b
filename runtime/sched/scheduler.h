// The scheduler: processors, the workers that drive them, and the rules of searching, sleeping and waking.
//
// Protocol [wake], so that no work is left while a worker sleeps:
//   Producer: K1 publish the work (ring, mail, global queue, public fork). K2 light barrier; a full fence by a thread
//             that drives no processor. K3 if a worker is idle and none searches, take the search token (CAS searching
//             0 -> 1) and hand it to an idle worker.
//   Sleeper:  L1 give up the search token if held; join the idle list, under its lock. L2 heavy barrier; a full fence
//             if all workers are on the list by then. L3 look at every queue again; if there is work, leave the list
//             and search. L4 sleep on the worker's futex word.
//   Either K3 sees L1, or L2 makes K1 visible to L3. A producer that sees a searcher may leave it to it: the searcher
//   passes L1 to L3 before it sleeps. The last searcher to find work hands the token on (K3), so that wakes spread one
//   by one.
//   Why a fence is enough for the last one to join: no worker publishes while it is on the list. What it published
//   before it joined is seen by L3, and who publishes after it has left sees L1, since every worker joins and leaves
//   under the list's lock. Other threads drive no processor (plain ones, the blocking pool's, the monitor) and fence.
// A strand that is put into an empty run-next slot is not published in this sense: its processor is about to run it. If
// it computes on instead, a searching worker or the monitor finds the slot unchanged and moves the strand (run_next.h).
// The tasks of many timers are not either: while `alone_since_ns` of their processor is not 0, and for 400 us at most,
// others leave its ring to it, also in L3 (worker.cc). The processor clears it between K1 and K2 when it publishes, so
// L2 makes that visible to L3 as well.
//
// Source: Go's and Tokio's rules (one searcher at a time, wake chains), with the barrier moved to the sleeper.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include <weft/detail/task_block.h>
#include <weft/detail/wait.h>
#include <weft/options.h>

#include "mem/block_heap.h"
#include "os/note.h"
#include "os/seams.h"
#include "sched/blocking_pool.h"
#include "sched/epoch.h"
#include "sched/global_queue.h"
#include "sched/processor.h"
#include "sched/stop.h"
#include "sched/trace_recorder.h"

namespace weft::detail {

/// Who drives the processors.
enum class drive : uint8_t {
  threads,  ///< a worker thread each
  host,     ///< one processor, driven by poll()
  test,     ///< one thread drives all, a step at a time
};

/// How long strands waited, of a sample: one wait in sampling::waits, and one for a mutex in sampling::locks. Written
/// by whoever ends a wait.
struct wait_figures {
  std::array<base::time_histogram, wait_reason_count> lengths;
  std::array<std::atomic<int64_t>, wait_reason_count> sums_ns{};  // of what the histograms count
  std::atomic<int64_t> mutexes_ns{0};                             // for mutexes, scaled to all waits
};

/// Figures that metrics must not let fall: differences of counters, and times that run on while they are read.
enum class rising_figure : uint8_t { hand_offs, hops, parks, user_ns, idle_ns, elided_frames };
inline constexpr std::size_t rising_figure_count = static_cast<std::size_t>(rising_figure::elided_frames) + 1;

/// Whether this is a wait for a mutex, one way or the other.
constexpr bool waits_for_mutex(wait_reason reason) noexcept {
  return reason == wait_reason::mutex_lock || reason == wait_reason::shared_mutex_lock ||
         reason == wait_reason::shared_mutex_lock_shared;
}

class scheduler {
 public:
  scheduler(const options& opts, os::seams seams, uint32_t processors, drive how);
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// Starts the threads. On error none is left.
  absl::Status start() noexcept;

  /// R3 of [ready] for a strand of this scheduler, from any thread.
  WEFT_INLINE void ready(strand* s) noexcept;

  /// The same for a strand that nothing is measured of.
  WEFT_INLINE void ready_unmeasured(strand* s) noexcept;

  /// The same by the thread that drives `p`, a processor of this scheduler.
  WEFT_INLINE void ready_here(processor& p, strand* s) noexcept;

  /// The same for a task that begins.
  WEFT_INLINE void ready_new(processor& p, strand* s) noexcept;

  /// The end of a wait that is measured: the strand is about to become ready, and is in no queue.
  WEFT_RARE void wait_ended(strand* s) noexcept;

  /// Makes a strand ready that need not run before the others here: behind them if there are any.
  void ready_behind(processor& p, strand* s) noexcept;

  /// Makes a list of strands ready; more than one wakes a worker, and so does one where there are no rings.
  void ready_all(strand* first, uint32_t count) noexcept;

  /// K2 and K3 of [wake].
  void wake_one() noexcept;

  /// Wakes every idle worker, the monitor, and the host of a hosted runtime.
  void wake_all() noexcept;

  /// N4 to N6 of [epoch]. By who begins an epoch.
  void pass_for_idle() noexcept;

  /// The processor took many locks that others held last; `from` held this one. See gather.cc.
  static void locks_crossed(processor& p, bias_owner<>* from) noexcept;

  /// Drives processor `index` until nothing is ready or `most` dispatches are done; returns how many were. For
  /// drive::host and drive::test; the caller is the only driver of that processor.
  std::size_t drive_some(uint32_t index, std::size_t most);

  /// Blocks the calling thread until drive_some() has work again. For drive::host and drive::test.
  void wait_for_work() noexcept;

  /// The host's descriptor is readable when this one is, too. Nothing where there is no host. False: refused.
  [[nodiscard]] bool watch_for_host(int fd) noexcept;

  int wake_fd() const noexcept { return wake_fd_; }
  void rearm_wake_fd() noexcept;

  /// Stops admission; launch() then refuses.
  void close_admission() noexcept;
  bool admits() const noexcept {
    // seq_cst: [admission], see task.cc.
    return (gate_.load(std::memory_order_seq_cst) & gate_closed) == 0;
  }

  /// Whether launch_task() has to look closer: admission is closed, scopes are being pruned or stopped, or tasks are
  /// recorded.
  bool gate_is_open() const noexcept {
    // seq_cst: as above.
    return gate_.load(std::memory_order_seq_cst) == 0;
  }
  bool prunes_scopes() const noexcept {
    // seq_cst: [scope-prune], see stop.h.
    return (gate_.load(std::memory_order_seq_cst) & gate_prunes_scopes) != 0;
  }
  void set_prunes_scopes(bool on) noexcept {
    // seq_cst: Q1 and Q6 of [scope-prune].
    if (on)
      gate_.fetch_or(gate_prunes_scopes, std::memory_order_seq_cst);
    else
      gate_.fetch_and(~gate_prunes_scopes, std::memory_order_seq_cst);
  }

  /// T2 of [stop-scope], and the end of the pass.
  void begin_stop_pass() noexcept {
    // seq_cst: T2, here and below; read in E3 and in L1 and L3.
    ending_.fetch_add(ending_stop_pass, std::memory_order_seq_cst);
    gate_.fetch_add(gate_stop_pass, std::memory_order_seq_cst);
  }
  void end_stop_pass() noexcept {
    // seq_cst: as above.
    gate_.fetch_sub(gate_stop_pass, std::memory_order_seq_cst);
    ending_.fetch_sub(ending_stop_pass, std::memory_order_seq_cst);
  }
  bool stops_scopes() const noexcept {
    // seq_cst: L1 and L3 of [stop-scope].
    return gate_.load(std::memory_order_seq_cst) >= gate_stop_pass;
  }
  /// E2 and E3, after E1.
  WEFT_INLINE void left_registry() noexcept {
    std_atomics::light_barrier();
    // relaxed: E3, ordered after E1 by the light barrier.
    if (ending_.load(std::memory_order_relaxed) >= ending_stop_pass) [[unlikely]]
      stops_.let_pass();
  }
  stop_registry& stops() noexcept { return stops_; }

  /// A task is about to become ready, maybe one to be recorded.
  void note_arrival(uint64_t id) noexcept {
    if (trace_ != nullptr) trace_->arrived(id, now_ns());
  }
  /// Writes the trace, if there is to be one, after the workers have ended. Once.
  void write_trace() noexcept;
  epoch_driver& epochs() noexcept { return epochs_; }
  bool stops_workers() const noexcept {
    // acquire: pairs with stop_workers().
    return stopping_.load(std::memory_order_acquire) != 0;
  }

  /// Asks every live task to stop.
  void stop_all() noexcept;

  /// Waits until no task lives, at most until the deadline (by the runtime's clock). Drives a hosted runtime meanwhile.
  bool drain(int64_t deadline_ns) noexcept;

  /// Ends the workers and joins their threads; false if one still computes after `patience_ns`.
  bool stop_workers(int64_t patience_ns) noexcept;

  /// Destroys every live task, leaf to root, after the workers have ended.
  void destroy_tasks() noexcept;

  /// Whether handles to ended tasks are still held.
  bool has_held_handles() noexcept;

  uint64_t created_tasks() const noexcept;
  uint64_t finished_tasks() const noexcept;
  /// The ends are summed first: a task that starts another is counted as ended only after the other was counted.
  uint64_t live_tasks() const noexcept {
    const uint64_t finished = finished_tasks();
    return created_tasks() - finished;
  }

  /// Milliseconds since the start, as of the monitor's last tick.
  uint32_t coarse_ms() const noexcept {
    // relaxed: a coarse clock.
    return coarse_ms_.load(std::memory_order_relaxed);
  }
  int64_t now_ns() noexcept { return seams_.time->now_ns(); }
  int64_t start_ns() const noexcept { return start_ns_; }

  const options& opts() const noexcept { return opts_; }
  const os::seams& seams() const noexcept { return seams_; }
  mem::block_heap& heap() noexcept { return heap_; }
  std::vector<std::unique_ptr<processor>>& processors() noexcept { return processors_; }
  const std::vector<std::unique_ptr<processor>>& processors() const noexcept { return processors_; }
  sched::global_queue& global() noexcept { return global_; }
  blocking_pool& blocking() noexcept { return blocking_; }
  drive how() const noexcept { return how_; }
  bool asymmetric() const noexcept;
  uint32_t idle_workers() const noexcept;
  uint32_t searching_workers() const noexcept;
  uint32_t thread_count() const noexcept;

  /// The first of `count` task ids, which are the caller's.
  uint64_t take_ids(uint64_t count) noexcept;
  static constexpr uint64_t id_batch = 32;  ///< most that a processor takes at once

  /// A block for a strand or segment, from the running processor's cache if it is ours.
  void* take_block(mem::block_kind kind, std::size_t size_class) noexcept;
  void give_block(mem::block_kind kind, std::size_t size_class, void* block) noexcept;

  /// `p` is the calling thread's processor if it belongs to this scheduler, else null.
  void count_created(processor* p) noexcept {
    if (p != nullptr) {
      p->counters.tasks_created.add();
    } else {
      // seq_cst: ordered with the look at gate_; see [admission].
      foreign_created_.fetch_add(1, std::memory_order_seq_cst);
    }
  }
  void count_finished(processor* p) noexcept {
    if (p != nullptr) {
      p->counters.tasks_finished.add();
    } else {
      // seq_cst: rare.
      foreign_finished_.fetch_add(1, std::memory_order_seq_cst);
    }
    // relaxed: drain() looks at the counts itself at intervals, too.
    if ((ending_.load(std::memory_order_relaxed) & ending_drains) != 0) [[unlikely]]
      check_drained();
  }
  WEFT_RARE void check_drained() noexcept;

  /// Takes over what a plain thread counted while it started a task.
  void count_foreign_frames() noexcept {
    if constexpr (!WEFT_MAY_ELIDE) return;
    // relaxed: a statistic.
    foreign_frames_.fetch_add(std::exchange(this_context.frames_allocated, 0), std::memory_order_relaxed);
  }

  /// Coroutines called, tasks' first ones included; frames put on tasks' stacks for them; and those that the compiler
  /// put into the caller's, which may fall a little while they are counted.
  uint64_t calls() const noexcept;
  uint64_t frames() const noexcept;
  uint64_t elided_frames() const noexcept;

  const wait_figures& waits() const noexcept { return waits_; }

  /// The most that metrics have reported of a figure that might fall otherwise.
  std::atomic<uint64_t>& most_reported(rising_figure figure) noexcept {
    return most_reported_[static_cast<std::size_t>(figure)];
  }

  /// The figures per entry function that plain threads count.
  struct locked_entries {
    std::mutex lock;
    entry_table table;  // guarded by lock
  };
  locked_entries& foreign_entries() noexcept { return foreign_entries_; }

  uint64_t long_resumes() const noexcept { return long_resumes_.value(); }
  uint64_t long_resumes_before_io() const noexcept { return long_resumes_before_io_.value(); }

  void report_unhandled(std::exception_ptr error, task_control* task) noexcept;

 private:
  friend class worker_loop;
  friend class monitor;
  struct worker;
  struct work;

  static void worker_entry(void* w) noexcept;
  static void monitor_entry(void* s) noexcept;
  static void clock_changed(void* s) noexcept;

  void worker_main(worker& w) noexcept;
  bool find_local(processor& p, work& out, bool enter_kernel = true) noexcept;
  WEFT_INLINE bool end_slice(processor& p, work& out) noexcept;
  bool is_alone(const worker& w) const noexcept;
  bool is_worth_asking(const worker& w) const noexcept;
  bool search(worker& w, work& out) noexcept;
  void give_token(worker& w) noexcept;
  bool leaves_work_to_nobody() noexcept;
  uint32_t first_victim(processor& p) noexcept;
  bool keeps_ring(const processor& victim) noexcept;
  bool steal_from(processor& p, processor& victim, bool last_pass, work& out) noexcept;
  bool steal_run_next(processor& p, processor& victim, work& out) noexcept;
  bool idle(worker& w) noexcept;
  bool does_background_work(worker& w) noexcept;
  bool any_work(const processor* looking) noexcept;
  void wake_one_for(processor& p) noexcept;
  void retreat(processor& p) noexcept;
  void wake_driver_of(processor& p) noexcept;
  bool end_gathering(processor& p, int64_t now, bool behind) noexcept;
  int64_t earliest_timer() noexcept;
  int64_t earliest_wanted_timer() noexcept;
  bool fire_wanted(processor& p, work& out) noexcept;
  void ready_due(processor& p, const processor& timers_of, strand* first, uint32_t count, int64_t now) noexcept;
  WEFT_RARE void help_with_due(processor& p) noexcept;
  bool take_io(processor& p, work& out, bool enter_kernel = true) noexcept;
  void close_pollers() noexcept;
  bool sleep_of(worker& w, int64_t timeout_ns) noexcept;
  void run(processor& p, const work& w) noexcept;
  WEFT_INLINE void run_unrecorded(processor& p, const work& w) noexcept;
  WEFT_RARE void run_recorded(processor& p, const work& w) noexcept;
  void run_strand(processor& p, strand* s) noexcept;
  void run_fork(processor& p, fork_entry* e) noexcept;
  bool take_mail(processor& p, sched::inbox<strand>& mail, work& out) noexcept;
  strand* fire_timers(processor& p, int64_t now, uint32_t& count) noexcept;
  void push_ring(processor& p, strand* s) noexcept;
  WEFT_RARE void push_full_ring(processor& p, strand* s) noexcept;
  WEFT_INLINE void run_soon(processor& p, strand* s) noexcept;
  WEFT_RARE void ready_displaced(processor& p, strand* s) noexcept;
  WEFT_RARE void ready_otherwise(processor& p, strand* s) noexcept;
  WEFT_RARE void stamp(processor& p, strand* s) noexcept;
  WEFT_NOINLINE void ready_from_outside(strand* s) noexcept;
  worker* pop_idle() noexcept;
  bool leave_idle(worker& w) noexcept;
  void signal(worker& w) noexcept;
  void rouse_monitor() noexcept;
  void wake_monitor() noexcept;
  void touch_clock(int64_t now) noexcept;

  void monitor_main() noexcept;
  bool monitor_tick(int64_t now) noexcept;
  uint64_t dispatches() const noexcept;
  bool relieve(processor& p) noexcept;
  int64_t longest_sleep_ns() noexcept;
  bool looks_deadlocked() noexcept;
  void print_schedtrace(int64_t now) noexcept;
  void stop_monitor() noexcept;

  friend std::coroutine_handle<> switch_away() noexcept;
  friend std::coroutine_handle<> yield_strand(std::coroutine_handle<>, std::source_location) noexcept;
  friend std::coroutine_handle<> park_sleeper(sleeper&, std::coroutine_handle<>, std::source_location) noexcept;

  const options opts_;
  const os::seams seams_;
  const drive how_;
  const int64_t start_ns_;
  mem::block_heap heap_;
  std::vector<std::unique_ptr<processor>> processors_;  // immutable after construction
  std::vector<std::unique_ptr<worker>> workers_;        // immutable after start()
  sched::global_queue global_;
  blocking_pool blocking_;
  stop_registry stops_{*this};
  epoch_driver epochs_;
  std::unique_ptr<trace_recorder> trace_;  // null: nothing is recorded; set before the workers start
  // drive::host: the set of the two others, which the host watches.
  int wake_fd_ = -1;
  int event_fd_ = -1;  // signalled when a strand comes from outside
  int timer_fd_ = -1;  // armed for the earliest timer when poll() ends
  std::atomic<uint32_t> wake_fd_signalled_{0};

  alignas(64) std::atomic<uint32_t> idle_count_{0};  // size of idle_; written under idle_lock_
  std::atomic<uint32_t> searching_{0};               // workers that hold the search token
  spin_lock idle_lock_;
  std::vector<worker*> idle_;  // guarded by idle_lock_; the last one slept last and is warmest

  // Written again and again, so apart from what is only read.
  alignas(64) std::atomic<uint32_t> coarse_ms_{0};  // written by the monitor and by whoever reads the clock
  alignas(64) std::atomic<uint64_t> next_id_{1};
  std::atomic<uint32_t> next_mail_{0};
  std::atomic<int64_t> timer_keeper_ns_{INT64_MAX};  // until when the idle worker sleeps that watches the timers

  alignas(64) std::atomic<uint32_t> stopping_{0};    // 1: workers end
  static constexpr uint32_t gate_closed = 1;         // no new tasks
  static constexpr uint32_t gate_prunes_scopes = 2;  // new tasks are noted
  static constexpr uint32_t gate_records = 4;        // new tasks go into the trace
  static constexpr uint32_t gate_stop_pass = 8;      // times the stop passes, which new tasks ask
  std::atomic<uint32_t> gate_{0};
  static constexpr uint32_t ending_drains = 1;     // the end of the last task signals drained_
  static constexpr uint32_t ending_stop_pass = 2;  // times the stop passes
  std::atomic<uint32_t> ending_{0};
  std::atomic<uint64_t> foreign_created_{0};
  std::atomic<uint64_t> foreign_finished_{0};
  std::atomic<uint64_t> foreign_frames_{0};
  wait_figures waits_;
  std::array<std::atomic<uint64_t>, rising_figure_count> most_reported_{};
  locked_entries foreign_entries_;
  os::note drained_;

  std::unique_ptr<os::thread> monitor_thread_;
  std::atomic<uint32_t> monitor_word_{0};    // futex: 1 wakes the monitor
  std::atomic<uint32_t> monitor_asleep_{0};  // 1: it sleeps for long, and whoever wakes a worker wakes it
  // What the monitor saw of each processor at its last tick. Monitor only.
  struct seen {
    uint64_t dispatches = 0;
    strand* run_next = nullptr;
    uint32_t ring_end = 0;
    int64_t since_ns = 0;
    bool over_long = false;
  };
  std::vector<seen> monitor_seen_;
  base::counter long_resumes_;            // resumptions that lasted over 10 ms
  base::counter long_resumes_before_io_;  // while operations were under way, whose completions nobody else takes
};

WEFT_INLINE void scheduler::ready_here(processor& p, strand* s) noexcept {
  if (WEFT_METRICS && s->sampled != 0) [[unlikely]]
    wait_ended(s);
  run_soon(p, s);
}

WEFT_INLINE void scheduler::ready_new(processor& p, strand* s) noexcept {
  if (WEFT_METRICS && --p.latency_countdown == 0) [[unlikely]]
    stamp(p, s);
  run_soon(p, s);
}

WEFT_INLINE void scheduler::run_soon(processor& p, strand* s) noexcept {
  if (!p.readies_plainly) [[unlikely]]
    return ready_otherwise(p, s);
  if (strand* displaced = p.run_next.put(s)) [[unlikely]]
    ready_displaced(p, displaced);
}

WEFT_INLINE void scheduler::ready(strand* s) noexcept {
  processor* p = this_context.proc;
  if (p != nullptr && &p->sched == this) [[likely]] {
    ready_here(*p, s);
  } else {
    ready_from_outside(s);
  }
}

WEFT_INLINE void scheduler::ready_unmeasured(strand* s) noexcept {
  processor* p = this_context.proc;
  if (p != nullptr && &p->sched == this) [[likely]] {
    run_soon(*p, s);
  } else {
    ready_from_outside(s);
  }
}

WEFT_INLINE bool epoch_driver::is_due(const processor& p) const noexcept {
  // acquire: P1; pairs with the release store of N2. relaxed: only its driver writes it, or N5; see there.
  return asked_.load(std::memory_order_acquire) != p.epoch_passed.load(std::memory_order_relaxed);
}

WEFT_INLINE void epoch_driver::took_memory(processor& p, std::size_t bytes, bool may_clean_up) noexcept {
  if ((p.bytes_until_look -= static_cast<int64_t>(bytes)) < 0) [[unlikely]]
    look_after_growth(p, may_clean_up);
}

/// Keeps a scheduler's memory until the process ends, for handles that outlive their runtime.
void keep_for_ever(std::unique_ptr<scheduler> s);

/// Plain threads that are blocked in one of weft's waits right now, process-wide; for the deadlock check.
extern std::atomic<int> blocked_plain_threads;

/// How a strand leaves a wait because it was stopped: unlinks the waiter, ends the wait as stopped, unlocks, and wakes
/// whoever may go on now. Each wait reason may have its own; the default takes the waiter out of a wait_queue.
using leave_wait_function = void (*)(strand* s, waiter& w, biased_lock& lock) noexcept;
void set_leave_wait(wait_reason reason, leave_wait_function leave) noexcept;
void leave_wait(strand* s, waiter& w, biased_lock& lock) noexcept;

/// S1 to S4 of [stop].
void stop_strand(strand* s) noexcept;

/// The same for many, with one barrier for all. Their blocks must not become other tasks' until finish() has returned.
class stop_batch {
 public:
  stop_batch() noexcept = default;
  stop_batch(const stop_batch&) = delete;
  stop_batch& operator=(const stop_batch&) = delete;
  void add(strand* s) noexcept;
  void finish() noexcept;

 private:
  std::vector<strand*> missed_;  // not found waiting by the first look
};

/// Asks a task and its forks to stop; the caller keeps its block. Returns its scope if it started tasks, for
/// stop_registry::stop_inside(); else 0. The caller tells the watchers.
uint64_t stop_task(task_control* t, stop_batch& batch) noexcept;

/// R3 of [ready] for a plain thread.
void wake_thread(uintptr_t who) noexcept;

/// The scheduler that a strand belongs to.
inline scheduler& scheduler_of(const strand* s) noexcept {
  return *static_cast<scheduler*>(mem::slab_of_strand(s).owner);
}

/// A strand that runs a stolen fork.
struct fork_strand : strand {
  std::atomic<task_control*> task;  ///< whose fork it runs; null while it is empty
  fork_core* continues;             ///< the scope whose parent it runs, if it took one; read by destroy.cc
  uint8_t size_class;
  segment first;
};

/// The task that a strand works for.
inline task_control* task_of(strand* s) noexcept {
  // relaxed: constant while the strand is used.
  return s->kind.load(std::memory_order_relaxed) == strand_kind::task
             ? static_cast<task_control*>(s)
             : static_cast<fork_strand*>(s)->task.load(std::memory_order_relaxed);
}

/// Bytes of the first block of a kind of task that was never started before.
std::size_t starting_stack_bytes() noexcept;

/// Whether a strand block holds a strand of a task that has not ended; a snapshot.
inline bool is_live(const strand* s) noexcept {
  // relaxed: here and below, a snapshot of the registry.
  const strand_kind kind = s->kind.load(std::memory_order_relaxed);
  if (kind == strand_kind::task) return static_cast<const task_control*>(s)->id.load(std::memory_order_relaxed) != 0;
  // relaxed: as above.
  return kind == strand_kind::fork &&
         static_cast<const fork_strand*>(s)->task.load(std::memory_order_relaxed) != nullptr;
}

/// Empties the context after its strand was detached or ended.
WEFT_INLINE void unload() noexcept {
  context& c = this_context;
  c.current = nullptr;
  c.top = nullptr;
  c.sp = c.limit = nullptr;
}

/// Gives the segments above a strand's first one back.
void release_segments(scheduler& s, segment* top) noexcept;

/// Gives one segment back.
void release_segment(scheduler& s, segment* one) noexcept;

/// An empty stack for a stolen fork.
strand* make_fork_strand(scheduler& s) noexcept;

/// Destroys the root frame and closure of a task that never ran.
void destroy_unstarted(task_control* t, void* root_frame) noexcept;

/// The end of a task's root frame; returns what to resume.
std::coroutine_handle<> finish_task(task_control* t) noexcept;

/// Takes back the empty stack of a stolen fork.
void recycle_fork_strand(processor& p, strand* s) noexcept;

WEFT_RARE void record_latency(processor& p, strand* s) noexcept;

/// Takes the time of the running strand's wait that begins. Without arguments, so the caller has none to put aside.
WEFT_RARE void measure_wait() noexcept;
WEFT_RARE void measure_mutex_wait() noexcept;

/// Right after begin_wait(), which wrote `who`: one wait in some is measured. Not for mutexes.
WEFT_INLINE void sample_wait(processor& p) noexcept {
  if (WEFT_METRICS && --p.wait_countdown == 0) [[unlikely]]
    measure_wait();
}

/// Goes on from a park whose wait is measured: W4, and the next strand.
WEFT_NOINLINE std::coroutine_handle<> leave_measured(biased_lock& lock) noexcept;

/// W4 of [park] and the next strand; one wait in some is measured. The rare case is a call of its own at the end, so
/// that the common one has nothing to put aside.
WEFT_INLINE std::coroutine_handle<> unlock_and_leave(strand* s, biased_lock& lock) noexcept {
  processor& p = *this_context.proc;
  // relaxed: for the dump.
  s->since.store(p.sched.coarse_ms(), std::memory_order_relaxed);
  if (WEFT_METRICS && --p.wait_countdown == 0) [[unlikely]]
    return leave_measured(lock);
  lock.unlock();
  return switch_away();
}

/// sample_wait(), and since when the running strand waits, roughly.
WEFT_INLINE void waits_from_now(strand* s) noexcept {
  processor& p = *this_context.proc;
  // relaxed: for the dump.
  s->since.store(p.sched.coarse_ms(), std::memory_order_relaxed);
  sample_wait(p);
}

/// The same for a mutex.
WEFT_INLINE void waits_for_mutex_from_now(strand* s) noexcept {
  processor& p = *this_context.proc;
  // relaxed: for the dump.
  s->since.store(p.sched.coarse_ms(), std::memory_order_relaxed);
  if (WEFT_METRICS && --p.lock_wait_countdown == 0) [[unlikely]]
    measure_mutex_wait();
}

/// The strand does not wait after all.
WEFT_INLINE void waits_not(strand* s) noexcept { s->sampled = 0; }

/// Bookkeeping for a strand that is about to run on `p`.
WEFT_INLINE void dispatched(processor& p, strand* s) noexcept {
  p.counters.dispatches.add();
  // relaxed: read by the monitor and the dump.
  p.running.store(s, std::memory_order_relaxed);
  if (WEFT_METRICS && s->sampled != 0) [[unlikely]]
    record_latency(p, s);
}

}  // namespace weft::detail
