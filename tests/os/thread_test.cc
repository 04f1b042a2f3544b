// A thread's handle is joined exactly once.
#include "os/thread.h"

#include <gtest/gtest.h>

#include <utility>

#include "os/system.h"

namespace weft::os {
namespace {

void start(thread& handle, int& ran) {
  const auto entry = [](void* argument) { ++*static_cast<int*>(argument); };
  ASSERT_TRUE(system::real().start_thread(handle, entry, &ran, "test").ok());
}

TEST(ThreadTest, JoinSeesWhatTheThreadDid) {
  int ran = 0;
  thread handle;
  start(handle, ran);
  handle.join();
  EXPECT_EQ(ran, 1);
}

TEST(ThreadTest, AHandleCanBeUsedAgainAfterJoin) {
  int ran = 0;
  thread handle;
  for (int i = 0; i < 2; ++i) {
    start(handle, ran);
    handle.join();
  }
  EXPECT_EQ(ran, 2);
}

TEST(ThreadTest, MovingPassesTheDutyToJoin) {
  int ran = 0;
  thread first;
  start(first, ran);
  thread second(std::move(first));
  EXPECT_FALSE(first.joinable());
  thread third;
  third = std::move(second);
  EXPECT_FALSE(second.joinable());
  ASSERT_TRUE(third.joinable());
  third.join();
}

TEST(ThreadDeathTest, JoinIsChecked) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  int ran = 0;
  EXPECT_DEATH(thread().join(), "not started or is joined already");
  EXPECT_DEATH(
      {
        thread handle;
        start(handle, ran);
      },
      "destroyed before join");
}

}  // namespace
}  // namespace weft::os
