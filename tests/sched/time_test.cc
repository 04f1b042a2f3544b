// Sleeping: tasks wake in the order of their deadlines and never early. Time is moved by hand.
#include <weft/time.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::manual_clock;
using test::settle;

int64_t ns(std::chrono::nanoseconds d) { return d.count(); }

// Hosted, so that after settle() every task that can go on has gone on.
class TimeTest : public ::testing::Test {
 protected:
  static std::unique_ptr<runtime> make(os::clock& time, int processors) {
    options opts;
    opts.processors = processors;
    os::seams seams = os::seams::real();
    seams.time = &time;
    return *runtime_access::create(opts, seams, processors == 0 ? detail::drive::host : detail::drive::threads);
  }

  manual_clock clock{1'000'000};
  std::unique_ptr<runtime> rt = make(clock, 0);
};

struct wake_up {
  int who;
  int64_t at_ns;
};

task<> sleeper(manual_clock& clock, std::vector<wake_up>& log, int who, std::chrono::nanoseconds d) {
  const bool slept = co_await sleep_for(d);
  EXPECT_TRUE(slept);
  log.push_back({who, clock.now_ns()});
}

TEST_F(TimeTest, TasksWakeInTheOrderOfTheirDeadlinesAndNotBefore) {
  std::vector<wake_up> log;
  const int64_t start = clock.now_ns();
  std::vector<join_handle<void>> handles;
  constexpr int order[] = {5, 1, 4, 2, 3};
  for (const int n : order)
    handles.push_back(rt->spawn(sleeper, std::ref(clock), std::ref(log), n, std::chrono::milliseconds(n)));
  settle(*rt);
  EXPECT_EQ(test::tasks_in_state(*rt, "sleep"), 5u);
  clock.advance(ns(1ms) - 1);
  settle(*rt);
  EXPECT_TRUE(log.empty()) << "one nanosecond early is early";
  for (int n = 1; n <= 5; ++n) {
    clock.set(start + ns(std::chrono::milliseconds(n)));
    settle(*rt);
    ASSERT_EQ(log.size(), static_cast<std::size_t>(n));
    EXPECT_EQ(log.back().who, n);
  }
}

TEST_F(TimeTest, TasksThatAreDueAtTheSameMomentWakeInTheOrderOfTheirDeadlines) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::vector<wake_up> log;
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < 100; ++i) {
      const int d = static_cast<int>(random() % 1'000'000) + 1;
      handles.push_back(rt->spawn(sleeper, std::ref(clock), std::ref(log), d, std::chrono::nanoseconds(d)));
    }
    settle(*rt);
    clock.advance(1'000'000);
    settle(*rt);
    ASSERT_EQ(log.size(), 100u);
    for (std::size_t i = 1; i < log.size(); ++i) EXPECT_LE(log[i - 1].who, log[i].who);
  }
}

TEST_F(TimeTest, NoDurationMeansNoWait) {
  std::vector<wake_up> log;
  auto a = rt->spawn(sleeper, std::ref(clock), std::ref(log), 1, 0ns);
  auto b = rt->spawn(sleeper, std::ref(clock), std::ref(log), 2, -5s);
  settle(*rt);
  EXPECT_EQ(log.size(), 2u);
}

task<bool> sleeps(std::chrono::nanoseconds d) { co_return co_await sleep_for(d); }

TEST_F(TimeTest, TheLongestDurationIsForEverAndEndsWithAStop) {
  join_handle<bool> longest = rt->spawn(sleeps, std::chrono::nanoseconds::max());
  join_handle<bool> hours = rt->spawn([]() -> task<bool> { co_return co_await sleep_for(std::chrono::hours::max()); });
  settle(*rt);
  clock.set(std::numeric_limits<int64_t>::max() / 2);
  settle(*rt);
  EXPECT_FALSE(longest.done());
  EXPECT_FALSE(hours.done());
  longest.request_stop();
  hours.request_stop();
  settle(*rt);
  EXPECT_FALSE(longest.get());
  EXPECT_FALSE(hours.get());
}

TEST_F(TimeTest, AStoppedSleeperReportsItAtOnceAndTheOthersSleepOn) {
  join_handle<bool> one = rt->spawn(sleeps, 1s);
  join_handle<bool> other = rt->spawn(sleeps, 2s);
  settle(*rt);
  one.request_stop();
  settle(*rt);
  EXPECT_TRUE(one.done());
  EXPECT_FALSE(other.done());
  clock.advance(ns(2s));
  settle(*rt);
  EXPECT_FALSE(one.get());
  EXPECT_TRUE(other.get());
}

