// The monitor (Go's sysmon): a thread without a processor that looks after the rest.
//
// Each tick it moves on the coarse clock, wakes a worker for work that sits behind a processor which computes and for
// timers that nobody fired, counts over-long resumptions, prints the schedtrace line, and checks for deadlock. Work
// that sits behind an over-long resumption while all workers are busy goes to the global queue, and so do the tasks
// whose operations have ended on such a processor (relief.h). The tick is 100 us
// after something happened and doubles to 10 ms, or to 400 us while a worker sleeps: a strand in the run-next slot of a
// processor that computes is found by nobody else then.
//
// When all workers have slept at each of some ticks, and nothing was run between them, the monitor sleeps too, until a
// worker wakes, or until an epoch is due by time (epoch.h). Workers that only seem to sleep, since each tick finds them
// between two short pieces of work, would have to wake it for each piece.
//
// Protocol [monitor-sleep]:
//   Monitor: M1 asleep = 1. M2 heavy barrier. M3 if all workers are on the idle list (L1 of [wake]) and the runtime is
//            not stopping: sleep on its futex word, without a limit; else for a tick.
//   Whoever leaves the idle list, or takes a worker off it: M4 the worker is off the list. M5 light barrier. M6 if
//            asleep is 1: take it away, set the word, wake the monitor.
//   Either M6 sees M1, or M2 makes M4 visible to M3. Who takes the 1 away after the monitor has woken by itself ends
//   its next tick at once. The end of the runtime sets the word in any case.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sched/dump.h"
#include "sched/scheduler.h"
#include "sched/worker.h"

