// Gathering: two processors whose tasks spend their time passing locks to and fro bring these tasks together on one.
//
// A lock that comes from another processor costs some 100 ns, a lock that stays costs less than one. So tasks that do
// little between two operations on what they share are slower on two processors than on one, however many there are.
// The lock itself notices: it knows who held it last. A processor that often meets locks which come from another one
// measures how long it waits for them; if that is more than options.scheduling.gather_above percent of its time, one of
// the two *retreats*: it hands all that is ready here to the other one, which *gathers* for a while: nobody steals from
// it or is woken for it.
//
// What keeps that harmless:
//   The processor with the higher number retreats, so two never swap.
//   Gathering ends after 1 ms, and others may steal again; if that leads to the same, it lasts twice as long, up to
//   64 ms.
//   It ends at the monitor's next tick (at most 400 us) when a strand has waited in the ring since the last one, or the
//   processor has not dispatched anything since: then there is more work than one processor reaches soon.
//   Forks may be stolen and due timers fired at all times.
// Nearly all of it is bookkeeping with relaxed atomics: a wrong guess costs time, never correctness. But what is mailed
// to a processor that gathers is taken by nobody else, so its own worker has to be awake.
//
// Protocol [gathered-mail]:
//   Sender:   G1 push; full fence; if `gathers`, wake the processor's own worker, else any ([wake]).
//   Retreat:  G2 gathers = true; full fence; wake the processor's own worker.
//   Either G1 sees G2, or the worker that G2 wakes finds what G1 pushed. A worker that is about to sleep finds it in L3
//   of [wake], or is on the idle list by then, where both look.
#include <algorithm>

#include "sched/worker.h"

namespace weft::detail {

namespace {
// Crossings in a window. Waits are measured in a window after one in which crossings were at most this far apart, and
// in one of so many, since looking at the clock costs more than a lock that stayed.
constexpr uint32_t crossings_in_window = 32;
constexpr uint64_t often_ticks = crossings_in_window * 262'144;
constexpr uint32_t windows_between = 4;
constexpr int64_t first_gathering_ns = 1'000'000;
constexpr int64_t longest_gathering_ns = 64'000'000;

// A clock for proportions.
WEFT_INLINE uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<uint64_t>(os::clock::real().now_ns());
#endif
}

}  // namespace

void biased_lock::lock_slow() noexcept {
  bias_owner<>* const me = this_context.locks;
  if (!me->is_processor) {
    protocol_.take(*me);
    return;
  }
  processor& p = *this_context.proc;
  const uint64_t begin = p.crossings.measures ? ticks() : 0;
  const bool timed = WEFT_METRICS && p.crossing_countdown == 1;
  const int64_t begin_ns = timed ? p.sched.now_ns() : 0;
  bias_owner<>* const last = protocol_.take(*me);
  if (last == me || last == nullptr) return;
  p.counters.lock_crossings.add();
  if (WEFT_METRICS && --p.crossing_countdown == 0) {
    // relaxed: constant by now.
    p.crossing_countdown = sampling::locks.load(std::memory_order_relaxed);
    p.counters.lock_wait_ns.add(static_cast<uint64_t>(p.sched.now_ns() - begin_ns) * p.crossing_countdown);
  }
  if (begin != 0) p.crossings.waited += ticks() - begin;
  if (++p.crossings.count == crossings_in_window) scheduler::locks_crossed(p, last);
}

// The end of a window. A lock is held, so this is short.
void scheduler::locks_crossed(processor& p, bias_owner<>* from) noexcept {
  lock_crossings& c = p.crossings;
  scheduler& s = p.sched;
  const uint64_t now = ticks();
  const uint64_t lasted = now - c.since;
  const bool measured = c.measures;
  const uint64_t waited = c.waited;
  c.count = 0;
  c.waited = 0;
  c.since = now;
  c.measures = !measured && lasted < often_ticks && ++c.windows % windows_between == 1;
  const auto percent = static_cast<uint64_t>(s.opts_.scheduling.gather_above);
  if (!measured || waited * 100 < lasted * percent) return;
  if (s.how_ != drive::threads || s.seams_.time->manual()) return;
  // Without the monitor gathering would not end.
  const scheduling_options& rules = s.opts_.scheduling;
  if (!rules.stealing || rules.global_fifo || !rules.monitor) return;
  c.windows = 0;
  for (auto& other : s.processors_) {
    if (other->locks != from) continue;
    if (other->index > p.index) return;  // that one will
    p.retreat_to = other.get();
    // The running strand comes along at its next operation, and the worker's loop has its turn right after. Not 0: an
    // awaiter that has spent its budget and holds the lock would take that for a sign that it has not.
    this_context.budget = 1;
    p.slice = 0;
    return;
  }
}

void scheduler::retreat(processor& p) noexcept {
  processor& to = *p.retreat_to;
  p.retreat_to = nullptr;
  p.counters.retreats.add();
  const int64_t now = now_ns();
  // relaxed: here and below, see the top of this file.
  const int64_t length = to.gathering_ns.load(std::memory_order_relaxed);
  const int64_t quiet = now - to.gathering_end_ns.load(std::memory_order_relaxed);
  const int64_t next = quiet < 2 * length ? std::min(2 * length, longest_gathering_ns) : first_gathering_ns;
  // relaxed: as above.
  to.gathering_ns.store(next, std::memory_order_relaxed);
  to.gathering_end_ns.store(now + next, std::memory_order_relaxed);
  to.gathers.store(true, std::memory_order_relaxed);
  while (strand* s = p.ring.pop()) to.mail.push(s);
  if (strand* s = p.run_next.take()) to.mail.push(s);
  for (strand* s = p.mail.take_all(); s != nullptr;) {
    strand* following = s->next;
    to.mail.push(s);
    s = following;
  }
  std_atomics::fence_seq_cst();  // G2
  wake_driver_of(to);
}

// After a fence, for mail that only this processor takes.
void scheduler::wake_driver_of(processor& p) noexcept {
  worker* asleep = nullptr;
  {
    spin_guard guard(idle_lock_);
    const auto at = std::find_if(idle_.begin(), idle_.end(), [&](worker* w) { return &w->proc == &p; });
    if (at == idle_.end()) return;
    asleep = *at;
    idle_.erase(at);
    // relaxed: as in pop_idle().
    idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
  }
  asleep->searching = false;
  signal(*asleep);
  rouse_monitor();
}

bool scheduler::end_gathering(processor& p, int64_t now, bool behind) noexcept {
  if (!opts_.scheduling.stealing) return false;  // every processor keeps its own, always
  // relaxed: here and below, see the top of this file.
  if (!p.gathers.load(std::memory_order_relaxed)) return false;
  if (!behind && now < p.gathering_end_ns.load(std::memory_order_relaxed)) return false;
  p.gathering_end_ns.store(now, std::memory_order_relaxed);
  // relaxed: as above.
  if (behind) p.gathering_ns.store(0, std::memory_order_relaxed);
  p.gathers.store(false, std::memory_order_relaxed);
  return true;
}

}  // namespace weft::detail
