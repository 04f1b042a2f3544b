// The I/O of one processor: operations that are under way, and the port through which they are.
//
// Protocol [io], by the strand that waits; the engine's lock is held from I2 to I4:
//   I1 announce the engine's lock (P1 of [stop]). I2 lock; asked to stop: unlock, report it. I3 detach, begin the wait,
//   hand the request to the port. I4 unlock; take the next strand.
// By the processor's driver, at its turns and when it wakes:
//   C1 under the lock, hand the cancellations that were asked for to the port. C2 flush the port and take completions.
//   C3 under the lock, for each: take it off the list of cancellations; end the wait. C4 make the strands ready.
// By a stopper, holding the lock (S4 of [stop]): put the operation on the list of cancellations, and wake the driver.
//   The wait goes on until the kernel says that it is done (C3): until then it may write to the operation's buffer.
// The operation, which lies on the waiting strand's stack, is touched by nobody after C3.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <weft/detail/biased_lock.h>
#include <weft/detail/io_operation.h>

#include "os/io_port.h"
#include "sched/poller.h"
#include "sched/processor.h"

namespace weft::detail {

/// A poll that an arm of a select waits for. Not in the awaiter, since an arm that lost may leave before the kernel
/// does.
struct io_readiness {
  io_operation* op;  ///< null: the arm has left
  io_readiness* next;
  bool cancel_queued;
};

class io_engine final : public poller {
 public:
  /// The running processor's; null if none can be made, with `error` an errno.
  static io_engine* here(int& error) noexcept;

  io_engine(processor& p, std::unique_ptr<os::io_port> port, std::string description) noexcept
      : proc_(p), port_(std::move(port)), description_(std::move(description)) {}
  ~io_engine() override;

  strand* poll(uint32_t& count) noexcept override;
  void sleep(int64_t timeout_ns) noexcept override { port_->wait(timeout_ns); }
  void wake() noexcept override { port_->wake(); }
  bool is_busy() const noexcept override {
    // relaxed: its own for the driver; a hint for others.
    return under_way_.load(std::memory_order_relaxed) != 0;
  }
  void close() noexcept override;
  const char* description() const noexcept override { return description_.c_str(); }
  int poll_fd() const noexcept { return port_->poll_fd(); }
  bool does_files() const noexcept { return port_->does_files(); }

  biased_lock& lock() noexcept { return lock_; }

  /// I3. Lock held, by the driver.
  void start(io_operation& op) noexcept;

  /// Of an operation, or an arm, that is under way. Lock held, by any thread; the caller wakes the driver afterwards.
  void ask_to_cancel(io_operation& op) noexcept;

  /// The same for an arm. Lock held.
  void start_readiness(io_operation& op) noexcept;
  void leave_readiness(io_operation& op) noexcept;
  void cancel_readiness(io_readiness& r) noexcept;

  /// Wakes the driver unless the caller is it.
  void wake_driver() noexcept;

 private:
  // What a tag points to is in its low bits.
  static constexpr uint64_t tag_operation = 0;
  static constexpr uint64_t tag_readiness = 1;
  static constexpr uint64_t tag_retry = 2;  // a poll for an operation that the kernel will not wait for
  static constexpr uint64_t tag_kinds = 3;

  void hand_over_cancellations() noexcept;
  strand* complete(const os::io_completion& done) noexcept;
  strand* complete(io_readiness& ready, int32_t result) noexcept;
  void count(int change) noexcept {
    // relaxed: the driver alone writes it.
    under_way_.store(under_way_.load(std::memory_order_relaxed) + static_cast<uint32_t>(change),
                     std::memory_order_relaxed);
  }

  processor& proc_;
  const std::unique_ptr<os::io_port> port_;
  const std::string description_;
  biased_lock lock_;
  // Guarded by lock_.
  io_operation* cancels_ = nullptr;
  io_readiness* left_ = nullptr;    // polls to be cancelled
  io_readiness* unused_ = nullptr;  // for the next ones
  std::atomic<bool> cancels_asked_{false};
  std::atomic<uint32_t> under_way_{0};
};

}  // namespace weft::detail
