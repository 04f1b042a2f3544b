// Construction, ready and wake, admission and draining. The worker's loop is in worker.cc, the monitor in monitor.cc.
#include "sched/scheduler.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <string>

#include <weft/join.h>

#include "sched/worker.h"

namespace weft::detail {

constinit thread_local context this_context;
std::atomic<bool> membarrier_granted{false};
std::atomic<int> blocked_plain_threads{0};

namespace {
std::atomic<os::system*> barrier_system{nullptr};
}

void process_wide_barrier() noexcept {
  // relaxed: written once before any processor runs.
  if (membarrier_granted.load(std::memory_order_relaxed)) {
    // acquire: pairs with the release store in scheduler's constructor.
    barrier_system.load(std::memory_order_acquire)->membarrier();
  } else {
    std_atomics::fence_seq_cst();
  }
}

scheduler::scheduler(const options& opts, os::seams seams, uint32_t processors, drive how)
    : opts_(opts),
      seams_(seams),
      how_(how),
      start_ns_(seams.time->now_ns()),
      heap_(*seams.sys, this),
      global_(heap_),
      blocking_(*seams.sys, static_cast<std::size_t>(opts.blocking_threads), opts.scheduling.pin_workers),
      epochs_(*this, processors),
      drained_(*seams.sys) {
  static const bool registered = [] {
    os::system& real = os::system::real();
    // release: pairs with the acquire load in process_wide_barrier().
    barrier_system.store(&real, std::memory_order_release);
    const bool granted = real.register_membarrier();
    // seq_cst: no processor runs yet.
    membarrier_granted.store(granted, std::memory_order_seq_cst);
    return granted;
  }();
  (void)registered;
  for (uint32_t i = 0; i < processors; ++i)
    processors_.push_back(std::make_unique<processor>(*this, heap_, i, processors > 1, !opts_.trace_path.empty(),
                                                      seams_.random->next(), opts_.scheduling));
  if (opts_.scheduling.timers == timer_placement::global)
    for (auto& p : processors_) p->timers_at = processors_[0].get();
  if (how != drive::threads)
    for (auto& p : processors_) p->idle.begin(start_ns_);
  idle_.reserve(processors);
  seams_.time->subscribe(&clock_changed, this);
}

scheduler::~scheduler() {
  seams_.time->unsubscribe(this);
  for (auto& p : processors_) {
    if (p->fork_stack != nullptr) {
      auto* f = static_cast<fork_strand*>(p->fork_stack);
      p->blocks.give(mem::block_kind::strand, f->size_class, f);
    }
    if (p->spare != nullptr) release_segment(*this, p->spare);
  }
  for (const int fd : {wake_fd_, event_fd_, timer_fd_})
    if (fd >= 0) seams_.sys->close_fd(fd);
}

absl::Status scheduler::start() noexcept {
  if (!opts_.trace_path.empty()) {
    absl::StatusOr<os::output_file> file = os::output_file::open(opts_.trace_path);
    if (!file.ok())
      return absl::Status(file.status().code(), "weft: the trace of tasks: " + std::string(file.status().message()));
    trace_ = std::make_unique<trace_recorder>(*std::move(file), start_ns_);
    // seq_cst: no task has come yet.
    gate_.fetch_or(gate_records, std::memory_order_seq_cst);
  }
  if (how_ == drive::host) {
    absl::StatusOr<int> fd = seams_.sys->create_event_fd();
    if (!fd.ok()) return fd.status();
    event_fd_ = *fd;
    if (fd = seams_.sys->create_timer_fd(); !fd.ok()) return fd.status();
    timer_fd_ = *fd;
    const std::array<int, 2> watched{event_fd_, timer_fd_};
    if (fd = seams_.sys->create_wait_set(watched); !fd.ok()) return fd.status();
    wake_fd_ = *fd;
    return absl::OkStatus();
  }
  if (how_ == drive::test) return absl::OkStatus();
  for (auto& p : processors_) {
    workers_.push_back(std::make_unique<worker>(*this, *p));
    worker& w = *workers_.back();
    const std::string name = "weft-" + std::to_string(p->index);
    const absl::Status started = seams_.sys->start_thread(w.thread, &worker_entry, &w, name.c_str());
    if (started.ok() && opts_.scheduling.pin_workers) {
      if (absl::Status pinned = seams_.sys->pin_thread(w.thread, p->index); !pinned.ok()) {
        stop_workers(INT64_MAX);
        return absl::Status(pinned.code(), "weft: cannot pin worker thread " + std::to_string(p->index + 1) + ": " +
                                               std::string(pinned.message()));
      }
    }
    if (!started.ok()) {
      workers_.pop_back();
      stop_workers(INT64_MAX);
      return absl::Status(started.code(), "weft: cannot start worker thread " + std::to_string(p->index + 1) + " of " +
                                              std::to_string(processors_.size()) + ": " +
                                              std::string(started.message()));
    }
  }
  if (!opts_.scheduling.monitor) return absl::OkStatus();
  monitor_seen_.resize(processors_.size());
  monitor_thread_ = std::make_unique<os::thread>();
  const absl::Status started = seams_.sys->start_thread(*monitor_thread_, &monitor_entry, this, "weft-monitor");
  if (!started.ok()) {
    monitor_thread_.reset();
    stop_workers(INT64_MAX);
    return absl::Status(started.code(), "weft: cannot start the monitor thread: " + std::string(started.message()));
  }
  return absl::OkStatus();
}

bool scheduler::asymmetric() const noexcept {
  // relaxed: constant by now.
  return membarrier_granted.load(std::memory_order_relaxed);
}

uint32_t scheduler::idle_workers() const noexcept {
  // relaxed: a figure.
  return idle_count_.load(std::memory_order_relaxed);
}

uint32_t scheduler::searching_workers() const noexcept {
  // relaxed: a figure.
  return searching_.load(std::memory_order_relaxed);
}

uint32_t scheduler::thread_count() const noexcept {
  return static_cast<uint32_t>(workers_.size()) + (monitor_thread_ != nullptr ? 1 : 0);
}

void scheduler::touch_clock(int64_t now) noexcept {
  const auto ms = static_cast<uint32_t>((now - start_ns_) / 1'000'000);
  // relaxed: a rough clock; writers agree. Looked at first to keep the line shared.
  if (coarse_ms_.load(std::memory_order_relaxed) != ms) coarse_ms_.store(ms, std::memory_order_relaxed);
}

void scheduler::clock_changed(void* s) noexcept {
  auto* self = static_cast<scheduler*>(s);
  self->touch_clock(self->now_ns());
  self->wake_all();
}

uint64_t scheduler::calls() const noexcept {
  uint64_t n = created_tasks();
  for (const auto& p : processors_) n += p->counters.calls.value();
  return n;
}

uint64_t scheduler::frames() const noexcept {
  if constexpr (!WEFT_MAY_ELIDE) return calls();
  // relaxed: a statistic.
  uint64_t n = foreign_frames_.load(std::memory_order_relaxed);
  for (const auto& p : processors_) n += p->counters.frames.value();
  return n;
}

// The calls are read first, and a frame is counted before its call is: what is counted meanwhile makes it too small.
uint64_t scheduler::elided_frames() const noexcept {
  const uint64_t called = calls();
  const uint64_t framed = frames();
  return WEFT_MAY_ELIDE && called > framed ? called - framed : 0;
}

uint64_t scheduler::take_ids(uint64_t count) noexcept {
  // relaxed: only uniqueness counts.
  return next_id_.fetch_add(count, std::memory_order_relaxed);
}

// --- ready ---------------------------------------------------------------------------------------------------------

// Who joins many tasks one by one would otherwise be resumed, only to park again, after each of them (measured:
// 1,000,000 spawned and joined, 165 against 85 ns each).
void scheduler::ready_behind(processor& p, strand* s) noexcept {
  if (p.ring.size() == 0) return ready_here(p, s);
  if (s->sampled != 0) wait_ended(s);
  push_ring(p, s);
  wake_one_for(p);
}

void scheduler::stamp(processor& p, strand* s) noexcept {
  // relaxed: constant by now.
  p.latency_countdown = sampling::waits.load(std::memory_order_relaxed);
  // relaxed: handed over with the strand.
  s->since.store(static_cast<uint32_t>((now_ns() - start_ns_) >> 5), std::memory_order_relaxed);
  s->sampled = sampled_latency;
}

void scheduler::wait_ended(strand* s) noexcept {
  const int64_t now = now_ns();
  const int64_t lasted = now - s->parked_ns;
  // relaxed: written by the strand before it parked.
  const auto reason = static_cast<wait_reason>(s->reason.load(std::memory_order_relaxed));
  const auto at = static_cast<std::size_t>(reason);
  waits_.lengths[at].record(lasted);
  // relaxed: statistics, as all here.
  waits_.sums_ns[at].fetch_add(lasted, std::memory_order_relaxed);
  if (waits_for_mutex(reason)) {
    // relaxed: as above.
    const int64_t scale = sampling::locks.load(std::memory_order_relaxed);
    waits_.mutexes_ns.fetch_add(lasted * scale, std::memory_order_relaxed);
  }
  s->sampled &= static_cast<uint8_t>(~sampled_wait);
  s->next = nullptr;
  // relaxed: handed over with the strand.
  s->since.store(static_cast<uint32_t>((now - start_ns_) >> 5), std::memory_order_relaxed);
}

void scheduler::ready_displaced(processor& p, strand* s) noexcept {
  push_ring(p, s);
  wake_one_for(p);
}

// With choices that are not the defaults; see scheduling_options.
void scheduler::ready_otherwise(processor& p, strand* s) noexcept {
  const scheduling_options& rules = opts_.scheduling;
  if (rules.global_fifo) {
    global_.push(&s, 1);
    return wake_one();
  }
  strand* const displaced = rules.run_next ? p.run_next.put(s) : s;
  if (displaced != nullptr) push_ring(p, displaced);
  if (displaced != nullptr || rules.wakes == wake_policy::eager) wake_one_for(p);
}

void scheduler::push_ring(processor& p, strand* s) noexcept {
  if (!p.ring.push(s)) [[unlikely]]
    push_full_ring(p, s);
}

// Full, or there is none.
void scheduler::push_full_ring(processor& p, strand* s) noexcept {
  if (!p.ring.is_open()) return global_.push(&s, 1);
  do {
    strand* half[processor::ring_capacity / 2 + 1];
    const uint32_t n = p.ring.take_half(half);
    if (n == 0) continue;  // thieves made room meanwhile
    global_.push(half, n);
    p.counters.overflows.add(n);
  } while (!p.ring.push(s));
}

void scheduler::ready_all(strand* first, uint32_t count) noexcept {
  if (count == 0) return;
  processor* p = this_context.proc;
  // What goes to the global queue alone lies before nobody in particular, so one is enough to wake somebody.
  if (p != nullptr && &p->sched == this && !opts_.scheduling.global_fifo) {
    while (first != nullptr) {
      strand* next = first->next;
      push_ring(*p, first);
      first = next;
    }
    if (count > 1) wake_one_for(*p);
    return;
  }
  global_.push_list(first);
  wake_one();
}

void scheduler::ready_from_outside(strand* s) noexcept {
  if (s->sampled != 0) wait_ended(s);
  // relaxed: spreads the load; any processor will do.
  const uint32_t i = processors_.size() == 1 ? 0 : next_mail_.fetch_add(1, std::memory_order_relaxed);
  processor& p = *processors_[i % processors_.size()];
  if (opts_.scheduling.global_fifo)
    global_.push(&s, 1);
  else
    p.mail.push(s);
  if (how_ == drive::threads) {
    std_atomics::fence_seq_cst();  // G1 of [gathered-mail]
    // relaxed: after the fence.
    if (p.gathers.load(std::memory_order_relaxed))
      wake_driver_of(p);
    else
      wake_one();
  } else {
    rearm_wake_fd();
  }
}

void scheduler::rearm_wake_fd() noexcept {
  // acq_rel: pairs with the exchange in drive_some(): either it sees the work, or the descriptor is signalled again.
  if (event_fd_ >= 0 && wake_fd_signalled_.exchange(1, std::memory_order_acq_rel) == 0)
    seams_.sys->signal_event_fd(event_fd_);
}

bool scheduler::watch_for_host(int fd) noexcept { return wake_fd_ < 0 || seams_.sys->add_to_wait_set(wake_fd_, fd); }

void scheduler::wait_for_work() noexcept {
  if (wake_fd_ < 0) return;
  // relaxed: a hint for the deadlock check.
  blocked_plain_threads.fetch_add(1, std::memory_order_relaxed);
  seams_.sys->wait_readable(wake_fd_, -1);
  // relaxed: as above.
  blocked_plain_threads.fetch_sub(1, std::memory_order_relaxed);
}

namespace {

WEFT_NOINLINE void wake_uncommon(uintptr_t who) noexcept {
  if ((who & who_is_thread) != 0) return wake_thread(who);
  strand* s = strand_of(who);
  scheduler_of(s).ready(s);
}

}  // namespace

void wake(uintptr_t who) noexcept {
  if ((who & (who_is_thread | who_is_measured)) != 0) [[unlikely]]
    return wake_uncommon(who);
  auto* s = reinterpret_cast<strand*>(who);
  scheduler_of(s).ready_unmeasured(s);
}

// --- wake ----------------------------------------------------------------------------------------------------------

// For work in the queues of the running processor.
void scheduler::wake_one_for(processor& p) noexcept {
  // Others may come for this, and for what its timers have left: between K1 and K2.
  // relaxed: its own; thieves see it as they see the work, after L2.
  if (p.alone_since_ns.load(std::memory_order_relaxed) != 0) [[unlikely]]
    // relaxed: as above.
    p.alone_since_ns.store(0, std::memory_order_relaxed);
  // relaxed: see gather.cc.
  if (!p.gathers.load(std::memory_order_relaxed)) wake_one();
}

void scheduler::wake_one() noexcept {
  const processor* here = this_context.proc;
  if (here != nullptr && &here->sched == this) [[likely]]
    std_atomics::light_barrier();  // K2
  else
    std_atomics::fence_seq_cst();  // K2
  worker* w = nullptr;
  // relaxed: K3; ordered after K1 by the light barrier.
  while (idle_count_.load(std::memory_order_relaxed) != 0) {
    if (opts_.scheduling.wakes == wake_policy::eager) {
      // seq_cst: takes a token, whoever has others.
      searching_.fetch_add(1, std::memory_order_seq_cst);
    } else {
      uint32_t none = 0;
      // relaxed: K3, as above; looked at first to keep the line shared.
      if (searching_.load(std::memory_order_relaxed) != 0) return;
      // seq_cst: takes the token.
      if (!searching_.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return;
    }
    if ((w = pop_idle()) != nullptr) break;
    // The sleeper left by itself. Another producer may have relied on this token meanwhile, so look again.
    // seq_cst: gives the token back, before the next look at idle_count_.
    searching_.fetch_sub(1, std::memory_order_seq_cst);
    std_atomics::fence_seq_cst();  // K2 again
  }
  if (w == nullptr) return;
  w->searching = true;
  if (processor* p = this_context.proc) p->counters.wakes.add();
  signal(*w);
  rouse_monitor();
}

// After M4 of [monitor-sleep] in monitor.cc.
void scheduler::rouse_monitor() noexcept {
  std_atomics::light_barrier();  // M5
  // relaxed: M6; ordered after M4 by the barrier.
  if (monitor_asleep_.load(std::memory_order_relaxed) != 0) wake_monitor();
}

WEFT_NOINLINE void scheduler::wake_monitor() noexcept {
  // seq_cst: M6; one waker signals.
  if (monitor_asleep_.exchange(0, std::memory_order_seq_cst) == 0) return;
  // release: pairs with the acquire exchange in monitor_main().
  monitor_word_.store(1, std::memory_order_release);
  seams_.sys->futex_wake(monitor_word_, 1);
}

scheduler::worker* scheduler::pop_idle() noexcept {
  spin_guard guard(idle_lock_);
  if (idle_.empty()) return nullptr;
  worker* w = idle_.back();
  idle_.pop_back();
  // relaxed: under the lock; readers tolerate a stale count (see [wake]).
  idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
  return w;
}

bool scheduler::leave_idle(worker& w) noexcept {
  spin_guard guard(idle_lock_);
  const auto at = std::find(idle_.begin(), idle_.end(), &w);
  if (at == idle_.end()) return false;
  idle_.erase(at);
  // relaxed: as in pop_idle().
  idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
  return true;
}

void scheduler::signal(worker& w) noexcept {
  // seq_cst: I4 of [io-sleep]; publishes `searching` to the load in idle().
  w.word.store(1, std::memory_order_seq_cst);
  // seq_cst: I5. acquire: the poller is there if somebody sleeps in it.
  if (w.in_poller.load(std::memory_order_seq_cst))
    w.proc.io.load(std::memory_order_acquire)->wake();
  else
    seams_.sys->futex_wake(w.word, 1);
}

void scheduler::wake_all() noexcept {
  std_atomics::heavy_barrier();
  while (worker* w = pop_idle()) {
    w->searching = false;
    signal(*w);
  }
  // release: the monitor looks around too.
  monitor_word_.store(1, std::memory_order_release);
  seams_.sys->futex_wake(monitor_word_, 1);
  if (how_ == drive::host) rearm_wake_fd();
}

void scheduler::pass_for_idle() noexcept {
  for (auto& each : workers_) {
    worker& w = *each;
    if (!leave_idle(w)) continue;                                          // N4
    if (epochs_.is_due(w.proc)) epochs_.pass(w.proc, epoch_work::assist);  // N5
    {
      spin_guard guard(idle_lock_);
      idle_.push_back(&w);
      // seq_cst: N6, L1; read in K3.
      idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_seq_cst);
    }
    std_atomics::heavy_barrier();  // N6, L2
    // N6, L3. acquire: pairs with stop_workers().
    if (!any_work(&w.proc) && !epochs_.is_due(w.proc) && stopping_.load(std::memory_order_acquire) == 0) continue;
    if (!leave_idle(w)) continue;
    // seq_cst: takes the token for it, as after L3.
    searching_.fetch_add(1, std::memory_order_seq_cst);
    w.searching = true;
    signal(w);
    rouse_monitor();
  }
}

void forks_published(fork_entry* entry) noexcept {
  context& c = this_context;
  if (entry != nullptr) {
    // A scope's owner was written at its first fork; the strand that runs now may be gone before the parent is.
    if (entry->frame == entry->core->parent.address()) return;
    // relaxed: the release of F2 publishes it; a thief of an older child may read the same value meanwhile.
    entry->core->owner.store(c.current, std::memory_order_relaxed);
    return;
  }
  c.proc->counters.forks_published.add();
  if (scheduler& s = c.proc->sched; s.opts().scheduling.stealing) s.wake_one();
}

// --- admission, counting, draining -----------------------------------------------------------------------------------

void scheduler::close_admission() noexcept {
  // seq_cst: launch_task() checks after it counted the task; see [admission] in task.cc.
  gate_.fetch_or(gate_closed, std::memory_order_seq_cst);
}

uint64_t scheduler::created_tasks() const noexcept {
  // acquire: counted before the task is ready.
  uint64_t n = foreign_created_.load(std::memory_order_acquire);
  for (const auto& p : processors_) n += p->counters.tasks_created.value();
  return n;
}

uint64_t scheduler::finished_tasks() const noexcept {
  // acquire: pairs with the RMW in count_finished().
  uint64_t n = foreign_finished_.load(std::memory_order_acquire);
  for (const auto& p : processors_) n += p->counters.tasks_finished.value();
  return n;
}

void scheduler::check_drained() noexcept {
  // Each finisher publishes its count before it sums up, so the last one sees all.
  std_atomics::fence_seq_cst();
  if (live_tasks() == 0) drained_.signal();
}

bool scheduler::drain(int64_t deadline_ns) noexcept {
  // seq_cst: pairs with the fence in check_drained().
  ending_.fetch_or(ending_drains, std::memory_order_seq_cst);
  std_atomics::heavy_barrier();
  if (how_ != drive::threads) {
    while (live_tasks() != 0) {
      std::size_t ran = 0;
      for (auto& p : processors_) ran += drive_some(p->index, 4096);
      if (ran != 0) continue;
      const int64_t left = deadline_ns - now_ns();
      if (left <= 0) return false;
      const int64_t timer = earliest_timer();
      const int64_t pause = std::min<int64_t>({left, 1'000'000, timer == INT64_MAX ? left : timer - now_ns()});
      drained_.wait(std::max<int64_t>(pause, 1));
    }
    return true;
  }
  while (live_tasks() != 0) {
    const int64_t left = deadline_ns - now_ns();
    if (left <= 0) return false;
    drained_.wait(std::min<int64_t>(left, 10'000'000));
  }
  return true;
}

bool scheduler::stop_workers(int64_t patience_ns) noexcept {
  // seq_cst: workers look after L2 of [wake].
  stopping_.store(1, std::memory_order_seq_cst);
  wake_all();
  const int64_t give_up = patience_ns == INT64_MAX ? INT64_MAX : now_ns() + patience_ns;
  for (auto& w : workers_) {
    if (!w->thread.joinable()) continue;
    while (!w->ended.wait(10'000'000)) {
      wake_all();
      if (now_ns() >= give_up) return false;
    }
    w->thread.join();
  }
  if (how_ != drive::threads) close_pollers();
  if (!blocking_.close(give_up == INT64_MAX ? INT64_MAX : std::max<int64_t>(give_up - now_ns(), 0))) return false;
  stop_monitor();
  return true;
}

void scheduler::write_trace() noexcept {
  if (trace_ == nullptr) return;
  std::string text;
  if (const absl::Status written = trace_->write(); !written.ok())
    text = "weft: the trace of tasks: " + std::string(written.message()) + "\n";
  else if (const uint64_t n = trace_->left_out(); n != 0)
    text = "weft: the trace \"" + opts_.trace_path + "\" lacks " + std::to_string(n) +
           " task(s) that came after its first hour, or after its first " + std::to_string(trace_recorder::most_tasks) +
           " tasks\n";
  seams_.sys->write_stderr(text);
}

bool scheduler::has_held_handles() noexcept {
  bool held = false;
  heap_.for_each_strand([&](strand* s) {
    // relaxed: no task runs any more.
    if (s->kind.load(std::memory_order_relaxed) != strand_kind::task) return;
    auto* t = static_cast<task_control*>(s);
    // acquire: pairs with the exchange of whoever lets go of a handle.
    if (t->id.load(std::memory_order_relaxed) == 0 && t->join_word.load(std::memory_order_acquire) == join_done)
      held = true;
  });
  return held;
}

void keep_for_ever(std::unique_ptr<scheduler> s) {
  static std::mutex mutex;
  static auto* kept = new std::vector<std::unique_ptr<scheduler>>;
  std::lock_guard guard(mutex);
  kept->push_back(std::move(s));
}

}  // namespace weft::detail
