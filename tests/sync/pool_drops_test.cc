// Pools that drop a quarter of what they get, at random, so that a user who relies on them is found.
#include <weft/pool.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>

#include "support/as_processor.h"
#include "support/processors.h"

namespace weft {
namespace {

void use(pool<test::counted>& p, std::atomic<int>& live) {
  for (int i = 0; i < 10'000; ++i) {
    auto handle = p.get();
    ASSERT_TRUE(handle);
    ASSERT_EQ(handle->value(), 5);
  }
  const pool_stats s = p.stats();
  EXPECT_EQ(s.puts, 10'000u);
  EXPECT_GT(s.drops, 2'000u);
  EXPECT_LT(s.drops, 3'000u);
  EXPECT_EQ(static_cast<uint64_t>(live), s.held_objects);
  EXPECT_EQ(s.misses - s.drops, s.held_objects);
}

TEST(PoolDropsTest, AQuarterOfWhatComesBackIsDropped) {
  std::atomic<int> live = 0;
  {
    pool<test::counted> p([&] { return test::counted(live, 5); });
    test::fake_processor a;
    a.run([&] { use(p, live); });
  }
  EXPECT_EQ(live, 0);
}

TEST(PoolDropsTest, OfPlainThreadsToo) {
  std::atomic<int> live = 0;
  pool<test::counted> p([&] { return test::counted(live, 5); });
  use(p, live);
}

}  // namespace
}  // namespace weft
