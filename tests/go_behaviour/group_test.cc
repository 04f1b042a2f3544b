// Task groups behave as x/sync/errgroup: the behaviours that errgroup_test.go defines, by id.
//
// Where C++ differs from Go by design: a member fails by an exception, not by a returned error; the group's stop takes
// the place of its context; the limit is given when the group is made, and 0 means none.
#include <weft/task_group.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::make_runtime;
using test::settle;
using test::tasks_in_state;

class GoGroupTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoGroupTest, test::some_processors(), test::processors_name);

struct failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A member: fails with a text, or does nothing.
task<> end_with(std::string text) {
  co_await yield();
  if (!text.empty()) throw failure(text);
}

task<> receive_one(channel<int> gate) { (void)co_await gate.receive(); }

task<> wait_for_stop(std::atomic<int>& stopped) {
  const bool slept = co_await sleep_for(1h);
  if (!slept && this_task::stop_requested()) ++stopped;
}

// What wait() throws; "none" if it returns.
task<std::string> failure_of(task_group& group) {
  std::string text = "none";
  try {
    co_await group.wait();
  } catch (const failure& f) {
    text = f.what();
  }
  co_return text;
}

// G1: a group with no options at all, used for one member after another: the first failure stays.
TEST_P(GoGroupTest, APlainGroupKeepsTheFirstFailureForEveryWait) {
  const std::vector<std::vector<std::string>> cases = {{},        {""},       {"1"},         {"", "1"},
                                                       {"1", ""}, {"1", "2"}, {"", "1", "2"}};
  for (const std::vector<std::string>& members : cases)
    run([&members]() -> task<> {
      task_group group;
      std::string first = "none";
      for (const std::string& text : members) {
        const bool begun = co_await group.go(end_with, text);
        EXPECT_EQ(begun, first == "none") << "after a failure nothing more is started";
        if (first == "none" && !text.empty()) first = text;
        for (int i = 0; i < 2; ++i) {
          const std::string thrown = co_await failure_of(group);
          EXPECT_EQ(thrown, first);
        }
      }
    });
}

// G2: whatever a member has left behind is stopped when the group has been waited for, with a failure or without. The
// group itself is stopped by a failure only, and without one may be used again.
TEST_P(GoGroupTest, WhatMembersLeftBehindIsStoppedAfterTheWaitInEveryCase) {
  for (const bool fails : {false, true}) {
    std::atomic<int> stopped = 0;
    run([&]() -> task<> {
      const auto leaves = [](std::atomic<int>& count, bool fail) -> task<> {
        go(wait_for_stop, std::ref(count));
        (void)spawn(wait_for_stop, std::ref(count));
        if (fail) throw failure("it");
        co_return;
      };
      task_group group;
      const bool begun = co_await group.go(leaves, std::ref(stopped), fails);
      EXPECT_TRUE(begun);
      const std::string thrown = co_await failure_of(group);
      EXPECT_EQ(thrown, fails ? "it" : "none");
      EXPECT_EQ(group.stop_requested(), fails);
      const bool again = co_await group.go(end_with, std::string());
      EXPECT_EQ(again, !fails);
      const std::string then = co_await failure_of(group);
      EXPECT_EQ(then, thrown);
    });
    EXPECT_TRUE(test::all_tasks_end(rt()));
    EXPECT_EQ(stopped, 2);
  }
}

// G3
TEST_P(GoGroupTest, TryGoFailsAtTheLimitAndAFreedSlotIsUsedAgain) {
  for (const int limit : {1, 42})
    run([limit]() -> task<> {
      task_group group({.limit = limit});
      channel<int> gate(0);
      for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < limit; ++i) EXPECT_TRUE(group.try_go(receive_one, gate)) << i;
        EXPECT_FALSE(group.try_go(receive_one, gate));
        EXPECT_EQ(group.size(), limit);
        const bool one_ends = co_await gate.send(1);
        EXPECT_TRUE(one_ends);
        while (group.size() == limit) co_await yield();
        EXPECT_TRUE(group.try_go(receive_one, gate)) << "a freed slot";
        EXPECT_FALSE(group.try_go(receive_one, gate));
        for (int i = 0; i < limit; ++i) {
          const bool ends = co_await gate.send(1);
          EXPECT_TRUE(ends);
        }
        co_await group.wait();
        EXPECT_EQ(group.size(), 0);
      }
    });
}

// G3, where Go's limit of 0 lets nothing start: here it is no limit.
TEST_P(GoGroupTest, ALimitOfZeroIsNoLimit) {
  run([]() -> task<> {
    task_group group({.limit = 0});
    channel<int> gate(0);
    for (int i = 0; i < 100; ++i) {
      const bool begun = i % 2 == 0 ? group.try_go(receive_one, gate) : co_await group.go(receive_one, gate);
      EXPECT_TRUE(begun);
    }
    EXPECT_EQ(group.size(), 100);
    gate.close();
    co_await group.wait();
  });
}

