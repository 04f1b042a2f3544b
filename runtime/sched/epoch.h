// Epochs: weft's collection cycles. Each processor passes an epoch at its next turn of the worker's loop, so nobody is
// stopped, and no other thread touches what a processor owns unless its worker sleeps.
//
// Protocol [epoch]:
//   Starter:   N1 take `under_way` (CAS false -> true); left = processors. N2 asked = asked + 1. N3 wake every worker
//              of the idle list, under its lock. Or, in collect(), which waits for the end and does all other work by
//              itself, pass for them: N4 take a worker off the idle list, as its waker would; until it is back there it
//              runs nothing, and its processor is the starter's. N5 P1 to P3 for that processor. N6 put it back on the
//              list, and L2 and L3 of [wake] in its place: it may be needed by now.
//   Processor: at each turn of its loop, P1 if asked is not what it passed last: P2 age its own pool slots and trim its
//              own caches. P3 left = left - 1. Who brings it to zero finishes: P4 age what is shared, set the next
//              goal, under_way = false, finished = asked, wake the waiters.
//   Sleeper:   after L1 of [wake], L3 looks at asked as it looks at queues. Either N3 or N4 finds it on the list, or it
//              joins the list after that and sees N2, by the order that the list's lock gives. The same lock makes N5
//              visible to it.
// A processor that computes passes when it next comes round; until then no other epoch begins. Once the workers have
// ended an epoch that is under way stays so, and none begins any more.
//
// What an epoch does is bounded by the number of pools and caches. What costs by object is done in the background after
// it, a bounded step at a time: victims are destroyed from a clean-up queue, memory goes back to the kernel. The steps
// are done by workers that found nothing to run, by the monitor while all workers are busy, and by a hosted runtime's
// poll() at its end.
//
// An epoch is begun
//   because memory has grown past the pacer's trigger (mem/pacer.h), by whoever sees it: the monitor at its ticks, a
//     processor that took much memory since its last look, poll(). If the limit sets the trigger, such an epoch spares
//     no victims, since only the second one would free anything; and what pools hold for anybody to take is cleared by
//     who begins it, since a processor that computes may hold up the rest;
//   because none was for two minutes, by the monitor or poll(). Not if nothing was dispatched and nothing grew in the
//     two epochs before: they have cleared what there was, and an idle process may sleep on;
//   because the program asks: collect().
// A processor that takes memory while more than the limit is held *assists*: it passes the epoch at once, and does
// steps of the background work; also past the trigger, while clearing is behind. While the limiter (mem/limiter.h) says
// that epochs take too much CPU time, none is begun for the limit's sake, and nobody assists.
//
// Source: Go's collection cycle as seen by sync.Pool (src/sync/pool.go, poolCleanup), with the stop of the world
// replaced by a pass of each processor. docs/memory.md says where else they differ.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <weft/detail/config.h>
#include <weft/detail/spin_lock.h>

#include "mem/limiter.h"
#include "mem/pacer.h"

namespace weft::mem {

struct heap_figures;

}  // namespace weft::mem

namespace weft::detail {

class processor;
class scheduler;

/// What higher layers do in an epoch. A slot is a processor's number in the process (bias_owner::slot); slot 0 is that
/// of all threads without a processor.
struct epoch_hooks {
  /// P2, by the thread that drives the slot's processor. `everything`: nothing is spared as a victim.
  void (*age_slot)(uint32_t slot, bool everything) noexcept;
  void (*age_shared)(bool everything) noexcept;  ///< P4
  void (*forget_slot)(uint32_t slot) noexcept;  ///< the slot's processor has ended; its number may be reused afterwards

  /// Clears what can be cleared of all slots at once. True: there was something. Any thread, at any time.
  bool (*clear_open)() noexcept = nullptr;

  /// Bytes of what pools hold and have handed out, with what waits to be cleaned up. Any thread, at any time.
  uint64_t (*held_bytes)() noexcept = nullptr;

  /// Of those, what is not handed out.
  uint64_t (*idle_bytes)() noexcept = nullptr;

  /// Destroys at most so many cleared objects. True: there are more. One thread at a time.
  bool (*clean_up)(uint32_t most) noexcept = nullptr;
};

/// Registers the hooks, once per process. Any thread.
void set_epoch_hooks(const epoch_hooks& hooks) noexcept;

/// Calls forget_slot.
void forget_epoch_slot(uint32_t slot) noexcept;

/// What a runtime holds, in bytes. Pools, channels and the program's heap are the process's.
struct held_memory {
  uint64_t stacks_in_use = 0;
  uint64_t stacks_cached = 0;  ///< free blocks that were used; what never was takes no memory
  uint64_t pooled = 0;
  uint64_t channels = 0;
  uint64_t metadata = 0;  ///< of the runtime; approximate
  uint64_t program_heap = 0;
  uint64_t buffers = 0;      ///< of `pooled`, what does not lie in the program's heap
  uint64_t empty_spans = 0;  ///< free memory for buffers of any size

