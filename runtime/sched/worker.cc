// The worker's loop: find something to run, run it; search, sleep. See [wake] in scheduler.h.
#include "sched/worker.h"

#include <algorithm>
#include <utility>

#include <weft/fork_scope.h>
#include <weft/join.h>

namespace weft::detail {

namespace {

// What each timer that is due within a millisecond adds to the slack of the others.
constexpr int64_t slack_for_each_ns = 2000;

// Due timers at once that wake nobody at first, and how long this processor may take for them alone.
constexpr uint32_t many_timers = 8;
constexpr uint32_t large_crowd = 64;  // of timers due in one or two milliseconds
constexpr int64_t alone_ns = 400'000;
constexpr int32_t slice_alone = 16;  // so that it is noticed
// A thief lets a ring grow to `worth_stealing` while it grows within every look of so many pauses, about 0.5 us.
constexpr uint32_t worth_stealing = processor::ring_capacity / 2;
constexpr int pauses_of_a_look = 32;
constexpr int most_looks = 64;

// One part in so many of a ring is stolen.
constexpr uint32_t steal_divisor(steal_share share) noexcept {
  switch (share) {
    case steal_share::quarter: return 4;
    case steal_share::one: return processor::ring_capacity;
    default: return 2;
  }
}

/// Makes a thread the driver of a processor for a scope.
class driving {
 public:
  explicit driving(processor& p) noexcept : saved_(this_context) {
    this_context = context{};
    this_context.proc = &p;
    this_context.forks = &p.forks;
    this_context.locks = p.locks;
  }
  ~driving() { this_context = saved_; }
  driving(const driving&) = delete;
  driving& operator=(const driving&) = delete;

