// Semaphores behave as x/sync/semaphore: the behaviours that semaphore_test.go defines, by id.
//
// Where C++ differs from Go by design: a permit gives itself back, so a release without a hold needs
// semaphore::release; and an acquire that is given up ends by a stop of its task, not by a context.
#include <weft/semaphore.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::make_runtime;
using test::processors_test;
using test::settle;
using test::tasks_in_state;

class GoSemaphoreTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoSemaphoreTest, test::some_processors(), test::processors_name);

task<> hammer(semaphore& sem, std::atomic<int64_t>& held, int64_t total, uint32_t seed, int loops) {
  std::mt19937 random(seed);
  for (int i = 0; i < loops; ++i) {
    const int64_t weight = 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(total));
    permit p = co_await sem.acquire(weight);
    EXPECT_TRUE(p);
    EXPECT_EQ(p.count(), weight);
    const int64_t now = held += weight;
    EXPECT_LE(now, total) << "seed " << seed;
    co_await yield();
    held -= weight;
  }
}

// S1
TEST_P(GoSemaphoreTest, RandomWeightsNeverExceedTheTotalAndAllFinish) {
  constexpr int64_t total = 13;
  semaphore sem(total);
  std::atomic<int64_t> held = 0;
  std::vector<join_handle<void>> handles;
  for (uint32_t i = 0; i < 16; ++i)
    handles.push_back(rt().spawn(hammer, std::ref(sem), std::ref(held), total, i + 1, 300));
  for (join_handle<void>& h : handles) h.get();
  EXPECT_EQ(sem.available(), total);
}

// S2
TEST(GoSemaphoreDeathTest, AReleaseWithoutAHoldAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        semaphore sem(1);
        sem.release(1);
      },
      "released more than held");
}

// S3
TEST(GoSemaphoreTryTest, TryAcquireTakesWhatIsThereAndFailsOtherwise) {
  semaphore sem(2);
  std::optional<permit> first = sem.try_acquire(1);
  EXPECT_TRUE(first);
  std::optional<permit> second = sem.try_acquire(1);
  EXPECT_TRUE(second);
  EXPECT_FALSE(sem.try_acquire(1));
  first.reset();
  second.reset();
  std::optional<permit> third = sem.try_acquire(1);
  EXPECT_TRUE(third);
  std::optional<permit> fourth = sem.try_acquire(1);
  EXPECT_TRUE(fourth);
  EXPECT_FALSE(sem.try_acquire(1));
}

task<permit> acquire(semaphore& sem, int64_t count) {
  permit p = co_await sem.acquire(count);
  co_return p;
}

// S4: Go gives up by a context's deadline; here the task is stopped.
TEST(GoSemaphoreParkTest, AcquireParksUntilPermitsAreFreeOrItsTaskIsStopped) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(2);
  permit one = rt->run(acquire, std::ref(sem), 1);
  permit two = rt->run(acquire, std::ref(sem), 1);
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
  join_handle<permit> third = rt->spawn(acquire, std::ref(sem), 1);
  settle(*rt);
  EXPECT_FALSE(third.done());
  EXPECT_EQ(tasks_in_state(*rt, "semacquire"), 1u);
  third.request_stop();
  settle(*rt);
  ASSERT_TRUE(third.done());
  EXPECT_FALSE(third.get());
  one.release();
  two.release();
  EXPECT_EQ(sem.available(), 2);
  EXPECT_TRUE(rt->run(acquire, std::ref(sem), 1));
  permit both = rt->run(acquire, std::ref(sem), 2);
  EXPECT_TRUE(both);
  join_handle<permit> fourth = rt->spawn(acquire, std::ref(sem), 1);
  settle(*rt);
  EXPECT_FALSE(fourth.done());
  both.release();
  settle(*rt);
  EXPECT_TRUE(fourth.get());
}

