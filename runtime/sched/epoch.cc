// Running an epoch, when one is begun, and what comes after it; see [epoch] in epoch.h.
#include "sched/epoch.h"

#include <algorithm>
#include <climits>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "mem/program_heap.h"
#include "mem/span_heap.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

// How long a task that asks for an epoch holds its processor for the others' part.
constexpr int64_t patience_of_a_task_ns = 10'000'000;
constexpr int64_t wait_step_ns = 1'000'000;
// How often it looks whether another thread has ended its step before it sleeps, and for how long then.
constexpr int turns_before_a_nap = 200;
constexpr int64_t nap_ns = 50'000;

// Between a processor's looks at what is held, if it takes so much. Exceeding the limit by a step is not much.
constexpr uint64_t least_between_looks = uint64_t{256} << 10;
constexpr uint64_t most_between_looks = uint64_t{4} << 20;
// Between the monitor's looks, and a host's: at least so long, and so many times as long as a look takes.
constexpr int64_t least_ns_between_looks = 2'000'000;
constexpr int64_t look_rest = 50;
// How long the monitor does background work in one tick; it comes each 100 to 400 us then.
constexpr int64_t monitors_share_ns = 50'000;

// Objects that are destroyed, and bytes that are given to the kernel, in a step.
constexpr uint32_t clean_ups_in_a_step = 32;
constexpr std::size_t released_in_a_step = std::size_t{1} << 20;
// Who takes memory beyond the limit does more than it takes until its next look.
constexpr int steps_in_an_assist = 8;

// The C library's heap is trimmed so seldom that it takes at most a twentieth of one CPU.
constexpr int64_t heap_trim_rest = 4;

// How many epochs in a row must leave more than the limit in use, and for how long, before that is said. A look that
// finds nothing due, so long after the last such epoch or look, counts like one: memory that does not grow begins none.
constexpr uint32_t epochs_before_it_is_said = 4;
constexpr int64_t ns_before_it_is_said = 1'000'000'000;

constexpr int most_percent = 1'000'000;

std::atomic<const epoch_hooks*> hooks{nullptr};

const epoch_hooks* current_hooks() noexcept {
  // acquire: pairs with the release store of set_epoch_hooks().
  return hooks.load(std::memory_order_acquire);
}

// The scheduler, its processors, and their deques of forks as they are made.
uint64_t size_of_runtime(uint32_t processors) noexcept {
  return sizeof(scheduler) + processors * (sizeof(processor) + 1024 * sizeof(void*));
}

}  // namespace

void set_epoch_hooks(const epoch_hooks& h) noexcept {
  // release: publishes what the hooks work on; pairs with the acquire load of current_hooks().
  hooks.store(&h, std::memory_order_release);
}

void forget_epoch_slot(uint32_t slot) noexcept {
  if (const epoch_hooks* h = current_hooks()) h->forget_slot(slot);
}

class epoch_driver::timed {
 public:
  timed(epoch_driver& d, epoch_work kind) noexcept : driver_(d), kind_(kind), begin_ns_(now()) {}
  ~timed() { driver_.cpu_.add(kind_, elapsed_ns()); }
  timed(const timed&) = delete;
  timed& operator=(const timed&) = delete;
  int64_t elapsed_ns() const noexcept { return now() - begin_ns_; }

 private:
  int64_t now() const noexcept { return driver_.sched_.seams().sys->thread_cpu_time_ns(); }

  epoch_driver& driver_;
  const epoch_work kind_;
  const int64_t begin_ns_;
};

epoch_driver::epoch_driver(scheduler& owner, uint32_t processors) noexcept
    : sched_(owner),
      metadata_bytes_(size_of_runtime(processors)),
      trigger_bytes_(mem::no_goal),
      limit_bytes_(owner.opts().memory_limit_bytes),
      last_end_ns_(owner.start_ns()),
      pacer_({.gc_percent = owner.opts().gc_percent, .memory_limit_bytes = owner.opts().memory_limit_bytes}),
      limiter_(owner.start_ns(), processors) {
  publish();
}

// --- [epoch] --------------------------------------------------------------------------------------------------------

