// Destroying tasks that did not end by the shutdown's deadline: leaf to root, with the workers stopped.
//
// First every waiter is taken out of its queue, so that a destructor that releases a permit or closes a channel finds
// none of them; then each task's frames are destroyed from the leaf up, the youngest task first: a task's frame may own
// what the tasks that it started still hold, a mutex for instance. A frame whose forked children are not all gone yet
// is left to the last of them, by the same count as while running ([join] in join.h, [fork-scope] in fork_scope.h).
#include <algorithm>
#include <exception>
#include <unordered_map>
#include <utility>
#include <vector>

#include <weft/fork_scope.h>
#include <weft/join.h>
#include <weft/join_handle.h>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

void leave_queues(strand* s) noexcept {
  // acquire: no worker runs any more, but a plain thread may still act on a channel.
  if (s->waiting.load(std::memory_order_acquire) == nullptr) return;
  // acquire: as above.
  if (s->wait_lock.load(std::memory_order_acquire) != nullptr) {
    // relaxed: workers are stopped, so nothing shields it any more.
    s->stop.fetch_and(static_cast<uint8_t>(~stop_shielded), std::memory_order_relaxed);
    stop_strand(s);  // makes it ready too, which nobody acts on
  } else {
    // It waits for another task's end; that one is destroyed as well.
    // relaxed: workers are stopped.
    s->waiting.store(nullptr, std::memory_order_relaxed);
  }
}

// The task is gone: says so to whoever holds its handle.
void end_destroyed(task_control* t) noexcept {
  std::construct_at(t->error_slot(), std::make_exception_ptr(task_destroyed()));
  t->outcome = task_outcome::error;
  // relaxed: workers are stopped.
  if ((t->first.link.load(std::memory_order_relaxed) & task_control::scope_watched) != 0)
    scheduler_of(t).stops().unwatch(t);
  // relaxed: for the registry.
  t->id.store(0, std::memory_order_relaxed);
  // acq_rel: [join-word].
  const uintptr_t word = t->join_word.exchange(join_done, std::memory_order_acq_rel);
  if (word == join_detached) {
    // relaxed: written before the task was made ready.
    t->entry.load(std::memory_order_relaxed)->drop_outcome(t);
  } else if (word != join_running) {
    // A plain thread in get() goes on; a task that waits is destroyed itself.
    auto& w = *reinterpret_cast<waiter*>(word & ~join_select);
    if ((w.who & who_is_thread) != 0) wake(w.who);
  }
}

struct leaf {
  uint64_t task_id;
  void* frame;
};

// The task whose first frame is at the root of this one's chain of callers.
uint64_t task_id_of(void* frame) noexcept {
  for (;;) {
    const promise_base& p = promise_base::of(frame);
    void* target = reinterpret_cast<void*>(p.role & ~role_tags);
    if ((p.role & role_kinds) == role_scoped) {
      frame = static_cast<scope_record*>(target)->entry->frame;
      continue;
    }
    if (p.role & role_root) {
      // relaxed: workers are stopped.
      return static_cast<task_control*>(target)->id.load(std::memory_order_relaxed);
    }
    if (target == nullptr) {
      frame = p.continuation.address();
    } else {
      auto* core = p.role & role_stolen ? static_cast<fork_core*>(target) : static_cast<fork_entry*>(target)->core;
      frame = core->parent.address();
    }
  }
}

/// The scopes whose parents run as stolen continuations, by the parent's frame: such a frame is destroyed once it was
/// reached itself, which counts as C5, and each scope's children are gone.
using open_scopes = std::unordered_map<void*, std::vector<scope_core*>>;

bool scopes_are_done(open_scopes& scopes, void* frame) noexcept {
  const auto at = scopes.find(frame);
  if (at == scopes.end()) return true;
  bool done = true;
  for (scope_core* core : at->second) {
    const int32_t thefts = std::exchange(core->thefts, 0);
    // relaxed: one thread destroys.
    if (core->pending.fetch_add(thefts, std::memory_order_relaxed) + thefts != 0) done = false;
  }
  return done;
}

void destroy_upward(void* frame, open_scopes& scopes) noexcept {
  for (;;) {
    if (!scopes_are_done(scopes, frame)) return;
    promise_base& p = promise_base::of(frame);
    const uintptr_t role = p.role;
    void* target = reinterpret_cast<void*>(role & ~role_tags);
    if ((role & role_kinds) == role_scoped) {
      fork_core* core = static_cast<scope_record*>(target)->entry->core;
      std::coroutine_handle<>::from_address(frame).destroy();
      // relaxed: one thread destroys. Zero only after the parent counted its thefts.
      if (core->pending.fetch_sub(1, std::memory_order_relaxed) != 1) return;
      frame = core->parent.address();
      continue;
    }
    if (role & role_root) {
      auto* t = static_cast<task_control*>(target);
      // relaxed: written before the task was made ready.
      t->entry.load(std::memory_order_relaxed)->abandon(t, frame);
      end_destroyed(t);
      return;
    }
    if (target == nullptr) {
      void* parent = p.continuation.address();
      std::coroutine_handle<>::from_address(frame).destroy();
      frame = parent;
      continue;
    }
    const bool stolen = (role & role_stolen) != 0;
    auto* core = stolen ? static_cast<fork_core*>(target) : static_cast<fork_entry*>(target)->core;
    const int32_t change =
        stolen ? -1 : static_cast<int32_t>(reinterpret_cast<fork_entry*>(core) - static_cast<fork_entry*>(target));
    std::coroutine_handle<>::from_address(frame).destroy();
    // relaxed: one thread destroys.
    if (core->pending.fetch_add(change, std::memory_order_relaxed) + change != 0) return;
    frame = core->parent.address();
  }
}

}  // namespace

void destroy_unstarted(task_control* t, void* root_frame) noexcept {
  // relaxed: our own.
  t->entry.load(std::memory_order_relaxed)->abandon(t, root_frame);
}

void scheduler::destroy_tasks() noexcept {
  std::vector<leaf> leaves;
  open_scopes scopes;
  const auto add = [&](void* frame) { leaves.push_back({task_id_of(frame), frame}); };
  const auto add_scope = [&](fork_core* core) {
    scopes[core->parent.address()].push_back(static_cast<scope_core*>(core));
  };
  // Forks that were offered and never begun, and parents that were offered and not taken.
  for (auto& p : processors_)
    while (fork_entry* e = p->forks.steal()) {
      if (e->frame == e->core->parent.address()) {
        ++static_cast<scope_core*>(e->core)->thefts;
        add_scope(e->core);
      } else {
        promise_base& child = promise_base::of(e->frame);
        child.role = (child.role & role_destroy) | reinterpret_cast<uintptr_t>(e->core) | role_stolen;
      }
      add(e->frame);
    }
  heap_.for_each_strand([&](strand* s) {
    if (!is_live(s)) return;
    leave_queues(s);
    // relaxed: workers are stopped.
    if (s->kind.load(std::memory_order_relaxed) == strand_kind::fork)
      if (fork_core* core = static_cast<fork_strand*>(s)->continues) add_scope(core);
    if (s->resume_frame != nullptr) add(s->resume_frame);
  });
  // A task's id is higher than that of the task that started it, see launch_task().
  std::sort(leaves.begin(), leaves.end(), [](const leaf& a, const leaf& b) { return a.task_id > b.task_id; });
  for (const leaf& l : leaves) destroy_upward(l.frame, scopes);
}

}  // namespace weft::detail
