// Things aligned as cache_line.h says do not share what they must not share.
#include "base/cache_line.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>

namespace weft::base {
namespace {

TEST(CacheLineTest, SizesArePowersOfTwoAndAPairHoldsWholeLines) {
  EXPECT_TRUE(std::has_single_bit(cache_line_bytes));
  EXPECT_TRUE(std::has_single_bit(destructive_bytes));
  EXPECT_EQ(destructive_bytes % cache_line_bytes, 0u);
}

TEST(CacheLineTest, AlignedNeighboursAreApart) {
  struct alignas(destructive_bytes) word {
    int value;
  };
  std::array<word, 2> words{};
  const auto distance = reinterpret_cast<char*>(&words[1].value) - reinterpret_cast<char*>(&words[0].value);
  EXPECT_GE(static_cast<size_t>(distance), destructive_bytes);
}

}  // namespace
}  // namespace weft::base
