// The wait group wakes everyone who waits when the count comes to zero, and may be used again.
#include <weft/wait_group.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "support/processors.h"

namespace weft {
namespace {

using test::make_runtime;
using test::processors_test;
using test::settle;
using test::tasks_in_state;

class WaitGroupTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, WaitGroupTest, test::some_processors(), test::processors_name);

task<bool> wait_for(wait_group& group) { co_return co_await group.wait(); }

TEST(WaitGroupParkTest, WakesAllWhoWaitWhenTheCountComesToZero) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  wait_group group;
  for (int use = 0; use < 3; ++use) {
    group.add(2);
    std::vector<join_handle<bool>> handles;
    for (int i = 0; i < 4; ++i) handles.push_back(rt->spawn(wait_for, std::ref(group)));
    settle(*rt);
    EXPECT_EQ(tasks_in_state(*rt, "sync.WaitGroup.Wait"), 4u);
    group.done();
    settle(*rt);
    EXPECT_EQ(tasks_in_state(*rt, "sync.WaitGroup.Wait"), 4u);
    EXPECT_EQ(group.count(), 1);
    group.done();
    settle(*rt);
    for (join_handle<bool>& h : handles) EXPECT_TRUE(h.get());
    EXPECT_TRUE(rt->run(wait_for, std::ref(group))) << "nothing to wait for";
  }
}

TEST(WaitGroupParkTest, AStopEndsTheWaitWithFalse) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  wait_group group;
  group.add(1);
  join_handle<bool> stopped = rt->spawn(wait_for, std::ref(group));
  join_handle<bool> other = rt->spawn(wait_for, std::ref(group));
  settle(*rt);
  stopped.request_stop();
  settle(*rt);
  ASSERT_TRUE(stopped.done());
  EXPECT_FALSE(stopped.get());
  EXPECT_FALSE(other.done());
  group.done();
  settle(*rt);
  EXPECT_TRUE(other.get());
}

task<int> wait_after_stop(wait_group& group, channel<int> empty) {
  static_cast<void>(co_await empty.receive());
  int stopped = 0;
  for (int i = 0; i < 3; ++i)
    if (!co_await group.wait()) ++stopped;
  co_return stopped;
}

TEST(WaitGroupParkTest, AfterAStopAWaitReportsItAtOnceEvenIfTheCountIsZero) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  wait_group zero;
  join_handle<int> h = rt->spawn(wait_after_stop, std::ref(zero), channel<int>(0));
  settle(*rt);
  h.request_stop();
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(h.get(), 3);
}

TEST(WaitGroupDeathTest, ANegativeCountSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        wait_group group;
        group.done();
      },
      "weft::wait_group: the count became negative");
}

task<> count_up(std::atomic<int>& n) {
  co_await yield();
  ++n;
}

task<int> hundred() {
  std::atomic<int> n = 0;
  wait_group group;
  for (int i = 0; i < 100; ++i) group.go(count_up, std::ref(n));
  const bool all = co_await group.wait();
  EXPECT_TRUE(all);
  co_return n;
}

TEST_P(WaitGroupTest, GoCountsTheTaskFromItsStartToItsEnd) {
  for (int round = 0; round < 20; ++round) ASSERT_EQ(run(hundred), 100);
}

TEST_P(WaitGroupTest, APlainThreadWaitsForTasks) {
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> n = 0;
    wait_group group;
    group.add(10);
    for (int i = 0; i < 10; ++i) {
      const join_handle<void> dropped = rt().spawn([&]() -> task<> {
        ++n;
        group.done();
        co_return;
      });
    }
    group.blocking_wait();
    EXPECT_EQ(n, 10);
  }
}

}  // namespace
}  // namespace weft