namespace weft::detail {

namespace {
constexpr int64_t shortest_tick_ns = 100'000;
constexpr int64_t longest_tick_ns = 10'000'000;
constexpr int64_t longest_tick_beside_sleepers_ns = 400'000;
constexpr int64_t over_long_ns = 10'000'000;
constexpr int idle_ticks_before_sleep = 10;

// Puts what waits behind a strand that computes into the global queue, where every processor looks now and then: while
// all of them are busy none searches, so nobody would come to steal it.
void move_to_global_queue(processor& p, strand* run_next, sched::global_queue& global) noexcept {
  strand* taken[processor::ring_capacity];
  if (const uint32_t n = p.ring.take_all(taken); n != 0) global.push(taken, n);
  if (strand* first = p.mail.take_all(); first != nullptr) global.push_list(first);
  if (run_next != nullptr && p.run_next.steal(run_next)) global.push(&run_next, 1);
}
}  // namespace

void scheduler::monitor_entry(void* s) noexcept { static_cast<scheduler*>(s)->monitor_main(); }

void scheduler::monitor_main() noexcept {
  int64_t tick = longest_tick_ns;
  int64_t last_trace = now_ns();
  int idle_ticks = 0;
  uint64_t idle_sum = 0;
  int quiet_ticks = 0;
  uint64_t quiet_sum = 0;
  // relaxed: a late look costs a tick.
  while (stopping_.load(std::memory_order_relaxed) == 0) {
    int64_t wait = tick;
    if (opts_.schedtrace.count() > 0) wait = std::min<int64_t>(wait, opts_.schedtrace.count() * 1'000'000);
    const bool all_idle = idle_workers() == workers_.size();
    // Workers that sleep now, and have run something since the last tick, will be back before long.
    const uint64_t ran = dispatches();
    idle_ticks = all_idle && ran == idle_sum ? idle_ticks + 1 : 0;
    idle_sum = ran;
    const bool watch = opts_.detect_deadlock && all_idle && live_tasks() != 0;
    if (idle_ticks > idle_ticks_before_sleep && opts_.schedtrace.count() == 0) {
      // seq_cst: M1.
      monitor_asleep_.store(1, std::memory_order_seq_cst);
      std_atomics::heavy_barrier();  // M2
      // seq_cst: M3; pairs with the end of the runtime.
      if (idle_workers() == workers_.size() && stopping_.load(std::memory_order_seq_cst) == 0)
        wait = watch ? longest_tick_ns : longest_sleep_ns();
    }
    // acquire: pairs with the release store of whoever wakes the monitor.
    if (monitor_word_.exchange(0, std::memory_order_acquire) == 0) {
      seams_.sys->futex_wait(monitor_word_, 0,
                             seams_.time->manual() && wait > 0 ? std::min<int64_t>(wait, 1'000'000) : wait);
      // relaxed: consumed.
      monitor_word_.store(0, std::memory_order_relaxed);
    }
    // relaxed: awake again.
    monitor_asleep_.store(0, std::memory_order_relaxed);
    const int64_t now = now_ns();
    touch_clock(now);
    // A single worker has nobody beside it who could take what waits.
    const bool sleepers = workers_.size() > 1 && idle_workers() != 0;
    const int64_t longest = sleepers ? longest_tick_beside_sleepers_ns : longest_tick_ns;
    const bool goes_on = epochs_.monitor_turn(now);
    tick = monitor_tick(now) || goes_on ? shortest_tick_ns : std::min(tick * 2, longest);
    if (opts_.schedtrace.count() > 0 && now - last_trace >= opts_.schedtrace.count() * 1'000'000) {
      print_schedtrace(now);
      last_trace = now;
    }
    if (opts_.detect_deadlock) {
      // Twice in a row, with nothing dispatched in between.
      const uint64_t sum = dispatches();
      quiet_ticks = looks_deadlocked() ? (sum == quiet_sum ? quiet_ticks + 1 : 1) : 0;
      quiet_sum = sum;
      if (quiet_ticks >= 2) {
        seams_.sys->write_stderr("weft: all tasks are asleep - deadlock!\n\n" + dump_tasks(*this));
        std::_Exit(2);
      }
    }
  }
}

uint64_t scheduler::dispatches() const noexcept {
  uint64_t sum = 0;
  for (const auto& p : processors_) sum += p->counters.dispatches.value();
  return sum;
}

// While nothing happens the monitor wakes for an epoch that is due by time, if there is one. A manual clock wakes it.
int64_t scheduler::longest_sleep_ns() noexcept {
  const int64_t until = epochs_.period_ends_ns();
  return until == INT64_MAX || seams_.time->manual() ? -1 : std::max<int64_t>(until - now_ns(), longest_tick_ns);
}

bool scheduler::monitor_tick(int64_t now) noexcept {
  bool happened = false;
  bool work_waits = false;
  strand* due = nullptr;
  const bool timers_late = earliest_wanted_timer() <= now - shortest_tick_ns;
  for (auto& p : processors_) {
    seen& last = monitor_seen_[p->index];
    const uint64_t dispatches = p->counters.dispatches.value();
    // relaxed: compared only.
    strand* running = p->running.load(std::memory_order_relaxed);
    strand* next = p->run_next.peek();
    // What waited in the ring at the last tick still does, or what runs has run since then.
    const bool behind = p->ring.reaches(last.ring_end) || (running != nullptr && dispatches == last.dispatches);
    if (end_gathering(*p, now, behind) && p->ring.size() != 0) work_waits = true;
    last.ring_end = p->ring.end();
    if (running != nullptr && dispatches == last.dispatches) {
      if (now - last.since_ns >= over_long_ns) {
        if (!last.over_long) {
          long_resumes_.add();
          // acquire: pairs with the release store of its maker.
          const poller* io = p->io.load(std::memory_order_acquire);
          if (io != nullptr && io->is_busy()) long_resumes_before_io_.add();
        }
        last.over_long = true;
        if (relieve(*p)) happened = true;
        if (idle_workers() == 0 && processors_.size() > 1 && opts_.scheduling.stealing) {
          move_to_global_queue(*p, next == last.run_next ? next : nullptr, global_);
          wake_one();  // a worker may have gone to sleep meanwhile
        }
      }
      // It computes: what waits behind it should move.
      const bool others_wait = p->ring.size() != 0 || p->forks.public_size() != 0 || !p->mail.empty();
      if (opts_.scheduling.stealing && (others_wait || (next != nullptr && next == last.run_next))) work_waits = true;
      // relaxed: the lock in fire_timers() decides.
      if (p->next_timer_ns.load(std::memory_order_relaxed) <= now) {
        uint32_t count = 0;
        due = fire_timers(*p, now, count);
        if (due != nullptr) {
          happened = true;
          ready_all(due, count);
        }
      }
    } else {
      last.since_ns = now;
      last.over_long = false;
      // The worker that watched the timers of those that sleep computes, and no other one has woken.
      // relaxed: as above.
      if (running == nullptr && timers_late && p->next_timer_ns.load(std::memory_order_relaxed) <= now)
        work_waits = true;
    }
    last.dispatches = dispatches;
    last.run_next = next;
    if (next != nullptr && running != nullptr && idle_workers() != 0) happened = true;
  }
  if (work_waits) {
    std_atomics::fence_seq_cst();  // K2: what end_gathering() let others take
    if (idle_workers() != 0) {
      happened = true;
      wake_one();
    }
  }
  return happened;
}

// Of what its poller has completed, while its driver does not come. See [io-relief] in relief.h.
bool scheduler::relieve(processor& p) noexcept {
  // acquire: pairs with the release store of its maker.
  poller* io = p.io.load(std::memory_order_acquire);
  if (io == nullptr || processors_.size() == 1) return false;
  uint32_t count = 0;
  strand* first = io->relieve(count);
  ready_all(first, count);
  return first != nullptr;
}

bool scheduler::looks_deadlocked() noexcept {
  if (idle_workers() != workers_.size() || live_tasks() == 0) return false;
  if (any_work(nullptr) || earliest_timer() != INT64_MAX) return false;
  for (const auto& p : processors_) {
    // acquire: pairs with the release store of its maker.
    const poller* io = p->io.load(std::memory_order_acquire);
    if (io != nullptr && io->is_busy()) return false;
  }
  // A thread of the blocking pool counts itself as running before it takes its call, so this look comes first.
  if (blocking_.wakes_thread()) return false;
  // Threads that are neither ours nor blocked in one of our waits may still wake a task.
  const int threads = seams_.sys->process_thread_count();
  if (threads < 0) return false;
  const int sanitizer_threads = WEFT_TSAN ? 1 : 0;
  // relaxed: asked twice, with a tick in between.
  const int blocked = blocked_plain_threads.load(std::memory_order_relaxed);
  return threads - static_cast<int>(thread_count()) - blocked - sanitizer_threads <= 0;
}

// Go's line: SCHED 1004ms: gomaxprocs=2 idleprocs=0 threads=4 spinningthreads=0 needspinning=0 idlethreads=1 runqueue=0
// [ 3 1 ] schedticks=[ 10 12 ]
void scheduler::print_schedtrace(int64_t now) noexcept {
  const uint32_t idle = idle_workers();
  std::string line =
      "SCHED " + std::to_string((now - start_ns_) / 1'000'000) +
      "ms: gomaxprocs=" + std::to_string(processors_.size()) + " idleprocs=" + std::to_string(idle) +
      " threads=" + std::to_string(thread_count()) + " spinningthreads=" + std::to_string(searching_workers()) +
      " needspinning=0 idlethreads=" + std::to_string(idle) + " runqueue=" + std::to_string(global_.size()) + " [";
  for (const auto& p : processors_)
    line += ' ' + std::to_string(p->ring.size() + (p->run_next.peek() != nullptr ? 1 : 0));
  line += " ] schedticks=[";
  for (const auto& p : processors_) line += ' ' + std::to_string(p->counters.dispatches.value());
  line += " ]\n";
  seams_.sys->write_stderr(line);
}

void scheduler::stop_monitor() noexcept {
  if (monitor_thread_ == nullptr || !monitor_thread_->joinable()) return;
  // release: wakes it; it then sees `stopping_`.
  monitor_word_.store(1, std::memory_order_release);
  seams_.sys->futex_wake(monitor_word_, 1);
  monitor_thread_->join();
}

}  // namespace weft::detail
