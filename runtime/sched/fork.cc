// The rarer ends of coroutine frames: forked children whose siblings or parent were stolen, and tasks' roots. See
// [join] in join.h and [fork-scope] in fork_scope.h.
#include <weft/fork_scope.h>
#include <weft/join.h>

#include <utility>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

// In a fork_group the core follows the entries: those from this one on were taken by others.
int32_t stolen_from(const fork_entry* entry, const fork_core* core) noexcept {
  return static_cast<int32_t>(reinterpret_cast<const fork_entry*>(core) - entry);
}

// J3: the chain's next sibling is gone.
std::coroutine_handle<> leave_chain(fork_entry* entry) noexcept {
  fork_core* core = entry->core;
  core->home = detach(core->parent);
  core->home->resume_frame = nullptr;  // it waits for the join, not in a queue (destroy.cc)
  const int32_t stolen = stolen_from(entry, core);
  // acq_rel: J3; publishes `home`, acquires what the thieves released.
  if (core->pending.fetch_add(stolen, std::memory_order_acq_rel) + stolen == 0) return core->parent;
  unload();
  return switch_away();
}

// The last one resumes the parent on the stack that waits for it.
std::coroutine_handle<> go_home(processor& p, strand* home, std::coroutine_handle<> parent) noexcept {
  home->resume_frame = parent.address();
  // relaxed: read by the monitor and the dump.
  p.running.store(home, std::memory_order_relaxed);
  return attach(home);
}

// J4, the end: a child that ran on a stack of its own.
std::coroutine_handle<> leave_stolen(fork_core* core) noexcept {
  context& c = this_context;
  processor& p = *c.proc;
  strand* own = c.current;
  const std::coroutine_handle<> parent = core->parent;
  // acq_rel: J4; publishes the child's result, acquires the others' and `home`.
  const bool last = core->pending.fetch_sub(1, std::memory_order_acq_rel) == 1;
  recycle_fork_strand(p, own);
  if (last) return go_home(p, core->home, parent);
  unload();
  return switch_away();
}

// C3 of [fork-scope]: the child's parent is elsewhere.
std::coroutine_handle<> leave_scoped(promise_base& child, scope_record* record) noexcept {
  processor& p = *this_context.proc;
  strand* own = this_context.current;
  auto* core = static_cast<scope_core*>(record->entry->core);
  const std::coroutine_handle<> parent = core->parent;
  strand* const home = core->home;
  void* frame = std::coroutine_handle<promise_base>::from_promise(child).address();
  record->settle(child, *record);
  frame_free(frame);
  if (own == home) {
    detach(parent);
    own->resume_frame = nullptr;  // it waits for the join, not in a queue (destroy.cc)
  }
  // acq_rel: C3; publishes the result and `home`, acquires what the others released.
  const bool last = core->pending.fetch_sub(1, std::memory_order_acq_rel) == 1;
  if (own == home) {
    if (last) return parent;
  } else {
    recycle_fork_strand(p, own);
    if (last) return go_home(p, home, parent);
  }
  unload();
  return switch_away();
}

// The end of a child of a fork_scope that threw, or whose parent is no longer private here.
WEFT_NOINLINE std::coroutine_handle<> finish_scoped(promise_base& promise, uintptr_t role) noexcept {
  auto* record = reinterpret_cast<scope_record*>(role & ~role_tags);
  scope_entry* entry = record->entry;
  // relaxed: C2; if the entry lies on this processor's deque, this thread wrote the value that counts.
  if (entry->newest.load(std::memory_order_relaxed) == record && this_context.forks->pop(entry, forks_published))
    return std::coroutine_handle<>::from_address(entry->frame);
  return leave_scoped(promise, record);
}

WEFT_NOINLINE std::coroutine_handle<> finish_child(promise_base& promise, uintptr_t role) noexcept {
  void* target = reinterpret_cast<void*>(role & ~role_tags);
  if (target == nullptr) return promise.continuation;  // a call that threw
  fork_entry* entry = nullptr;
  fork_core* core;
  if (role & role_stolen) {
    core = static_cast<fork_core*>(target);
  } else {
    entry = static_cast<fork_entry*>(target);
    core = entry->core;
  }
  if (role & role_failed) {
    promise_base* none = nullptr;
    // release: the exception is published by the RMW of `pending` anyway; the first one to get here is kept.
    core->failed.compare_exchange_strong(none, &promise, std::memory_order_release, std::memory_order_relaxed);
    if (entry != nullptr && this_context.forks->pop(entry, forks_published))
      return std::coroutine_handle<>::from_address(entry->frame);
  }
  return entry != nullptr ? leave_chain(entry) : leave_stolen(core);
}

}  // namespace

