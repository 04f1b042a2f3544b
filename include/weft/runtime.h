// The runtime object, and weft::run().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include <weft/join_handle.h>
#include <weft/options.h>
#include <weft/task.h>

namespace weft {

class runtime;

namespace metrics {
struct sample;
}

namespace detail {
runtime* make_run_runtime() noexcept;
void finish_run_runtime(runtime* rt) noexcept;
scheduler* runtime_scheduler(const runtime& rt) noexcept;
}  // namespace detail

/// What shutdown() found.
struct shutdown_report {
  std::vector<task_info> stragglers;  ///< tasks that had not ended by the deadline; they were destroyed
  bool timed_out_running = false;     ///< a straggler was computing; the runtime's threads still run it

  /// Every task ended by itself.
  bool clean() const noexcept { return stragglers.empty(); }
};

/// Processors, their threads, and the tasks that run on them. Several may live in one process.
///
/// Thread safety: all members may be called from any thread, except where said.
class runtime {
 public:
  /// Makes a runtime and starts its threads. Errors: INVALID_ARGUMENT for options out of range, RESOURCE_EXHAUSTED when
  /// the kernel refuses memory or threads; nothing is left behind then.
  static absl::StatusOr<std::unique_ptr<runtime>> create(const options& opts = {});

  /// Shuts down (with a deadline of five seconds) if shutdown() was not called, and waits for the threads.
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  /// Starts a task and returns the handle to its result. From any thread. After shutdown() has begun the handle is not
  /// valid().
  template <class F, class... Args>
  join_handle<detail::spawn_result_t<F, Args...>> spawn(F&& f, Args&&... args) {
    return detail::spawn_on(detail::runtime_scheduler(*this), std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// spawn() and get(): blocks the calling plain thread. On a runtime without threads it drives the runtime meanwhile.
  template <class F, class... Args>
  detail::spawn_result_t<F, Args...> run(F&& f, Args&&... args) {
    return spawn(std::forward<F>(f), std::forward<Args>(args)...).get();
  }

  /// Without threads only: runs what is ready, at most a few thousand resumptions, and returns how many there were.
  /// Never blocks. One thread at a time.
  std::size_t poll();

  /// Without threads only: a descriptor that is readable when poll() has work (a task became ready, a timer is due).
  /// For the host's poll or epoll; never read it. -1 with threads.
  int wake_fd() const noexcept;

  /// Stops admission, asks every task to stop, waits until all have ended or the deadline passed, then destroys the
  /// rest and reports them. Blocks the calling plain thread; later calls return the same report.
  shutdown_report shutdown(std::chrono::nanoseconds deadline);

  /// Runs an epoch: pools and caches that were not used since the last one are cleared, memory that stays empty goes
  /// back to the kernel, that of the C library's heap too. What a pool holds is gone after two.
  ///
  /// Blocks the calling plain thread until every processor has passed the epoch, which one that computes does at its
  /// next switch of tasks, and until what was cleared is destroyed. In a task it holds the processor meanwhile, for at
  /// most 10 ms. Without threads: by the thread that polls. Does nothing after shutdown. See docs/memory.md.
  void collect();

  /// Sets options.gc_percent and returns the one before, -1 for off. A negative percentage means off, one above a
  /// million counts as a million. Where memory is past the new goal by now, an epoch begins. Blocks nothing.
  int set_gc_percent(int percent) noexcept;

  /// Sets options.memory_limit_bytes and returns the one before; the largest number means none. A negative limit
  /// changes nothing and only asks. As above.
  int64_t set_memory_limit(int64_t bytes) noexcept;

  /// All live tasks, in the order of their ids. Approximate while tasks run.
  std::vector<task_info> tasks() const;

  /// The dump that a deadlock prints: one paragraph a task.
  std::string dump() const;

  /// Processors in force.
  int processors() const noexcept;

 private:
  friend detail::scheduler* detail::runtime_scheduler(const runtime& rt) noexcept;
  friend runtime* detail::make_run_runtime() noexcept;
  struct impl;
  explicit runtime(std::unique_ptr<impl> i) noexcept;
  friend struct runtime_access;
  std::unique_ptr<impl> impl_;
};

/// Makes a runtime from the environment, runs f(args...) as its main task, shuts the runtime down, and returns the
/// result or rethrows.
///
/// A malformed WEFT_* variable, or a runtime that cannot be made: one line on stderr and exit status 2. When every task
/// is parked and nothing can wake one: "weft: all tasks are asleep - deadlock!", a dump, exit status 2.
/// Tasks that are left when the main task ends are asked to stop and given five seconds.
template <class F, class... Args>
detail::spawn_result_t<F, Args...> run(F&& f, Args&&... args) {
  struct ender {
    void operator()(runtime* rt) const noexcept { detail::finish_run_runtime(rt); }
  };
  const std::unique_ptr<runtime, ender> rt(detail::make_run_runtime());
  return rt->run(std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace weft
