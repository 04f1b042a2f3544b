// The random seam: where the runtime's seeds come from.
//
// A runtime draws one seed per processor here and then uses base::fast_random, so a draw may cost a shared atomic.
// Simulation replaces the source by seeded_random, and then one number decides every choice.
//
// Invariants: the k-th draw of a seeded_random is a function of its seed and k alone.
//
// Not for secrets: the sequence can be computed from a single draw.
//
// Source: splitmix64: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014;
// the mixer's constants are D. Stafford's variant 13 of the MurmurHash3 finalizer, as in S. Vigna's public-domain
// splitmix64.c.
// Rejected: xoshiro256**. Its 256-bit state would need a lock; splitmix64's is a counter, one atomic addition.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::os {

class random_source {
 public:
  random_source() noexcept = default;
  virtual ~random_source() = default;
  random_source(const random_source&) = delete;
  random_source& operator=(const random_source&) = delete;

  /// 64 uniformly distributed bits. Thread safety: any thread.
  [[nodiscard]] virtual uint64_t next() noexcept = 0;

  /// A source seeded by the kernel once per process.
  [[nodiscard]] static random_source& real() noexcept;
};

class seeded_random final : public random_source {
 public:
  explicit seeded_random(uint64_t seed) noexcept : state_(seed) {}

  [[nodiscard]] uint64_t next() noexcept override;

 private:
  std::atomic<uint64_t> state_;  // atomic: a counter that any thread advances
};

}  // namespace weft::os