// S5
TEST(GoSemaphoreParkTest, ARequestForMoreThanThereIsWaitsForItsStopAndBlocksNobody) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(2);
  permit held = rt->run(acquire, std::ref(sem), 2);
  join_handle<permit> too_much = rt->spawn(acquire, std::ref(sem), 3);
  settle(*rt);
  EXPECT_FALSE(too_much.done());
  held.release();
  settle(*rt);
  EXPECT_FALSE(too_much.done()) << "all permits are free, and that is not enough";
  EXPECT_TRUE(sem.try_acquire(2));
  EXPECT_TRUE(rt->run(acquire, std::ref(sem), 2));
  too_much.request_stop();
  settle(*rt);
  ASSERT_TRUE(too_much.done());
  EXPECT_FALSE(too_much.get());
  EXPECT_EQ(sem.available(), 2);
}

task<> flood(semaphore& sem, const std::atomic<bool>& enough) {
  while (!enough) {
    permit p = co_await sem.acquire(1);
    co_await yield();
    p.release();
    co_await yield();
  }
}

task<> want_all(semaphore& sem, int64_t total, std::atomic<bool>& enough) {
  for (int i = 0; i < 20; ++i) {
    permit p = co_await sem.acquire(total);
    EXPECT_EQ(p.count(), total);
    p.release();
    co_await yield();
  }
  enough = true;
}

// S6
TEST_P(GoSemaphoreTest, ALargeRequestIsNotStarvedByAFloodOfSmallOnes) {
  constexpr int64_t total = 8;
  semaphore sem(total);
  std::atomic<bool> enough = false;
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 2 * total; ++i) handles.push_back(rt().spawn(flood, std::ref(sem), std::cref(enough)));
  rt().run(want_all, std::ref(sem), total, std::ref(enough));
  for (join_handle<void>& h : handles) h.get();
  EXPECT_EQ(sem.available(), total);
}

// S10
TEST(GoSemaphoreParkTest, TryAcquireFailsWhileAnyoneWaits) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(4);
  permit held = rt->run(acquire, std::ref(sem), 2);
  join_handle<permit> large = rt->spawn(acquire, std::ref(sem), 3);
  settle(*rt);
  EXPECT_EQ(sem.available(), 2);
  EXPECT_FALSE(sem.try_acquire(1)) << "it fits, but somebody is before it";
  held.release();
  settle(*rt);
  ASSERT_TRUE(large.done());
  EXPECT_TRUE(sem.try_acquire(1));
}

// S11
TEST(GoSemaphoreParkTest, WaitersAreGrantedInTheOrderOfTheirArrival) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(10);
  permit held = rt->run(acquire, std::ref(sem), 10);
  std::vector<int> order;
  std::vector<join_handle<void>> handles;
  constexpr int64_t weights[] = {6, 7, 10, 8, 6, 9, 10};  // no two at a time, so the tasks run as they are granted
  for (int i = 0; i < 7; ++i) {
    handles.push_back(rt->spawn([&sem, &order, i, weight = weights[i]]() -> task<> {
      permit p = co_await sem.acquire(weight);
      order.push_back(i);
      co_await yield();
    }));
    settle(*rt);
  }
  EXPECT_TRUE(order.empty());
  held.release();
  settle(*rt);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(sem.available(), 10);
}

// S4, with a time limit, as Go's test has it.
TEST(GoSemaphoreParkTest, AnAcquireThatIsGivenUpInTimeTakesNothing) {
  test::manual_clock clock;
  os::seams seams = os::seams::real();
  seams.time = &clock;
  options opts;
  opts.processors = 0;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::host);
  semaphore sem(2);
  const permit held = *sem.try_acquire(2);
  join_handle<bool> by_timeout = rt->spawn([&]() -> task<bool> {
    const auto got = co_await with_timeout(10ms, acquire, std::ref(sem), 1);
    co_return got.has_value();
  });
  join_handle<std::size_t> by_select = rt->spawn([&]() -> task<std::size_t> {
    auto r = co_await select(sem.acquire(1), sleep_for(10ms));
    co_return r.index();
  });
  settle(*rt);
  EXPECT_FALSE(by_timeout.done() || by_select.done());
  clock.advance(10'000'000);
  settle(*rt);
  ASSERT_TRUE(by_timeout.done() && by_select.done());
  EXPECT_FALSE(by_timeout.get());
  EXPECT_EQ(by_select.get(), 1u);
  EXPECT_EQ(sem.available(), 0);
}

