// The escape report: what the tasks of each entry function need of stacks, and how many of their frames were elided.
//
// An entry function is known by its code's address (task_control::function()): a task_entry is shared by all functions
// of one type. The figures are counted where something rare happens anyway, by the processor that it happens on:
//
//   growths, hot splits   in frame_allocate_slow() and frame_free_slow()
//   tasks started         one launch in 16 and a half is looked at and stands for those since the last, so the figure
//                         is an estimate without bias: the distance is random, or tasks that alternate would be
//                         counted as one kind. Tasks that plain threads start are counted exactly.
//   live tasks, bytes     read from the registry of live tasks when the report is made
//   frames                only with the build option WEFT_COUNT_FRAMES, which looks at every frame; then the number of
//                         tasks and the high water are exact, too
//
// A stack that grows while its task is being made, under the root frame itself, has no entry function yet. Its
// processor then takes the slow path at the launch (look_at_next_launch), where the function is known.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/memory_report.h>

#include "base/address_table.h"
#include "base/counter.h"

namespace weft::detail {

class processor;
class scheduler;
struct segment;
struct strand;
struct task_control;
struct task_entry;

struct entry_figures {
  base::counter tasks;
  base::counter growths;
  base::counter hot_splits;
  base::counter segment_bytes_taken;
  base::counter segment_bytes_returned;
  base::counter high_water;
  std::atomic<task_entry*> entry{nullptr};  // the hint for the next task of this kind
  // With WEFT_COUNT_FRAMES.
  base::counter frames;
  base::counter frame_bytes;
  base::counter coroutines;  // begun; without a frame of their own: elided
};

using entry_table = base::address_table<entry_figures, 64>;

/// The current stack was given the segment `s` because it needed `used` bytes in all. `p`: the processor of the stack's
/// runtime that runs it, null when a plain thread does.
void note_growth(scheduler& sched, processor* p, strand* current, const segment* s, uint64_t used,
                 bool from_spare) noexcept;

/// Segments of `bytes` were given back by the running strand.
void note_shrink(scheduler& sched, processor* p, strand* current, uint64_t bytes) noexcept;

/// The segments above a task's first.
uint64_t segment_bytes_above_first(const segment* top) noexcept;

/// Growth under the root frame, told at the launch.
void note_root_growth(scheduler& sched, processor* p, task_control* t) noexcept;

/// `weight` tasks were started, of which this one is the last.
void note_started(scheduler& sched, processor* p, task_control* t, uint64_t weight) noexcept;

/// With WEFT_COUNT_FRAMES: the task, and what was counted while it was made; or it came to nothing.
void count_launch(task_control* t) noexcept;
void count_unmade_task() noexcept;

/// Everything that is known. Any thread; pauses nothing.
memory_usage usage_of(scheduler& s);

}  // namespace weft::detail
