// Counts of durations by size: fine where short, coarse where long.
//
// Bucket 0 counts negative durations. Then come 40 groups of 4 equal buckets: one group for [0, 2^8) ns and one for
// each power of two up to 2^47 ns (about 39 hours). The last bucket counts everything from there on. So from 2^8 ns
// on, a bucket is at most a quarter of its lower bound wide. The boundaries are the same for every histogram and never
// change, so counts can be added, and subtracted from later ones.
//
// Invariants:
//   bucket i counts durations d with boundaries()[i] <= d < boundaries()[i + 1].
//   A histogram has either one writer, which uses record_owner(), or any number, which all use record().
//   Counts never fall. A snapshot is not one moment's: each count is read on its own.
//
// Source: the layout is that of Go's time histograms (src/runtime/histogram.go), bound for bound.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::base {

class time_histogram {
 public:
  static constexpr int min_bits = 8;   // below 2^min_bits ns the buckets are linear
  static constexpr int max_bits = 47;  // from 2^max_bits ns on all durations are alike
  static constexpr int sub_bucket_bits = 2;
  static constexpr size_t sub_buckets = size_t{1} << sub_bucket_bits;
  static constexpr size_t groups = max_bits - min_bits + 1;
  static constexpr size_t bucket_count = groups * sub_buckets + 2;
  static constexpr size_t boundary_count = bucket_count + 1;

  using counts = std::array<uint64_t, bucket_count>;

  /// The bucket that counts a duration of `ns`.
  [[nodiscard]] static constexpr size_t bucket_of(int64_t ns) noexcept {
    if (ns < 0) return 0;
    const auto duration = static_cast<uint64_t>(ns);
    const int bits = static_cast<int>(std::bit_width(duration));
    if (bits > max_bits) return bucket_count - 1;
    const size_t group = bits > min_bits ? static_cast<size_t>(bits - min_bits) : 0;
    const int shift = (group > 0 ? bits - 1 : min_bits) - sub_bucket_bits;
    return 1 + group * sub_buckets + (duration >> shift) % sub_buckets;
  }

  /// The bucket_count + 1 bounds in seconds, ascending; the first is -infinity, the last +infinity.
  [[nodiscard]] static std::span<const double, boundary_count> boundaries() noexcept;

  /// Counts one duration. Thread safety: any thread, if no thread uses record_owner(). Order: none.
  void record(int64_t ns) noexcept {
    // relaxed: a statistic, ordered with nothing.
    counts_[bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
  }

  /// Counts one duration without a locked instruction. Owner only.
  void record_owner(int64_t ns) noexcept {
    std::atomic<uint64_t>& count = counts_[bucket_of(ns)];
    // relaxed: only the owner writes, so its own load is current; readers need no order.
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  /// Adds the counts so far to `total`, bucket_count of them, so that several histograms can be summed. Thread safety:
  /// any thread.
  void add_to(std::span<uint64_t> total) const noexcept;

  /// The counts so far. Thread safety: any thread.
  [[nodiscard]] counts snapshot() const noexcept;

 private:
  std::array<std::atomic<uint64_t>, bucket_count> counts_{};  // atomic: see record() and record_owner()
};

}  // namespace weft::base
