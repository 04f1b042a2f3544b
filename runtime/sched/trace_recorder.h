// What a runtime's tasks ask of it: when each arrived, and for how long it held processors. What options.trace_path has
// written, in the format that weft-lab replays (docs/lab.md).
//
// A task's figures lie at its id, so that who starts it and who runs it need neither a lock nor each other. Slices that
// are measured are of one dispatch each (see slice_turns): between two looks of the worker's loop one task alone runs.
//
// Invariants:
//   arrived() comes before the task is ready, worked() from whoever has run it, write() after the workers have ended.
//   The memory is bounded: 16 bytes for each of the first most_tasks tasks, 1 MiB at a time; as much again in write().
//
// Rejected: lines that are written as tasks end. They must be in the order of arrival, and a task's work is known at
// its end.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"

#include "os/file_system.h"

namespace weft::detail {

class trace_recorder {
 public:
  static constexpr uint64_t most_tasks = uint64_t{1} << 23;
  static constexpr int64_t longest_ns = int64_t{3600} * 1'000'000'000;

  /// A recorder that writes to an open file; `start_ns` is the runtime's beginning.
  trace_recorder(os::output_file file, int64_t start_ns) noexcept : file_(std::move(file)), start_ns_(start_ns) {}
  ~trace_recorder();
  trace_recorder(const trace_recorder&) = delete;
  trace_recorder& operator=(const trace_recorder&) = delete;

  /// A task arrived now. What comes too late, or is too many, is only counted.
  void arrived(uint64_t id, int64_t now_ns) noexcept;

  /// It held a processor for so long, once more. Nothing where its arrival was only counted.
  void worked(uint64_t id, int64_t ns) noexcept;

  /// Writes the trace and closes the file. Error: with the path.
  absl::Status write() noexcept;

  /// Tasks that were only counted.
  uint64_t left_out() const noexcept {
    // relaxed: a figure.
    return left_out_.load(std::memory_order_relaxed);
  }

 private:
  struct record {
    std::atomic<int64_t> arrived{0};  // ns since the start, and one more; 0: it did not
    std::atomic<int64_t> work_ns{0};
  };
  static constexpr uint64_t chunk_size = 65536;
  using chunk = std::array<record, chunk_size>;

  record* find(uint64_t id) noexcept;

  os::output_file file_;
  const int64_t start_ns_;
  std::atomic<uint64_t> left_out_{0};
  std::array<std::atomic<chunk*>, most_tasks / chunk_size> chunks_{};
};

}  // namespace weft::detail
