// fork_scope, join_all and parallel_for: forks whose number is known only at run time.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include "support/processors.h"

namespace {

using namespace std::chrono_literals;

class ForkScopeTest : public weft::test::processors_test {};
INSTANTIATE_TEST_SUITE_P(, ForkScopeTest, weft::test::some_processors(), weft::test::processors_name);

weft::task<int64_t> skynet(int64_t number, int64_t leaves) {
  if (leaves == 1) co_return number;
  const int64_t step = leaves / 10;
  std::array<int64_t, 10> parts;
  weft::fork_scope scope;
  for (int64_t i = 0; i < 10; ++i)
    co_await scope.fork(parts[static_cast<std::size_t>(i)], skynet(number + i * step, step));
  co_await scope.join();
  co_return std::accumulate(parts.begin(), parts.end(), int64_t{0});
}

TEST_P(ForkScopeTest, ATreeOfTenChildrenEachGivesItsSum) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run(skynet, 0, 10'000), 49'995'000);
}

weft::task<int> same(int x) { co_return x; }

weft::task<int> yields(int x, int times) {
  for (int i = 0; i < times; ++i) co_await weft::yield();
  co_return x;
}

weft::task<int64_t> flat(int children, int yields_each) {
  std::vector<int> results(static_cast<std::size_t>(children), -1);
  weft::fork_scope scope;
  for (int i = 0; i < children; ++i) co_await scope.fork(results[static_cast<std::size_t>(i)], yields(i, yields_each));
  co_await scope.join();
  co_return std::accumulate(results.begin(), results.end(), int64_t{0});
}

TEST_P(ForkScopeTest, ManyChildrenOfOneParentAllGiveTheirResults) { EXPECT_EQ(run(flat, 10'000, 0), 49'995'000); }

TEST_P(ForkScopeTest, TheParentGoesOnWhileChildrenAreParked) {
  for (int i = 0; i < 20; ++i) EXPECT_EQ(run(flat, 300, i % 4), 44'850);
}

weft::task<> fulfil(weft::channel<int> out, int value) { EXPECT_TRUE(co_await out.send(value)); }

weft::task<int> wait_for_a_later_sibling() {
  weft::channel<int> ch(0);
  int received = 0;
  auto receive = [](weft::channel<int> in) -> weft::task<int> { co_return (co_await in.receive()).value_or(-1); };
  weft::fork_scope scope;
  co_await scope.fork(received, receive(ch));
  co_await scope.fork(fulfil(ch, 7));
  co_await scope.join();
  co_return received;
}

TEST_P(ForkScopeTest, AChildMayWaitForASiblingThatIsForkedLater) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(run(wait_for_a_later_sibling), 7);
}

weft::task<int> nested(int depth) {
  if (depth == 0) {
    co_await weft::yield();
    co_return 1;
  }
  int a = 0;
  int b = 0;
  int c = 0;
  int d = 0;
  weft::fork_scope outer;
  co_await outer.fork(a, nested(depth - 1));
  {
    weft::fork_scope inner;
    co_await inner.fork(b, nested(depth - 1));
    auto [x, y] = co_await weft::join(nested(depth - 1), same(10));
    c = x + y - 10;
    co_await inner.join();
  }
  co_await outer.fork(d, nested(depth - 1));
  co_await outer.join();
  // The same scope once more.
  int e = 0;
  co_await outer.fork(e, same(5));
  co_await outer.join();
  co_return a + b + c + d + e - 5;
}

TEST_P(ForkScopeTest, ScopesAndJoinsNestInOneCoroutine) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(run(nested, 5), 1024);
}

weft::task<std::string> text(std::string before, int times) {
  for (int i = 0; i < times; ++i) co_await weft::yield();
  co_return before + " and a text that is long enough for the heap";
}

weft::task<std::size_t> strings(int children) {
  std::vector<std::optional<std::string>> results(static_cast<std::size_t>(children));
  weft::fork_scope scope;
  for (int i = 0; i < children; ++i) {
    std::string before = std::to_string(i) + " with parameters that need destruction";
    co_await scope.fork(results[static_cast<std::size_t>(i)], text(std::move(before), i % 3));
  }
  co_await scope.join();
  std::size_t right = 0;
  for (int i = 0; i < children; ++i) {
    const auto& r = results[static_cast<std::size_t>(i)];
    right += r.has_value() && r->starts_with(std::to_string(i) + " with") ? 1 : 0;
  }
  co_return right;
}

TEST_P(ForkScopeTest, ParametersAndResultsThatNeedDestructionAreDestroyedOnce) { EXPECT_EQ(run(strings, 200), 200U); }

weft::task<int> throws(int x, int times) {
  for (int i = 0; i < times; ++i) co_await weft::yield();
  throw std::runtime_error("child " + std::to_string(x));
}

weft::task<int> one_throws(int children, int bad, std::atomic<int>* ended) {
  std::vector<int> results(static_cast<std::size_t>(children));
  auto ends = [](int times, std::atomic<int>* count) -> weft::task<int> {
    for (int i = 0; i < times; ++i) co_await weft::yield();
    ++*count;
    co_return 1;
  };
  weft::fork_scope scope;
  for (int i = 0; i < children; ++i) {
    int& result = results[static_cast<std::size_t>(i)];
    if (i == bad)
      co_await scope.fork(result, throws(i, i % 3));
    else
      co_await scope.fork(result, ends(i % 4, ended));
  }
  int caught = 0;
  try {
    co_await scope.join();
  } catch (const std::runtime_error& e) {
    caught = std::string(e.what()) == "child " + std::to_string(bad) ? 1 : -1;
  }
  co_return caught;
}

TEST_P(ForkScopeTest, TheExceptionIsRethrownByJoinAfterAllHaveEnded) {
  for (int bad = 0; bad < 12; ++bad) {
    std::atomic<int> ended{0};
    EXPECT_EQ(run(one_throws, 12, bad, &ended), 1);
    EXPECT_EQ(ended, 11);
  }
}

weft::task<bool> sees_failure() {
  int result = 0;
  weft::fork_scope scope;
  const bool before = scope.failed();
  co_await scope.fork(result, throws(1, 0));
  co_await weft::yield();
  bool caught = false;
  try {
    co_await scope.join();
  } catch (const std::runtime_error&) {
    caught = true;
  }
  co_return !before && caught;
}

TEST_P(ForkScopeTest, AFailureIsKnownToTheScope) { EXPECT_TRUE(run(sees_failure)); }

weft::task<int> deep(int depth) {
  int below = 0;
  if (depth == 0) co_return 0;
  weft::fork_scope scope;
  co_await scope.fork(below, deep(depth - 1));
  co_await scope.join();
  co_return below + 1;
}

TEST_P(ForkScopeTest, ForksNestFarDeeperThanOneSegment) { EXPECT_EQ(run(deep, 20'000), 20'000); }

weft::task<> stopped_child(std::atomic<int>* ended) {
  EXPECT_FALSE(co_await weft::sleep_for(1h));
  ++*ended;
}

weft::task<> forks_sleepers(std::atomic<int>* ended) {
  weft::fork_scope scope;
  for (int i = 0; i < 8; ++i) co_await scope.fork(stopped_child(ended));
  co_await scope.join();
}

TEST_P(ForkScopeTest, AStopReachesEveryChild) {
  std::atomic<int> ended{0};
  auto handle = rt().spawn(forks_sleepers, &ended);
  weft::test::eventually([&] { return weft::test::tasks_in_state(rt(), "sleep") >= 1; });
  handle.request_stop();
  handle.get();
  EXPECT_EQ(ended, 8);
}

struct watched {
  explicit watched(std::atomic<int>& count) noexcept : live(&count) { ++*live; }
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;
  ~watched() { --*live; }
  std::atomic<int>* live;
};

weft::task<> sleeps_long() { (void)co_await weft::sleep_for(1h); }

// Shutdown's stop does not reach what is shielded, so it finds this one parked.
weft::task<> never_ends(std::atomic<int>* live, std::atomic<int>* parents) {
  struct checks {
    std::atomic<int>* parents;
    ~checks() { EXPECT_EQ(parents->load(), 1); }  // the parent's frame outlives its children's
  } c{parents};
  watched w(*live);
  co_await weft::shielded(sleeps_long);
}

weft::task<> forks_for_ever(std::atomic<int>* live, std::atomic<int>* parents, bool joins) {
  watched w(*parents);
  weft::fork_scope outer;
  co_await outer.fork(never_ends(live, parents));
  weft::fork_scope inner;
  for (int i = 0; i < 5; ++i) co_await inner.fork(never_ends(live, parents));
  if (!joins) co_await weft::shielded(sleeps_long);
  co_await inner.join();
  co_await outer.join();
}

TEST(ForkScopeDestroyTest, ShutdownDestroysChildrenBeforeTheirParent) {
  for (const int processors : {0, 1, 2, 8}) {
    for (const bool joins : {false, true}) {
      std::atomic<int> live{0};
      std::atomic<int> parents{0};
      auto rt = weft::test::make_runtime(processors);
      auto handle = rt->spawn(forks_for_ever, &live, &parents, joins);
      if (processors == 0) weft::test::settle(*rt);
      weft::test::eventually([&] { return live == 6; });
      EXPECT_FALSE(rt->shutdown(0s).clean());
      rt.reset();
      EXPECT_EQ(live, 0);
      EXPECT_EQ(parents, 0);
    }
  }
}

weft::task<> leaves_open() {
  weft::fork_scope scope;
  int result = 0;
  co_await scope.fork(result, same(1));
}

TEST(ForkScopeDeathTest, AScopeThatIsLeftOpenEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(weft::test::make_runtime(1)->run(leaves_open), "forks that were not joined");
}

// --- join_all and parallel_for ---------------------------------------------------------------------------------------

weft::task<bool> doubles_all(int n) {
  std::vector<int> elements(static_cast<std::size_t>(n));
  std::iota(elements.begin(), elements.end(), 0);
  auto twice = [](int x) -> weft::task<int> {
    if (x % 7 == 0) co_await weft::yield();
    co_return 2 * x;
  };
  const std::vector<int> results = co_await weft::join_all(elements, twice);
  bool right = results.size() == elements.size();
  for (std::size_t i = 0; right && i < results.size(); ++i) right = results[i] == 2 * static_cast<int>(i);
  co_return right;
}

TEST_P(ForkScopeTest, JoinAllGivesTheResultsInOrder) {
  for (const int n : {0, 1, 2, 3, 100, 5'000}) EXPECT_TRUE(run(doubles_all, n)) << n;
}

weft::task<int> rendezvous_of_all(int n) {
  std::vector<int> elements(static_cast<std::size_t>(n), 1);
  std::atomic<int> arrived{0};
  weft::channel<int> gate(0);
  auto meet = [&](int one) -> weft::task<int> {
    if (++arrived == n) gate.close();
    const std::optional<int> none = co_await gate.receive();
    co_return none ? 0 : one;
  };
  const std::vector<int> results = co_await weft::join_all(elements, meet);
  co_return std::accumulate(results.begin(), results.end(), 0);
}

TEST_P(ForkScopeTest, ElementsOfJoinAllMayWaitForEachOther) { EXPECT_EQ(run(rendezvous_of_all, 100), 100); }

weft::task<bool> throws_in_join_all() {
  const std::vector<int> elements{1, 2, 3, 4, 5};
  std::atomic<int> ended{0};
  auto body = [&](int x) -> weft::task<> {
    ++ended;
    if (x == 2) throw std::runtime_error("two");
    co_return;
  };
  bool caught = false;
  try {
    co_await weft::join_all(elements, body);
  } catch (const std::runtime_error&) {
    caught = ended == 5;
  }
  co_return caught;
}

TEST_P(ForkScopeTest, JoinAllRethrowsAfterEveryElementHasRun) { EXPECT_TRUE(run(throws_in_join_all)); }

weft::task<bool> visits_each_once(int first, int last) {
  std::vector<std::atomic<int>> visits(static_cast<std::size_t>(last - first));
  auto body = [&](int i) { ++visits[static_cast<std::size_t>(i - first)]; };
  co_await weft::parallel_for(first, last, body);
  bool right = true;
  for (const std::atomic<int>& v : visits) right = right && v == 1;
  co_return right;
}

TEST_P(ForkScopeTest, ParallelForVisitsEachIndexOnce) {
  for (const int n : {0, 1, 2, 63, 64, 65, 1'000, 100'000}) EXPECT_TRUE(run(visits_each_once, -5, n - 5)) << n;
}

weft::task<int> slow_bodies_spread(int n) {
  // Each waits until another has begun, so that one processor alone cannot end the loop.
  std::atomic<int> begun{0};
  std::atomic<int> met{0};
  auto body = [&](int) {
    if (begun.fetch_add(1) == 0)
      while (begun == 1) std::this_thread::yield();
    ++met;
  };
  co_await weft::parallel_for(0, n, body);
  co_return met.load();
}

TEST(ParallelForTest, ASlowBodyLeavesTheRestToOthers) {
  auto rt = weft::test::make_runtime(2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(rt->run(slow_bodies_spread, 1'000), 1'000);
}

weft::task<bool> throws_in_parallel_for() {
  auto body = [](int i) {
    if (i == 777) throw std::runtime_error("777");
  };
  bool caught = false;
  try {
    co_await weft::parallel_for(0, 1'000, body);
  } catch (const std::runtime_error&) {
    caught = true;
  }
  co_return caught;
}

TEST_P(ForkScopeTest, ParallelForRethrowsWhatABodyThrew) { EXPECT_TRUE(run(throws_in_parallel_for)); }

weft::task<int> coroutine_bodies(int n) {
  std::atomic<int> sum{0};
  auto body = [&](int i) -> weft::task<> {
    if (i % 5 == 0) co_await weft::yield();
    sum += i;
  };
  co_await weft::parallel_for(0, n, body);
  co_return sum.load();
}

TEST_P(ForkScopeTest, BodiesOfParallelForMayBeCoroutines) { EXPECT_EQ(run(coroutine_bodies, 1'000), 499'500); }

}  // namespace
