// Threads for calls that block: they run beside the processors, come when they are needed and go when they are not.
//
// A job waits in a queue until a thread is free; a new thread is started while all are busy and there are fewer than
// the limit. A thread that had nothing to do for 10 seconds ends. Thread safety: submit() from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <weft/blocking.h>

#include "os/system.h"
#include "os/thread.h"

namespace weft::detail {

class blocking_pool {
 public:
  /// `unpins`: the threads that start its own are pinned, and its own are not to be.
  blocking_pool(os::system& sys, std::size_t most_threads, bool unpins = false) noexcept
      : sys_(sys), most_threads_(most_threads), unpins_(unpins) {}
  ~blocking_pool() { close(INT64_MAX); }
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Queues a job. Where the kernel refuses the very first thread, the job runs here.
  void submit(blocking_job& job) noexcept;

  /// Ends the threads and drops the jobs that have not begun. False: a job still ran after `patience_ns`, the rest is
  /// done; may be called again.
  bool close(int64_t patience_ns) noexcept;

  struct figures {
    std::size_t threads;  // idle ones too
    std::size_t queued;   // calls that wait for a thread
    std::size_t running;  // calls that run
    uint64_t calls;       // begun or waiting, ever
  };
  figures read() const noexcept;
  /// Whether a call waits for a thread that was woken for it and does not run yet.
  bool wakes_thread() const noexcept;

 private:
  struct worker {
    explicit worker(blocking_pool& p) noexcept : pool(p) {}
    blocking_pool& pool;
    os::thread thread;
    bool ended = false;  // guarded by mutex_
  };

  static void thread_entry(void* w) noexcept;
  void run(worker& self) noexcept;
  bool start_thread() noexcept;

  os::system& sys_;
  const std::size_t most_threads_;
  const bool unpins_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;  // a job came, or ending_
  std::condition_variable ended_;    // the last thread ends
  // Guarded by mutex_.
  blocking_job* first_ = nullptr;
  blocking_job* last_ = nullptr;
  std::size_t queued_ = 0;
  std::size_t running_ = 0;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  uint64_t jobs_ = 0;
  bool ending_ = false;
  std::vector<std::unique_ptr<worker>> workers_;
};

}  // namespace weft::detail
