// Behaviours X1 to X13 of Go's contexts: how a stop spreads through what tasks start, and std::stop_token.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "sched/scheduler.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class GoContextTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoContextTest, test::some_processors(), test::processors_name);

// A runtime that the test drives: after settle() nothing can go on without it. Declared after what its tasks use, which
// its end lets run to theirs.
struct hosted {
  hosted() {
    options opts;
    opts.processors = 0;
    os::seams seams = os::seams::real();
    seams.time = &clock;
    rt = *runtime_access::create(opts, seams, detail::drive::host);
  }
  void settle() { test::settle(*rt); }
  test::manual_clock clock{0};
  std::unique_ptr<runtime> rt;
};

task<> until_stopped(std::atomic<int>& stopped) {
  const bool slept = co_await sleep_for(1h);
  if (!slept && this_task::stop_requested()) ++stopped;
}

// X1: nobody stops what nobody was asked to stop.
TEST(GoContextTest1, ATaskIsNotStoppedByItself) {
  std::atomic<int> stopped = 0;
  hosted h;
  const auto a = h.rt->spawn(until_stopped, std::ref(stopped));
  h.settle();
  EXPECT_FALSE(a.done());
  EXPECT_EQ(stopped, 0);
}

// X2: a stop that is asked for again does nothing more.
TEST(GoContextTest1, AStopCountsOnce) {
  std::atomic<int> stopped = 0;
  hosted h;
  auto a = h.rt->spawn(until_stopped, std::ref(stopped));
  h.settle();
  for (int i = 0; i < 3; ++i) a.request_stop();
  h.settle();
  EXPECT_TRUE(a.done());
  a.request_stop();
  EXPECT_EQ(stopped, 1);
}

task<> tree(int depth, bool joinable, std::atomic<int>& stopped) {
  if (depth > 0) {
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < 2; ++i) {
      if (joinable)
        handles.push_back(spawn(tree, depth - 1, joinable, std::ref(stopped)));
      else
        go(tree, depth - 1, joinable, std::ref(stopped));
    }
    co_await until_stopped(stopped);
    for (auto& h : handles) co_await h;
    co_return;
  }
  co_await until_stopped(stopped);
}

// X3: a stop reaches all that a task started, and what that started, with handles or without.
TEST(GoContextTest1, AStopReachesAllDescendants) {
  for (const bool joinable : {false, true}) {
    std::atomic<int> stopped = 0;
    hosted h;
    auto root = h.rt->spawn(tree, 5, joinable, std::ref(stopped));
    const auto other = h.rt->spawn(until_stopped, std::ref(stopped));
    h.settle();
    EXPECT_EQ(stopped, 0);
    root.request_stop();
    h.settle();
    EXPECT_EQ(stopped, 63);
    EXPECT_FALSE(other.done());
  }
}

// X3, with starters that have ended in between, which pass a stop on all the same.
task<> generation(int more, bool joinable, std::atomic<int>& stopped) {
  if (more == 0) {
    co_await until_stopped(stopped);
    co_return;
  }
  if (joinable)
    (void)spawn(generation, more - 1, joinable, std::ref(stopped));  // lets go of the handle
  else
    go(generation, more - 1, joinable, std::ref(stopped));
}
TEST(GoContextTest1, AStopReachesPastTasksThatHaveEnded) {
  for (const bool joinable : {false, true}) {
    std::atomic<int> stopped = 0;
    hosted h;
    auto root = h.rt->spawn([&]() -> task<> {
      go(generation, 6, joinable, std::ref(stopped));
      (void)spawn(generation, 6, joinable, std::ref(stopped));
      const bool slept = co_await sleep_for(1h);
      EXPECT_FALSE(slept);
    });
    h.settle();
    EXPECT_EQ(h.rt->tasks().size(), 3u);
    root.request_stop();
    h.settle();
    EXPECT_EQ(stopped, 2);
  }
}

// X4: a child that is stopped leaves its starter and its siblings alone.
TEST(GoContextTest1, AStopGoesDownOnly) {
  std::atomic<int> stopped = 0;
  hosted h;
  join_handle<void> child;
  const auto parent = h.rt->spawn([&]() -> task<> {
    child = spawn(tree, 2, true, std::ref(stopped));
    go(until_stopped, std::ref(stopped));
    co_await until_stopped(stopped);
  });
  h.settle();
  child.request_stop();
  h.settle();
  EXPECT_EQ(stopped, 7);
  EXPECT_FALSE(parent.done());
  EXPECT_EQ(h.rt->tasks().size(), 2u);
}

