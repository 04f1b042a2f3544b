// How a stop reaches a task's forks, the tasks that it started, and those who watch it with a std::stop_token.
//
// Every task belongs to a *stop scope*: that of the nearest task above it that can be stopped by itself, which is one
// with a handle or a member of a group. A scope's number is that task's id. A task keeps the number of its scope
// (task_control::scope()); which scope lies inside which is kept here, as edges, from the moment that a scope's first
// task starts.
//
// Protocol [stop-scope]:
//   Starter: L1 if this is the first task of its scope: an edge; the child's scope and id. L2 light barrier. L3 if the
//            starter was asked to stop, so is the child. L4 make the child ready.
//   Stopper: T1 the task's own flag, as in [stop]. T2 `stop_pass`; heavy barrier. T3 collect the scopes inside, then
//            the strands of tasks in these scopes that have no flag yet. T4 under pass_mutex_: those that still are
//            get theirs. T5 if there was one, again from T2: it may have started others between T3 and T4, also if it
//            has ended since.
//   Ender:   E1 the task's id = 0. E2 light barrier. E3 if there is a stop pass, wait for pass_mutex_ once. E4 the
//            block may be used again.
//   Either L3 sees the flag, or T2 makes L1 visible to T3. Either E3 waits until T4 is over, or T2 makes E1 visible to
//   T4; so no flag is set that was meant for the block's former task.
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

  /// T2 to T5 for the tasks inside these scopes. Cost: O(live tasks).
  void stop_inside(std::span<const uint64_t> scopes) noexcept;

  /// The same for the strands of forks that work for the task with this id, whose block the caller keeps.
  void stop_forks(task_control* t, uint64_t id) noexcept;

  /// L1: the running task, which is a scope of its own, starts its first.
  void add_scope(processor& p, task_control* t) noexcept;

  /// N1.
  void note(uint64_t scope) noexcept;

  /// E3, when there is a stop pass.
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
  class stop_pass;
  void prune() noexcept;

  scheduler& sched_;
  std::mutex pass_mutex_;
  std::mutex prune_mutex_;
  spin_lock noted_lock_;
  std::vector<uint64_t> noted_;  // guarded by noted_lock_
  std::atomic<int> watched_{0};  // the number of watchers_
  std::mutex watch_mutex_;
  std::vector<std::pair<task_control*, std::stop_source>> watchers_;  // guarded by watch_mutex_
};

}  // namespace weft::detail