// How many timers are due soon, as idle workers are told.
uint32_t crowd(const runtime& rt) {
  uint32_t most = 0;
  // relaxed: nothing runs.
  for (const auto& p : runtime_access::sched(rt).processors())
    most = std::max(most, p->timer_crowd.load(std::memory_order_relaxed));
  return most;
}

// Idle workers keep many timers waiting for each other, but not one alone.
TEST_F(TimeTest, ASleeperIsAloneOnceTheOthersHaveBeenStopped) {
  std::vector<join_handle<bool>> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(rt->spawn(sleeps, 1ms));
  settle(*rt);
  EXPECT_EQ(crowd(*rt), 100u);
  for (std::size_t i = 0; i < 99; ++i) handles[i].request_stop();
  EXPECT_EQ(crowd(*rt), 1u);
  handles[99].request_stop();
  settle(*rt);
}

TEST_F(TimeTest, ASleeperIsAloneOnceTheOthersHaveWoken) {
  std::vector<join_handle<bool>> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(rt->spawn(sleeps, 1ms));
  handles.push_back(rt->spawn(sleeps, 20ms));
  settle(*rt);
  clock.advance(ns(1ms));
  settle(*rt);
  EXPECT_LE(crowd(*rt), 1u);
}

// The tasks of many timers are mostly short, so other processors leave them to the one that fired them, for 400 us.
TEST(TimeOfManyTest, OthersHelpWithTheTasksOfManyTimersOnlyAfterAWhile) {
  manual_clock clock{1'000'000};
  options opts;
  opts.processors = 2;
  os::seams seams = os::seams::real();
  seams.time = &clock;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::test);
  detail::scheduler& s = runtime_access::sched(*rt);
  std::vector<join_handle<bool>> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(rt->spawn(sleeps, 1ms));
  while (s.drive_some(0, 4096) != 0) continue;
  clock.advance(ns(1ms));
  ASSERT_LT(s.drive_some(0, 1), 50u) << "it fires them all, and runs some";
  EXPECT_EQ(s.drive_some(1, 1), 0u);
  clock.advance(ns(400us));
  EXPECT_NE(s.drive_some(1, 1), 0u);
  while (s.drive_some(0, 4096) != 0) continue;
  for (const join_handle<bool>& handle : handles) EXPECT_TRUE(handle.done());
}

task<int> sleeps_after_stop() {
  int stopped = 0;
  static_cast<void>(co_await sleep_for(1h));
  for (int i = 0; i < 10; ++i)
    if (!co_await sleep_for(1h)) ++stopped;
  co_return stopped;
}

TEST_F(TimeTest, AfterAStopEverySleepEndsAtOnce) {
  join_handle<int> h = rt->spawn(sleeps_after_stop);
  settle(*rt);
  h.request_stop();
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(h.get(), 10);
}

TEST_F(TimeTest, SleepUntilAMomentThatHasPassedDoesNotWait) {
  join_handle<bool> h =
      rt->spawn([]() -> task<bool> { co_return co_await sleep_until(std::chrono::steady_clock::now() - 1h); });
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_TRUE(h.get());
}

TEST_F(TimeTest, SleepUntilAMomentInTheFutureWaitsForIt) {
  const auto when = std::chrono::steady_clock::now() + 10h;
  join_handle<bool> h = rt->spawn([when]() -> task<bool> { co_return co_await sleep_until(when); });
  settle(*rt);
  clock.advance(ns(9h));
  settle(*rt);
  EXPECT_FALSE(h.done());
  clock.advance(ns(2h));
  settle(*rt);
  EXPECT_TRUE(h.done());
}

// With threads the clock's subscription is what wakes sleeping workers.
TEST(TimeThreadsTest, AdvancingTheClockWakesSleepersOnWorkers) {
  for (const int processors : {1, 2, 8}) {
    manual_clock clock;
    options opts;
    opts.processors = processors;
    os::seams seams = os::seams::real();
    seams.time = &clock;
    const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::threads);
    std::vector<join_handle<bool>> handles;
    for (int i = 1; i <= 50; ++i) handles.push_back(rt->spawn(sleeps, std::chrono::milliseconds(i)));
    test::eventually([&] { return test::tasks_in_state(*rt, "sleep") == 50; });
    for (int i = 1; i <= 50; ++i) {
      clock.advance(ns(1ms));
      EXPECT_TRUE(handles[static_cast<std::size_t>(i - 1)].get());
      if (i < 50) {
        EXPECT_FALSE(handles[static_cast<std::size_t>(i)].done());
      }
    }
  }
}

