// The I/O of one processor, as the scheduler sees it. The io layer makes one where the first operation begins.
//
// Protocol [io-sleep], how a worker sleeps while operations are under way, and is woken:
//   Sleeper: after L3 of [wake], I1 in_poller = true. I2 if word is still 0: sleep in the poller. I3 in_poller = false.
//   Waker:   I4 word = 1. I5 if in_poller, wake the poller; else the futex.
//   All four are seq_cst, so either I2 sees I4, or I5 sees I1. A wake of a poller that nobody sleeps in ends its next
//   sleep at once, or a poll() before that takes it. Both are harmless: I2 looks at the word, and C3 of [io] looks for
//   the cancellations that a stopper wakes for, after what took the wake.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::detail {

struct strand;

class poller {
 public:
  poller() noexcept = default;
  virtual ~poller() = default;
  poller(const poller&) = delete;
  poller& operator=(const poller&) = delete;

  /// Takes what has completed: the strands that go on, chained through `next`. By `enter` it begins what was asked for
  /// and asks the kernel first; else it makes no system call, and the caller sleeps here or polls again before long.
  /// Never blocks. By the processor's driver.
  virtual strand* poll(bool enter, uint32_t& count) noexcept = 0;

  /// Begins what was asked for, and blocks until something has completed, wake() was called, or the time is over
  /// (negative: no limit). By the driver.
  virtual void sleep(int64_t timeout_ns) noexcept = 0;

  /// Ends a sleep. Any thread.
  virtual void wake() noexcept = 0;

  /// Whether operations are under way. Any thread; exact for the driver.
  bool is_busy() const noexcept {
    // relaxed: its own for the driver; a hint for others.
    return under_way_.load(std::memory_order_relaxed) != 0;
  }

  /// Whether something was asked for that the kernel mostly has done when it has begun it, so that a sleep would end at
  /// once. By the driver.
  bool is_worth_asking() const noexcept { return is_worth_asking_; }

  /// Cancels everything and waits until the kernel is done with it. No strand is made ready. By the driver, at its end.
  virtual void close() noexcept = 0;

  /// The back end, and why it is that one; for dumps.
  virtual const char* description() const noexcept = 0;

 protected:
  std::atomic<uint32_t> under_way_{0};  // operations; written by the driver
  bool is_worth_asking_ = false;
};

}  // namespace weft::detail
