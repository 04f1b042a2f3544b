// The I/O of one processor, as the scheduler sees it. The io layer makes one where the first operation begins.
//
// Protocol [io-sleep], how a worker sleeps while operations are under way, and is woken:
//   Sleeper: after L3 of [wake], I1 in_poller = true. I2 if word is still 0: sleep in the poller. I3 in_poller = false.
//   Waker:   I4 word = 1. I5 if in_poller, wake the poller; else the futex.
//   All four are seq_cst, so either I2 sees I4, or I5 sees I1. A wake of a poller that nobody sleeps in ends its next
//   sleep at once, or a poll() before that takes it. Both are harmless: I2 looks at the word, and C3 of [io] looks for
//   the cancellations that a stopper wakes for, after what took the wake. The monitor may take a wake too, between I2
//   and the sleep, when it has relieved the driver (relief.h); so it wakes the poller again when it is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <weft/detail/spin_lock.h>

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

  /// The same for a driver that computes, by the monitor, and with system calls. Null, too, while the driver is at it,
  /// and where only the driver's thread may enter the kernel for it.
  virtual strand* relieve(uint32_t& count) noexcept = 0;

  /// Begins what was asked for, and blocks until something has completed, wake() was called, or the time is over
  /// (negative: no limit). By the driver.
  virtual void sleep(int64_t timeout_ns) noexcept = 0;

  /// Ends a sleep. Any thread.
  virtual void wake() noexcept = 0;

  /// Whether operations are under way. Any thread. For the driver, no less than there are.
  bool is_busy() const noexcept {
    // relaxed: a hint for others, and for the driver where the monitor ends some meanwhile.
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
  std::atomic<uint32_t> under_way_{0};  // operations
  bool is_worth_asking_ = false;
};

/// Why a processor could have no poller when it was last asked for one; empty: never refused. Any thread.
class io_refusal_text {
 public:
  void set(std::string why) {
    spin_guard guard(lock_);
    text_ = std::move(why);
  }
  std::string get() const {
    spin_guard guard(lock_);
    return text_;
  }

 private:
  mutable spin_lock lock_;
  std::string text_;  // guarded by lock_
};

}  // namespace weft::detail
