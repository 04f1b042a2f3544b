// Epochs: weft's collection cycles. Each processor passes an epoch at its next turn of the worker's loop, so nobody is
// stopped and nothing that a processor owns is touched by another thread.
//
// Protocol [epoch]:
//   Starter:   N1 take `under_way` (CAS false -> true); left = processors. N2 asked = asked + 1. N3 heavy barrier; wake
//              every idle worker.
//   Processor: at each turn of its loop, P1 if asked is not what it passed last: P2 age its own pool slots and trim its
//              own caches. P3 left = left - 1. Who brings it to zero finishes: P4 age what is shared, finished = asked,
//              under_way = false, wake the waiters.
//   Sleeper:   after L2 of [wake], L3 looks at asked as it looks at queues. Either N3 sees L1, or the barrier makes N2
//              visible to L3.
// A processor that computes passes when it next comes round; until then no other epoch begins.
//
// What an epoch does is bounded by the number of pools and caches. What costs by object is left to others: victims are
// destroyed from a clean-up queue, memory goes back to the kernel in steps.
//
// Source: Go's collection cycle as seen by sync.Pool (src/sync/pool.go, poolCleanup), with the stop of the world
// replaced by a pass of each processor.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::detail {

class processor;
class scheduler;

/// What higher layers do in an epoch. A slot is a processor's number in the process (bias_owner::slot); slot 0 is that of
/// all threads without a processor.
struct epoch_hooks {
  void (*age_slot)(uint32_t slot) noexcept;     ///< P2, by the thread that drives the slot's processor
  void (*age_shared)() noexcept;                ///< P4
  void (*forget_slot)(uint32_t slot) noexcept;  ///< the slot's processor has ended; its number may be reused afterwards
};

/// Registers the hooks, once per process. Any thread.
void set_epoch_hooks(const epoch_hooks& hooks) noexcept;

/// Calls forget_slot.
void forget_epoch_slot(uint32_t slot) noexcept;

class epoch_driver {
 public:
  explicit epoch_driver(scheduler& owner) noexcept : sched_(owner) {}
  epoch_driver(const epoch_driver&) = delete;
  epoch_driver& operator=(const epoch_driver&) = delete;

  /// P1. By the thread that drives `p`.
  bool is_due(const processor& p) const noexcept;

  /// P2 to P4. By the thread that drives `p`.
  void pass(processor& p) noexcept;

  /// N1 to N3. False if an epoch is under way.
  bool begin() noexcept;

  /// Runs an epoch from its beginning to its end; see runtime::collect().
  void collect() noexcept;

  /// Epochs that have ended. Any thread.
  uint32_t finished() const noexcept {
    // acquire: pairs with the release store of P4.
    return finished_.load(std::memory_order_acquire);
  }

 private:
  void finish() noexcept;
  void wait_for(uint32_t epoch, int64_t deadline_ns) noexcept;

  scheduler& sched_;
  std::atomic<bool> under_way_{false};
  std::atomic<uint32_t> asked_{0};
  std::atomic<uint32_t> left_{0};
  std::atomic<uint32_t> finished_{0};  // futex: epochs that have ended
};

}  // namespace weft::detail
