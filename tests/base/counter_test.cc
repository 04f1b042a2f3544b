// A counter counts, and a reader on another thread never sees it fall.
#include "base/counter.h"

#include <gtest/gtest.h>

#include <thread>

namespace weft::base {
namespace {

TEST(CounterTest, Adds) {
  counter c;
  EXPECT_EQ(c.value(), 0u);
  c.add();
  c.add(41);
  EXPECT_EQ(c.value(), 42u);
}

TEST(CounterTest, NeverFallsForAReader) {
  constexpr uint64_t last = 100'000;
  counter c;
  std::jthread writer([&] {
    for (uint64_t i = 0; i < last; ++i) c.add();
  });
  for (uint64_t seen = 0; seen < last;) {
    const uint64_t now = c.value();
    ASSERT_GE(now, seen);
    seen = now;
  }
}

}  // namespace
}  // namespace weft::base
