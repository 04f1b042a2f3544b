// How a stop reaches a task's forks, the tasks that it started, and those who watch it with a std::stop_token.
//
// Every task belongs to a *stop scope*: that of the nearest task above it that can be stopped by itself, which is one
// with a handle or a member of a group. A scope's number is that task's id. A task keeps the number of its scope
// (task_control::scope()); which scope lies inside which is kept here, as edges, from the moment that a scope's first
// task starts.
//
// Protocol [stop-scope]:
//   Starter: L1 if this is the first task of its scope: an edge, which is shown to the passes that are on (under
//            births_mutex_); the child's scope and id. L2 light barrier. L3 if a pass is on and, under births_mutex_,
//            knows the child's scope, the child gets its flag; then also if the starter has its own. L4 make the child
//            ready.
//   Stopper: T1 the task's own flag, as in [stop]. T2 the pass is on; heavy barrier. T3 the scopes inside: from a copy
//            of the edges, then, under births_mutex_, from those that were shown since T2; from here on L3 knows them.
//            T4 collect the tasks in these scopes. T5 under pass_mutex_: those that still live get their flags. T6
//            heavy barrier; the same for their forks.
//   Ender:   E1 the task's id = 0. E2 light barrier. E3 if a pass is on, wait for pass_mutex_ once. E4 the block may be
//            used again.
//   A task that is started in one of these scopes is born with its flag if L3 comes after T3; if the pass is over by
//   then, the starter has its own. Else T4 can see it: T2 makes its L1 visible, or its L3 had births_mutex_ before T3.
//   If T4 does not meet it, it has ended, and the same holds for what it had started: a chain of tasks, each of which
//   starts the next and ends, is cut by T3.
//   A scope that T3 does not find gets its edge after T3, so L1 shows it to the pass before its first task is there.
//   A fork begins with its task's flag (run_fork), or T6 makes it visible.
//   Either E3 waits until T5 is over, or T2 makes E1 visible to T5; so no flag is set that was meant for the block's
//   former task.
//   Rejected: to look again and again until all that is found has its flag. Tasks of such a chain that are born behind
//   the look and end before it all slip past.
//
// Protocol [scope-prune], which forgets the edges of scopes without tasks, now and then:
//   Starter: L1 as above (under the lock of its processor's edges: if a prune is on, note the scope and the one around
//            it). L2. N1 if a prune is on, note the child's scope.
//   Pruner:  Q1 the gate's `pruning`; heavy barrier. Q2 copy the edges. Q3 look at all tasks: the scopes that they
//            belong to or are. Q4 add what was noted. Q5 a scope that is used makes the one around it used; forget the
//            others. Q6 the gate opens.
//   A scope gets tasks from its own task or from one that belongs to it. If that lives when Q3 looks, the scope is
//   used; else it had started them before: then Q1 makes them visible to Q3, or N1 noted them before Q4.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <stop_token>
#include <unordered_set>
#include <utility>
#include <vector>

#include <weft/detail/spin_lock.h>

namespace weft::detail {

class processor;
class scheduler;
struct task_control;

/// A scope and the one around it, whose number is lower.
struct scope_edge {
  uint64_t scope;
  uint64_t around;
};

/// The edges that a processor's tasks made.
struct scope_edges {
  spin_lock lock;
  std::vector<scope_edge> edges;  // guarded by lock
  std::size_t prune_at = 4096;    // guarded by lock
};

class stop_registry {
 public:
  explicit stop_registry(scheduler& s) noexcept : sched_(s) {}
  stop_registry(const stop_registry&) = delete;
  stop_registry& operator=(const stop_registry&) = delete;

  /// T2 to T6 for the tasks inside these scopes. Cost: O(live tasks).
  void stop_inside(std::span<const uint64_t> scopes) noexcept;

  /// The same for the strands of forks that work for the task with this id, whose block the caller keeps.
  void stop_forks(task_control* t, uint64_t id) noexcept;

  /// L1: the running task, which is a scope of its own, starts its first.
  void add_scope(processor& p, task_control* t) noexcept;

  /// N1.
  void note(uint64_t scope) noexcept;

  /// L3, when a pass is on: whether it stops what is started in this scope.
  bool stops_births_in(uint64_t scope) noexcept;

  /// E3, when a pass is on.
  void let_pass() noexcept { std::lock_guard guard(pass_mutex_); }

  /// A token that is asked to stop when the running task is.
  std::stop_token watch(task_control* t);
  /// A watched task has ended.
  void unwatch(task_control* t) noexcept;
  /// Tells those who watch tasks that have been asked to stop. The caller holds no lock.
  void tell_watchers() noexcept;

  /// Edges that are kept at present.
  std::vector<scope_edge> all_edges() noexcept;

 private:
  /// From T2 to the end of a stop.
  class stop_pass {
   public:
    explicit stop_pass(stop_registry& stops) noexcept;
    ~stop_pass();
    stop_pass(const stop_pass&) = delete;
    stop_pass& operator=(const stop_pass&) = delete;

    /// T3. `inside` follows from the copied edges; gets the scopes that were begun since.
    void know(std::unordered_set<uint64_t>& inside) noexcept;
    /// L1 and L3, under births_mutex_.
    void see(const scope_edge& e) noexcept;
    bool has(uint64_t scope) const noexcept { return inside_.contains(scope); }

   private:
    stop_registry& stops_;
    std::unordered_set<uint64_t> inside_;  // guarded by births_mutex_; empty until T3
    std::vector<scope_edge> seen_;         // guarded by births_mutex_; those before T3
    bool knows_ = false;                   // guarded by births_mutex_
  };
  void show(const scope_edge& e) noexcept;
  void prune() noexcept;

  scheduler& sched_;
  std::mutex pass_mutex_;
  std::mutex births_mutex_;
  std::vector<stop_pass*> passes_;  // guarded by births_mutex_
  std::mutex prune_mutex_;
  spin_lock noted_lock_;
  std::vector<uint64_t> noted_;  // guarded by noted_lock_
  std::atomic<int> watched_{0};  // the number of watchers_
  std::mutex watch_mutex_;
  std::vector<std::pair<task_control*, std::stop_source>> watchers_;  // guarded by watch_mutex_
};

}  // namespace weft::detail
