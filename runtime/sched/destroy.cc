// Destroying tasks that did not end by the shutdown's deadline: leaf to root, with the workers stopped.
//
// First every waiter is taken out of its queue, so that a destructor that releases a permit or closes a channel finds
// none of them; then each task's frames are destroyed from the leaf up, the youngest task first: a task's frame may own
// what the tasks that it started still hold, a mutex for instance. A frame whose forked children are not all gone yet
// is left to the last of them, by the same count as while running ([join] in join.h).
#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

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

void destroy_upward(void* frame) noexcept {
  for (;;) {
    promise_base& p = promise_base::of(frame);
    const uintptr_t role = p.role;
    void* target = reinterpret_cast<void*>(role & ~role_tags);
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
  const auto add = [&](void* frame) { leaves.push_back({task_id_of(frame), frame}); };
  // Forks that were offered and never begun.
  for (auto& p : processors_)
    while (fork_entry* e = p->forks.steal()) {
      promise_base& child = promise_base::of(e->frame);
      child.role = (child.role & role_destroy) | reinterpret_cast<uintptr_t>(e->core) | role_stolen;
      add(e->frame);
    }
  heap_.for_each_strand([&](strand* s) {
    if (!is_live(s)) return;
    leave_queues(s);
    if (s->resume_frame != nullptr) add(s->resume_frame);
  });
  // A task's id is higher than that of the task that started it, see launch_task().
  std::sort(leaves.begin(), leaves.end(), [](const leaf& a, const leaf& b) { return a.task_id > b.task_id; });
  for (const leaf& l : leaves) destroy_upward(l.frame);
}

}  // namespace weft::detail
