// Counting per entry function, and making the report. See escape.h.
#include "sched/escape.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "mem/program_heap.h"
#include "os/symbol.h"
#include "sched/scheduler.h"

namespace weft::detail {

// Defined by the layer above, which alone knows the runtime object.
scheduler* runtime_scheduler(const runtime& rt) noexcept;

namespace {

// A task whose root frame is being made has no id, and its function is still the last task's in this block.
bool is_launched(const task_control* t) noexcept {
  // relaxed: the caller's own.
  return t != nullptr && t->id.load(std::memory_order_relaxed) != 0;
}

uint64_t bytes_of(const segment* s) noexcept {
  return static_cast<uint64_t>(s->limit - reinterpret_cast<const char*>(s));
}

// Calls f(entry_figures&) for the figures of the task's function, as their only writer.
template <class F>
void with_figures(scheduler& sched, processor* p, task_control* t, F&& f) noexcept {
  if (p != nullptr) return f(p->entries.at({t->function(), nullptr}));
  const std::lock_guard guard(sched.foreign_entries().lock);
  f(sched.foreign_entries().table.at({t->function(), nullptr}));
}

void note_entry(entry_figures& figures, const task_control* t) noexcept {
  // relaxed: a hint's place; task_entry objects are static.
  figures.entry.store(t->entry.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

}  // namespace

void note_growth(scheduler& sched, processor* p, strand* current, const segment* s, uint64_t used,
                 bool from_spare) noexcept {
  task_control* t = task_of(current);
  if (!is_launched(t)) {
    if (p != nullptr) p->look_at_next_launch();
    return;
  }
  with_figures(sched, p, t, [&](entry_figures& f) {
    if (from_spare) {
      f.hot_splits.add();
    } else {
      f.growths.add();
      note_entry(f, t);
    }
    f.segment_bytes_taken.add(bytes_of(s));
    f.high_water.raise(used);
  });
}

void note_shrink(scheduler& sched, processor* p, strand* current, uint64_t bytes) noexcept {
  task_control* t = task_of(current);
  if (is_launched(t)) with_figures(sched, p, t, [&](entry_figures& f) { f.segment_bytes_returned.add(bytes); });
}

uint64_t segment_bytes_above_first(const segment* top) noexcept {
  uint64_t bytes = 0;
  for (; !top->is_first(); top = top->below()) bytes += bytes_of(top);
  return bytes;
}

void note_root_growth(scheduler& sched, processor* p, task_control* t) noexcept {
  const segment* top = t->top;
  const uint64_t used = top->stack_bytes - static_cast<uint64_t>(top->limit - top->sp);
  with_figures(sched, p, t, [&](entry_figures& f) {
    f.growths.add();
    note_entry(f, t);
    f.segment_bytes_taken.add(segment_bytes_above_first(top));
    f.high_water.raise(used);
  });
}

void note_started(scheduler& sched, processor* p, task_control* t, uint64_t weight) noexcept {
  with_figures(sched, p, t, [&](entry_figures& f) {
    f.tasks.add(weight);
    note_entry(f, t);
  });
}

#if WEFT_COUNT_FRAMES

namespace {

// What was counted for a task that is being made.
struct pending_frames {
  uint64_t coroutines = 0;
  uint64_t frames = 0;
  uint64_t frame_bytes = 0;
  uint64_t high_water = 0;
};
constinit thread_local pending_frames pending;

processor* processor_in(scheduler& sched) noexcept {
  processor* p = this_context.proc;
  return p != nullptr && &p->sched == &sched ? p : nullptr;
}

uint64_t loaded_bytes() noexcept {
  const context& c = this_context;
  return c.top->stack_bytes - static_cast<uint64_t>(c.limit - c.sp);
}

}  // namespace

WEFT_RARE void count_frame(std::size_t bytes) noexcept {
  bytes = (bytes + 15) & ~std::size_t{15};
  strand* s = this_context.current;
  task_control* t = task_of(s);
  if (!is_launched(t)) {
    ++pending.frames;
    pending.frame_bytes += bytes;
    pending.high_water = std::max(pending.high_water, loaded_bytes());
    return;
  }
  scheduler& sched = scheduler_of(s);
  with_figures(sched, processor_in(sched), t, [&](entry_figures& f) {
    f.frames.add();
    f.frame_bytes.add(bytes);
    f.high_water.raise(loaded_bytes());
  });
}

WEFT_RARE void count_coroutine() noexcept {
  strand* s = this_context.current;
  if (s == nullptr) return;
  task_control* t = task_of(s);
  if (!is_launched(t)) {
    ++pending.coroutines;
    return;
  }
  scheduler& sched = scheduler_of(s);
  with_figures(sched, processor_in(sched), t, [](entry_figures& f) { f.coroutines.add(); });
}

void count_launch(task_control* t) noexcept {
  scheduler& sched = scheduler_of(t);
  with_figures(sched, processor_in(sched), t, [&](entry_figures& f) {
    f.tasks.add();
    note_entry(f, t);
    f.coroutines.add(pending.coroutines);
    f.frames.add(pending.frames);
    f.frame_bytes.add(pending.frame_bytes);
    f.high_water.raise(pending.high_water);
  });
  pending = {};
}

void count_unmade_task() noexcept { pending = {}; }

#endif

// The report ---------------------------------------------------------------------------------------------------------

namespace {

// Sums of one function over all processors. Of what one processor took another may have given back.
struct sums {
  uint64_t tasks = 0;
  uint64_t live = 0;
  uint64_t block_bytes = 0;
  uint64_t segment_bytes_taken = 0;
  uint64_t segment_bytes_returned = 0;
  uint64_t growths = 0;
  uint64_t hot_splits = 0;
  uint64_t high_water = 0;
  uint64_t frames = 0;
  uint64_t frame_bytes = 0;
  uint64_t coroutines = 0;
  const task_entry* entry = nullptr;
};

using sums_by_function = std::unordered_map<const void*, sums>;

// The second of two counters that are read while they move may be ahead.
uint64_t difference(uint64_t more, uint64_t less) noexcept { return more > less ? more - less : 0; }

void add_table(sums_by_function& all, const entry_table& table) {
  table.for_each([&](const base::address_pair& key, const entry_figures& f) {
    if (key.first == nullptr) return;
    sums& s = all[key.first];
    s.tasks += f.tasks.value();
    s.growths += f.growths.value();
    s.hot_splits += f.hot_splits.value();
    s.segment_bytes_taken += f.segment_bytes_taken.value();
    s.segment_bytes_returned += f.segment_bytes_returned.value();
    s.high_water = std::max(s.high_water, f.high_water.value());
    s.frames += f.frames.value();
    s.frame_bytes += f.frame_bytes.value();
    s.coroutines += f.coroutines.value();
    // relaxed: a hint's place.
    if (const task_entry* entry = f.entry.load(std::memory_order_relaxed); entry != nullptr) s.entry = entry;
  });
}

void add_live(sums_by_function& all, strand* at) {
  // relaxed: here and below, the picture of a running runtime may be torn; none of it is used to find memory.
  const strand_kind kind = at->kind.load(std::memory_order_relaxed);
  if (kind == strand_kind::unused) return;
  const task_control* t = task_of(at);
  // relaxed: as above.
  if (t == nullptr || t->id.load(std::memory_order_relaxed) == 0) return;
  sums& s = all[t->function()];
  s.block_bytes += mem::slab_of_strand(at).block_bytes;
  if (kind != strand_kind::task) return;
  ++s.live;
  // relaxed: as above.
  s.entry = t->entry.load(std::memory_order_relaxed);
}

uint64_t first_block_of(const task_entry& entry) noexcept {
  // relaxed: a hint.
  const uint32_t size_class = entry.size_class.load(std::memory_order_relaxed);
  return size_class == 0 ? 0 : mem::class_bytes(size_class);
}

entry_usage usage_of_entry(const void* function, const sums& s) {
  entry_usage u;
  u.function = os::function_of(function);
  u.address = function;
  u.tasks_started = std::max(s.tasks, s.live);
  u.live_tasks = s.live;
  u.stack_bytes = s.live == 0 ? 0 : s.block_bytes + difference(s.segment_bytes_taken, s.segment_bytes_returned);
  if (s.entry != nullptr) u.first_block_bytes = first_block_of(*s.entry);
  u.high_water_bytes = s.high_water;
  u.growths = s.growths;
  u.hot_splits = s.hot_splits;
  u.frames_on_stack = s.frames;
  u.frames_elided = difference(s.coroutines, s.frames);
  u.frame_bytes = s.frame_bytes;
  return u;
}

bool is_larger(const entry_usage& a, const entry_usage& b) {
  if (a.stack_bytes != b.stack_bytes) return a.stack_bytes > b.stack_bytes;
  if (a.tasks_started != b.tasks_started) return a.tasks_started > b.tasks_started;
  return a.function < b.function;
}

}  // namespace

memory_usage usage_of(scheduler& s) {
  sums_by_function all;
  {
    const std::lock_guard guard(s.foreign_entries().lock);
    add_table(all, s.foreign_entries().table);
  }
  memory_usage usage;
  // What plain threads counted is in no processor's counters.
  for (const auto& [function, of_function] : all) usage.growths += of_function.growths;
  for (const auto& p : s.processors()) {
    add_table(all, p->entries);
    usage.growths += p->counters.stack_growths.value();
    usage.hot_splits += p->counters.hot_splits.value();
  }
  s.heap().for_each_strand([&](strand* at) { add_live(all, at); });
  for (const auto& [function, of_function] : all) {
    const entry_usage& u = usage.entries.emplace_back(usage_of_entry(function, of_function));
    usage.live_tasks += u.live_tasks;
    usage.stack_bytes += u.stack_bytes;
  }
  std::sort(usage.entries.begin(), usage.entries.end(), is_larger);
  usage.tasks_started = s.created_tasks();
  const mem::heap_figures heap = s.heap().figures();
  usage.stack_bytes_set_aside = heap.strand_slab_bytes + heap.segment_slab_bytes;
  usage.stack_bytes_peak = heap.peak_stack_bytes;
  usage.frames_on_stack = s.frames();
  usage.frames_elided = s.elided_frames();
  usage.frames_counted = WEFT_COUNT_FRAMES != 0;
  // acquire: as in program_heap_bytes().
  usage.program_heap_counted = mem::program_heap.load(std::memory_order_acquire) != nullptr;
  usage.program_heap_bytes = mem::program_heap_bytes();
  return usage;
}

}  // namespace weft::detail

namespace weft {

memory_usage memory_report(const runtime& rt) { return detail::usage_of(*detail::runtime_scheduler(rt)); }

}  // namespace weft
