// Switching between strands: what happens after a strand was put into a queue. See [park] and [stop] in detail/wait.h.
#include <array>

#include <weft/this_task.h>
#include <weft/time.h>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

// Offers the forks that the parking strand leaves behind.
WEFT_RARE void leave_forks(processor& p) noexcept { p.forks.publish_all(forks_published); }

WEFT_NOINLINE std::coroutine_handle<> back_to_the_loop() noexcept {
  unload();
  return std::noop_coroutine();
}

}  // namespace

std::coroutine_handle<> switch_away() noexcept {
  processor& p = *this_context.proc;
  if (p.forks.has_private()) [[unlikely]]
    leave_forks(p);
  // An epoch that is due ends the slice: without a look here it would wait for up to a slice's worth of computing.
  if (--p.slice > 0 && !p.sched.epochs().is_due(p)) [[likely]] {
    if (strand* next = p.run_next.take()) [[likely]] {
      dispatched(p, next);
      return attach(next);
    }
    if (strand* next = p.ring.pop()) {
      this_context.budget = p.budget;
      p.counters.queue_hops.add();
      dispatched(p, next);
      return attach(next);
    }
  }
  return back_to_the_loop();
}

std::coroutine_handle<> yield_strand(std::coroutine_handle<> leaf, std::source_location) noexcept {
  context& c = this_context;
  processor& p = *c.proc;
  scheduler& sched = p.sched;
  c.budget = p.budget;
  p.counters.yields.add();
  // Nobody else here, and the loop's turn to look around has not come: go on.
  const bool stay = --p.slice > 0 && !sched.epochs().is_due(p);
  if (stay && p.ring.size() == 0 && p.run_next.peek() == nullptr) return leaf;
  strand* self = detach(leaf);
  if (p.forks.has_private()) leave_forks(p);
  if (strand* next = p.run_next.take()) sched.push_ring(p, next);
  sched.push_ring(p, self);
  if (stay) {
    if (strand* next = p.ring.pop()) {
      p.counters.queue_hops.add();
      dispatched(p, next);
      return attach(next);
    }
  }
  return back_to_the_loop();
}

namespace {

// Both under the timer lock. Whether next_timer_ns is exact matters little: who looks too early sets it right.
WEFT_INLINE void add_timer(processor& p, sleeper& node) noexcept {
  p.timers.push(node);
  p.timers_begun.add();
  // relaxed: written under the lock.
  if (node.deadline_ns < p.next_timer_ns.load(std::memory_order_relaxed))
    // release: read by whoever looks for due timers before it takes the lock.
    p.next_timer_ns.store(node.deadline_ns, std::memory_order_release);
}

WEFT_INLINE void take_timer(processor& p, sleeper& node) noexcept {
  p.timers.remove(node);
  p.timers_ended.add();
  // relaxed: as above.
  if (p.timers.empty() || node.deadline_ns == p.next_timer_ns.load(std::memory_order_relaxed))
    // relaxed: as above.
    p.next_timer_ns.store(p.timers.next_deadline_ns(), std::memory_order_relaxed);
  // relaxed: as above. The last one of a crowd is not kept waiting.
  if (p.timer_crowd.load(std::memory_order_relaxed) > 1)
    // relaxed: as above.
    p.timer_crowd.store(static_cast<uint32_t>(p.timers.crowd()), std::memory_order_relaxed);
}

}  // namespace

std::coroutine_handle<> park_sleeper(sleeper& node, std::coroutine_handle<> leaf, std::source_location where) noexcept {
  processor& p = *this_context.proc;
  announce_wait(p.timer_lock);
  p.timer_lock.lock();
  if (stop_pending()) {
    p.timer_lock.unlock();
    node.result = wait_result::stopped;
    return leaf;
  }
  strand* s = detach(leaf);
  begin_wait(s, node, wait_reason::sleep, where);
  waits_from_now(s);
  node.home = &p;
  add_timer(p, node);
  p.timer_lock.unlock();
  return switch_away();
}

namespace {

// The lock of those who wait for nothing but a stop.
biased_lock for_ever_lock;
wait_queue& for_ever_waiters() noexcept {
  static auto* queue = new wait_queue;
  return *queue;
}

}  // namespace

std::coroutine_handle<> park_for_ever(waiter& w, std::coroutine_handle<> leaf, wait_reason reason,
                                      std::source_location where) noexcept {
  announce_wait(for_ever_lock);
  for_ever_lock.lock();
  if (stop_pending()) {
    for_ever_lock.unlock();
    w.result = wait_result::stopped;
    return leaf;
  }
  strand* s = detach(leaf);
  begin_wait(s, w, reason, where);
  waits_from_now(s);
  for_ever_waiters().push(w);
  for_ever_lock.unlock();
  return switch_away();
}

int64_t runtime_now_ns() noexcept { return this_context.proc->sched.now_ns(); }

int64_t deadline_after(std::chrono::nanoseconds d) noexcept {
  WEFT_CHECK(this_context.current != nullptr, "weft::sleep_for outside any task");
  const int64_t now = runtime_now_ns();
  return d.count() > INT64_MAX - now ? INT64_MAX - 1 : now + d.count();
}

biased_lock* timer_arm_lock(sleeper& s) noexcept {
  if (s.home == nullptr) s.home = this_context.proc;
  return &s.home->timer_lock;
}

void timer_arm_enqueue(sleeper& s) noexcept { add_timer(*s.home, s); }