  /// What the pacer compares with its goal.
  uint64_t paced() const noexcept {
    return stacks_cached + (program_heap != 0 ? program_heap + buffers : pooled + channels);
  }
  uint64_t roots() const noexcept { return stacks_in_use + metadata; }
  /// What counts against the limit.
  uint64_t total() const noexcept { return paced() + roots() + empty_spans; }
};

/// Whose CPU time it is, in the words of Go's metrics.
enum class epoch_work : uint8_t {
  assist,               ///< by a task that takes memory, or waits in collect()
  dedicated,            ///< by a processor at its turn, and the monitor
  idle,                 ///< by a worker that found nothing to run
  scavenge_assist,      ///< memory given back to the kernel by such a task
  scavenge_background,  ///< and by others
};
inline constexpr std::size_t epoch_work_kinds = 5;

enum class epoch_cause : uint8_t {
  growth,  ///< the goal of the percentage
  limit,   ///< the goal of the memory limit
  period,  ///< two minutes
  forced,  ///< collect()
};
inline constexpr std::size_t epoch_cause_kinds = 4;

/// For metrics.
struct epoch_figures {
  std::array<uint64_t, epoch_cause_kinds> epochs{};  ///< ended, by epoch_cause
  uint64_t automatic() const noexcept { return epochs[0] + epochs[1] + epochs[2]; }
  uint64_t forced() const noexcept { return epochs[3]; }
  uint64_t total() const noexcept { return automatic() + forced(); }

