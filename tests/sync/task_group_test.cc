// task_group, with_group, with_timeout, shielded, join_all, parallel_for. G1 to G9 are the behaviours of Go's errgroup.
#include <weft/task_group.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <weft/weft.h>

#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class TaskGroupTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, TaskGroupTest, test::some_processors(), test::processors_name);

struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

task<> fail_with(std::string text) {
  co_await yield();
  throw error(text);
}
task<> wait_for_stop(std::atomic<int>& stopped) {
  const bool slept = co_await sleep_for(1h);
  if (!slept) ++stopped;
}

task<std::string> error_of_wait(task_group& group) {
  std::string text = "none";
  try {
    co_await group.wait();
  } catch (const error& e) {
    text = e.what();
  }
  co_return text;
}

// G1, G8
TEST_P(TaskGroupTest, WaitRethrowsTheFirstErrorEachTime) {
  run([]() -> task<> {
    task_group group;
    const bool begun = co_await group.go(fail_with, std::string("first"));
    EXPECT_TRUE(begun);
    for (int i = 0; i < 2; ++i) {
      const std::string text = co_await error_of_wait(group);
      EXPECT_EQ(text, "first");
    }
    task_group empty;
    const std::string none = co_await error_of_wait(empty);
    EXPECT_EQ(none, "none");
  });
}

// G2, G5: where Go's context is done, the siblings are asked to stop.
TEST_P(TaskGroupTest, TheFirstExceptionStopsTheSiblings) {
  std::atomic<int> stopped = 0;
  run([&]() -> task<> {
    task_group group;
    for (int i = 0; i < 10; ++i) {
      const bool begun = co_await group.go(wait_for_stop, std::ref(stopped));
      EXPECT_TRUE(begun);
    }
    const bool begun = co_await group.go(fail_with, std::string("it"));
    EXPECT_TRUE(begun);
    const std::string text = co_await error_of_wait(group);
    EXPECT_EQ(text, "it");
    EXPECT_EQ(stopped, 10);
    const bool late = co_await group.go(wait_for_stop, std::ref(stopped));
    EXPECT_FALSE(late);
    EXPECT_FALSE(group.try_go(wait_for_stop, std::ref(stopped)));
  });
}

// G3
TEST_P(TaskGroupTest, TryGoFailsAtTheLimit) {
  run([]() -> task<> {
    task_group group({.limit = 42});
    channel<int> gate(0);
    const auto member = [](channel<int> g) -> task<> { (void)co_await g.receive(); };
    for (int i = 0; i < 42; ++i) EXPECT_TRUE(group.try_go(member, gate));
    EXPECT_FALSE(group.try_go(member, gate));
    const bool one_ends = co_await gate.send(1);
    EXPECT_TRUE(one_ends);
    while (group.size() == 42) co_await yield();
    EXPECT_TRUE(group.try_go(member, gate)) << "a finished slot is free again";
    gate.close();
    co_await group.wait();
  });
}

// G4, G7
TEST_P(TaskGroupTest, NeverMoreThanTheLimitRun) {
  std::atomic<int> active = 0, most = 0, ran = 0;
  run([&]() -> task<> {
    task_group group({.limit = 10});
    for (int i = 0; i < 1025; ++i) {
      const bool begun = co_await group.go([&]() -> task<> {
        const int now = ++active;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        co_await yield();
        --active;
        ++ran;
      });
      EXPECT_TRUE(begun);
    }
    co_await group.wait();
  });
  EXPECT_EQ(ran, 1025);
  EXPECT_LE(most, 10);
}

TEST_P(TaskGroupTest, AStopOfTheWaiterReachesTheMembers) {
  std::atomic<int> stopped = 0;
  join_handle<void> h = rt().spawn(
      [](std::atomic<int>& count) -> task<> {
        task_group outer;
        for (int i = 0; i < 5; ++i) {
          const bool begun = co_await outer.go(
              [](std::atomic<int>& c) -> task<> {
                task_group inner;
                const bool inner_begun = co_await inner.go(wait_for_stop, std::ref(c));
                EXPECT_TRUE(inner_begun);
                co_await inner.wait();
              },
              std::ref(count));
          EXPECT_TRUE(begun);
        }
        co_await outer.wait();
      },
      std::ref(stopped));
  test::eventually([&] { return test::tasks_in_state(rt(), "sleep") == 5; });
  h.request_stop();
  h.get();
  EXPECT_EQ(stopped, 5);
}

