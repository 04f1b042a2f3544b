// Bounds the CPU time that epochs take: a leaky bucket of one cpu-second a processor.
//
// CPU time of epochs fills it, CPU time of the program drains it, idle time does neither. While it is full, epochs that
// only the memory limit asks for are not begun, and memory may exceed the limit. So epochs take about half of the CPU
// at most, over some seconds: with a limit near or below what the program holds for good, they would take all of it and
// gain nothing.
//
// Invariants: 0 <= fill <= capacity; what would go beyond is counted as overflow, never stored. limits() is true from
// the update that fills the bucket to the first one that leaves it less than full.
//
// Who may call: one thread at a time, except where said. No clock: moments are given.
//
// Source: the idea and the constants are Go's, src/runtime/mgclimit.go.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::mem {

class cpu_limiter {
 public:
  static constexpr int64_t capacity_per_processor_ns = 1'000'000'000;
  static constexpr int64_t update_period_ns = 10'000'000;

  cpu_limiter(int64_t now_ns, uint32_t processors) noexcept
      : last_update_ns_(now_ns), processors_(processors), capacity_ns_(capacity_per_processor_ns * processors) {}

  /// Whether epochs for the limit's sake must wait. Any thread.
  bool limits() const noexcept {
    // relaxed: a throttle.
    return limits_.load(std::memory_order_relaxed);
  }

  /// Whether the last update is a period ago.
  bool needs_update(int64_t now_ns) const noexcept { return now_ns - last_update_ns_ >= update_period_ns; }

  /// Accounts for the time since the last update: of the processors' CPU time, so much was spent on epochs, so much was
  /// idle, and the rest was the program's. True if limits() has become true by it.
  bool update(int64_t now_ns, int64_t epochs_ns, int64_t idle_ns) noexcept;

  /// update(), then goes on with another number of processors.
  void resize(int64_t now_ns, int64_t epochs_ns, int64_t idle_ns, uint32_t processors) noexcept;

  int64_t fill_ns() const noexcept { return fill_ns_; }
  int64_t capacity_ns() const noexcept { return capacity_ns_; }
  uint64_t overflow_ns() const noexcept { return overflow_ns_; }

 private:
  bool set_limits(bool on) noexcept;

  int64_t last_update_ns_;
  uint32_t processors_;
  int64_t capacity_ns_;
  int64_t fill_ns_ = 0;
  uint64_t overflow_ns_ = 0;
  std::atomic<bool> limits_{false};  // atomic: read by any thread
};

}  // namespace weft::mem
