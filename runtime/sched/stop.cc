// Asking tasks to stop: one strand, a task with its forks, and what was started below. See stop.h.
#include "sched/stop.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include <weft/join_handle.h>
#include <weft/shielded.h>
#include <weft/stop_token.h>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

// S3 and S4 of [stop]. True: the strand was found waiting, and has been dealt with.
bool look_for_wait(strand* s) noexcept {
  for (;;) {
    // acquire: S3.
    biased_lock* lock = s->wait_lock.load(std::memory_order_acquire);
    if (lock == nullptr) return false;
    lock->lock();
    // acquire: S4; `waiting`, then wait_lock, then `waiting` again.
    waiter* w = s->waiting.load(std::memory_order_acquire);
    const bool same = s->wait_lock.load(std::memory_order_acquire) == lock;
    if (same && w != nullptr && s->waiting.load(std::memory_order_acquire) == w) {
      // relaxed: set by the strand before it took the lock. A shield that went up meanwhile holds.
      if ((s->stop.load(std::memory_order_relaxed) & stop_shielded) != 0)
        lock->unlock();
      else
        leave_wait(s, *w, *lock);
      return true;
    }
    lock->unlock();
    if (same) return false;
  }
}

// S1 and the first look. True: nothing more is to be done.
bool ask_to_stop(strand* s) noexcept {
  // seq_cst: S1 of [stop]; pairs with P3.
  return (s->stop.fetch_or(stop_asked, std::memory_order_seq_cst) & stop_shielded) != 0 || look_for_wait(s);
}

}  // namespace

void stop_strand(strand* s) noexcept {
  if (ask_to_stop(s)) return;
  std_atomics::heavy_barrier();  // S2
  look_for_wait(s);
}

void stop_batch::add(strand* s) noexcept {
  if (!ask_to_stop(s)) missed_.push_back(s);
}

void stop_batch::finish() noexcept {
  if (missed_.empty()) return;
  std_atomics::heavy_barrier();  // S2
  for (strand* s : missed_) look_for_wait(s);
  missed_.clear();
}

void scheduler::stop_all() noexcept {
  stop_batch batch;
  heap_.for_each_strand([&](strand* s) {
    if (is_live(s)) batch.add(s);
  });
  batch.finish();
  stops_.tell_watchers();
}

// The task's own strand first: a fork that begins later inherits its flag (run_fork), one that began is found by its
// task.
uint64_t stop_task(task_control* t, stop_batch& batch) noexcept {
  // relaxed: it may end as soon as it is stopped, so first.
  const uint64_t id = t->id.load(std::memory_order_relaxed);
  batch.add(t);
  stop_registry& stops = scheduler_of(t).stops();
  if (t->has_forked()) stops.stop_forks(t, id);
  // relaxed: add_scope() has a full barrier between this bit and L3.
  const bool started = (t->first.link.load(std::memory_order_relaxed) & task_control::scope_started) != 0;
  return started ? id : 0;
}

void request_stop(task_control* t) noexcept {
  stop_registry& stops = scheduler_of(t).stops();
  stop_batch batch;
  const uint64_t scope = stop_task(t, batch);
  batch.finish();
  if (scope != 0) stops.stop_inside({&scope, 1});
  stops.tell_watchers();
}

// --- what a task started ---------------------------------------------------------------------------------------------

namespace {

// A strand that is to stop, as long as it works for the task with this id.
struct strand_to_stop {
  strand* s;
  task_control* task;
  uint64_t id;
};

bool still_works_for(const strand_to_stop& f) noexcept {
  // acquire: E1 comes before the block's next task, whose scope is another one.
  if (f.task->id.load(std::memory_order_acquire) != f.id) return false;
  // relaxed: cleared before the fork's strand is used again (E1).
  return f.s == f.task || (f.s->kind.load(std::memory_order_relaxed) == strand_kind::fork &&
                           static_cast<fork_strand*>(f.s)->task.load(std::memory_order_relaxed) == f.task);
}

bool was_asked(const strand* s) noexcept {
  // relaxed: once set it stays while the task lives.
  return (s->stop.load(std::memory_order_relaxed) & stop_asked) != 0;
}

// T5, under the lock that it names.
void give_flags(std::span<const strand_to_stop> found) noexcept {
  stop_batch batch;
  for (const strand_to_stop& f : found)
    if (still_works_for(f) && !was_asked(f.s)) batch.add(f.s);
  batch.finish();
}

// A fork's strand names its task in a place where a task has its id, so the pointer is only compared.
template <class IsForked>
void find_forks(scheduler& sched, std::vector<strand_to_stop>& found, IsForked&& id_of) noexcept {
  sched.heap().for_each_strand([&](strand* s) {
    // relaxed: ordered by the heavy barrier before this and the fence in run_fork().
    if (s->kind.load(std::memory_order_relaxed) != strand_kind::fork || was_asked(s)) return;
    // relaxed: as above.
    task_control* t = static_cast<fork_strand*>(s)->task.load(std::memory_order_relaxed);
    if (const uint64_t id = id_of(t); id != 0) found.push_back({s, t, id});
  });
}

}  // namespace

