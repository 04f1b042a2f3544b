// The processors' generator repeats by seed, tells seeds apart and covers its range.
#include "base/fast_random.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <set>

namespace weft::base {
namespace {

TEST(FastRandomTest, SameSeedSameSequence) {
  fast_random a(42);
  fast_random b(42);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(FastRandomTest, CloseSeedsDifferAtOnce) {
  std::set<uint64_t> firsts;
  for (uint64_t seed = 0; seed < 1000; ++seed) firsts.insert(fast_random(seed).next());
  EXPECT_EQ(firsts.size(), 1000u);
}

TEST(FastRandomTest, NoSeedGetsStuckAtZero) {
  for (const uint64_t seed : {uint64_t{0}, std::numeric_limits<uint64_t>::max()}) {
    fast_random random(seed);
    EXPECT_NE(random.next() | random.next(), 0u);
  }
}

TEST(FastRandomTest, BelowStaysInRangeAndReachesAllOfIt) {
  fast_random random(1);
  std::array<int, 7> hits{};
  for (int i = 0; i < 7000; ++i) {
    const uint32_t n = random.below(7);
    ASSERT_LT(n, 7u);
    ++hits[n];
  }
  // 1000 are expected in each; a fair generator stays within 200 of that but once in 10^9 seeds, and the seed is fixed.
  for (const int hit : hits) EXPECT_NEAR(hit, 1000, 200);
  EXPECT_EQ(random.below(1), 0u);
  EXPECT_EQ(random.below(0), 0u);
}

}  // namespace
}  // namespace weft::base