void epoch_driver::pass(processor& p, epoch_work as) noexcept {
  const timed cpu(*this, as);
  // relaxed: P1 was the acquire; no other epoch begins before this one has ended.
  p.epoch_passed.store(asked_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  if (const epoch_hooks* h = current_hooks()) h->age_slot(p.locks->slot, cause_ == epoch_cause::limit);
  p.blocks.trim(mem::trim_level::unused);
  // acq_rel: P3; the last one sees what the others did.
  if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const bool awaited = cause_ == epoch_cause::forced;
  finish();
  // Who waits for the end is often woken on this CPU, and would wait for it until the kernel's next tick.
  if (awaited && as == epoch_work::dedicated) std::this_thread::yield();
}

void epoch_driver::finish() noexcept {
  const bool everything = cause_ == epoch_cause::limit;
  if (const epoch_hooks* h = current_hooks()) h->age_shared(everything);
  mem::span_store::get().end_epoch();
  // Beyond the limit an empty slab does not wait for another epoch.
  sched_.heap().end_epoch(everything ? mem::trim_level::everything : mem::trim_level::unused);
  const int64_t now = sched_.now_ns();
  const held_memory m = held();
  const uint64_t dispatched = dispatches();
  {
    spin_guard guard(lock_);
    // relaxed: written here and in the constructor only.
    const int64_t last_end = last_end_ns_.load(std::memory_order_relaxed);
    pacer_.epoch_ended({.held = {.live = m.paced(), .roots = m.roots()},
                        .begin_bytes = begin_bytes_,
                        .apart_ns = begin_bytes_ != 0 ? began_ns_ - last_end : 0,
                        .lasted_ns = now - began_ns_});
    publish();
    judges_limit_ = everything;
    const bool still = dispatched == last_dispatches_ && m.paced() == last_bytes_;
    still_epochs_ = still ? still_epochs_ + 1 : 0;
    last_dispatches_ = dispatched;
    last_bytes_ = m.paced();
  }
  // relaxed: read as a rough time.
  last_end_ns_.store(now, std::memory_order_relaxed);
  // relaxed: a statistic.
  ended_[static_cast<std::size_t>(cause_)].fetch_add(1, std::memory_order_relaxed);
  // relaxed: published by the store below.
  if (everything) trim_heap_.store(true, std::memory_order_relaxed);
  // release: pairs with the acquire load of has_background_work().
  background_.store(true, std::memory_order_release);
  // relaxed: P4; nobody else writes it while an epoch is under way.
  const uint32_t epoch = asked_.load(std::memory_order_relaxed);
  // release: P4; pairs with the CAS of N1. The next epoch may begin at once, but not end without this processor's pass.
  under_way_.store(false, std::memory_order_release);
  // release: P4; pairs with the acquire load of finished().
  finished_.store(epoch, std::memory_order_release);
  sched_.seams().sys->futex_wake(finished_, INT_MAX);
}

bool epoch_driver::begin(epoch_cause cause, uint64_t paced_bytes) noexcept {
  if (sched_.stops_workers()) return false;
  bool none = false;
  // acquire: N1; pairs with the release store of P4.
  if (!under_way_.compare_exchange_strong(none, true, std::memory_order_acquire)) return false;
  cause_ = cause;
  began_ns_ = sched_.now_ns();
  begin_bytes_ = paced_bytes;
  // relaxed: published by N2.
  left_.store(static_cast<uint32_t>(sched_.processors().size()), std::memory_order_relaxed);
  // release: N2; pairs with the acquire load of P1. relaxed: nobody else writes it while an epoch is under way.
  asked_.store(asked_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (cause == epoch_cause::forced && sched_.how() == drive::threads)
    sched_.pass_for_idle();  // N4 to N6
  else
    sched_.wake_all();  // N3
  return true;
}

void epoch_driver::wait_for(uint32_t epoch, int64_t deadline_ns) noexcept {
  // With a manual clock time may stand still, so the waits are counted, too.
  int64_t waited_ns = 0;
  for (uint32_t ended = finished(); static_cast<int32_t>(ended - epoch) < 0; ended = finished()) {
    if (sched_.how() != drive::threads) {
      for (auto& p : sched_.processors())
        if (is_due(*p)) pass(*p, epoch_work::assist);
      continue;
    }
    if (processor* p = this_context.proc; p != nullptr && &p->sched == &sched_ && is_due(*p)) {
      pass(*p, epoch_work::assist);
      continue;
    }
    if (sched_.stops_workers()) return;
    if (deadline_ns != INT64_MAX && (sched_.now_ns() >= deadline_ns || waited_ns >= patience_of_a_task_ns)) return;
    sched_.seams().sys->futex_wait(finished_, ended, wait_step_ns);
    waited_ns += wait_step_ns;
  }
}

void epoch_driver::collect() noexcept {
  const processor* p = this_context.proc;
  const bool in_task = p != nullptr && &p->sched == &sched_;
  const int64_t deadline = in_task ? sched_.now_ns() + patience_of_a_task_ns : INT64_MAX;
  // One that is under way may have passed what the caller wants to be cleared; the next one is the caller's, whoever
  // begins it.
  // acquire: what the caller did before is seen by the epoch.
  const uint32_t wanted = asked_.load(std::memory_order_acquire) + 1;
  for (int turns = 0; static_cast<int32_t>(finished() - wanted) < 0; ++turns) {
    if (sched_.stops_workers()) return;
    begin(epoch_cause::forced, 0);
    // relaxed: the loop looks again.
    const uint32_t latest = asked_.load(std::memory_order_relaxed);
    wait_for(latest, deadline);
    if (static_cast<int32_t>(latest - wanted) < 0) std_atomics::wait_a_little(turns);  // it is about to end
    if (in_task && static_cast<int32_t>(finished() - wanted) < 0) break;
  }
  // relaxed: published by the store below.
  next_heap_trim_ns_.store(INT64_MIN, std::memory_order_relaxed);
  // relaxed: as above.
  trim_heap_.store(true, std::memory_order_relaxed);
  // release: as in finish().
  background_.store(true, std::memory_order_release);
  finish_background_work(deadline);
}

// --- who begins them ------------------------------------------------------------------------------------------------

void epoch_driver::look_after_growth(processor& p, bool may_clean_up) noexcept {
  uint64_t room = 0;
  const bool assists = look(sched_.now_ns(), epoch_work::assist, room);
  // All processors may take as much before they look again, and the rest is still left then.
  const uint64_t share = room / (4 * sched_.processors().size());
  p.bytes_until_look = static_cast<int64_t>(std::clamp(share, least_between_looks, most_between_looks));
  if (assists) assist(p, may_clean_up);
}

// True: who takes memory ought to do something about it. `room`: how much may be taken until the next look.
bool epoch_driver::look(int64_t now, epoch_work as, uint64_t& room) noexcept {
  const held_memory m = held();
  // relaxed: a late look is a late epoch, here and below.
  const uint64_t trigger = trigger_bytes_.load(std::memory_order_relaxed);
  // relaxed: as above.
  const auto limit = static_cast<uint64_t>(limit_bytes_.load(std::memory_order_relaxed));
  room = std::min(trigger - std::min(trigger, m.paced()), limit - std::min(limit, m.total()));
  bool assists = m.total() > limit;
  if (assists && m.empty_spans != 0 && mem::span_store::get().offer(m.total() - limit))
    // release: as in finish().
    background_.store(true, std::memory_order_release);
  // relaxed: as above.
  const bool by_limit = by_limit_.load(std::memory_order_relaxed);
  if (m.paced() > trigger) {
    // What the last epoch has cleared comes first: it may be enough.
    if (has_background_work())
      assists = true;
    else if (!by_limit)
      begin(epoch_cause::growth, m.paced());
    else if (limit_lets_begin(now) && clear_for_limit(as, m.paced()))
      assists = true;
  } else if (by_limit && has_background_work()) {
    // What was cleared counts until it is destroyed, and the trigger was set with it.
    assists = true;
    room = 0;
  } else {
    judge_limit_without_epoch(now, m);
  }
  return assists && !limiter_.limits();
}

void epoch_driver::judge_limit_without_epoch(int64_t now, const held_memory& m) noexcept {
  // relaxed: see look().
  const bool exceeds = m.total() > static_cast<uint64_t>(limit_bytes_.load(std::memory_order_relaxed));
  {
    spin_guard guard(lock_);
    if (exceeds ? now - limit_judged_ns_ < ns_before_it_is_said : over_limit_epochs_ == 0) return;
    limit_judged_ns_ = now;
  }
  const bool over = exceeds && uses_more_than_limit(m);
  bool cannot_be_kept = false;
  {
    spin_guard guard(lock_);
    cannot_be_kept = limit_cannot_be_kept(over);
  }
  if (cannot_be_kept) say_that_the_limit_cannot_be_kept(m);
}

// Begins an epoch and clears at once what needs no pass of a processor; also while one is under way, which a processor
// that computes may hold up. True: there is something to destroy.
bool epoch_driver::clear_for_limit(epoch_work as, uint64_t paced_bytes) noexcept {
  begin(epoch_cause::limit, paced_bytes);
  const epoch_hooks* h = current_hooks();
  if (h == nullptr || h->clear_open == nullptr) return false;
  const timed cpu(*this, as);
  if (!h->clear_open()) return false;
  // release: as in finish().
  background_.store(true, std::memory_order_release);
  return true;
}

bool epoch_driver::limit_lets_begin(int64_t now) noexcept {
  update_limiter(now);
  if (!limiter_.limits()) return true;
  // relaxed: a statistic.
  limited_epochs_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

void epoch_driver::assist(processor& p, bool may_clean_up) noexcept {
  if (is_due(p)) pass(p, epoch_work::assist);
  for (int i = 0; i < steps_in_an_assist && step(epoch_work::assist, may_clean_up); ++i) {
  }
}

// The monitor's ticks and the host's polls may be close together, and a look costs some microseconds for each pool.
bool epoch_driver::look_now_and_then(int64_t now) noexcept {
  // relaxed: a throttle.
  if (now < next_look_ns_.load(std::memory_order_relaxed)) return false;
  uint64_t room = 0;
  const bool assists = look(now, epoch_work::dedicated, room);
  if (period_is_over(now)) begin(epoch_cause::period, 0);
  update_limiter(now);
  if (!sched_.seams().time->manual()) {
    const int64_t ended = sched_.now_ns();
    // relaxed: as above.
    next_look_ns_.store(ended + std::max(least_ns_between_looks, look_rest * (ended - now)), std::memory_order_relaxed);
  }
  return assists;
}

bool epoch_driver::monitor_turn(int64_t now) noexcept {
  look_now_and_then(now);
  if (!has_background_work()) return false;
  if (sched_.idle_workers() == 0) {
    const int64_t until = sched_.now_ns() + monitors_share_ns;
    while (background_step(epoch_work::dedicated) && sched_.now_ns() < until) {
    }
  }
  return has_background_work();
}

void epoch_driver::host_turn(processor& p, int64_t now) noexcept {
  if (look_now_and_then(now)) assist(p, true);
}

bool epoch_driver::period_is_over(int64_t now) noexcept {
  // relaxed: a rough time.
  return now - last_end_ns_.load(std::memory_order_relaxed) >= mem::forced_epoch_period_ns &&
         !is_still_as_two_epochs_ago();
}

int64_t epoch_driver::period_ends_ns() noexcept {
  if (is_still_as_two_epochs_ago()) return INT64_MAX;
  // relaxed: a rough time.
  return last_end_ns_.load(std::memory_order_relaxed) + mem::forced_epoch_period_ns;
}

bool epoch_driver::is_still_as_two_epochs_ago() noexcept {
  const uint64_t bytes = held().paced();
  const uint64_t dispatched = dispatches();
  spin_guard guard(lock_);
  return still_epochs_ >= 1 && dispatched == last_dispatches_ && bytes == last_bytes_;
}

uint64_t epoch_driver::dispatches() const noexcept {
  uint64_t n = 0;
  for (const auto& p : sched_.processors()) n += p->counters.dispatches.value();
  return n;
}

int64_t epoch_driver::idle_ns() const noexcept {
  int64_t ns = 0;
  for (const auto& p : sched_.processors()) ns += p->idle.read(*sched_.seams().time).idle_ns;
  return ns + cpu_.of(epoch_work::idle);
}

void epoch_driver::update_limiter(int64_t now) noexcept {
  spin_guard guard(lock_);
  if (!limiter_.needs_update(now)) return;
  const int64_t epochs =
      cpu_.of(epoch_work::assist) + cpu_.of(epoch_work::dedicated) + cpu_.of(epoch_work::scavenge_assist);
  const int64_t idle = idle_ns();
  if (limiter_.update(now, epochs - counted_epochs_ns_, idle - counted_idle_ns_))
    // relaxed: statistics.
    limiter_last_enabled_.store(asked_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  counted_epochs_ns_ = epochs;
  counted_idle_ns_ = idle;
}

// With lock_ held, or in the constructor.
void epoch_driver::publish() noexcept {
  // relaxed: see look().
  trigger_bytes_.store(pacer_.trigger_bytes(), std::memory_order_relaxed);
  // relaxed: as above.
  by_limit_.store(pacer_.by_limit(), std::memory_order_relaxed);
  // relaxed: as above.
  limit_bytes_.store(pacer_.settings().memory_limit_bytes, std::memory_order_relaxed);
}

void epoch_driver::say_that_the_limit_cannot_be_kept(const held_memory& m) noexcept {
  // relaxed: said once.
  if (said_.exchange(true, std::memory_order_relaxed)) return;
  // relaxed: see look().
  const int64_t limit = limit_bytes_.load(std::memory_order_relaxed);
  sched_.seams().sys->write_stderr("weft: the memory limit of " + std::to_string(limit) + " bytes is below the " +
                                   std::to_string(m.total()) +
                                   " bytes that are held for good; epochs for its sake take at most half of the CPU\n");
}

// --- the background work --------------------------------------------------------------------------------------------

bool epoch_driver::background_step(epoch_work as) noexcept { return step(as, true); }

bool epoch_driver::step(epoch_work as, bool may_clean_up) noexcept {
  if (!has_background_work()) return false;
  // acquire: one step at a time; pairs with the release store below.
  if (stepping_.exchange(true, std::memory_order_acquire)) return false;
  // acquire: pairs with the release stores of finish(); what comes after is another step's.
  background_.exchange(false, std::memory_order_acquire);
  const bool by_task = as == epoch_work::assist;
  const epoch_work scavenges = by_task ? epoch_work::scavenge_assist : epoch_work::scavenge_background;
  const epoch_hooks* h = current_hooks();
  bool more = false, worked = true;
  if (h != nullptr && h->clean_up != nullptr) {
    if (may_clean_up) {
      const timed cpu(*this, as);
      more = h->clean_up(clean_ups_in_a_step);
    } else {
      more = true;  // perhaps
    }
  }
  if (!more || !may_clean_up) {
    const bool has_more = scavenge(scavenges);
    worked = may_clean_up || has_more;
    more = more || has_more;
  }
  if (!more) settle();
  // release: as in finish().
  if (more) background_.store(true, std::memory_order_release);
  // release: as above.
  stepping_.store(false, std::memory_order_release);
  // Not a part of the step: it takes long, and others may have to clean up meanwhile.
  // relaxed: published with background_.
  if (!more && trim_heap_.exchange(false, std::memory_order_relaxed)) trim_program_heap(scavenges);
  return worked;
}

// All that the last epoch has cleared is gone, so what is held now is what it left.
void epoch_driver::settle() noexcept {
  const held_memory m = held();
  const bool over = uses_more_than_limit(m);
  bool cannot_be_kept = false;
  {
    spin_guard guard(lock_);
    pacer_.settled({.live = m.paced(), .roots = m.roots()});
    publish();
    cannot_be_kept = std::exchange(judges_limit_, false) && limit_cannot_be_kept(over);
  }
  if (cannot_be_kept) say_that_the_limit_cannot_be_kept(m);
}

// Without what is cached or pooled.
bool epoch_driver::uses_more_than_limit(const held_memory& m) const noexcept {
  // relaxed: see look().
  const auto limit = static_cast<uint64_t>(limit_bytes_.load(std::memory_order_relaxed));
  if (m.total() <= limit) return false;
  const epoch_hooks* h = current_hooks();
  const uint64_t idle = h != nullptr && h->idle_bytes != nullptr ? h->idle_bytes() : 0;
  return m.total() > limit + m.stacks_cached + m.empty_spans + idle;
}

// Whether epochs for the limit's sake leave more than it in use again and again; `over`: this one did. With lock_ held.
bool epoch_driver::limit_cannot_be_kept(bool over) noexcept {
  const int64_t now = sched_.now_ns();
  limit_judged_ns_ = now;
  if (!over) {
    over_limit_epochs_ = 0;
    return false;
  }
  if (over_limit_epochs_++ == 0) over_limit_since_ns_ = now;
  return over_limit_epochs_ >= epochs_before_it_is_said && now - over_limit_since_ns_ >= ns_before_it_is_said;
}

// Memory of the heap of stacks goes back to the kernel. True: there is more.
bool epoch_driver::scavenge(epoch_work as) noexcept {
  mem::span_store& spans = mem::span_store::get();
  if (!sched_.heap().has_returnable() && !spans.has_returnable()) return false;
  const timed cpu(*this, as);
  if (spans.release_some()) return true;
  return sched_.heap().release_some(released_in_a_step) >= released_in_a_step;
}

void epoch_driver::trim_program_heap(epoch_work as) noexcept {
  const int64_t now = sched_.now_ns();
  // relaxed: a throttle.
  if (now < next_heap_trim_ns_.load(std::memory_order_relaxed)) return;
  const timed cpu(*this, as);
  sched_.seams().sys->trim_program_heap();
  // relaxed: as above.
  next_heap_trim_ns_.store(now + heap_trim_rest * cpu.elapsed_ns(), std::memory_order_relaxed);
}

void epoch_driver::finish_background_work(int64_t deadline_ns) noexcept {
  // relaxed: whether a step is under way elsewhere; it is bounded.
  for (int turns = 0; has_background_work() || stepping_.load(std::memory_order_relaxed);) {
    if (background_step(epoch_work::assist))
      turns = 0;
    else if (++turns <= turns_before_a_nap)
      std_atomics::wait_a_little(turns);
    else  // who does the step may need this CPU
      sched_.seams().sys->futex_wait(finished_, finished(), nap_ns);
    if (deadline_ns != INT64_MAX && sched_.now_ns() >= deadline_ns) return;
  }
}

// --- knobs and figures ----------------------------------------------------------------------------------------------

int epoch_driver::set_gc_percent(int percent) noexcept {
  int before;
  {
    spin_guard guard(lock_);
    mem::pacer_settings s = pacer_.settings();
    before = s.gc_percent;
    s.gc_percent = percent < 0 ? mem::gc_percent_off : std::min(percent, most_percent);
    pacer_.change(s);
    publish();
  }
  uint64_t room;
  look(sched_.now_ns(), epoch_work::assist, room);
  return before;
}

int64_t epoch_driver::set_memory_limit(int64_t bytes) noexcept {
  int64_t before;
  {
    spin_guard guard(lock_);
    mem::pacer_settings s = pacer_.settings();
    before = s.memory_limit_bytes;
    if (bytes < 0) return before;
    s.memory_limit_bytes = bytes;
    pacer_.change(s);
    publish();
  }
  uint64_t room;
  look(sched_.now_ns(), epoch_work::assist, room);
  return before;
}

held_memory epoch_driver::held() noexcept { return held(sched_.heap().figures()); }

held_memory epoch_driver::held(const mem::heap_figures& f) noexcept {
  held_memory m;
  for (const mem::kind_figures& k : f.kinds) {
    m.stacks_in_use += k.in_use_bytes;
    m.stacks_cached += k.cached_bytes + k.free_bytes;
    m.metadata += k.rest_bytes;
  }
  m.stacks_in_use += f.large_bytes;
  m.metadata += metadata_bytes_ + f.metadata_bytes;
  m.channels = channel_bytes();
  if (const epoch_hooks* h = current_hooks(); h != nullptr && h->held_bytes != nullptr) m.pooled = h->held_bytes();
  m.program_heap = mem::program_heap_bytes();
  const mem::span_store& spans = mem::span_store::get();
  m.buffers = spans.used_bytes();
  m.empty_spans = spans.empty_bytes();
  return m;
}

epoch_figures epoch_driver::figures() noexcept { return figures(sched_.heap().figures()); }

epoch_figures epoch_driver::figures(const mem::heap_figures& heap) noexcept {
  epoch_figures f;
  // relaxed: statistics, all of them.
  for (std::size_t i = 0; i < epoch_cause_kinds; ++i) f.epochs[i] = ended_[i].load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < epoch_work_kinds; ++i) f.cpu_ns[i] = cpu_.of(static_cast<epoch_work>(i));
  // relaxed: as above.
  f.limiter_last_enabled = limiter_last_enabled_.load(std::memory_order_relaxed);
  // relaxed: as above.
  f.limited_epochs = limited_epochs_.load(std::memory_order_relaxed);
  f.limiter_on = limiter_.limits();
  f.held = held(heap);
  spin_guard guard(lock_);
  f.live_bytes = pacer_.live_bytes();
  f.goal_bytes = pacer_.goal_bytes();
  f.trigger_bytes = pacer_.trigger_bytes();
  f.gc_percent = pacer_.settings().gc_percent;
  f.memory_limit_bytes = pacer_.settings().memory_limit_bytes;
  return f;
}

}  // namespace weft::detail