task<bool> is_not_early(int i) {
  bool ok = true;
  for (int round = 0; round < 3; ++round) {
    const auto d = std::chrono::microseconds(1000 + i * 37 % 2000);
    const auto due = std::chrono::steady_clock::now() + d;
    ok = co_await sleep_for(d) && ok;
    ok = std::chrono::steady_clock::now() >= due && ok;
  }
  co_return ok;
}

// One waking serves many of them, but none before its time.
TEST(TimeThreadsTest, NoneOfManySleepersWakesEarly) {
  for (const int processors : {1, 2, 8}) {
    const std::unique_ptr<runtime> rt = test::make_runtime(processors);
    std::vector<join_handle<bool>> handles;
    for (int i = 0; i < 3000; ++i) handles.push_back(rt->spawn(is_not_early, i));
    for (join_handle<bool>& h : handles) EXPECT_TRUE(h.get());
  }
}

// All workers sleep for long, and then the monitor does; a timer's worker wakes by itself. The monitor must be awake
// again to move what waits behind a task that computes.
TEST(TimeMonitorTest, AWorkerThatATimerWokeHasAMonitorAgain) {
  const std::unique_ptr<runtime> rt = test::make_runtime(2);
  const bool moved = rt->run([]() -> task<bool> {
    for (int round = 0; round < 10; ++round) {
      (void)co_await sleep_for(20ms);
      std::atomic<bool> ran = false;
      join_handle<void> h = spawn(
          [](std::atomic<bool>& r) -> task<> {
            r = true;
            co_return;
          },
          std::ref(ran));
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      while (!ran && std::chrono::steady_clock::now() < deadline) {
      }
      const bool in_time = ran;
      co_await h;
      if (!in_time) co_return false;
    }
    co_return true;
  });
  EXPECT_TRUE(moved);
}

// Many timers that are due at once wake nobody at first, since their tasks are mostly short. The first one computes
// until all the others have run.
TEST(TimeMonitorTest, DueTimersBehindATaskThatComputesRunOnAnotherProcessor) {
  const std::unique_ptr<runtime> rt = test::make_runtime(2);
  constexpr int count = 20;
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> begun = 0;
    const auto sleeper = [](std::atomic<int>& n) -> task<bool> {
      (void)co_await sleep_for(10ms);
      if (n.fetch_add(1) != 0) co_return true;
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      while (n != count && std::chrono::steady_clock::now() < deadline) {
      }
      co_return n == count;
    };
    const bool ran = rt->run([&]() -> task<bool> {
      std::vector<join_handle<bool>> handles;
      for (int i = 0; i < count; ++i) handles.push_back(spawn(sleeper, std::ref(begun)));
      bool all = true;
      for (join_handle<bool>& h : handles) {
        const bool one = co_await h;
        all = all && one;
      }
      co_return all;
    });
    ASSERT_TRUE(ran) << "round " << round;
  }
}

// One of the workers that sleep watches the timers of all. It computes once a timer has woken it, and the other one has
// no reason to wake: what is due on its processor meanwhile must be found.
TEST(TimeMonitorTest, TimersOfAProcessorThatSleepsFireWhileTheOneThatWatchedThemComputes) {
  const std::unique_ptr<runtime> rt = test::make_runtime(2);
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> ran = false;
    const auto computes = [](std::atomic<bool>& r) -> task<bool> {
      (void)co_await sleep_for(5ms);
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      while (!r && std::chrono::steady_clock::now() < deadline) {
      }
      co_return r;
    };
    const auto runs_later = [](std::atomic<bool>& r) -> task<> {
      (void)co_await sleep_for(8ms);
      r = true;
    };
    // From outside, so that each goes to another processor.
    join_handle<bool> first = rt->spawn(computes, std::ref(ran));
    join_handle<void> second = rt->spawn(runs_later, std::ref(ran));
    ASSERT_TRUE(first.get()) << "round " << round;
    second.get();
  }
}

}  // namespace
}  // namespace weft
