// Growing and shrinking coroutine stacks.
//
// A stack grows by segments of doubling size. The segment that the last shrinking stack gave up stays with the
// processor as its spare, so that a loop whose calls cross a segment's end pays a few instructions each time and no
// allocation (Go dropped segmented stacks over that "hot split"); a strand that parks takes no spare with it.
#include <algorithm>
#include <cstdio>
#include <string>

#include <weft/detail/check.h>

#include "os/symbol.h"
#include "sched/scheduler.h"

namespace weft::detail {

using mem::block_kind;

namespace {

constexpr std::size_t smallest_segment = 512;
constexpr std::size_t largest_hint = 2048;

std::size_t segment_bytes(const segment* s) noexcept {
  return static_cast<std::size_t>(s->limit - reinterpret_cast<const char*>(s));
}

// The first growths that it did not foresee teach the hint at once; later ones only now and then, so that a rare deep
// call does not make every task of its kind large.
void raise_hint(const scheduler& sched, strand* s, std::size_t needed) noexcept {
  if (!sched.opts().scheduling.stack_hint) return;
  // relaxed: constant while the strand is used.
  if (s->kind.load(std::memory_order_relaxed) != strand_kind::task) return;
  // relaxed: written before the task was made ready; the rest are statistics.
  task_entry* entry = static_cast<task_control*>(s)->entry.load(std::memory_order_relaxed);
  const auto size_class = static_cast<uint32_t>(mem::class_of(std::min(needed, largest_hint)));
  // relaxed: a hint.
  if (entry->size_class.load(std::memory_order_relaxed) >= size_class) return;
  const uint32_t growths = entry->growths.fetch_add(1, std::memory_order_relaxed);
  if (growths >= 8 && growths % 16 != 0) return;
  // relaxed: a hint.
  entry->size_class.store(size_class, std::memory_order_relaxed);
}

[[noreturn, gnu::cold]] void stack_overflow(scheduler& sched, strand* s, const void* caller) noexcept {
  task_control* t = task_of(s);
  // relaxed: diagnostics.
  const std::string text = "weft: task stack exceeds " + std::to_string(sched.opts().stack_limit_bytes) +
                           "-byte limit in " + os::function_of(caller) + "\nfatal: stack overflow in task " +
                           std::to_string(t->id.load(std::memory_order_relaxed)) + ", started with " +
                           os::function_of(t->function()) + "\n";
  sched.seams().sys->write_stderr(text);
  std::abort();
}

segment* take_segment(scheduler& sched, std::size_t bytes) noexcept {
  void* memory;
  if (bytes > mem::largest_block) {
    bytes = (bytes + 4095) & ~std::size_t{4095};
    memory = sched.heap().take_large(bytes);
  } else {
    const std::size_t size_class = mem::class_of(bytes);
    bytes = mem::class_bytes(size_class);
    memory = sched.take_block(block_kind::segment, size_class);
  }
  if (memory == nullptr) return nullptr;
  auto* s = static_cast<segment*>(memory);
  s->limit = static_cast<char*>(memory) + bytes;
  return s;
}

}  // namespace

void release_segment(scheduler& sched, segment* s) noexcept {
  const std::size_t bytes = segment_bytes(s);
  mark_used(s, bytes);
  if (bytes > mem::largest_block)
    sched.heap().give_large(s, bytes);
  else
    sched.give_block(block_kind::segment, mem::class_of(bytes), s);
}

WEFT_RARE void* frame_allocate_slow(std::size_t bytes) noexcept {
  context& c = this_context;
  strand* current = c.current;
  WEFT_CHECK(current != nullptr, "a weft::task coroutine was called outside any task; use runtime::run or spawn");
  scheduler& sched = scheduler_of(current);
  processor* p = c.proc != nullptr && &c.proc->sched == &sched ? c.proc : nullptr;
  segment* below = c.top;
  const std::size_t used = below->stack_bytes - static_cast<std::size_t>(c.limit - c.sp);

  const std::size_t grown = std::clamp(2 * segment_bytes(below), smallest_segment, mem::largest_block);
  const std::size_t want = std::max(grown, bytes + sizeof(segment));
  segment* s = nullptr;
  if (p != nullptr && p->spare != nullptr) {
    const std::size_t spare = segment_bytes(p->spare);
    if (spare >= bytes + sizeof(segment) && spare <= 4 * want) {
      s = p->spare;
      p->spare = nullptr;
      p->counters.hot_splits.add();
    }
  }
  const bool from_spare = s != nullptr;
  if (s == nullptr) {
    if (below->stack_bytes + want > sched.opts().stack_limit_bytes) [[unlikely]]
      stack_overflow(sched, current, __builtin_return_address(0));
    s = take_segment(sched, want);
    WEFT_CHECK(s != nullptr, "out of memory for a task's stack");
    if (p != nullptr) p->counters.stack_growths.add();
  }
  // The spare teaches only that a first segment was too small: beyond, it serves its purpose.
  if (!from_spare || below->is_first()) raise_hint(sched, current, used + bytes);
  // relaxed: its own.
  s->link.store(reinterpret_cast<uintptr_t>(below), std::memory_order_relaxed);
  note_growth(sched, p, current, s, used + bytes, from_spare);
  s->stack_bytes = below->stack_bytes + segment_bytes(s);
  below->sp = c.sp;
  c.top = s;
  c.limit = s->limit;
  c.sp = s->base() + bytes;
  mark_unused(c.sp, static_cast<std::size_t>(c.limit - c.sp));
  mark_used(s->base(), bytes);
  return s->base();
}

WEFT_RARE void frame_free_slow(char* frame) noexcept {
  context& c = this_context;
  scheduler& sched = scheduler_of(c.current);
  processor* p = c.proc != nullptr && &c.proc->sched == &sched ? c.proc : nullptr;
  // Gives segments back until one holds the frame as other than its first.
  while (frame == c.top->base() || frame < c.top->base() || frame >= c.top->limit) {
    segment* s = c.top;
    if (s->is_first()) break;  // its first frame: the root
    segment* below = s->below();
    const bool done = frame == s->base();
    c.top = below;
    c.sp = below->sp;
    c.limit = below->limit;
    note_shrink(sched, p, c.current, segment_bytes(s));
    if (p != nullptr && segment_bytes(s) <= mem::largest_block &&
        (p->spare == nullptr || segment_bytes(p->spare) < segment_bytes(s)))
      std::swap(s, p->spare);
    if (s != nullptr) release_segment(sched, s);
    if (done) return;
  }
  mark_unused(frame, static_cast<std::size_t>(c.sp - frame));
  c.sp = frame;
}

void release_segments(scheduler& sched, segment* top) noexcept {
  while (!top->is_first()) {
    segment* below = top->below();
    release_segment(sched, top);
    top = below;
  }
}

// Strand blocks are asked for here only when the cache has none and gets a batch.
static std::size_t perhaps_new_bytes(mem::block_kind kind, std::size_t size_class) noexcept {
  const std::size_t blocks = kind == block_kind::strand ? mem::block_cache::batch_size(size_class) : 1;
  return blocks * mem::class_bytes(size_class);
}

void* scheduler::take_block(mem::block_kind kind, std::size_t size_class) noexcept {
  processor* p = this_context.proc;
  if (p != nullptr && &p->sched == this) {
    void* block = p->blocks.take(kind, size_class);
    epochs_.took_memory(*p, perhaps_new_bytes(kind, size_class), false);
    return block;
  }
  return heap_.take_one(kind, size_class);
}

void scheduler::give_block(mem::block_kind kind, std::size_t size_class, void* block) noexcept {
  processor* p = this_context.proc;
  if (p != nullptr && &p->sched == this) {
    p->blocks.give(kind, size_class, block);
    return;
  }
  heap_.give_one(kind, size_class, block);
}

}  // namespace weft::detail