std::coroutine_handle<> finish_uncommon(promise_base& promise, uintptr_t role) noexcept {
  if ((role & role_kinds) == role_scoped) return finish_scoped(promise, role);
  if ((role & role_root) == 0) return finish_child(promise, role);
  auto* t = reinterpret_cast<task_control*>(role & ~role_tags);
  // The task may have parked last in a deeper frame, or waited for a join.
  t->resume_frame = std::coroutine_handle<promise_base>::from_promise(promise).address();
  return finish_task(t);
}

void begin_scope(scope_core& core, std::coroutine_handle<> parent) noexcept {
  WEFT_CHECK(this_context.current != nullptr, "weft::fork_scope: forked outside any task");
  core.parent = parent;
  core.home = this_context.current;
  // relaxed: here and below, published when the entry is offered.
  core.owner.store(this_context.current, std::memory_order_relaxed);
  core.failed.store(nullptr, std::memory_order_relaxed);
  core.pending.store(0, std::memory_order_relaxed);
  core.entry.frame = parent.address();
  core.entry.core = &core;
  core.thefts = 0;
}

std::coroutine_handle<> join_scope(scope_core& core) noexcept {
  processor& p = *this_context.proc;
  strand* own = this_context.current;
  strand* const home = core.home;
  const std::coroutine_handle<> parent = core.parent;
  WEFT_CHECK(own != home, "weft::fork_scope: a scope was joined before one that was begun later");
  const int32_t thefts = std::exchange(core.thefts, 0);
  // acq_rel: C5; publishes what the parent wrote, acquires what the children released.
  const bool all = core.pending.fetch_add(thefts, std::memory_order_acq_rel) + thefts == 0;
  recycle_fork_strand(p, own);
  if (all) return go_home(p, home, parent);
  unload();
  return switch_away();
}

void scope_left_open() noexcept {
  // Frames that are destroyed at the runtime's end are so with their scopes open, after all children (destroy.cc).
  WEFT_CHECK(this_context.current == nullptr, "weft::fork_scope: it was left with forks that were not joined");
}

void frames_free_slow(void* const* frames, std::size_t count) noexcept {
  // The frames lie in several segments: go down until one segment holds the oldest, which then is the lowest in it.
  context& c = this_context;
  auto inside = [](segment* s, void* f) { return f >= s->base() && f < s->limit; };
  segment* oldest = nullptr;
  char* lowest = nullptr;
  for (segment* s = c.top;; s = s->below()) {
    char* low = nullptr;
    for (std::size_t i = 0; i < count; ++i)
      if (inside(s, frames[i]) && (low == nullptr || frames[i] < low)) low = static_cast<char*>(frames[i]);
    if (low != nullptr) {
      oldest = s;
      lowest = low;
    } else if (oldest != nullptr) {
      break;
    }
    if (s->is_first()) break;
  }
  frame_free_slow(lowest);
}

strand* make_fork_strand(scheduler& s) noexcept {
  constexpr std::size_t size_class = mem::class_of(4096);
  void* block = s.take_block(mem::block_kind::strand, size_class);
  WEFT_CHECK(block != nullptr, "out of memory for a stolen fork's stack");
  auto* f = static_cast<fork_strand*>(block);
  f->next = nullptr;
  // relaxed: published with the strand.
  f->wait_lock.store(nullptr, std::memory_order_relaxed);
  f->waiting.store(nullptr, std::memory_order_relaxed);
  f->kind.store(strand_kind::fork, std::memory_order_relaxed);
  f->sampled = 0;
  f->continues = nullptr;
  f->size_class = static_cast<uint8_t>(size_class);
  // relaxed: its own.
  f->first.link.store(segment::link_first, std::memory_order_relaxed);
  f->first.stack_bytes = mem::class_bytes(size_class);
  f->first.limit = static_cast<char*>(block) + mem::class_bytes(size_class);
  f->first.sp = f->first.base();
  f->top = &f->first;
  mark_unused(f->first.sp, static_cast<std::size_t>(f->first.limit - f->first.sp));
  return f;
}

void recycle_fork_strand(processor& p, strand* s) noexcept {
  auto* f = static_cast<fork_strand*>(s);
  release_segments(p.sched, this_context.top);
  f->top = &f->first;
  f->first.sp = f->first.base();
  // relaxed: for the registry.
  f->task.store(nullptr, std::memory_order_relaxed);  // E1 of [stop-scope]
  f->continues = nullptr;
  p.sched.left_registry();
  // relaxed: after E3, so no stop that was meant for the fork that has ended comes later.
  f->stop.store(0, std::memory_order_relaxed);
  if (p.fork_stack == nullptr) {
    p.fork_stack = f;
  } else {
    p.blocks.give(mem::block_kind::strand, f->size_class, f);
  }
}

}  // namespace weft::detail