 private:
  context saved_;
};

}  // namespace

void scheduler::worker_entry(void* argument) noexcept {
  worker& w = *static_cast<worker*>(argument);
  {
    driving d(w.proc);
    w.sched.worker_main(w);
  }
  w.ended.signal();
}

void scheduler::worker_main(worker& w) noexcept {
  processor& p = w.proc;
  work found;
  // relaxed: a late look only costs one more dispatch.
  while (stopping_.load(std::memory_order_relaxed) == 0) {
    if (p.retreat_to != nullptr) [[unlikely]]
      retreat(p);
    if (epochs_.is_due(p)) [[unlikely]]
      epochs_.pass(p);
    const bool has_work = find_local(p, found, !is_alone(w) || is_worth_asking(w)) || fire_wanted(p, found);
    // A token that came with the wake-up goes on to the next one, since this worker has what it needs.
    if (has_work && w.searching) give_token(w);
    if (has_work || (!is_alone(w) && search(w, found))) {
      run(p, found);
      found = work{};
    } else if (!does_background_work(w)) {
      idle(w);
    }
  }
  if (epochs_.is_due(p)) epochs_.pass(p);  // nobody waits for an epoch that was begun before the end
  // relaxed: its own.
  if (poller* io = p.io.load(std::memory_order_relaxed)) io->close();
  p.blocks.flush();
  p.idle.begin(now_ns());
}

// A step of what epochs have left, then the worker looks around again. The token is given up first: whoever saw it has
// left its work to this worker, which finds it after the step.
bool scheduler::does_background_work(worker& w) noexcept {
  if (!epochs_.has_background_work()) return false;
  if (w.searching) {
    w.searching = false;
    // seq_cst: gives the token back, L1.
    searching_.fetch_sub(1, std::memory_order_seq_cst);
  }
  return epochs_.background_step(epoch_work::idle);
}

// What the workers do where there are some.
void scheduler::close_pollers() noexcept {
  for (auto& p : processors_) {
    driving d(*p);
    // relaxed: the caller is the last driver.
    if (poller* io = p->io.load(std::memory_order_relaxed)) io->close();
  }
}

// Whether nobody else runs anything, while operations are under way. Then a worker that has nothing to run goes to
// sleep right away, and what it asked of the kernel is begun as it does: one system call, not two.
bool scheduler::is_alone(const worker& w) const noexcept {
  // relaxed: its own.
  const poller* io = w.proc.io.load(std::memory_order_relaxed);
  return io != nullptr && io->is_busy() && !w.searching && idle_workers() + 1 >= processors_.size();
}

// A sleep that ends at once costs the bookkeeping of a sleep, and the same system call.
bool scheduler::is_worth_asking(const worker& w) const noexcept {
  // relaxed: its own.
  const poller* io = w.proc.io.load(std::memory_order_relaxed);
  return io != nullptr && io->is_worth_asking();
}

std::size_t scheduler::drive_some(uint32_t index, std::size_t most) {
  processor& p = *processors_[index];
  driving d(p);
  // acq_rel: pairs with the exchange in rearm_wake_fd(): what was pushed before is found below.
  if (event_fd_ >= 0 && wake_fd_signalled_.exchange(0, std::memory_order_acq_rel) != 0)
    seams_.sys->drain_event_fd(event_fd_);
  const uint64_t before = p.counters.dispatches.value();
  const int64_t now = now_ns();
  touch_clock(now);
  p.idle.end(now);
  epochs_.host_turn(p, now);
  if (epochs_.is_due(p)) epochs_.pass(p);
  work found;
  while (p.counters.dispatches.value() - before < most) {
    bool any = find_local(p, found);
    const uint32_t first = any ? 0 : first_victim(p);
    for (std::size_t i = 0; !any && i < processors_.size(); ++i) {
      processor& victim = *processors_[(first + i) % processors_.size()];
      if (&victim != &p) any = steal_from(p, victim, true, found);
    }
    if (!any) any = fire_wanted(p, found);
    if (!any) {
      if (epochs_.background_step(epoch_work::idle) && epochs_.has_background_work()) rearm_wake_fd();
      if (timer_fd_ >= 0) {
        const int64_t timer = earliest_timer();
        seams_.sys->arm_timer_fd(timer_fd_, timer == INT64_MAX || seams_.time->manual() ? -1 : timer - now_ns());
      }
      p.idle.begin(now_ns());
      return p.counters.dispatches.value() - before;
    }
    run(p, found);
    found = work{};
  }
  rearm_wake_fd();
  p.idle.begin(now_ns());
  return p.counters.dispatches.value() - before;
}

// The context counts without atomics; every turn of the loop makes the counts visible.
WEFT_INLINE void take_over_calls(processor& p) noexcept {
  context& c = this_context;
  p.counters.calls.add(c.calls);
  c.calls = 0;
  if constexpr (!WEFT_MAY_ELIDE) return;
  p.counters.frames.add(c.frames_allocated);
  c.frames_allocated = 0;
}

// The slice of direct hand-offs is over: due timers, I/O, the ring and the global queue, if theirs has come, have their
// turn.
bool scheduler::end_slice(processor& p, work& out) noexcept {
  p.turns.pass();
  p.slice = p.turns.length();
  // relaxed: its own.
  const bool alone = p.alone_since_ns.load(std::memory_order_relaxed) != 0;
  if (alone) p.slice = std::min(p.slice, slice_alone);
  // relaxed: written under the lock by whoever changes the heap; a late look is a late timer by one slice.
  if (p.timers_at->next_timer_ns.load(std::memory_order_relaxed) != INT64_MAX) {
    if (p.turns.of_ring() || p.turns.of_global() || p.turns.of_io()) {
      uint32_t count = 0;
      const int64_t now = now_ns();
      touch_clock(now);
      strand* due = fire_timers(*p.timers_at, now, count);
      ready_due(p, *p.timers_at, due, count, now);
    }
  }
  if (alone) help_with_due(p);
  if (p.turns.of_io()) {
    // Where the processor runs out of work once in a slice or two, it asks the kernel only then: larger batches.
    work done;
    if (take_io(p, done, !std::exchange(p.asked_kernel, false))) {
      done.ready->next = nullptr;
      ready_all(done.ready, 1);
    }
  }
  // Not published in the sense of [wake]: this processor takes from the ring right away.
  if (p.turns.of_ring() && p.ring.size() != 0)
    if (strand* s = p.run_next.take()) push_ring(p, s);
  return p.turns.of_global() && global_.take(&out.ready, 1, 1) != 0;
}

bool scheduler::find_local(processor& p, work& out, bool enter_kernel) noexcept {
  take_over_calls(p);
  if (p.slice <= 0 && end_slice(p, out)) return true;
  --p.slice;
  if (!p.mail.empty()) [[unlikely]] {
    uint32_t count = 0;
    for (strand* s = p.mail.take_all(); s != nullptr; ++count) {
      strand* next = s->next;
      push_ring(p, s);
      s = next;
    }
    if (count > 1) wake_one_for(p);
  }
  if ((out.ready = p.run_next.take()) != nullptr) return true;
  if ((out.ready = p.ring.pop()) != nullptr) return true;
  if (p.forks.public_size() != 0 && (out.fork = p.forks.steal()) != nullptr) return true;
  if (global_.size() != 0) {
    strand* taken[processor::ring_capacity / 2];
    const uint32_t most = p.ring.is_open() ? processor::ring_capacity / 2 : 1;
    const uint32_t n = global_.take(taken, most, static_cast<uint32_t>(processors_.size()));
    for (uint32_t i = 1; i < n; ++i) push_ring(p, taken[i]);
    if (n != 0) {
      out.ready = taken[0];
      return true;
    }
  }
  if (take_io(p, out, enter_kernel)) return true;
  // relaxed: a hint for thieves. It has done all of them.
  p.alone_since_ns.store(0, std::memory_order_relaxed);
  // relaxed: as above.
  if (p.timers_at->next_timer_ns.load(std::memory_order_relaxed) != INT64_MAX) {
    uint32_t count = 0;
    const int64_t now = now_ns();
    touch_clock(now);
    if (strand* due = fire_timers(*p.timers_at, now, count)) {
      out.ready = due;
      ready_due(p, *p.timers_at, due->next, count - 1, now);
      return true;
    }
  }
  return false;
}

// The tasks of a few timers may compute for long, so another worker is woken for them. Many are short, or they would be
// too much for all processors, and waking for them costs more than they do: that waits until they have lasted, and
// nobody who is awake comes for them before. Few of many that come one after the other are many, too.
void scheduler::ready_due(processor& p, const processor& timers_of, strand* first, uint32_t count,
                          int64_t now) noexcept {
  // relaxed: a guess.
  const bool many = count >= many_timers || timers_of.timer_crowd.load(std::memory_order_relaxed) >= large_crowd;
  // relaxed: its own.
  const bool alone = p.alone_since_ns.load(std::memory_order_relaxed) != 0;
  // What goes to the global queue lies before nobody in particular, so nobody can be expected to come to it.
  const scheduling_options& rules = opts_.scheduling;
  if ((!many && !alone) || rules.wakes == wake_policy::eager || rules.global_fifo) return ready_all(first, count);
  if (count == 0) return;
  while (first != nullptr) {
    strand* next = first->next;
    push_ring(p, first);
    first = next;
  }
  if (alone) return;
  // relaxed: a hint for thieves.
  p.alone_since_ns.store(now, std::memory_order_relaxed);
  p.slice = std::min(p.slice, slice_alone);
}

void scheduler::help_with_due(processor& p) noexcept {
  if (p.ring.size() != 0 || global_.size() != 0) {
    // relaxed: its own.
    if (now_ns() - p.alone_since_ns.load(std::memory_order_relaxed) < alone_ns) return;
    wake_one_for(p);
  }
  // relaxed: a hint for thieves.
  p.alone_since_ns.store(0, std::memory_order_relaxed);
}

// Nothing is ready here: fires the timers of another processor, which is asleep or computes.
bool scheduler::fire_wanted(processor& p, work& out) noexcept {
  if (processors_.size() == 1) return false;
  const int64_t wanted = earliest_wanted_timer();
  if (wanted == INT64_MAX) return false;
  const int64_t now = now_ns();
  if (wanted > now) return false;
  for (auto& other : processors_) {
    // relaxed: the lock in fire_timers() decides.
    if (other.get() == &p || other->next_timer_ns.load(std::memory_order_relaxed) > now) continue;
    uint32_t count = 0;
    if (strand* due = fire_timers(*other, now, count)) {
      out.ready = due;
      ready_due(p, *other, due->next, count - 1, now);
      return true;
    }
  }
  return false;
}

bool scheduler::search(worker& w, work& out) noexcept {
  processor& p = w.proc;
  const auto n = static_cast<uint32_t>(processors_.size());
  if (n == 1) {
    if (w.searching) {
      w.searching = false;
      // seq_cst: gives the token back, L1.
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
    return false;
  }
  if (!w.searching) {
    // Half of the busy processors' number may search.
    // relaxed: a throttle, not a protocol.
    if (2 * searching_.load(std::memory_order_relaxed) >= n - std::min(n - 1, idle_workers())) return false;
    // seq_cst: takes a token.
    searching_.fetch_add(1, std::memory_order_seq_cst);
    w.searching = true;
  }
  p.counters.searches.add();
  const int64_t spin_ns = w.spin_ns;
  const int64_t begin = spin_ns > 0 ? now_ns() : 0;
  bool found = false;
  for (int pass = 0; !found; ++pass) {
    const bool last = pass >= opts_.scheduling.search_passes - 1;
    const uint32_t first = first_victim(p);
    for (uint32_t i = 0; i < n && !found; ++i) {
      processor& victim = *processors_[(first + i) % n];
      if (&victim != &p) found = steal_from(p, victim, last, out);
    }
    if (!found && !p.mail.empty()) found = find_local(p, out);
    if (!found && global_.size() != 0) found = find_local(p, out);
    if (!found) found = take_io(p, out);
    if (found) break;
    // relaxed: a late look only costs another pass.
    if (stopping_.load(std::memory_order_relaxed) != 0) break;
    if (last) {
      // With a manual clock time stands still here, so only the passes count.
      if (seams_.time->manual() || now_ns() - begin >= spin_ns) break;
      for (int i = 0; i < 16; ++i) std_atomics::pause();
    }
  }
  // Where searching mostly finds nothing it is kept short: what comes there comes from timers or from outside.
  w.spin_ns = found ? std::min(2 * spin_ns + 1000, opts_.scheduling.idle_spin.count()) : spin_ns / 2;
  if (!found) return false;
  give_token(w);
  return true;
}

uint32_t scheduler::first_victim(processor& p) noexcept {
  const auto n = static_cast<uint32_t>(processors_.size());
  if (opts_.scheduling.victims == victim_order::random) return p.random.below(n);
  p.next_victim = (p.next_victim + 1) % n;
  if (p.next_victim == p.index) p.next_victim = (p.next_victim + 1) % n;
  return p.next_victim;
}

// The last searcher to find work hands the token on, since there may be more.
void scheduler::give_token(worker& w) noexcept {
  w.searching = false;
  // seq_cst: gives the token back.
  if (searching_.fetch_sub(1, std::memory_order_seq_cst) != 1) return;
  if (opts_.scheduling.wakes != wake_policy::one || leaves_work_to_nobody()) wake_one();
}

// What a processor holds that sleeps: mail. A thread that left it to the token which was just given back had fenced in
// between (K2), so it is seen here. What lies in the global queue was left there by a processor that runs, or by such a
// thread.
bool scheduler::leaves_work_to_nobody() noexcept {
  if (global_.size() != 0) return true;
  return std::any_of(processors_.begin(), processors_.end(), [](const auto& p) { return !p->mail.empty(); });
}

// Whether a processor's ring is left to it. See gather.cc, and ready_due() above.
bool scheduler::keeps_ring(const processor& victim) noexcept {
  // relaxed: see gather.cc.
  if (victim.gathers.load(std::memory_order_relaxed)) return true;
  // relaxed: cleared between K1 and K2 of [wake]; else a hint, and the ring is its owner's to empty.
  const int64_t since = victim.alone_since_ns.load(std::memory_order_relaxed);
  return since != 0 && now_ns() - since < alone_ns;
}

// A victim that starts tasks faster than the thief runs them has few at any moment, and each visit takes lines of
// memory from it. So the thief waits, some 20 microseconds at most, as long as there are more at every look.
WEFT_INLINE void let_fill(const processor& victim) noexcept {
  for (int look = 0; look < most_looks && victim.ring.size() < worth_stealing; ++look) {
    const uint32_t end = victim.ring.end();
    for (int i = 0; i < pauses_of_a_look; ++i) std_atomics::pause();
    if (victim.ring.end() == end) return;
  }
}

bool scheduler::steal_from(processor& p, processor& victim, bool last_pass, work& out) noexcept {
  if (opts_.scheduling.stealing && (out.fork = victim.forks.steal()) != nullptr) {
    p.counters.forks_stolen.add();
    return true;
  }
  if (victim.ring.size() != 0 && !keeps_ring(victim)) {
    strand* taken[processor::ring_capacity];
    if (opts_.scheduling.steal != steal_share::one) let_fill(victim);
    const uint32_t n = victim.ring.steal(taken, steal_divisor(opts_.scheduling.steal));
    if (n != 0) {
      p.counters.steals.add();
      p.counters.stolen_strands.add(n);
      out.ready = taken[0];
      for (uint32_t i = 1; i < n; ++i) push_ring(p, taken[i]);
      return true;
    }
  }
  // relaxed: see gather.cc.
  if (victim.gathers.load(std::memory_order_relaxed)) return false;
  if (!victim.mail.empty() && take_mail(p, victim.mail, out)) return true;
  return last_pass && steal_run_next(p, victim, out);
}

bool scheduler::take_mail(processor& p, sched::inbox<strand>& mail, work& out) noexcept {
  strand* s = mail.take_all();
  if (s == nullptr) return false;
  out.ready = s;
  for (s = s->next; s != nullptr;) {
    strand* next = s->next;
    push_ring(p, s);
    s = next;
  }
  return true;
}

// Takes the strand out of another's run-next slot, but only if the victim did not dispatch anything for the delay:
// stealing one of a pair that hands over to each other would send every later hand-off across the processors.
bool scheduler::steal_run_next(processor& p, processor& victim, work& out) noexcept {
  strand* candidate = victim.run_next.peek();
  if (candidate == nullptr) return false;
  const uint64_t dispatches = victim.counters.dispatches.value();
  const int64_t delay = opts_.scheduling.run_next_steal_delay.count();
  if (how_ == drive::threads && !seams_.time->manual()) {
    const int64_t begin = now_ns();
    while (now_ns() - begin < delay) {
      if (victim.run_next.peek() != candidate || victim.counters.dispatches.value() != dispatches) return false;
      std_atomics::pause();
    }
  }
  if (!victim.run_next.steal(candidate)) return false;
  p.counters.run_next_steals.add();
  out.ready = candidate;
  return true;
}

// Work that the worker of the processor `looking` may take; nullptr: any.
bool scheduler::any_work(const processor* looking) noexcept {
  if (global_.size() != 0) return true;
  for (const auto& p : processors_) {
    const bool others = looking != nullptr && looking != p.get();
    if ((!others || opts_.scheduling.stealing) && p->forks.public_size() != 0) return true;
    // relaxed: see gather.cc.
    if (others && p->gathers.load(std::memory_order_relaxed)) continue;
    if (!p->mail.empty()) return true;
    if (p->ring.size() != 0 && (!others || !keeps_ring(*p))) return true;
  }
  return false;
}

int64_t scheduler::earliest_timer() noexcept {
  int64_t earliest = INT64_MAX;
  // acquire: after the barrier of L2; pairs with the store under the timer lock.
  for (const auto& p : processors_) earliest = std::min(earliest, p->next_timer_ns.load(std::memory_order_acquire));
  return earliest;
}

// Until when a worker that has nothing to do leaves the timers alone. Waking for one costs as much as many timers do,
// so the more of them are due within a millisecond, on whichever processors, the longer it waits for the others.
int64_t scheduler::earliest_wanted_timer() noexcept {
  const int64_t earliest = earliest_timer();
  const int64_t most = opts_.scheduling.timer_slack.count();
  if (earliest == INT64_MAX || seams_.time->manual()) return earliest;
  int64_t others = -1;
  for (const auto& p : processors_) {
    // relaxed: a guess, both.
    if (p->next_timer_ns.load(std::memory_order_relaxed) - most <= earliest)
      others += p->timer_crowd.load(std::memory_order_relaxed);
  }
  return earliest + std::clamp<int64_t>(others * slack_for_each_ns, 0, most);
}

bool scheduler::idle(worker& w) noexcept {
  // L1: the token first, then the list, so that a producer that still sees a searcher is covered by L3.
  if (w.searching) {
    w.searching = false;
    // seq_cst: L1.
    searching_.fetch_sub(1, std::memory_order_seq_cst);
  }
  // relaxed: nobody signals a worker that is not on the list.
  w.word.store(0, std::memory_order_relaxed);
  bool last = false;
  {
    spin_guard guard(idle_lock_);
    idle_.push_back(&w);
    last = idle_.size() == processors_.size();
    // seq_cst: L1; read in K3.
    idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_seq_cst);
  }
  if (last)
    std_atomics::fence_seq_cst();  // L2
  else
    std_atomics::heavy_barrier();  // L2
  // L3. acquire: pairs with stop_workers().
  if (any_work(&w.proc) || epochs_.is_due(w.proc) || stopping_.load(std::memory_order_acquire) != 0) {
    if (leave_idle(w)) {
      // It searches, with a token: producers may have left more work than it takes to the one that it gave up in L1.
      // seq_cst: takes the token.
      searching_.fetch_add(1, std::memory_order_seq_cst);
      w.searching = true;
      rouse_monitor();
      return true;
    }
  }
  w.proc.idle.begin(now_ns());
  // L4. acquire: pairs with the release store in signal(), which publishes `searching`.
  while (w.word.load(std::memory_order_acquire) == 0) {
    const int64_t timer = earliest_wanted_timer();
    int64_t timeout = -1;
    bool keeper = false;
    if (timer != INT64_MAX && !seams_.time->manual()) {
      const int64_t now = now_ns();
      if (timer <= now) {
        if (leave_idle(w)) break;
        continue;
      }
      // One idle worker watches the timers; a later one takes over only if its deadline is earlier.
      // relaxed: a role, not a protocol; two keepers are harmless, and the monitor covers none.
      int64_t kept = timer_keeper_ns_.load(std::memory_order_relaxed);
      keeper = (kept > timer || kept <= now) &&
               // relaxed: as above.
               timer_keeper_ns_.compare_exchange_strong(kept, timer, std::memory_order_relaxed);
      if (keeper) timeout = timer - now;
    }
    if (timer != INT64_MAX && seams_.time->manual() && timer <= now_ns()) {
      if (leave_idle(w)) break;
      continue;
    }
    w.proc.counters.sleeps.add();
    const bool in_poller = sleep_of(w, timeout);
    // relaxed: as above.
    if (keeper) timer_keeper_ns_.store(INT64_MAX, std::memory_order_relaxed);
    // What it slept in may have something for it.
    if (in_poller && leave_idle(w)) break;
  }
  rouse_monitor();  // a timer wakes a worker without help
  w.proc.idle.end(now_ns());
  return true;
}

// Sleeps where its wake-up will come from; true: in the poller. See [io-sleep] in poller.h.
bool scheduler::sleep_of(worker& w, int64_t timeout_ns) noexcept {
  // relaxed: its own.
  poller* io = w.proc.io.load(std::memory_order_relaxed);
  if (io == nullptr || !io->is_busy()) {
    seams_.sys->futex_wait(w.word, 0, timeout_ns);
    return false;
  }
  // seq_cst: I1.
  w.in_poller.store(true, std::memory_order_seq_cst);
  // seq_cst: I2.
  if (w.word.load(std::memory_order_seq_cst) == 0) io->sleep(timeout_ns);
  w.proc.asked_kernel = true;
  // seq_cst: I3.
  w.in_poller.store(false, std::memory_order_seq_cst);
  return true;
}

// Takes what the processor's poller has completed; see poller::poll().
bool scheduler::take_io(processor& p, work& out, bool enter_kernel) noexcept {
  // relaxed: its own.
  poller* io = p.io.load(std::memory_order_relaxed);
  if (io == nullptr) return false;
  if (enter_kernel) p.asked_kernel = true;
  uint32_t count = 0;
  strand* first = io->poll(enter_kernel, count);
  if (first == nullptr) return false;
  out.ready = first;
  ready_all(first->next, count - 1);
  return true;
}

strand* scheduler::fire_timers(processor& p, int64_t now, uint32_t& count) noexcept {
  count = 0;
  strand* first = nullptr;
  strand** link = &first;
  biased_guard guard(p.timer_lock);
  while (sleeper* s = p.timers.pop_due(now)) {
    p.timers_ended.add();
    if (!claim(*s)) continue;
    if (WEFT_METRICS) p.lateness.record_owner(now - s->deadline_ns);
    strand* woken = strand_of(end_wait(*s, wait_result::done));
    if (woken->sampled != 0) wait_ended(woken);
    woken->next = nullptr;
    *link = woken;
    link = &woken->next;
    ++count;
  }
  // relaxed: written under the lock.
  p.next_timer_ns.store(p.timers.next_deadline_ns(), std::memory_order_relaxed);
  // relaxed: as above.
  p.timer_crowd.store(static_cast<uint32_t>(p.timers.crowd()), std::memory_order_relaxed);
  if (count != 0)
    if (processor* here = this_context.proc) here->counters.timers_fired.add(count);
  return first;
}

void scheduler::run(processor& p, const work& w) noexcept {
  if (trace_ != nullptr) [[unlikely]]
    return run_recorded(p, w);
  run_unrecorded(p, w);
}

void scheduler::run_recorded(processor& p, const work& w) noexcept {
  // relaxed: written before the fork's entry became public; taking it was the acquire.
  strand* s = w.ready != nullptr ? w.ready : w.fork->core->owner.load(std::memory_order_relaxed);
  // relaxed: the task lives at least until this has run; afterwards it may be another's.
  const uint64_t id = task_of(s)->id.load(std::memory_order_relaxed);
  const int64_t begin = now_ns();
  run_unrecorded(p, w);
  trace_->worked(id, now_ns() - begin);
}

WEFT_INLINE void scheduler::run_unrecorded(processor& p, const work& w) noexcept {
  if (w.ready != nullptr)
    run_strand(p, w.ready);
  else
    run_fork(p, w.fork);
  // Without symmetric transfer each switch comes back here.
  context& c = this_context;
  while (c.pending != nullptr) {
    void* next = c.pending;
    c.pending = nullptr;
    std::coroutine_handle<>::from_address(next).resume();
  }
  // relaxed: read by the monitor and the dump.
  p.running.store(nullptr, std::memory_order_relaxed);
}

void scheduler::run_strand(processor& p, strand* s) noexcept {
  this_context.budget = opts_.scheduling.budget;
  p.counters.loop_dispatches.add();
  dispatched(p, s);
  attach(s).resume();
}

// J4 of [join] and C4 of [fork-scope]: runs a child, or goes on with a parent, that was offered by another strand or
// left behind by one that parked.
void scheduler::run_fork(processor& p, fork_entry* e) noexcept {
  fork_core* core = e->core;
  void* frame = e->frame;
  strand* s = p.fork_stack;
  if (s != nullptr) {
    p.fork_stack = nullptr;
  } else {
    s = make_fork_strand(*this);
  }
  auto* f = static_cast<fork_strand*>(s);
  // relaxed: written before the entry became public; taking it was the acquire.
  task_control* task = task_of(core->owner.load(std::memory_order_relaxed));
  task->set_forked();
  // relaxed: for the registry.
  f->task.store(task, std::memory_order_relaxed);
  std_atomics::fence_seq_cst();  // a stopper sees the task above, or this sees its flag
  // relaxed: inherited. It joins the flag of a stopper that has found this strand meanwhile.
  if (const uint8_t stop = task->stop.load(std::memory_order_relaxed); stop != 0) [[unlikely]]
    f->stop.fetch_or(stop, std::memory_order_relaxed);
  if (frame == core->parent.address()) {
    auto* scope = static_cast<scope_core*>(core);
    ++scope->thefts;
    scope->taken = true;
    f->continues = core;
  } else {
    promise_base& child = promise_base::of(frame);
    child.role = (child.role & role_destroy) | reinterpret_cast<uintptr_t>(core) | role_stolen;
  }
  f->resume_frame = frame;
  run_strand(p, f);
}

}  // namespace weft::detail
