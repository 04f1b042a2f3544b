// A tiny generator for choices that need speed, not quality: which victim to try first, which branch to poll.
//
// One per processor, seeded from os::random_source. 8 bytes of state, a handful of cycles, no call.
//
// Invariants: owner only; the sequence is a function of the seed; the state is never zero.
//
// Source: xorshift64*: S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", ACM
// TOMS 42(4), 2016, shifts 12/25/27. below(): multiply-shift without the rejection step of D. Lemire, "Fast Random
// Integer Generation in an Interval", ACM TOMACS 29(1), 2019; its bias, at most n / 2^32, does not matter here.
// Rejected: wyrand. It needs a 128-bit product per draw.
#pragma once

#include <cstdint>

namespace weft::base {

class fast_random {
 public:
  explicit constexpr fast_random(uint64_t seed) noexcept : state_(scatter(seed)) {}

  /// The next 64 bits; the high ones are the better ones.
  constexpr uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dull;
  }

  /// A number in [0, n); 0 when n is 0.
  constexpr uint32_t below(uint32_t n) noexcept { return static_cast<uint32_t>(((next() >> 32) * n) >> 32); }

 private:
  // Spreads close seeds apart, and keeps zero, the one fixed point of the generator, out.
  static constexpr uint64_t scatter(uint64_t seed) noexcept {
    const uint64_t spread = (seed + 1) * 0x9e3779b97f4a7c15ull;
    const uint64_t mixed = spread ^ (spread >> 32);
    return mixed != 0 ? mixed : 0x9e3779b97f4a7c15ull;
  }

  uint64_t state_;
};

}  // namespace weft::base