stop_registry::stop_pass::stop_pass(stop_registry& stops) noexcept : stops_(stops) {
  {
    std::lock_guard guard(stops_.births_mutex_);
    stops_.passes_.push_back(this);
  }
  stops_.sched_.begin_stop_pass();
}

stop_registry::stop_pass::~stop_pass() {
  stops_.sched_.end_stop_pass();
  std::lock_guard guard(stops_.births_mutex_);
  std::erase(stops_.passes_, this);
}

void stop_registry::stop_pass::know(std::unordered_set<uint64_t>& inside) noexcept {
  std::lock_guard guard(stops_.births_mutex_);
  // In the order in which they came, so the scope around one is there before it.
  for (const scope_edge& e : seen_)
    if (inside.contains(e.around)) inside.insert(e.scope);
  inside_ = inside;
  knows_ = true;
}

void stop_registry::stop_pass::see(const scope_edge& e) noexcept {
  if (!knows_)
    seen_.push_back(e);
  else if (inside_.contains(e.around))
    inside_.insert(e.scope);
}

bool stop_registry::stops_births_in(uint64_t scope) noexcept {
  std::lock_guard guard(births_mutex_);
  return std::any_of(passes_.begin(), passes_.end(), [=](const stop_pass* p) { return p->has(scope); });
}

void stop_registry::show(const scope_edge& e) noexcept {
  std::lock_guard guard(births_mutex_);
  for (stop_pass* p : passes_) p->see(e);
}

void stop_registry::stop_forks(task_control* t, uint64_t id) noexcept {
  const stop_pass pass(*this);
  std_atomics::heavy_barrier();
  std::vector<strand_to_stop> found;
  find_forks(sched_, found, [=](task_control* of) { return of == t ? id : 0; });
  std::lock_guard guard(pass_mutex_);
  give_flags(found);
}

void stop_registry::stop_inside(std::span<const uint64_t> scopes) noexcept {
  stop_pass pass(*this);
  std_atomics::heavy_barrier();  // T2
  std::unordered_set<uint64_t> inside(scopes.begin(), scopes.end());
  std::vector<scope_edge> edges = all_edges();
  std::sort(edges.begin(), edges.end(), [](const scope_edge& a, const scope_edge& b) { return a.scope < b.scope; });
  for (const scope_edge& e : edges)
    if (inside.contains(e.around)) inside.insert(e.scope);
  pass.know(inside);  // T3

  std::vector<strand_to_stop> found;
  sched_.heap().for_each_strand([&](strand* s) {  // T4
    // relaxed: a block that becomes a task's meanwhile is that of one that is born with its flag.
    if (s->kind.load(std::memory_order_relaxed) != strand_kind::task) return;
    auto* t = static_cast<task_control*>(s);
    // acquire: the scope was written before the id.
    const uint64_t id = t->id.load(std::memory_order_acquire);
    if (id != 0 && inside.contains(t->scope())) found.push_back({t, t, id});
  });
  if (found.empty()) return;
  {
    std::lock_guard guard(pass_mutex_);
    give_flags(found);  // T5
  }

  std_atomics::heavy_barrier();  // T6
  std::unordered_map<task_control*, uint64_t> forked;
  for (const strand_to_stop& f : found)
    if (still_works_for(f) && f.task->has_forked()) forked.emplace(f.task, f.id);
  if (forked.empty()) return;
  found.clear();
  find_forks(sched_, found, [&](task_control* of) {
    const auto at = forked.find(of);
    return at != forked.end() ? at->second : 0;
  });
  std::lock_guard guard(pass_mutex_);
  give_flags(found);
}

std::vector<scope_edge> stop_registry::all_edges() noexcept {
  std::vector<scope_edge> edges;
  for (auto& p : sched_.processors()) {
    spin_guard guard(p->scopes.lock);
    edges.insert(edges.end(), p->scopes.edges.begin(), p->scopes.edges.end());
  }
  return edges;
}

// --- which scope lies in which ---------------------------------------------------------------------------------------

void stop_registry::add_scope(processor& p, task_control* t) noexcept {
  // seq_cst: a full barrier between this bit and L3, for stop_task().
  const uintptr_t link = t->first.link.fetch_or(task_control::scope_started, std::memory_order_seq_cst);
  std_atomics::fence_seq_cst();
  const uint64_t around = task_control::scope_in(link);
  if ((link & task_control::scope_started) != 0 || around == 0) return;
  // relaxed: its own.
  const uint64_t scope = t->id.load(std::memory_order_relaxed);
  bool full = false;
  bool shown = false;
  {
    spin_guard guard(p.scopes.lock);
    p.scopes.edges.push_back({scope, around});
    full = p.scopes.edges.size() >= p.scopes.prune_at;
    if (sched_.prunes_scopes()) {
      note(scope);
      note(around);  // the pruner does not know this edge, and this task may have ended before it looks
    }
    shown = sched_.stops_scopes();  // under this lock: T3 has copied the edge, or this sees T2
  }
  if (shown) show({scope, around});
  if (full) prune();
}

