// The manual clock moves when told to and tells its subscribers.
#include "support/manual_clock.h"

#include <gtest/gtest.h>

#include <vector>

namespace weft::test {
namespace {

// Notes the time at each call.
struct listener {
  manual_clock& clock;
  std::vector<int64_t> heard_ns;

  static void on_change(void* self) {
    auto& l = *static_cast<listener*>(self);
    l.heard_ns.push_back(l.clock.now_ns());
  }
};

TEST(ManualClockTest, StandsStillUntilAdvanced) {
  manual_clock clock(100);
  EXPECT_TRUE(clock.manual());
  EXPECT_EQ(clock.now_ns(), 100);
  EXPECT_EQ(clock.now_ns(), 100);
  clock.advance(5);
  EXPECT_EQ(clock.now_ns(), 105);
  clock.set(200);
  EXPECT_EQ(clock.now_ns(), 200);
}

TEST(ManualClockTest, NeverFalls) {
  manual_clock clock(100);
  clock.set(50);
  EXPECT_EQ(clock.now_ns(), 100);
  clock.advance(-1);
  EXPECT_EQ(clock.now_ns(), 100);
}

TEST(ManualClockTest, CallsSubscribersAfterEachMove) {
  manual_clock clock;
  listener first{clock, {}};
  listener second{clock, {}};
  clock.subscribe(&listener::on_change, &first);
  clock.advance(1);
  clock.subscribe(&listener::on_change, &second);
  clock.set(7);
  clock.unsubscribe(&first);
  clock.advance(1);
  EXPECT_EQ(first.heard_ns, (std::vector<int64_t>{1, 7}));
  EXPECT_EQ(second.heard_ns, (std::vector<int64_t>{7, 8}));
}

}  // namespace
}  // namespace weft::test
