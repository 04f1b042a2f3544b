// What tasks need of memory: per entry function, and in sum. See docs/escape.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

class runtime;

/// The tasks that were started with one coroutine function. All bytes include a task's control block, which lies on its
/// stack's first block.
struct entry_usage {
  std::string function;           ///< as in dumps
  const void* address = nullptr;  ///< of its code
  uint64_t tasks_started = 0;     ///< an estimate, unless memory_usage::frames_counted
  uint64_t live_tasks = 0;        ///< that have not ended
  uint64_t stack_bytes = 0;       ///< that the live ones hold
  /// That the next task of this kind begins with: the high-water hint. Functions of one type share it.
  uint64_t first_block_bytes = 0;
  /// The most that a stack of one needed when it grew; 0: none grew. What was needed later, up to the next growth, is
  /// not seen; exact with memory_usage::frames_counted.
  uint64_t high_water_bytes = 0;
  uint64_t growths = 0;     ///< times that a stack took a new segment
  uint64_t hot_splits = 0;  ///< times that it took the processor's spare one
  // 0 unless memory_usage::frames_counted:
  uint64_t frames_on_stack = 0;  ///< coroutines called
  uint64_t frames_elided = 0;    ///< whose frame the compiler put into the caller's
  uint64_t frame_bytes = 0;      ///< of the frames on the stack, over time
};

struct memory_usage {
  std::vector<entry_usage> entries;  ///< by stack_bytes, then tasks_started, the largest first

  uint64_t live_tasks = 0;
  uint64_t tasks_started = 0;          ///< exact
  uint64_t stack_bytes = 0;            ///< that live tasks hold
  uint64_t stack_bytes_set_aside = 0;  ///< held, cached and free
  uint64_t stack_bytes_peak = 0;       ///< the most that stack_bytes_set_aside ever was
  uint64_t growths = 0;
  uint64_t hot_splits = 0;
  uint64_t frames_on_stack = 0;       ///< lags while a task computes
  uint64_t frames_elided = 0;         ///< likewise. None is ever on the heap
  bool frames_counted = false;        ///< weft was built with WEFT_COUNT_FRAMES: figures per frame, exact ones per task
  bool program_heap_counted = false;  ///< the program links weft::counting_allocator
  uint64_t program_heap_bytes = 0;    ///< live bytes from operator new

  /// A table for people, with at most so many entries.
  std::string text(std::size_t most_entries = 20) const;
};

/// What the runtime's tasks need of memory at this moment. Approximate while tasks run.
///
/// Thread safety: any thread. Pauses nothing. Cost: a walk over the blocks of all tasks, and a symbol look-up for each
/// entry function.
memory_usage memory_report(const runtime& rt);

}  // namespace weft