TEST_P(TaskGroupTest, AMemberThatIsStoppedBeforeItBeginsKnows) {
  run([]() -> task<> {
    std::atomic<int> stopped = 0;
    task_group group;
    EXPECT_TRUE(group.try_go(wait_for_stop, std::ref(stopped)));
    group.request_stop();
    co_await group.wait();
    EXPECT_EQ(stopped, 1);
  });
}

TEST_P(TaskGroupTest, WithGroupWaitsInEveryCase) {
  run([]() -> task<> {
    std::atomic<int> ended = 0;
    const auto body = [&](task_group& g) -> task<int> {
      for (int i = 0; i < 8; ++i) {
        const bool begun = co_await g.go(
            [](std::atomic<int>& n) -> task<> {
              co_await yield();
              ++n;
            },
            std::ref(ended));
        EXPECT_TRUE(begun);
      }
      co_return 7;
    };
    const int result = co_await with_group({.limit = 3}, body);
    EXPECT_EQ(result, 7);
    EXPECT_EQ(ended, 8);
    std::atomic<int> stopped = 0;
    const auto throws = [&](task_group& g) -> task<> {
      EXPECT_TRUE(g.try_go(wait_for_stop, std::ref(stopped)));
      co_await yield();
      throw error("body");
    };
    std::string text;
    try {
      co_await with_group({}, throws);
    } catch (const error& e) {
      text = e.what();
    }
    EXPECT_EQ(text, "body");
    EXPECT_EQ(stopped, 1);
  });
}

TEST_P(TaskGroupTest, AMemberThatShutdownRefusesDoesNotKeepItsGroup) {
  std::atomic<bool> tried = false;
  channel<int> gate(0);
  join_handle<bool> h = rt().spawn(
      [](channel<int> g, std::atomic<bool>& done) -> task<bool> {
        (void)co_await g.receive();  // ends by the stop of the shutdown
        task_group group;
        std::atomic<int> stopped = 0;
        const bool begun = group.try_go(wait_for_stop, std::ref(stopped));
        co_await group.wait();
        done = true;
        co_return begun;
      },
      gate, std::ref(tried));
  test::eventually([&] { return test::tasks_in_state(rt(), "chan receive") == 1; });
  EXPECT_TRUE(rt().shutdown(10s).clean());
  EXPECT_TRUE(tried);
}