// X5, X6: a deadline that has passed stops at once; of nested ones the earlier holds.
TEST(GoContextTest1, DeadlinesNest) {
  hosted h;
  std::vector<int> order;
  const auto inner_first = h.rt->spawn([&]() -> task<> {
    const auto outer = co_await with_timeout(30ms, [&]() -> task<int> {
      const auto inner = co_await with_timeout(10ms, [&]() -> task<> {
        const bool slept = co_await sleep_for(1h);
        EXPECT_FALSE(slept);
      });
      EXPECT_FALSE(inner);
      order.push_back(1);
      EXPECT_FALSE(this_task::stop_requested());
      co_return 1;
    });
    EXPECT_EQ(outer, 1);
  });
  const auto outer_first = h.rt->spawn([&]() -> task<> {
    const auto outer = co_await with_timeout(20ms, [&]() -> task<> {
      const auto inner = co_await with_timeout(40ms, [&]() -> task<int> {
        const bool slept = co_await sleep_for(1h);
        EXPECT_FALSE(slept);
        co_return 2;
      });
      EXPECT_EQ(inner, 2);  // its own time was not up
      order.push_back(2);
    });
    EXPECT_FALSE(outer);
  });
  h.settle();
  for (int i = 0; i < 4; ++i) {
    h.clock.advance(10'000'000);
    h.settle();
  }
  EXPECT_TRUE(inner_first.done() && outer_first.done());
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}
TEST_P(GoContextTest, ADeadlineInThePastStopsAtOnce) {
  run([]() -> task<> {
    const auto late = co_await with_deadline(std::chrono::steady_clock::now() - 1s, []() -> task<> {
      const bool slept = co_await sleep_for(1h);
      EXPECT_FALSE(slept);
    });
    EXPECT_FALSE(late);
    const auto early =
        co_await with_deadline(std::chrono::steady_clock::now() + 1h, []() -> task<int> { co_return 5; });
    EXPECT_EQ(early, 5);
  });
}

// X7: a stop that comes before the time is up is no timeout.
TEST(GoContextTest1, AStopBeforeTheDeadlineIsNoTimeout) {
  hosted h;
  std::optional<int> result;
  auto a = h.rt->spawn([&]() -> task<> {
    result = co_await with_timeout(1h, []() -> task<int> {
      const bool slept = co_await sleep_for(2h);
      EXPECT_FALSE(slept);
      co_return 9;
    });
  });
  h.settle();
  a.request_stop();
  h.settle();
  EXPECT_EQ(result, 9);
}

// X9: many levels, stopped at several places at once.
task<> deep(int levels, std::atomic<int>& alive, std::vector<join_handle<void>>& handles, std::mutex& mutex) {
  ++alive;
  if (levels > 0) {
    auto child = spawn(deep, levels - 1, std::ref(alive), std::ref(handles), std::ref(mutex));
    std::lock_guard guard(mutex);
    handles.push_back(std::move(child));
  }
  const bool slept = co_await sleep_for(1h);
  EXPECT_FALSE(slept);
  --alive;
}
TEST_P(GoContextTest, StopsAtManyPlacesAtOnceEnd) {
  for (int round = 0; round < 10; ++round) {
    std::atomic<int> alive = 0;
    std::mutex mutex;
    std::vector<join_handle<void>> handles;
    handles.reserve(101);
    auto root = rt().spawn(deep, 100, std::ref(alive), std::ref(handles), std::ref(mutex));
    test::eventually([&] {
      std::lock_guard guard(mutex);
      return handles.size() == 100;
    });
    std::thread first([&] {
      for (std::size_t i = 0; i < handles.size(); i += 3) handles[i].request_stop();
    });
    std::thread second([&] { root.request_stop(); });
    first.join();
    second.join();
    root.get();
    for (auto& h : handles) h.get();
    EXPECT_EQ(alive, 0);
  }
}

