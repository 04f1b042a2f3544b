// The life of a task: its block, its start, its end.
#include <algorithm>
#include <exception>
#include <utility>

#include <weft/go.h>
#include <weft/join_handle.h>

#include <weft/detail/lock_table.h>
#include "sched/scheduler.h"

namespace weft::detail {

using mem::block_kind;

namespace {

// A first guess for entry functions that were never started; raised by growth (see raise_hint in stack.cc).
constexpr uint32_t frame_guess = 48;
constexpr uint32_t first_hint = sizeof(task_control) + frame_guess;

}  // namespace

namespace {

static_assert(sizeof(task_control) + most_fixed_bytes + frame_guess <= mem::max_strand_block);

// The outcome and the closure must be in the first block.
uint32_t class_without_hint(const task_entry& entry) noexcept {
  return static_cast<uint32_t>(mem::class_of(first_hint + entry.fixed_bytes));
}

// The first task of a kind settles the size class.
WEFT_NOINLINE uint32_t first_class(task_entry& entry) noexcept {
  const uint32_t size_class = class_without_hint(entry);
  // relaxed: a hint.
  entry.size_class.store(size_class, std::memory_order_relaxed);
  return size_class;
}

// What is the same for every task in this block: written once, and again after a fork's strand used it.
WEFT_RARE void shape_block(task_control* t) noexcept {
  // relaxed: all of these are published by whatever makes the task ready.
  t->wait_lock.store(nullptr, std::memory_order_relaxed);
  t->waiting.store(nullptr, std::memory_order_relaxed);
  // relaxed: as above.
  t->kind.store(strand_kind::task, std::memory_order_relaxed);
  t->sampled = 0;
  // relaxed: as above. Each task writes its scope in; what matters until then is that it is a strand's first segment.
  t->first.link.store(segment::link_first, std::memory_order_relaxed);
  const std::size_t bytes = mem::slab_of_strand(t).block_bytes;
  t->size_class = static_cast<uint8_t>(mem::class_of(bytes));
  t->first.stack_bytes = bytes;
  t->first.limit = reinterpret_cast<char*>(t) + bytes;
}

// Makes the block a new task's, and loads its stack. The block's memory is a strand at all times ([stop] and the
// registry may look), so its atomics are stored to, not made.
WEFT_INLINE void load_new_task(start_scope& scope, void* block, task_entry& entry, std::size_t outcome_bytes) noexcept {
  auto* t = static_cast<task_control*>(block);
  // relaxed: its owner's own.
  if (t->kind.load(std::memory_order_relaxed) != strand_kind::task) [[unlikely]]
    shape_block(t);
  // relaxed: published by whatever makes the task ready.
  t->stop.store(0, std::memory_order_relaxed);
  t->entry.store(&entry, std::memory_order_relaxed);
  t->outcome = task_outcome::none;

  context& c = this_context;
  scope.current = alone(c.current);
  scope.sp = alone(c.sp);
  scope.limit = alone(c.limit);
  scope.top = alone(c.top);
  scope.made = t;
  c.current = t;
  c.top = &t->first;
  c.sp = t->first.base() + outcome_bytes;
  c.limit = alone(t->first.limit);
  mark_unused(c.sp, static_cast<std::size_t>(c.limit - c.sp));
}

WEFT_NOINLINE void begin_task_slow(start_scope& scope, scheduler* sched, task_entry& entry,
                                   std::size_t outcome_bytes) noexcept {
  processor* p = this_context.proc;
  if (sched == nullptr) {
    WEFT_CHECK(p != nullptr, "weft::go or weft::spawn outside any task; use runtime::spawn");
    sched = &p->sched;
  }
  // relaxed: a hint, only ever raised.
  uint32_t size_class = entry.size_class.load(std::memory_order_relaxed);
  if (!sched->opts().scheduling.stack_hint)
    size_class = class_without_hint(entry);
  else if (size_class == 0)
    size_class = first_class(entry);
  void* block = sched->take_block(block_kind::strand, size_class);
  WEFT_CHECK(block != nullptr, "out of memory for a new task");
  load_new_task(scope, block, entry, outcome_bytes);
}

}  // namespace

void begin_task(start_scope& scope, scheduler* sched, task_entry& entry, std::size_t outcome_bytes) noexcept {
  // relaxed: a hint, only ever raised.
  const uint32_t size_class = entry.size_class.load(std::memory_order_relaxed);
  processor* p = this_context.proc;
  if (sched == nullptr && p != nullptr && size_class > p->no_hint) [[likely]] {
    if (void* block = p->blocks.take_cached(block_kind::strand, size_class)) [[likely]]
      return load_new_task(scope, block, entry, outcome_bytes);
  }
  begin_task_slow(scope, sched, entry, outcome_bytes);
}

std::size_t starting_stack_bytes() noexcept { return mem::class_bytes(mem::class_of(first_hint)); }

void end_start(start_scope& scope) noexcept {
  context& c = this_context;
  c.top->sp = c.sp;
  scope.made->top = c.top;
  c.sp = alone(scope.sp);
  c.limit = alone(scope.limit);
  c.top = alone(scope.top);
  c.current = alone(scope.current);
}

void abandon_task(start_scope& scope) noexcept {
  end_start(scope);
#if WEFT_COUNT_FRAMES
  count_unmade_task();
#endif
  free_task(scope.made);
}

void free_task(task_control* t) noexcept {
  scheduler& s = scheduler_of(t);
  release_segments(s, t->top);
  s.give_block(block_kind::strand, t->size_class, t);
}

// Protocol [admission]: the starter counts the task (A1), then looks whether admission is closed (A2). Shutdown closes
// admission (C1), then drains by the counts (C2). Either A2 sees C1, or C2 sees A1 in the end.
namespace {

WEFT_INLINE void publish_task(task_control* t, void* root_frame, const void* started_at, uint64_t id,
                              uintptr_t link) noexcept {
  promise_base& root = promise_base::of(root_frame);
  root.role = (root.role & role_destroy) | reinterpret_cast<uintptr_t>(t) | role_root;
  t->resume_frame = root_frame;
  t->set_function(*static_cast<void**>(root_frame));  // a frame begins with its resume function
  // relaxed: for the registry, which tolerates a torn picture.
  t->started_at.store(started_at, std::memory_order_relaxed);
  t->first.link.store(link, std::memory_order_relaxed);
  // release: who sees the id sees the scope.
  t->id.store(id, std::memory_order_release);
#if WEFT_COUNT_FRAMES
  count_launch(t);
#endif
}

WEFT_NOINLINE uint64_t refuse_task(scheduler& s, processor* p, task_control* t, void* root_frame) noexcept {
  if (t->top != &t->first) note_shrink(s, p, t, segment_bytes_above_first(t->top));
  // release: E1 of [stop-scope]; pairs with list_tasks(): who finds the task gone sees what it did.
  t->id.store(0, std::memory_order_release);
  s.left_registry();
  destroy_unstarted(t, root_frame);
  s.count_finished(p);
  free_task(t);
  return 0;
}

// What a task may become a scope by: a handle.
constexpr uintptr_t link_detached = segment::link_first;
constexpr uintptr_t link_joinable = segment::link_first | task_control::scope_own;

WEFT_NOINLINE uint64_t launch_task_elsewhere(scheduler& s, task_control* t, void* root_frame, const void* started_at,
                                             uintptr_t link) noexcept {
  const uint64_t id = s.take_ids(1);
  publish_task(t, root_frame, started_at, id, link);
#if !WEFT_COUNT_FRAMES
  note_started(s, nullptr, t, 1);
#endif
  if (t->top != &t->first) [[unlikely]]
    note_root_growth(s, nullptr, t);
  s.count_created(nullptr);      // A1
  std_atomics::light_barrier();  // pairs with the heavy barrier in drain()
  if (this_context.proc == nullptr) s.count_foreign_frames();
  if (!s.admits()) return refuse_task(s, nullptr, t, root_frame);
  s.note_arrival(id);
  s.ready(t);
  return id;
}

// New ids, because they are used up, or the starter's is higher, or the task's root frame did not fit its first block.
// In the first case a task is looked at; the other two do not change how far the next look is.
WEFT_RARE void refill_ids(processor& p, task_control* t, void* root_frame) noexcept {
  t->set_function(*static_cast<void**>(root_frame));  // publish_task() is yet to come
  const uint64_t left = p.last_task_id - p.next_task_id;
  uint64_t count = left != 0 ? left : std::exchange(p.tasks_to_next_look, 0);
  if (count == 0) {
    count = 1 + p.random.below(scheduler::id_batch);
    const uint64_t created = p.counters.tasks_created.value() + 1;
#if !WEFT_COUNT_FRAMES
    note_started(p.sched, &p, t, created - p.tasks_looked_over);
#endif
    p.tasks_looked_over = created;
  }
  if (t->top != &t->first) note_root_growth(p.sched, &p, t);
  p.next_task_id = p.sched.take_ids(count);
  p.last_task_id = p.next_task_id + count;
}

// L1 of [stop-scope]: the scope for a task that `starter` starts.
WEFT_INLINE uint64_t scope_for(processor& p, strand* starter, task_control* by, uint64_t by_id) noexcept {
  // relaxed: its own.
  const uintptr_t link = by->first.link.load(std::memory_order_relaxed);
  // relaxed: as above. What a shielded task starts is out of its reach.
  if ((starter->stop.load(std::memory_order_relaxed) & stop_shielded) != 0) [[unlikely]]
    return 0;
  if ((link & task_control::scope_own) == 0) return task_control::scope_in(link);
  if ((link & task_control::scope_started) == 0) [[unlikely]]
    p.sched.stops().add_scope(p, by);
  return by_id;
}

// The gate is not open. False: the task is refused.
WEFT_RARE bool pass_gate(scheduler& s, task_control* t, uint64_t id, uint64_t scope) noexcept {
  if (!s.admits()) return false;
  s.note_arrival(id);
  if (s.prunes_scopes()) s.stops().note(scope);  // N1 of [scope-prune]
  if (s.stops_scopes() && s.stops().stops_births_in(scope))
    // relaxed: L3, as in launch_task().
    t->stop.store(stop_asked, std::memory_order_relaxed);
  return true;
}

WEFT_INLINE uint64_t launch_task(scheduler* sched, task_control* t, void* root_frame, const void* started_at,
                                 uintptr_t link) noexcept {
  processor* p = this_context.proc;
  if (sched != nullptr && (p == nullptr || &p->sched != sched)) [[unlikely]]
    return launch_task_elsewhere(*sched, t, root_frame, started_at, link);
  scheduler& s = p->sched;
  // An id is higher than the starter's, also when that has come from another processor: destroy_tasks() and the stop
  // scopes rely on it.
  strand* starter = this_context.current;
  uint64_t least = 0;
  uint64_t scope = 0;
  if (starter != nullptr) [[likely]] {
    task_control* by = task_of(starter);
    // relaxed: its own.
    least = by->id.load(std::memory_order_relaxed);
    scope = scope_for(*p, starter, by, least);
  }
  if (p->next_task_id == p->last_task_id || p->next_task_id < least) [[unlikely]]
    refill_ids(*p, t, root_frame);
  const uint64_t id = p->next_task_id++;
  publish_task(t, root_frame, started_at, id, link | scope << task_control::scope_shift);  // L1
  s.count_created(p);                                                                      // A1
  std_atomics::light_barrier();  // L2; pairs with the heavy barriers of drain() and of stop.cc
  if (!s.gate_is_open() && !pass_gate(s, t, id, scope)) [[unlikely]]
    return refuse_task(s, p, t, root_frame);
  // relaxed: L3; after the passes were asked, since one that is over has left its flag with the starter.
  if (starter != nullptr && starter->stop.load(std::memory_order_relaxed) == stop_asked) [[unlikely]]
    t->stop.store(stop_asked, std::memory_order_relaxed);
  s.ready_new(*p, t);  // L4
  return id;
}

}  // namespace

void launch_detached(task_control* t, void* root_frame) noexcept {
  // relaxed: published by launch_task().
  t->join_word.store(join_detached, std::memory_order_relaxed);
  launch_task(nullptr, t, root_frame, WEFT_CALL_SITE(), link_detached);
}

uint64_t launch_joinable(scheduler* sched, task_control* t, void* root_frame) noexcept {
  // relaxed: published by launch_task().
  t->join_word.store(join_running, std::memory_order_relaxed);
  return launch_task(sched, t, root_frame, WEFT_CALL_SITE(), link_joinable);
}

namespace {

void end_join_wait(processor& p, waiter& w) noexcept {
  const uintptr_t who = end_wait(w, wait_result::done);
  if ((who & who_is_thread) == 0 && &scheduler_of(strand_of(who)) == &p.sched)
    p.sched.ready_behind(p, strand_of(who));
  else
    wake(who);
}

// Ends the wait of a select, which may leave at the same time. False: it did, or the word changed otherwise.
bool end_select_wait(task_control* t, uintptr_t word, uintptr_t& woken) noexcept {
  biased_guard guard(lock_for(t));
  // acq_rel: publishes the outcome; acquires the waiter. relaxed: looked at again.
  if (!t->join_word.compare_exchange_strong(word, join_done, std::memory_order_acq_rel, std::memory_order_relaxed))
    return false;
  auto& w = *reinterpret_cast<waiter*>(word & ~join_select);
  if (claim(w)) woken = end_wait(w, wait_result::done);
  return true;
}

// The task's handle is gone, or nobody waits yet, or a select does.
WEFT_NOINLINE std::coroutine_handle<> finish_unawaited(processor& p, task_control* t) noexcept {
  scheduler& s = p.sched;
  // acquire: as in finish_task().
  uintptr_t word = t->join_word.load(std::memory_order_acquire);
  if (word == join_detached && t->outcome == task_outcome::error) [[unlikely]]
    s.report_unhandled(*t->error_slot(), t);
  // release: E1 of [stop-scope]; pairs with list_tasks(): who finds the task gone sees what it did.
  t->id.store(0, std::memory_order_release);
  s.left_registry();
  unload();
  for (;;) {
    if (word == join_detached) {
      // relaxed: written before the task was made ready.
      t->entry.load(std::memory_order_relaxed)->drop_outcome(t);
      p.blocks.give(block_kind::strand, t->size_class, t);
      break;
    }
    if ((word & join_select) != 0) {
      uintptr_t woken = 0;
      if (end_select_wait(t, word, woken)) {
        if (woken != 0) wake(woken);
        break;
      }
      // acquire: as above.
      word = t->join_word.load(std::memory_order_acquire);
      continue;
    }
    // acq_rel: publishes the outcome to the handle; acquires the waiter. See [join-word]. acquire: another round.
    if (t->join_word.compare_exchange_weak(word, join_done, std::memory_order_acq_rel, std::memory_order_acquire)) {
      if (word != join_running) end_join_wait(p, *reinterpret_cast<waiter*>(word));
      break;
    }
  }
  s.count_finished(&p);
  return switch_away();
}

// Somebody waits, and so the word is the task's alone.
std::coroutine_handle<> finish_awaited(processor& p, task_control* t, waiter* w) noexcept {
  const uintptr_t who = w->who;
  auto* joiner = reinterpret_cast<strand*>(who);
  // release: E1 of [stop-scope]; pairs with list_tasks(): who finds the task gone sees what it did.
  t->id.store(0, std::memory_order_release);
  p.sched.left_registry();
  // release: publishes the outcome to the handle. See [join-word].
  t->join_word.store(join_done, std::memory_order_release);
  p.sched.count_finished(&p);
  if ((who & who_tags) == 0 && p.ring.empty() && p.run_next.peek() == nullptr && &scheduler_of(joiner) == &p.sched &&
      --p.slice > 0) [[likely]] {
    // Nobody else is ready here: straight to the joiner.
    end_wait(*w, wait_result::done);
    dispatched(p, joiner);
    return attach(joiner);
  }
  unload();
  end_join_wait(p, *w);
  return switch_away();
}

}  // namespace

// The root frame has ended: runs on the task's own stack, which is empty but for it.
std::coroutine_handle<> finish_task(task_control* t) noexcept {
  processor& p = *this_context.proc;
  // relaxed: written before the task was made ready.
  t->entry.load(std::memory_order_relaxed)->finish(t);
  if (segment* top = this_context.top; top != &t->first) [[unlikely]] {
    note_shrink(p.sched, &p, t, segment_bytes_above_first(top));
    release_segments(p.sched, top);
  }
  // relaxed: the task's own.
  if ((t->first.link.load(std::memory_order_relaxed) & task_control::scope_watched) != 0) [[unlikely]]
    p.sched.stops().unwatch(t);
  // acquire: pairs with the CAS of the waiter.
  const uintptr_t word = t->join_word.load(std::memory_order_acquire);
  const bool awaited = word > join_detached && (word & join_select) == 0;
  return awaited ? finish_awaited(p, t, reinterpret_cast<waiter*>(word)) : finish_unawaited(p, t);
}

bool join_begin_wait(task_control* t, waiter& w) noexcept {
  uintptr_t running = join_running;
  // acq_rel: publishes the waiter; on failure (acquire) the task is done and its outcome visible.
  return t->join_word.compare_exchange_strong(running, reinterpret_cast<uintptr_t>(&w), std::memory_order_acq_rel,
                                              std::memory_order_acquire);
}

namespace {

WEFT_NOINLINE std::coroutine_handle<> join_park_begun(task_control* t, waiter& w, strand* s) noexcept {
  if (join_begin_wait(t, w)) return switch_away();
  waits_not(s);
  // relaxed: nobody else saw the waiter.
  s->waiting.store(nullptr, std::memory_order_relaxed);
  return std::coroutine_handle<>::from_address(s->resume_frame);
}

}  // namespace

std::coroutine_handle<> join_park(task_control* t, waiter& w, std::coroutine_handle<> leaf,
                                  std::source_location where) noexcept {
  strand* s = detach(leaf);
  // relaxed: this wait is no stop point; ordered before `waiting` by its release store.
  s->wait_lock.store(nullptr, std::memory_order_relaxed);
  processor& p = *this_context.proc;
  begin_wait(s, w, wait_reason::join_task, where);
  sample_wait(p);
  if (p.run_next.peek() == t && p.slice > 1 && !p.forks.has_private() && p.run_next.take() == t) [[likely]] {
    // It has not begun, and is ours now: nobody else touches the word.
    // relaxed: as above.
    t->join_word.store(reinterpret_cast<uintptr_t>(&w), std::memory_order_relaxed);
    --p.slice;
    dispatched(p, t);
    return attach(t);
  }
  return join_park_begun(t, w, s);
}

biased_lock* join_arm_lock(task_control* t) noexcept { return &lock_for(t); }

bool join_arm_enqueue(task_control* t, waiter& w) noexcept {
  uintptr_t running = join_running;
  // acq_rel: as in join_begin_wait().
  return t->join_word.compare_exchange_strong(running, reinterpret_cast<uintptr_t>(&w) | join_select,
                                              std::memory_order_acq_rel, std::memory_order_acquire);
}

void join_arm_leave(task_control* t, waiter& w) noexcept {
  uintptr_t word = reinterpret_cast<uintptr_t>(&w) | join_select;
  // relaxed: under the lock; on failure the task is done.
  t->join_word.compare_exchange_strong(word, join_running, std::memory_order_relaxed, std::memory_order_relaxed);
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

void join_taken(task_control* t) noexcept {
  // relaxed: the task is done. The word marks the block as nobody's, for has_held_handles().
  t->join_word.store(join_detached, std::memory_order_relaxed);
  processor* p = this_context.proc;
  scheduler& s = scheduler_of(t);
  if (p != nullptr && &p->sched == &s) [[likely]]
    p->blocks.give(block_kind::strand, t->size_class, t);
  else
    s.give_block(block_kind::strand, t->size_class, t);
}

void rethrow_outcome(task_control* t) {
  const std::exception_ptr error = std::move(*t->error_slot());
  std::destroy_at(t->error_slot());
  join_taken(t);
  std::rethrow_exception(error);
}

void join_misuse(const char* what) noexcept { check_failed(what, __FILE__, __LINE__); }

}  // namespace weft::detail
