// Times of requests, counted in buckets: 16 per doubling, so a percentile is at most 6.25% off.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace echo {

class latencies {
 public:
  void add(int64_t ns) noexcept {
    const auto value = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
    ++counts_[std::min(bucket_of(value), counts_.size() - 1)];
    most_ns_ = std::max(most_ns_, value);
  }

  void add(const latencies& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    most_ns_ = std::max(most_ns_, other.most_ns_);
  }

  [[nodiscard]] uint64_t count() const noexcept {
    uint64_t n = 0;
    for (const uint64_t c : counts_) n += c;
    return n;
  }

  /// The time, in ns, that this part of the requests did not exceed; 0 if there are none.
  [[nodiscard]] uint64_t percentile(double part) const noexcept {
    const uint64_t all = count();
    const auto wanted = static_cast<uint64_t>(part * static_cast<double>(all));
    uint64_t below = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      below += counts_[i];
      if (below > wanted) return std::min(end_of(i), most_ns_);
    }
    return most_ns_;
  }

  [[nodiscard]] uint64_t most_ns() const noexcept { return most_ns_; }

 private:
  static constexpr std::size_t per_doubling = 16;

  static std::size_t bucket_of(uint64_t value) noexcept {
    if (value < per_doubling) return static_cast<std::size_t>(value);
    const auto doubling = static_cast<std::size_t>(std::bit_width(value)) - 5;
    return (doubling + 1) * per_doubling + static_cast<std::size_t>(value >> doubling) - per_doubling;
  }

  // The first value behind a bucket.
  static uint64_t end_of(std::size_t bucket) noexcept {
    if (bucket < 2 * per_doubling) return bucket + 1;
    return (bucket % per_doubling + per_doubling + 1) << (bucket / per_doubling - 1);
  }

  std::array<uint32_t, 36 * per_doubling> counts_{};  // up to 2^39 ns, nine minutes
  uint64_t most_ns_ = 0;
};

}  // namespace echo
