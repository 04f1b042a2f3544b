// The life of a task: its block, its start, its end.
#include <algorithm>
#include <exception>

#include <weft/go.h>
#include <weft/join_handle.h>

#include "sched/scheduler.h"

namespace weft::detail {

using mem::block_kind;

namespace {

// A first guess for entry functions that were never started; raised by growth (see raise_hint in stack.cc).
constexpr uint32_t first_hint = sizeof(task_control) + 48;

}  // namespace

namespace {

// The first task of a kind, or one whose outcome needs more than was guessed: settles the size class.
WEFT_NOINLINE uint32_t first_class(task_entry& entry, std::size_t outcome_bytes) noexcept {
  const std::size_t least = sizeof(task_control) + outcome_bytes;
  WEFT_CHECK(least <= mem::max_strand_block, "a task's result type is larger than 7 KiB");
  const auto size_class = static_cast<uint32_t>(mem::class_of(std::max<std::size_t>(least + 16, first_hint)));
  // relaxed: a hint.
  entry.size_class.store(size_class, std::memory_order_relaxed);
  return size_class;
}

WEFT_INLINE void* take_strand_block(scheduler& sched, processor* p, std::size_t size_class) noexcept {
  if (p != nullptr && &p->sched == &sched) [[likely]]
    return p->blocks.take(block_kind::strand, size_class);
  return sched.take_block(block_kind::strand, size_class);
}

}  // namespace

void begin_task(start_scope& scope, scheduler* sched, task_entry& entry, std::size_t outcome_bytes) noexcept {
  context& c = this_context;
  if (sched == nullptr) {
    WEFT_CHECK(c.proc != nullptr, "weft::go or weft::spawn outside any task; use runtime::spawn");
    sched = &c.proc->sched;
  }
  // relaxed: a hint, only ever raised.
  uint32_t size_class = entry.size_class.load(std::memory_order_relaxed);
  if (size_class == 0) [[unlikely]]
    size_class = first_class(entry, outcome_bytes);
  void* block = take_strand_block(*sched, c.proc, size_class);
  WEFT_CHECK(block != nullptr, "out of memory for a new task");

  // The block's memory is a strand at all times ([stop] and the registry may look), so its atomics are stored to, not
  // made.
  auto* t = static_cast<task_control*>(block);
  // relaxed: all of these are published by whatever makes the task ready.
  t->wait_lock.store(nullptr, std::memory_order_relaxed);
  t->waiting.store(nullptr, std::memory_order_relaxed);
  t->stop.store(0, std::memory_order_relaxed);
  t->entry.store(&entry, std::memory_order_relaxed);
  // relaxed: as above.
  t->kind.store(strand_kind::task, std::memory_order_relaxed);
  t->sampled = false;
  t->outcome = task_outcome::none;
  t->size_class = static_cast<uint8_t>(size_class);
  const std::size_t bytes = mem::class_bytes(size_class);
  char* limit = static_cast<char*>(block) + bytes;
  t->first.below = nullptr;
  t->first.stack_bytes = bytes;
  t->first.limit = limit;

  scope.current = alone(c.current);
  scope.sp = alone(c.sp);
  scope.limit = alone(c.limit);
  scope.top = alone(c.top);
  scope.made = t;
  c.current = t;
  c.top = &t->first;
  c.sp = t->first.base() + outcome_bytes;
  c.limit = limit;
  mark_unused(c.sp, static_cast<std::size_t>(c.limit - c.sp));
}

std::size_t starting_stack_bytes() noexcept { return mem::class_bytes(mem::class_of(first_hint)); }

void end_start(start_scope& scope) noexcept {
  context& c = this_context;
  c.top->sp = c.sp;
  scope.made->top = c.top;
  c.sp = scope.sp;
  c.limit = scope.limit;
  c.top = scope.top;
  c.current = scope.current;
}

void abandon_task(start_scope& scope) noexcept {
  end_start(scope);
  free_task(scope.made);
}

void free_task(task_control* t) noexcept {
  scheduler& s = scheduler_of(t);
  release_segments(s, t->top);
  s.give_block(block_kind::strand, t->size_class, t);
}

// Protocol [admission]: the starter counts the task (A1), then looks whether admission is closed (A2). Shutdown closes
// admission (C1), then drains by the counts (C2). Either A2 sees C1, or C2 sees A1 in the end.
uint64_t launch_task(scheduler* sched, task_control* t, void* root_frame, const void* started_at) noexcept {
  processor* p = this_context.proc;
  scheduler& s = sched != nullptr ? *sched : p->sched;
  if (p != nullptr && &p->sched != &s) p = nullptr;
  s.count_created(p);            // A1
  std_atomics::light_barrier();  // pairs with the heavy barrier in drain()
  if (!s.admits()) [[unlikely]] {
    destroy_unstarted(t, root_frame);
    s.count_finished(p);
    free_task(t);
    return 0;
  }
  uint64_t id;
  if (p != nullptr) {
    // Higher than its starter's, also when that has come from another processor: destroy_tasks() relies on it.
    // relaxed: its own.
    strand* starter = this_context.current;
    const uint64_t least = starter == nullptr ? 0 : task_of(starter)->id.load(std::memory_order_relaxed);
    if (p->next_task_id == p->last_task_id || p->next_task_id < least) {
      p->next_task_id = s.take_ids();
      p->last_task_id = p->next_task_id + scheduler::id_batch;
    }
    id = p->next_task_id++;
  } else {
    id = s.take_ids();
  }
  promise_base& root = promise_base::of(root_frame);
  root.role = (root.role & role_destroy) | reinterpret_cast<uintptr_t>(t) | role_root;
  t->resume_frame = root_frame;
  t->set_function(*static_cast<void**>(root_frame));  // a frame begins with its resume function
  // relaxed: for the registry, which tolerates a torn picture.
  t->started_at.store(started_at, std::memory_order_relaxed);
  t->id.store(id, std::memory_order_relaxed);
  s.ready(t);
  return id;
}

void launch_detached(task_control* t, void* root_frame) noexcept {
  // relaxed: published by launch_task().
  t->join_word.store(join_detached, std::memory_order_relaxed);
  launch_task(nullptr, t, root_frame, WEFT_CALL_SITE());
}

uint64_t launch_joinable(scheduler* sched, task_control* t, void* root_frame) noexcept {
  // relaxed: published by launch_task().
  t->join_word.store(join_running, std::memory_order_relaxed);
  return launch_task(sched, t, root_frame, WEFT_CALL_SITE());
}

// The root frame has ended: runs on the task's own stack, which is empty but for it.
std::coroutine_handle<> finish_task(task_control* t) noexcept {
  context& c = this_context;
  processor* p = c.proc;
  scheduler& s = p->sched;
  // relaxed: written before the task was made ready.
  task_entry* entry = t->entry.load(std::memory_order_relaxed);
  entry->finish(t);
  if (c.top != &t->first) {
    release_segments(s, c.top);
    t->first.limit = reinterpret_cast<char*>(t) + mem::class_bytes(t->size_class);
  }
  t->top = &t->first;
  // relaxed: `detached` never changes again.
  uintptr_t word = t->join_word.load(std::memory_order_relaxed);
  if (word == join_detached && t->outcome == task_outcome::error) [[unlikely]]
    s.report_unhandled(*t->error_slot(), t);
  // relaxed: the registry tolerates a torn picture.
  t->id.store(0, std::memory_order_relaxed);
  unload();
  if (word != join_detached) {
    // acq_rel: publishes the outcome to the handle; acquires the waiter. See [join-word].
    word = t->join_word.exchange(join_done, std::memory_order_acq_rel);
  }
  if (word == join_detached) {
    entry->drop_outcome(t);
    p->blocks.give(block_kind::strand, t->size_class, t);
  } else if (word != join_running) {
    auto* w = reinterpret_cast<waiter*>(word);
    const uintptr_t who = w->who;
    end_wait(*w, wait_result::done);
    auto* joiner = reinterpret_cast<strand*>(who);
    if ((who & 1) == 0 && &scheduler_of(joiner) == &s) [[likely]] {
      if (p->ring.size() == 0 && p->run_next.peek() == nullptr && --p->slice > 0) [[likely]] {
        // Nobody else is ready here: straight to the joiner.
        s.count_finished(p);
        dispatched(*p, joiner);
        return attach(joiner);
      }
      s.ready_behind(*p, joiner);
    } else {
      wake(who);
    }
  }
  s.count_finished(p);
  return switch_away();
}

bool join_begin_wait(task_control* t, waiter& w) noexcept {
  uintptr_t running = join_running;
  // acq_rel: publishes the waiter; on failure (acquire) the task is done and its outcome visible.
  return t->join_word.compare_exchange_strong(running, reinterpret_cast<uintptr_t>(&w), std::memory_order_acq_rel,
                                              std::memory_order_acquire);
}

transfer join_park(task_control* t, waiter& w, std::coroutine_handle<> leaf, std::source_location where) noexcept {
  strand* s = detach(leaf);
  // relaxed: this wait is no stop point; ordered before `waiting` by its release store.
  s->wait_lock.store(nullptr, std::memory_order_relaxed);
  begin_wait(s, w, wait_reason::join_task, where);
  if (join_begin_wait(t, w)) return transfer_to(switch_away());
  // relaxed: nobody else saw the waiter.
  s->waiting.store(nullptr, std::memory_order_relaxed);
  return transfer_to(leaf);
}

void join_block(task_control* t) noexcept {
  WEFT_CHECK(this_context.current == nullptr, "join_handle::get() inside a task; use co_await");
  scheduler& s = scheduler_of(t);
  if (s.how() != drive::threads) {
    while (!join_is_done(t)) {
      std::size_t ran = 0;
      for (auto& p : s.processors()) ran += s.drive_some(p->index, 4096);
      if (ran == 0 && !join_is_done(t)) s.wait_for_work();
    }
    return;
  }
  waiter w;
  thread_note note;
  begin_thread_wait(w, note, "");
  if (join_begin_wait(t, w)) thread_wait(note);
}

void join_release(task_control* t) noexcept {
  // acquire: once it is done the handle owns the block alone; see [join-word].
  if (t->join_word.load(std::memory_order_acquire) != join_done) {
    // acq_rel: [join-word]; acquires the task's end, or leaves the block to it.
    if (t->join_word.exchange(join_detached, std::memory_order_acq_rel) != join_done) return;
  }
  // relaxed: the task is done. The word marks the block as nobody's, for has_held_handles().
  t->join_word.store(join_detached, std::memory_order_relaxed);
  if (t->outcome != task_outcome::none) t->entry.load(std::memory_order_relaxed)->drop_outcome(t);
  scheduler& s = scheduler_of(t);
  s.give_block(block_kind::strand, t->size_class, t);
}

// The task's own strand first: a fork that begins later inherits its flag (run_fork), one that began is found by its
// task.
void request_stop(task_control* t) noexcept {
  stop_strand(t);
  scheduler_of(t).heap().for_each_strand([t](strand* s) {
    // relaxed: ordered by the fence in stop_strand() and the one in run_fork().
    if (s->kind.load(std::memory_order_relaxed) != strand_kind::fork) return;
    // relaxed: as above.
    if (static_cast<fork_strand*>(s)->task.load(std::memory_order_relaxed) == t) stop_strand(s);
  });
}

void join_misuse(const char* what) noexcept { check_failed(what, __FILE__, __LINE__); }

}  // namespace weft::detail
