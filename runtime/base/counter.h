// A statistic that one thread counts and every thread may read.
//
// Invariants: one writer at a time; the value never falls within a reader's view; no ordering with other data.
//
// Rejected: fetch_add. A locked instruction costs several ns on paths that take six; a single writer needs none.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/config.h>

namespace weft::base {

class counter {
 public:
  /// Adds `n`. Owner only (or under the lock that makes the caller the only writer).
  void add(uint64_t n = 1) noexcept {
    // relaxed: only the owner writes, so its own load is current; readers need no order.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  /// Makes it at least `n`, for the highest value that was seen. Owner only, as above.
  void raise(uint64_t n) noexcept {
    // relaxed: as above.
    if (n > value_.load(std::memory_order_relaxed)) value_.store(n, std::memory_order_relaxed);
  }

  /// The count so far. Thread safety: any thread. Order: none.
  [[nodiscard]] uint64_t value() const noexcept {
    // relaxed: a statistic; a read from another thread may lag.
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> value_{0};  // atomic: written by the owner only
};

/// A counter that nothing but metrics reads. Counts nothing in a build without them (WEFT_METRICS).
#if WEFT_METRICS
using statistic = counter;
#else
class statistic {
 public:
  static void add(uint64_t = 1) noexcept {}
  [[nodiscard]] static uint64_t value() noexcept { return 0; }
};
#endif

}  // namespace weft::base