void timer_arm_leave(sleeper& s) noexcept {
  if (s.heap_index != sched::timer_queue::not_queued) take_timer(*s.home, s);
}

// --- leaving a wait because of a stop --------------------------------------------------------------------------------

namespace {

std::array<leave_wait_function, 32> leave_functions{};

void leave_queue(strand* s, waiter& w, biased_lock& lock) noexcept {
  wait_queue::unlink(w);
  end_wait(w, wait_result::stopped);
  lock.unlock();
  scheduler_of(s).ready(s);
}

void leave_timer(strand* s, waiter& w, biased_lock& lock) noexcept {
  auto& node = static_cast<sleeper&>(w);
  take_timer(*node.home, node);
  end_wait(w, wait_result::stopped);
  lock.unlock();
  scheduler_of(s).ready(s);
}

}  // namespace

void set_leave_wait(wait_reason reason, leave_wait_function leave) noexcept {
  leave_functions[static_cast<std::size_t>(reason)] = leave;
}

void leave_wait(strand* s, waiter& w, biased_lock& lock) noexcept {
  // relaxed: written under the lock that we hold.
  const auto reason = static_cast<wait_reason>(s->reason.load(std::memory_order_relaxed));
  if (reason == wait_reason::sleep) return leave_timer(s, w, lock);
  if (leave_wait_function f = leave_functions[static_cast<std::size_t>(reason)]) return f(s, w, lock);
  leave_queue(s, w, lock);
}

namespace {

// Whoever ends the wait looks at the tags of `who` anyway, so a wait that is not measured costs nothing more there.
void begin_measuring(processor& p, uint8_t sampled) noexcept {
  strand* s = this_context.current;
  s->parked_ns = p.sched.now_ns();
  s->sampled = sampled;
  // relaxed: its own.
  s->waiting.load(std::memory_order_relaxed)->who |= who_is_measured;
}

}  // namespace

void measure_wait() noexcept {
  processor& p = *this_context.proc;
  // relaxed: constant by now.
  p.wait_countdown = sampling::waits.load(std::memory_order_relaxed);
  begin_measuring(p, sampled_wait | sampled_latency);
}

std::coroutine_handle<> leave_measured(biased_lock& lock) noexcept {
  measure_wait();
  lock.unlock();
  return switch_away();
}

// Latencies are of one strand in sampling::waits; waits for mutexes are measured more often and must not have more
// weight among them.
void measure_mutex_wait() noexcept {
  processor& p = *this_context.proc;
  // relaxed: constant by now.
  const uint32_t locks = sampling::locks.load(std::memory_order_relaxed);
  const uint32_t waits = sampling::waits.load(std::memory_order_relaxed);
  p.lock_wait_countdown = locks;
  const bool latency = ++p.lock_waits * locks >= waits;
  if (latency) p.lock_waits = 0;
  begin_measuring(p, latency ? sampled_wait | sampled_latency : sampled_wait);
}

void record_latency(processor& p, strand* s) noexcept {
  const uint8_t sampled = s->sampled;
  if ((sampled & sampled_wait) != 0) p.sched.wait_ended(s);  // straight on from its wait
  s->sampled = 0;
  if ((sampled & sampled_latency) == 0) return;
  if ((sampled & sampled_wait) != 0) return p.latencies.record_owner(0);
  const auto now = static_cast<uint32_t>((p.sched.now_ns() - p.sched.start_ns()) >> 5);
  // relaxed: handed over with the strand.
  p.latencies.record_owner(int64_t{now - s->since.load(std::memory_order_relaxed)} << 5);
}

// --- plain threads ---------------------------------------------------------------------------------------------------

void begin_thread_wait(waiter& w, thread_note& note, const char* operation) noexcept {
  WEFT_CHECK(this_context.current == nullptr, operation);
  w.who = reinterpret_cast<uintptr_t>(&note) | who_is_thread;
  w.result = wait_result::pending;
}

void thread_wait(thread_note& note) noexcept {
  // relaxed: a hint for the deadlock check, which asks twice.
  blocked_plain_threads.fetch_add(1, std::memory_order_relaxed);
  // acquire: pairs with the release store in wake_thread().
  while (note.word.load(std::memory_order_acquire) == 0) {
    os::system& sys = os::system::real();
    if constexpr (WEFT_TSAN) {
      // ThreadSanitizer runs a signal's handler when its thread next calls into the C library, which one that sleeps in
      // the kernel never does; and where the other threads block signals it is the only one that can.
      sys.futex_wait(note.word, 0, 10'000'000);
      sys.wait_readable(-1, 0);
    } else {
      sys.futex_wait(note.word, 0, -1);
    }
  }
  // relaxed: as above.
  blocked_plain_threads.fetch_sub(1, std::memory_order_relaxed);
}

void wake_thread(uintptr_t who) noexcept {
  auto& note = *reinterpret_cast<thread_note*>(who & ~uintptr_t{1});
  // release: publishes the outcome of the wait. The note may be gone right after; a stray wake is harmless.
  note.word.store(1, std::memory_order_release);
  os::system::real().futex_wake(note.word, 1);
}

}  // namespace weft::detail
namespace weft::this_task {

uint64_t id() noexcept {
  detail::strand* s = detail::this_context.current;
  // relaxed: our own task.
  return s == nullptr ? 0 : detail::task_of(s)->id.load(std::memory_order_relaxed);
}

}  // namespace weft::this_task
