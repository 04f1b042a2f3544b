// The real clock moves by itself and never back.
#include "os/clock.h"

#include <gtest/gtest.h>

namespace weft::os {
namespace {

TEST(ClockTest, TheRealClockNeverFallsAndMovesOn) {
  clock& real = clock::real();
  EXPECT_FALSE(real.manual());
  const int64_t start_ns = real.now_ns();
  int64_t now_ns = start_ns;
  while (now_ns == start_ns) {
    const int64_t next_ns = real.now_ns();
    ASSERT_GE(next_ns, now_ns);
    now_ns = next_ns;
  }
}

TEST(ClockTest, TheRealClockCallsNobody) {
  int calls = 0;
  clock::real().subscribe([](void* argument) { ++*static_cast<int*>(argument); }, &calls);
  clock::real().unsubscribe(&calls);
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace weft::os
