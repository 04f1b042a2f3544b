// A handle on one OS thread.
//
// Invariants:
//   A started thread is joined exactly once, before its handle dies; the runtime detaches nothing, so a stopped
//   runtime leaves no thread behind. The destructor, the move assignment and join() check this.
//
// Thread safety: owner only, except that the thread itself may run while its handle is read.
//
// Rejected: std::thread. It reports failure by exception, takes no name, and cannot be made to fail in a test.
#pragma once

#include <pthread.h>

namespace weft::os {

class system;

class thread {
 public:
  /// A handle on no thread. system::start_thread() fills it.
  thread() noexcept = default;
  thread(thread&& other) noexcept;
  thread& operator=(thread&& other) noexcept;
  ~thread();

  /// Waits until the thread's entry function has returned.
  ///
  /// Requires joinable() and a caller that is another thread. Blocks: the calling OS thread.
  /// Order: everything the thread did happens before join() returns.
  void join() noexcept;

  /// True from a successful start until join().
  [[nodiscard]] bool joinable() const noexcept { return joinable_; }

 private:
  friend class system;

  pthread_t handle_{};
  bool joinable_ = false;
};

}  // namespace weft::os