// S7
TEST(GoSemaphoreParkTest, ALargeHeadThatIsStoppedLetsThoseBehindItThatFitThrough) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(10);
  const permit held = *sem.try_acquire(7);
  join_handle<permit> large = rt->spawn(acquire, std::ref(sem), 9);
  settle(*rt);
  std::vector<join_handle<permit>> small;
  for (const int64_t count : {1, 2, 1}) {
    small.push_back(rt->spawn(acquire, std::ref(sem), count));
    settle(*rt);
  }
  for (join_handle<permit>& h : small) EXPECT_FALSE(h.done()) << "the large one is before it";
  large.request_stop();
  settle(*rt);
  ASSERT_TRUE(large.done());
  EXPECT_FALSE(large.get());
  EXPECT_TRUE(small[0].done() && small[1].done()) << "3 are free";
  EXPECT_FALSE(small[2].done());
  EXPECT_EQ(sem.available(), 0);
  small[0].get().release();
  settle(*rt);
  ASSERT_TRUE(small[2].done());
  EXPECT_TRUE(small[2].get());
}

// S8: the stop comes before the permits, though the task has not run between the two.
TEST(GoSemaphoreParkTest, AnAcquireThatWasStoppedBeforePermitsCameFailsAndTakesNone) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(1);
  permit held = *sem.try_acquire(1);
  join_handle<permit> waits = rt->spawn(acquire, std::ref(sem), 1);
  join_handle<permit> behind = rt->spawn(acquire, std::ref(sem), 1);
  settle(*rt);
  waits.request_stop();
  held.release();
  settle(*rt);
  ASSERT_TRUE(waits.done() && behind.done());
  EXPECT_FALSE(waits.get());
  EXPECT_TRUE(behind.get()) << "it went to the next one";
  EXPECT_EQ(sem.available(), 1);
}

// S8, the other way round, where Go gives the permits back: they were granted before the stop, so they are kept.
TEST(GoSemaphoreParkTest, PermitsThatCameBeforeTheStopAreKept) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(1);
  permit held = *sem.try_acquire(1);
  join_handle<permit> waits = rt->spawn(acquire, std::ref(sem), 1);
  settle(*rt);
  held.release();
  waits.request_stop();
  settle(*rt);
  ASSERT_TRUE(waits.done());
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(sem.available(), 1);
}

// S8: stops race with releases; whoever fails took nothing.
TEST_P(GoSemaphoreTest, StopsThatRaceWithReleasesConserveThePermits) {
  constexpr int64_t total = 3;
  semaphore sem(total);
  for (int round = 0; round < 200; ++round) {
    permit held = *sem.try_acquire(total);
    std::vector<join_handle<permit>> waiting;
    for (const int64_t count : {3, 1, 2, 1, 4}) waiting.push_back(rt().spawn(acquire, std::ref(sem), count));
    std::jthread releaser([p = std::move(held)]() mutable { p.release(); });
    for (join_handle<permit>& h : waiting) h.request_stop();
    for (join_handle<permit>& h : waiting) {
      const permit p = h.get();
      EXPECT_NE(p.count(), 4) << "more than there are";
    }
    releaser.join();
    ASSERT_EQ(sem.available(), total) << "round " << round;
  }
}

// S9
TEST_P(GoSemaphoreTest, AnAcquireOfAStoppedTaskFailsAtOnceThoughPermitsAreFree) {
  semaphore sem(2);
  channel<int> stopped(0);
  join_handle<int> h = rt().spawn([&]() -> task<int> {
    (void)co_await stopped.receive();  // ends by the stop
    EXPECT_TRUE(this_task::stop_requested());
    int failures = 0;
    for (const int64_t count : {1, 2, 3}) {
      const permit p = co_await sem.acquire(count);
      failures += p ? 0 : 1;
    }
    EXPECT_TRUE(sem.try_acquire(1)) << "trying is no wait, so a stop is nothing to it";
    co_return failures;
  });
  h.request_stop();
  EXPECT_EQ(h.get(), 3);
  EXPECT_EQ(sem.available(), 2);
}

}  // namespace
}  // namespace weft