// G4
TEST_P(GoGroupTest, NeverMoreThanTheLimitRunAndAllRun) {
  std::atomic<int> active = 0, most = 0, ran = 0;
  run([&]() -> task<> {
    const auto member = [&]() -> task<> {
      const int now = ++active;
      int seen = most;
      while (seen < now && !most.compare_exchange_weak(seen, now)) {
      }
      co_await yield();
      --active;
      ++ran;
    };
    task_group group({.limit = 10});
    for (int i = 0; i < 1025; ++i) {
      const bool begun = co_await group.go(std::cref(member));
      EXPECT_TRUE(begun);
    }
    co_await group.wait();
  });
  EXPECT_EQ(ran, 1025);
  EXPECT_LE(most, 10);
}

// G5: the cause is what wait() throws. Members see that they are asked to stop, and not why.
TEST_P(GoGroupTest, TheCauseIsTheFirstFailureAndWithoutOneThereIsNone) {
  std::atomic<int> stopped = 0;
  run([&]() -> task<> {
    task_group group;
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(group.try_go(wait_for_stop, std::ref(stopped)));
    EXPECT_TRUE(group.try_go(end_with, std::string("cause")));
    const std::string thrown = co_await failure_of(group);
    EXPECT_EQ(thrown, "cause");
    EXPECT_EQ(stopped, 5);
    // A stop from elsewhere is no failure.
    task_group other;
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(other.try_go(wait_for_stop, std::ref(stopped)));
    other.request_stop();
    const std::string none = co_await failure_of(other);
    EXPECT_EQ(none, "none");
    EXPECT_EQ(stopped, 10);
  });
}

// G6: a limit is given once, before anything can be active, so there is nothing to misuse; a negative one is.
static_assert(!std::is_copy_assignable_v<task_group> && !std::is_move_assignable_v<task_group>);
TEST(GoGroupDeathTest, ANegativeLimitIsMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(task_group({.limit = -1}), "weft: .*task_group: limit must be 0");
}

// G7
TEST(GoGroupParkTest, GoParksAtTheLimitUntilASlotIsFree) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> gate(0);
  int started = 0;
  join_handle<void> h = rt->spawn([&]() -> task<> {
    task_group group({.limit = 2});
    for (int i = 0; i < 4; ++i) {
      const bool begun = co_await group.go(receive_one, gate);
      EXPECT_TRUE(begun);
      ++started;
    }
    co_await group.wait();
  });
  settle(*rt);
  for (int free = 0; free <= 2; ++free) {
    EXPECT_EQ(started, 2 + free);
    EXPECT_EQ(tasks_in_state(*rt, "chan receive"), 2u);
    EXPECT_TRUE(gate.try_send(1));
    settle(*rt);
  }
  gate.close();
  settle(*rt);
  EXPECT_TRUE(h.done());
}

// G7: one that waits for a slot when the group fails, or its task is stopped, starts nothing and says so.
TEST(GoGroupParkTest, GoThatWaitsForASlotEndsWithTheGroupsStop) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  std::atomic<int> stopped = 0;
  std::optional<bool> begun;
  join_handle<std::string> h = rt->spawn([&]() -> task<std::string> {
    task_group group({.limit = 1});
    EXPECT_TRUE(group.try_go(end_with, std::string("it")));
    begun = co_await group.go(wait_for_stop, std::ref(stopped));
    co_return co_await failure_of(group);
  });
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(begun, false);
  EXPECT_EQ(h.get(), "it");
  EXPECT_EQ(stopped, 0);
}

// G8: the order in which the members fail is fixed here, by the gates.
TEST(GoGroupParkTest, LaterFailuresAreDropped) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  std::vector<channel<int>> gates;
  for (int i = 0; i < 3; ++i) gates.emplace_back(0u);
  int failed = 0;
  join_handle<std::string> h = rt->spawn([&]() -> task<std::string> {
    task_group group;
    for (int i = 0; i < 3; ++i) {
      const auto fails = [&failed](channel<int> gate, int n) -> task<> {
        // Not stopped by the first failure, so that there are others.
        (void)co_await shielded(receive_one, gate);
        ++failed;
        throw failure(std::to_string(n));
      };
      EXPECT_TRUE(group.try_go(fails, gates[static_cast<std::size_t>(i)], i));
    }
    const std::string thrown = co_await failure_of(group);
    const std::string again = co_await failure_of(group);
    EXPECT_EQ(again, thrown);
    co_return thrown;
  });
  settle(*rt);
  for (const std::size_t i : {1u, 2u, 0u}) {
    EXPECT_FALSE(h.done()) << "it waits for all of them";
    EXPECT_TRUE(gates[i].try_send(1));
    settle(*rt);
  }
  ASSERT_TRUE(h.done());
  EXPECT_EQ(failed, 3);
  EXPECT_EQ(h.get(), "1");
}

// G9: what a member throws is rethrown where the group is waited for, with its type.
TEST_P(GoGroupTest, AnExceptionOfAMemberIsRethrownByWait) {
  run([]() -> task<> {
    task_group group;
    EXPECT_TRUE(group.try_go([]() -> task<> {
      co_await yield();
      throw 42;
    }));
    int thrown = 0;
    try {
      co_await group.wait();
    } catch (int n) {
      thrown = n;
    }
    EXPECT_EQ(thrown, 42);
  });
}

}  // namespace
}  // namespace weft
