// The limiter of the CPU time that epochs take (L1 to L9), with two processors and moments that the tests choose.
#include "mem/limiter.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace weft::mem {
namespace {

constexpr int64_t ms = 1'000'000;
constexpr uint32_t processors = 2;
constexpr int64_t capacity = processors * cpu_limiter::capacity_per_processor_ns;

class CpuLimiterTest : public ::testing::Test {
 protected:
  // So long the processors did nothing but this.
  void only_program(int64_t wall_ns) { pass(wall_ns, 0, 0); }
  void only_epochs(int64_t wall_ns) { pass(wall_ns, processors * wall_ns, 0); }
  void half_and_half(int64_t wall_ns) { pass(wall_ns, wall_ns * processors / 2, 0); }
  void only_idle(int64_t wall_ns) { pass(wall_ns, 0, processors * wall_ns); }

  void pass(int64_t wall_ns, int64_t epochs_ns, int64_t idle_ns) {
    now_ += wall_ns;
    turned_on_ = limiter_.update(now_, epochs_ns, idle_ns);
  }

  void fill() { only_epochs(capacity / processors); }

  int64_t now_ = 12'345;
  cpu_limiter limiter_{now_, processors};
  bool turned_on_ = false;
};

TEST_F(CpuLimiterTest, L1TheProgramAloneLeavesTheBucketEmpty) {
  for (int i = 0; i < 100; ++i) only_program(10 * ms);
  EXPECT_EQ(limiter_.fill_ns(), 0);
  EXPECT_EQ(limiter_.overflow_ns(), 0u);
  EXPECT_FALSE(limiter_.limits());
}

// In Go a pause stops all processors. Here none is stopped; a time in which all of them pass an epoch counts the same.
TEST_F(CpuLimiterTest, L2EpochsOnAllProcessorsFillByTheirNumberTimesTheTime) {
  only_epochs(20 * ms);
  EXPECT_EQ(limiter_.fill_ns(), processors * 20 * ms);
  EXPECT_FALSE(limiter_.limits());
}

TEST_F(CpuLimiterTest, L3EpochsForHalfOfTheTimeKeepTheLevelAndTheLimit) {
  only_epochs(20 * ms);
  const int64_t level = limiter_.fill_ns();
  for (int i = 0; i < 100; ++i) half_and_half(10 * ms);
  EXPECT_EQ(limiter_.fill_ns(), level);
  EXPECT_FALSE(limiter_.limits());
  fill();
  ASSERT_TRUE(limiter_.limits());
  for (int i = 0; i < 100; ++i) half_and_half(10 * ms);
  EXPECT_EQ(limiter_.fill_ns(), capacity);
  EXPECT_TRUE(limiter_.limits());
}

TEST_F(CpuLimiterTest, L4EpochsAloneFillTheBucketAndTheExcessIsOverflow) {
  only_epochs(capacity / processors - ms);
  EXPECT_FALSE(limiter_.limits());
  only_epochs(ms);
  EXPECT_TRUE(limiter_.limits());
  EXPECT_TRUE(turned_on_);
  EXPECT_EQ(limiter_.overflow_ns(), 0u);
  only_epochs(10 * ms);
  EXPECT_EQ(limiter_.fill_ns(), capacity);
  EXPECT_EQ(limiter_.overflow_ns(), static_cast<uint64_t>(processors * 10 * ms));
  EXPECT_TRUE(limiter_.limits());
  EXPECT_FALSE(turned_on_) << "it was on before";
}

TEST_F(CpuLimiterTest, L5WhenHalfOfItHasDrainedItLimitsNoMore) {
  fill();
  only_program(capacity / processors / 2);
  EXPECT_EQ(limiter_.fill_ns(), capacity / 2);
  EXPECT_FALSE(limiter_.limits());
}

TEST_F(CpuLimiterTest, L6MoreProcessorsKeepTheLevelAndEndTheLimitAndFewerClampIt) {
  fill();
  only_epochs(10 * ms);
  const uint64_t overflow = limiter_.overflow_ns();
  limiter_.resize(now_, 0, 0, processors + 8);
  EXPECT_EQ(limiter_.fill_ns(), capacity);
  EXPECT_EQ(limiter_.capacity_ns(), capacity + 8 * cpu_limiter::capacity_per_processor_ns);
  EXPECT_FALSE(limiter_.limits());
  EXPECT_EQ(limiter_.overflow_ns(), overflow);
  limiter_.resize(now_, 0, 0, 1);
  EXPECT_EQ(limiter_.fill_ns(), cpu_limiter::capacity_per_processor_ns);
  EXPECT_TRUE(limiter_.limits());
  EXPECT_EQ(limiter_.overflow_ns(), overflow);
}

TEST_F(CpuLimiterTest, L7AnUpdateIsNeededAfterAPeriod) {
  EXPECT_FALSE(limiter_.needs_update(now_ + cpu_limiter::update_period_ns / 2));
  EXPECT_TRUE(limiter_.needs_update(now_ + cpu_limiter::update_period_ns * 3 / 2));
  only_program(cpu_limiter::update_period_ns * 3 / 2);
  EXPECT_FALSE(limiter_.needs_update(now_));
}

TEST_F(CpuLimiterTest, L8IdleTimeNeitherFillsNorDrains) {
  only_epochs(20 * ms);
  const int64_t level = limiter_.fill_ns();
  only_idle(500 * ms);
  EXPECT_EQ(limiter_.fill_ns(), level);
  // One processor idle, the other half program and half epochs.
  pass(100 * ms, 50 * ms, 100 * ms);
  EXPECT_EQ(limiter_.fill_ns(), level);
}

TEST_F(CpuLimiterTest, L9NothingIsLeftFromOneRoundToTheNext) {
  for (int round = 0; round < 5; ++round) {
    const uint64_t overflow = limiter_.overflow_ns();
    fill();
    EXPECT_TRUE(limiter_.limits());
    EXPECT_TRUE(turned_on_);
    EXPECT_EQ(limiter_.overflow_ns(), overflow);
    only_program(capacity / processors);
    EXPECT_EQ(limiter_.fill_ns(), 0);
    EXPECT_FALSE(limiter_.limits());
  }
}

// Idle time is reported when a sleep ends, so it may come late and be more than the time since the last update.
TEST_F(CpuLimiterTest, IdleTimeThatComesLateDrainsNothing) {
  only_epochs(20 * ms);
  const int64_t level = limiter_.fill_ns();
  pass(10 * ms, 0, 500 * ms);
  EXPECT_EQ(limiter_.fill_ns(), level);
  pass(0, 5 * ms, 0);
  EXPECT_EQ(limiter_.fill_ns(), level + 5 * ms);
}

}  // namespace
}  // namespace weft::mem