void stop_registry::note(uint64_t scope) noexcept {
  if (scope == 0) return;
  spin_guard guard(noted_lock_);
  noted_.push_back(scope);
}

void stop_registry::prune() noexcept {
  const std::unique_lock one(prune_mutex_, std::try_to_lock);
  if (!one.owns_lock()) return;
  sched_.set_prunes_scopes(true);
  std_atomics::heavy_barrier();                 // Q1
  std::vector<scope_edge> edges = all_edges();  // Q2
  std::unordered_set<uint64_t> used;
  std::size_t live = 0;
  sched_.heap().for_each_strand([&](strand* s) {  // Q3
    // relaxed: a block that becomes a task's meanwhile is noted.
    if (s->kind.load(std::memory_order_relaxed) != strand_kind::task) return;
    auto* t = static_cast<task_control*>(s);
    // acquire: the scope was written before the id.
    const uint64_t id = t->id.load(std::memory_order_acquire);
    if (id == 0) return;
    ++live;
    used.insert(t->scope());
    // relaxed: set by the task before its edge came.
    if ((t->first.link.load(std::memory_order_relaxed) & task_control::scope_started) != 0) used.insert(id);
  });
  {
    spin_guard guard(noted_lock_);  // Q4
    used.insert(noted_.begin(), noted_.end());
  }
  // Q5, from the innermost outwards: a scope's number is higher than that of the one around it.
  std::sort(edges.begin(), edges.end(), [](const scope_edge& a, const scope_edge& b) { return a.scope > b.scope; });
  std::unordered_set<uint64_t> unused;
  for (const scope_edge& e : edges) {
    if (used.contains(e.scope))
      used.insert(e.around);
    else
      unused.insert(e.scope);
  }
  const std::size_t room = std::max<std::size_t>(4096, live / 4);
  for (auto& p : sched_.processors()) {
    spin_guard guard(p->scopes.lock);
    std::erase_if(p->scopes.edges, [&](const scope_edge& e) { return unused.contains(e.scope); });
    p->scopes.prune_at = 2 * p->scopes.edges.size() + room;
  }
  sched_.set_prunes_scopes(false);  // Q6
  spin_guard guard(noted_lock_);
  noted_.clear();
}

// --- those who watch -------------------------------------------------------------------------------------------------

task_control* token_link::task_of_caller() noexcept { return task_of(this_context.current); }

stop_rest::~stop_rest() {
  strand* s = this_context.current;
  if (s == nullptr) return;  // destroyed at the runtime's end
  task_control* t = task_of(s);
  // relaxed: the task's own.
  if ((t->first.link.load(std::memory_order_relaxed) & task_control::scope_started) == 0) return;
  // relaxed: as above.
  const uint64_t scope = t->id.load(std::memory_order_relaxed);
  stop_registry& stops = scheduler_of(t).stops();
  stops.stop_inside({&scope, 1});
  stops.tell_watchers();
}

void shield_ended() noexcept { scheduler_of(this_context.current).stops().tell_watchers(); }

std::stop_token stop_registry::watch(task_control* t) {
  std::stop_token token;
  {
    std::lock_guard guard(watch_mutex_);
    const auto at = std::find_if(watchers_.begin(), watchers_.end(), [=](const auto& w) { return w.first == t; });
    if (at != watchers_.end()) return at->second.get_token();
    watchers_.emplace_back(t, std::stop_source());
    token = watchers_.back().second.get_token();
  }
  // relaxed: read by the task itself at its end.
  t->first.link.fetch_or(task_control::scope_watched, std::memory_order_relaxed);
  // seq_cst: either a stopper counts this one, or the look below sees its flag.
  watched_.fetch_add(1, std::memory_order_seq_cst);
  std_atomics::fence_seq_cst();
  tell_watchers();
  return token;
}

void stop_registry::unwatch(task_control* t) noexcept {
  std::lock_guard guard(watch_mutex_);
  // relaxed: under the lock.
  watched_.fetch_sub(static_cast<int>(std::erase_if(watchers_, [=](const auto& w) { return w.first == t; })),
                     std::memory_order_relaxed);
}

void stop_registry::tell_watchers() noexcept {
  // seq_cst: after the stop's flag; pairs with watch().
  std_atomics::fence_seq_cst();
  if (watched_.load(std::memory_order_seq_cst) == 0) return;
  std::vector<std::stop_source> asked;
  {
    std::lock_guard guard(watch_mutex_);
    for (auto& [t, source] : watchers_) {
      // relaxed: ordered by the fence above. A watched task is removed before its block is used again.
      if (t->stop.load(std::memory_order_relaxed) == stop_asked) asked.push_back(source);
    }
  }
  for (std::stop_source& source : asked) source.request_stop();
}

}  // namespace weft::detail

namespace weft::this_task {

std::stop_token stop_token() {
  detail::strand* s = detail::this_context.current;
  if (s == nullptr) return {};
  return detail::scheduler_of(s).stops().watch(detail::task_of(s));
}

}  // namespace weft::this_task