  uint64_t live_bytes = 0;     ///< paced memory right after the last one
  uint64_t goal_bytes = 0;     ///< mem::no_goal: none
  uint64_t trigger_bytes = 0;  ///< the next begins above it; mem::no_goal: none
  held_memory held;            ///< now
  int gc_percent = 0;          ///< -1: off
  int64_t memory_limit_bytes = 0;
  bool limiter_on = false;
  uint64_t limiter_last_enabled = 0;  ///< number of epochs begun when it last went on; 0: never
  uint64_t limited_epochs = 0;        ///< times that an epoch was due for the limit and not begun
  std::array<int64_t, epoch_work_kinds> cpu_ns{};
};

/// CPU time by epoch_work. Any thread.
class epoch_cpu_time {
 public:
  void add(epoch_work kind, int64_t ns) noexcept {
    // relaxed: statistics, here and below.
    ns_[static_cast<std::size_t>(kind)].fetch_add(ns, std::memory_order_relaxed);
  }
  int64_t of(epoch_work kind) const noexcept {
    // relaxed: as above.
    return ns_[static_cast<std::size_t>(kind)].load(std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<int64_t>, epoch_work_kinds> ns_{};
};

class epoch_driver {
 public:
  epoch_driver(scheduler& owner, uint32_t processors) noexcept;
  epoch_driver(const epoch_driver&) = delete;
  epoch_driver& operator=(const epoch_driver&) = delete;

  // --- [epoch] ------------------------------------------------------------------------------------------------------

  /// P1. By the thread that drives `p`.
  WEFT_INLINE bool is_due(const processor& p) const noexcept;

  /// P2 to P4. By the thread that drives `p`.
  void pass(processor& p, epoch_work as = epoch_work::dedicated) noexcept;

  /// N1 to N3, or to N6 if it is forced. False if an epoch is under way, or the workers end.
  /// `paced_bytes`: what is held now, if it is known.
  bool begin(epoch_cause cause, uint64_t paced_bytes = 0) noexcept;

  /// Runs an epoch from its beginning to its end, and the background work; see runtime::collect().
  void collect() noexcept;

  /// Epochs that have ended. Any thread.
  uint32_t finished() const noexcept {
    // acquire: pairs with the release store of P4.
    return finished_.load(std::memory_order_acquire);
  }

  // --- who begins them ----------------------------------------------------------------------------------------------

  /// Tells that the processor took so much memory which may be new. Now and then that leads to a look at what is held,
  /// and to a part in an epoch: not while one of the processor's caches or pools is being changed. `may_clean_up`: the
  /// program expects that objects are made and destroyed here. By the thread that drives `p`.
  WEFT_INLINE void took_memory(processor& p, std::size_t bytes, bool may_clean_up) noexcept;

  /// At the monitor's ticks. True: the next tick should come soon.
  bool monitor_turn(int64_t now) noexcept;

  /// In poll(). By the thread that drives `p`.
  void host_turn(processor& p, int64_t now) noexcept;

  /// When the monitor has to wake for an epoch that is due by time; INT64_MAX: only when something has happened.
  int64_t period_ends_ns() noexcept;

  // --- the background work ------------------------------------------------------------------------------------------

  /// Whether there is some.
  bool has_background_work() const noexcept {
    // acquire: pairs with the release store of P4.
    return background_.load(std::memory_order_acquire);
  }

  /// Does a bounded step of it. False: there was none, or another thread is at it. Any thread.
  bool background_step(epoch_work as) noexcept;

  // --- knobs and figures, any thread --------------------------------------------------------------------------------

  /// A negative percentage: off. Returns the one before.
  int set_gc_percent(int percent) noexcept;

  /// Returns the one before; a negative limit changes nothing.
  int64_t set_memory_limit(int64_t bytes) noexcept;

  held_memory held() noexcept;

  /// The runtime's own objects, the processors' caches of blocks among them; approximate.
  uint64_t runtime_bytes() const noexcept { return metadata_bytes_; }

  epoch_figures figures() noexcept;

  /// The same for who has the heap's figures already.
  held_memory held(const mem::heap_figures& heap) noexcept;
  epoch_figures figures(const mem::heap_figures& heap) noexcept;

 private:
  // Adds the CPU time of a scope.
  class timed;

  WEFT_RARE void look_after_growth(processor& p, bool may_clean_up) noexcept;
  bool look(int64_t now, epoch_work as, uint64_t& room) noexcept;
  bool clear_for_limit(epoch_work as, uint64_t paced_bytes) noexcept;
  void judge_limit_without_epoch(int64_t now, const held_memory& m) noexcept;
  bool look_now_and_then(int64_t now) noexcept;
  bool limit_lets_begin(int64_t now) noexcept;
  void assist(processor& p, bool may_clean_up) noexcept;
  bool step(epoch_work as, bool may_clean_up) noexcept;
  bool scavenge(epoch_work as) noexcept;
  void settle() noexcept;
  bool uses_more_than_limit(const held_memory& m) const noexcept;
  bool limit_cannot_be_kept(bool over) noexcept;
  void trim_program_heap(epoch_work as) noexcept;
  void finish() noexcept;
  void wait_for(uint32_t epoch, int64_t deadline_ns) noexcept;
  void finish_background_work(int64_t deadline_ns) noexcept;
  void update_limiter(int64_t now) noexcept;
  bool period_is_over(int64_t now) noexcept;
  bool is_still_as_two_epochs_ago() noexcept;
  uint64_t dispatches() const noexcept;
  int64_t idle_ns() const noexcept;
  void publish() noexcept;
  void say_that_the_limit_cannot_be_kept(const held_memory& m) noexcept;

  scheduler& sched_;
  const uint64_t metadata_bytes_;

  alignas(64) std::atomic<bool> under_way_{false};
  std::atomic<uint32_t> asked_{0};
  std::atomic<uint32_t> left_{0};
  std::atomic<uint32_t> finished_{0};  // futex: epochs that have ended
  // Of the epoch under way: written between N1 and N2, read in P4.
  epoch_cause cause_ = epoch_cause::growth;
  int64_t began_ns_ = 0;
  uint64_t begin_bytes_ = 0;

  alignas(64) std::atomic<bool> background_{false};
  std::atomic<bool> stepping_{false};    // a thread does a step
  std::atomic<bool> trim_heap_{false};   // the background work includes the C library's heap
  std::atomic<uint64_t> trigger_bytes_;  // the pacer's, for looks without the lock
  std::atomic<bool> by_limit_{false};    // as above
  std::atomic<int64_t> limit_bytes_;     // as above
  std::atomic<int64_t> next_look_ns_{0};
  std::atomic<int64_t> last_end_ns_;  // of an epoch
  std::atomic<int64_t> next_heap_trim_ns_{0};
  std::atomic<bool> said_{false};  // that the limit cannot be kept
  std::atomic<uint64_t> limited_epochs_{0};
  std::atomic<uint64_t> limiter_last_enabled_{0};
  std::array<std::atomic<uint64_t>, epoch_cause_kinds> ended_{};
  epoch_cpu_time cpu_;

  spin_lock lock_;
  // Guarded by lock_.
  mem::pacer pacer_;
  mem::cpu_limiter limiter_;
  int64_t counted_epochs_ns_ = 0;  // what the limiter has been told
  int64_t counted_idle_ns_ = 0;
  bool judges_limit_ = false;       // the last epoch was for the limit's sake, and what it cleared is being destroyed
  uint32_t over_limit_epochs_ = 0;  // in a row, for the limit's sake, that left more than it in use; or looks
  int64_t over_limit_since_ns_ = 0;
  int64_t limit_judged_ns_ = 0;   // when either last happened
  uint64_t last_dispatches_ = 0;  // at the end of the last epoch
  uint64_t last_bytes_ = 0;       // as above
  uint32_t still_epochs_ = 0;     // in a row, that found both as the one before had left them
};

}  // namespace weft::detail