// X9: tasks that start tasks while the stop goes round are all reached.
task<> start_on(std::atomic<int>& started) {
  while (!this_task::stop_requested()) {
    if (started < 20'000) {
      ++started;
      if (started % 2 == 0)
        go(start_on, std::ref(started));
      else
        (void)spawn(start_on, std::ref(started));
    }
    co_await yield();
  }
}
TEST_P(GoContextTest, NoneThatIsStartedMeanwhileIsMissed) {
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> started = 0;
    auto root = rt().spawn(start_on, std::ref(started));
    test::eventually([&] { return started > 100; });
    root.request_stop();
    root.get();
    EXPECT_TRUE(test::all_tasks_end(rt()));
  }
}

// X9: nor one of a chain in which each starts the next and ends, whatever the stop has looked at already.
task<> relay(bool joinable, std::atomic<int>& started) {
  if (this_task::stop_requested()) co_return;
  ++started;
  if (joinable)
    (void)spawn(relay, joinable, std::ref(started));
  else
    go(relay, joinable, std::ref(started));
}
TEST_P(GoContextTest, AChainOfTasksThatEndIsCut) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> started = 0;
    auto root = rt().spawn([&]() -> task<> {
      for (const bool joinable : {false, true}) {
        go(relay, joinable, std::ref(started));
        (void)spawn(relay, joinable, std::ref(started));
      }
      const bool slept = co_await sleep_for(1h);
      EXPECT_FALSE(slept);
    });
    test::eventually([&] { return started > 100; });
    root.request_stop();
    root.get();
    EXPECT_TRUE(test::all_tasks_end(rt()));
  }
}

// X10: what a stopped task starts is born stopped.
TEST_P(GoContextTest, ATaskOfAStoppedOneIsBornStopped) {
  run([]() -> task<> {
    auto a = spawn([]() -> task<> {
      const bool slept = co_await sleep_for(1h);
      EXPECT_FALSE(slept);
      auto child = spawn([]() -> task<bool> { co_return this_task::stop_requested(); });
      const bool stopped = co_await child;
      EXPECT_TRUE(stopped);
    });
    a.request_stop();
    co_await a;
  });
}

// X11: a callback on the token runs once; at once if the stop was before; never if it was taken back before.
TEST(GoContextTest1, CallbacksOnATasksToken) {
  hosted h;
  int before = 0, after = 0, taken_back = 0;
  std::stop_token token;
  auto a = h.rt->spawn([&]() -> task<> {
    token = this_task::stop_token();
    EXPECT_TRUE(token.stop_possible());
    EXPECT_FALSE(token.stop_requested());
    const std::stop_callback counts(token, [&] { ++before; });
    std::optional<std::stop_callback<std::function<void()>>> goes;
    goes.emplace(token, [&] { ++taken_back; });
    goes.reset();
    const bool slept = co_await sleep_for(1h);
    EXPECT_FALSE(slept);
    EXPECT_TRUE(this_task::stop_token().stop_requested());
    const std::stop_callback late(this_task::stop_token(), [&] { ++after; });
  });
  h.settle();
  a.request_stop();
  EXPECT_EQ(before, 1);
  EXPECT_TRUE(token.stop_requested());
  h.settle();
  EXPECT_TRUE(a.done());
  EXPECT_EQ(before, 1);
  EXPECT_EQ(after, 1);
  EXPECT_EQ(taken_back, 0);
}
TEST(GoContextTest1, OutsideAnyTaskNothingIsStopped) {
  EXPECT_FALSE(this_task::stop_token().stop_possible());
  EXPECT_FALSE(this_task::stop_requested());
}
TEST_P(GoContextTest, AnEndedTasksTokenIsNotAskedAnyMore) {
  run([]() -> task<> {
    std::stop_token token;
    auto a = spawn([&]() -> task<> {
      token = this_task::stop_token();
      co_return;
    });
    co_await a;
    auto b = spawn([]() -> task<> { co_await yield(); });
    b.request_stop();
    co_await b;
    EXPECT_FALSE(token.stop_requested());
  });
}