TEST_P(TaskGroupTest, WithTimeoutReturnsTheResultOrStopsTheTask) {
  run([]() -> task<> {
    const std::optional<int> in_time = co_await with_timeout(1h, [](int x) -> task<int> { co_return x; }, 5);
    EXPECT_EQ(in_time, 5);
    std::atomic<int> stopped = 0;
    const bool late = !(co_await with_timeout(1ms, wait_for_stop, std::ref(stopped))).has_value();
    EXPECT_TRUE(late);
    EXPECT_EQ(stopped, 1) << "it has ended";
    bool thrown = false;
    try {
      (void)co_await with_timeout(1h, fail_with, std::string("x"));
    } catch (const error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

TEST_P(TaskGroupTest, AStopReachesWhatATimeoutWatches) {
  std::atomic<int> stopped = 0;
  join_handle<bool> h = rt().spawn(
      [](std::atomic<int>& count) -> task<bool> {
        const auto r = co_await with_timeout(1h, wait_for_stop, std::ref(count));
        co_return r.has_value();
      },
      std::ref(stopped));
  test::eventually(
      [&] { return test::tasks_in_state(rt(), "select") == 1 && test::tasks_in_state(rt(), "sleep") == 1; });
  h.request_stop();
  EXPECT_TRUE(h.get()) << "it was not the time that ended it";
  EXPECT_EQ(stopped, 1);
}

// X10
TEST_P(TaskGroupTest, TasksOfAStoppedTaskAreBornStopped) {
  run([]() -> task<> {
    channel<int> gate(0);
    join_handle<bool> h = spawn(
        [](channel<int> g) -> task<bool> {
          (void)co_await g.receive();
          join_handle<bool> child = spawn([]() -> task<bool> { co_return this_task::stop_requested(); });
          co_return co_await child;
        },
        gate);
    h.request_stop();
    const bool born_stopped = co_await h;
    EXPECT_TRUE(born_stopped);
  });
}

TEST_P(TaskGroupTest, AShieldKeepsAStopAwayUntilItsEnd) {
  channel<int> gate(0);
  std::atomic<int> step = 0;
  join_handle<bool> h = rt().spawn(
      [](channel<int> g, std::atomic<int>& at) -> task<bool> {
        const auto cleanup = [](channel<int> in, std::atomic<int>& s) -> task<int> {
          ++s;
          EXPECT_FALSE(this_task::stop_requested());
          const std::optional<int> v = co_await in.receive();
          const int nested = co_await shielded([]() -> task<int> { co_return 1; });
          EXPECT_EQ(nested, 1);
          EXPECT_FALSE(this_task::stop_requested());
          co_return v.value_or(-1);
        };
        const int got = co_await shielded(cleanup, g, std::ref(at));
        EXPECT_EQ(got, 42);
        co_return this_task::stop_requested();
      },
      gate, std::ref(step));
  test::eventually([&] { return test::tasks_in_state(rt(), "chan receive") == 1; });
  h.request_stop();
  h.request_stop();
  EXPECT_EQ(test::tasks_in_state(rt(), "chan receive"), 1u);
  EXPECT_TRUE(gate.blocking_send(42));
  EXPECT_TRUE(h.get()) << "it takes effect afterwards";
}

TEST_P(TaskGroupTest, JoinAllKeepsTheOrderAndRethrows) {
  run([]() -> task<> {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 0);
    const auto square = [](int n) -> task<long> {
      if (n % 100 == 0) co_await yield();
      co_return static_cast<long>(n) * n;
    };
    const std::vector<long> squares = co_await join_all(numbers, square);
    EXPECT_EQ(squares.size(), 1000u);
    for (std::size_t i = 0; i < squares.size(); ++i) EXPECT_EQ(squares[i], static_cast<long>(i * i));
    const std::vector<int> none;
    const std::vector<long> nothing = co_await join_all(none, square);
    EXPECT_TRUE(nothing.empty());
    std::atomic<int> ran = 0;
    const auto picky = [&](int n) -> task<> {
      ++ran;
      if (n == 500) throw error("500");
      co_return;
    };
    bool thrown = false;
    try {
      (void)co_await join_all(numbers, picky);
    } catch (const error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    EXPECT_EQ(ran, 1000);
  });
}

TEST_P(TaskGroupTest, ParallelForVisitsEachIndexOnce) {
  run([]() -> task<> {
    constexpr int n = 100'000;
    std::vector<std::atomic<int>> seen(n);
    const auto plain = [&](int i) { ++seen[static_cast<std::size_t>(i)]; };
    co_await parallel_for(0, n, plain);
    const auto waiting = [&](int i) -> task<> {
      if (i % 1000 == 0) co_await yield();
      ++seen[static_cast<std::size_t>(i)];
    };
    co_await parallel_for(0, n, waiting);
    for (const std::atomic<int>& s : seen)
      if (s != 2) {
        ADD_FAILURE() << "an index was visited " << s << " times";
        break;
      }
    co_await parallel_for(5, 5, plain);
    bool thrown = false;
    const auto throws = [](long i) {
      if (i == 70) throw error("70");
    };
    try {
      co_await parallel_for(0L, 100L, throws);
    } catch (const error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

TEST(TaskGroupDeathTest, AGroupThatIsNotWaitedForIsMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const std::unique_ptr<runtime> other = test::make_runtime(1);
        other->run([]() -> task<> {
          std::atomic<int> stopped = 0;
          task_group group;
          (void)group.try_go(wait_for_stop, std::ref(stopped));
          co_return;
        });
      },
      "task_group destroyed while members run");
}

}  // namespace
}  // namespace weft
