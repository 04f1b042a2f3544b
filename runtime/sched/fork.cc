// The rarer ends of coroutine frames: forked children whose siblings were stolen, and tasks' roots. See [join] in
// join.h.
#include <weft/join.h>

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

// J4, the end: a child that ran on a stack of its own.
std::coroutine_handle<> leave_stolen(fork_core* core) noexcept {
  context& c = this_context;
  processor& p = *c.proc;
  strand* own = c.current;
  const std::coroutine_handle<> parent = core->parent;
  // acq_rel: J4; publishes the child's result, acquires the others' and `home`.
  const bool last = core->pending.fetch_sub(1, std::memory_order_acq_rel) == 1;
  recycle_fork_strand(p, own);
  if (last) {
    strand* home = core->home;
    home->resume_frame = parent.address();
    // relaxed: read by the monitor and the dump.
    p.running.store(home, std::memory_order_relaxed);
    attach(home);
    return parent;
  }
  unload();
  return switch_away();
}

}  // namespace

namespace {

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
  if ((role & role_root) == 0) return finish_child(promise, role);
  auto* t = reinterpret_cast<task_control*>(role & ~role_tags);
  // The task may have parked last in a deeper frame, or waited for a join.
  t->resume_frame = std::coroutine_handle<promise_base>::from_promise(promise).address();
  return finish_task(t);
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
  f->sampled = false;
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
  f->stop.store(0, std::memory_order_relaxed);
  // relaxed: as above.
  f->task.store(nullptr, std::memory_order_relaxed);  // E1 of [stop-scope]
  p.sched.left_registry();
  if (p.fork_stack == nullptr) {
    p.fork_stack = f;
  } else {
    p.blocks.give(mem::block_kind::strand, f->size_class, f);
  }
}

}  // namespace weft::detail