// X11, the other way: a foreign token stops a task and all below it, and is let go of afterwards.
TEST(GoContextTest1, AForeignTokenStopsATaskAndAllBelow) {
  hosted h;
  std::stop_source source;
  std::atomic<int> stopped = 0;
  std::optional<std::optional<int>> first, second;
  const auto a = h.rt->spawn([&]() -> task<> {
    first = co_await with_stop_token(source.get_token(), [&]() -> task<int> {
      go(until_stopped, std::ref(stopped));
      const bool slept = co_await sleep_for(1h);
      EXPECT_FALSE(slept);
      co_return 1;
    });
    second = co_await with_stop_token(std::stop_source().get_token(), []() -> task<int> { co_return 2; });
  });
  h.settle();
  EXPECT_FALSE(first);
  source.request_stop();
  h.settle();
  EXPECT_TRUE(a.done());
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first, std::nullopt);
  EXPECT_EQ(*second, 2);
  EXPECT_EQ(stopped, 1);
}

// X12: of two errors the first is kept.  G5 in task_group_test.cc.

// X13: what runs in shielded() is not reached, nor what it starts; the stop comes afterwards.
TEST(GoContextTest1, ShieldedTasksAndTheirChildrenGoOn) {
  std::atomic<int> stopped = 0;
  hosted h;
  bool after = false;
  auto a = h.rt->spawn([&]() -> task<> {
    co_await shielded([&]() -> task<> {
      go(until_stopped, std::ref(stopped));
      const bool slept = co_await sleep_for(10ms);
      EXPECT_TRUE(slept);
    });
    after = this_task::stop_requested();
  });
  h.settle();
  a.request_stop();
  h.settle();
  EXPECT_FALSE(a.done());
  h.clock.advance(10'000'000);
  h.settle();
  EXPECT_TRUE(a.done());
  EXPECT_TRUE(after);
  EXPECT_EQ(stopped, 0);
}
TEST(GoContextTest1, ATokenUnderAShieldIsAskedAfterwards) {
  hosted h;
  std::stop_token token;
  bool under_shield = true;
  auto a = h.rt->spawn([&]() -> task<> {
    token = this_task::stop_token();
    co_await shielded([&]() -> task<> {
      const bool slept = co_await sleep_for(10ms);
      EXPECT_TRUE(slept);
      under_shield = token.stop_requested();
    });
    EXPECT_TRUE(token.stop_requested());
  });
  h.settle();
  a.request_stop();
  h.settle();
  h.clock.advance(10'000'000);
  h.settle();
  EXPECT_TRUE(a.done());
  EXPECT_FALSE(under_shield);
}

// What a member of a group or a task with a deadline leaves behind is asked to stop with it.
TEST(GoContextTest1, WhatIsLeftBehindIsStoppedAtTheEnd) {
  std::atomic<int> stopped = 0;
  hosted h;
  const auto leave = [](std::atomic<int>& s) -> task<> {
    go(until_stopped, std::ref(s));
    co_return;
  };
  const auto a = h.rt->spawn([&]() -> task<> {
    const auto in_time = co_await with_timeout(1h, leave, std::ref(stopped));
    EXPECT_TRUE(in_time);
    task_group group;
    const bool begun = co_await group.go(leave, std::ref(stopped));
    EXPECT_TRUE(begun);
    co_await group.wait();
  });
  h.settle();
  EXPECT_TRUE(a.done());
  EXPECT_EQ(stopped, 2);
}

// Scopes without tasks are forgotten; those with tasks are not, whatever happens meanwhile. Each processor forgets when
// it has gathered thousands, so how many it takes depends on who started them.
TEST_P(GoContextTest, ScopesWithoutTasksAreForgotten) {
  std::atomic<int> stopped = 0;
  std::atomic<bool> looked = false;
  bool forgotten = false;
  auto root = rt().spawn([&]() -> task<> {
    (void)spawn(generation, 3, true, std::ref(stopped));
    for (std::size_t started = 1; started <= 1'000'000 && !forgotten; ++started) {
      auto child = spawn([]() -> task<> {
        auto grandchild = spawn([]() -> task<> { co_return; });
        co_await grandchild;
      });
      co_await child;
      if (started % 5000 == 0) forgotten = runtime_access::sched(rt()).stops().all_edges().size() < started / 2;
    }
    looked = true;
    co_await until_stopped(stopped);
  });
  test::eventually([&] { return looked.load(); });
  EXPECT_TRUE(forgotten);
  root.request_stop();
  root.get();
  EXPECT_TRUE(test::all_tasks_end(rt()));
  EXPECT_EQ(stopped, 2);
}

}  // namespace
}  // namespace weft
