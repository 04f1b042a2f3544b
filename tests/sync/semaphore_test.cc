// Semaphores beyond what Go says: permits give themselves back, and none is lost when a stop races with a grant.
#include <weft/semaphore.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/processors.h"

namespace weft {
namespace {

using test::make_runtime;
using test::processors_test;
using test::settle;

class SemaphoreTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, SemaphoreTest, test::some_processors(), test::processors_name);

static_assert(!std::is_copy_constructible_v<permit> && std::is_nothrow_move_constructible_v<permit>);
static_assert(!std::is_move_constructible_v<semaphore>);

TEST(PermitTest, GivesItselfBackOnceHoweverItIsMoved) {
  semaphore sem(5);
  {
    permit a = *sem.try_acquire(2);
    EXPECT_EQ(a.count(), 2);
    permit b = std::move(a);
    EXPECT_EQ(sem.available(), 3);
    permit c = *sem.try_acquire(3);
    c = std::move(b);
    EXPECT_EQ(sem.available(), 3) << "what c held is free";
    c.release();
    EXPECT_EQ(sem.available(), 5);
    c.release();
  }
  EXPECT_EQ(sem.available(), 5);
  sem.try_acquire(4)->keep();
  EXPECT_EQ(sem.available(), 1);
  sem.release(4);
  EXPECT_EQ(sem.available(), 5);
}

TEST(SemaphoreDeathTest, MisuseSaysWhatAndAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(semaphore(-1), "permits must be 0 to");
  EXPECT_DEATH(
      {
        semaphore sem(1);
        static_cast<void>(sem.blocking_acquire(2));
      },
      "count must be 1 to the number of permits");
}

task<permit> acquire(semaphore& sem, int64_t count) {
  permit p = co_await sem.acquire(count);
  co_return p;
}

task<int> acquire_after_stop(semaphore& sem, channel<int> empty) {
  static_cast<void>(co_await empty.receive());
  int refused = 0;
  for (int i = 0; i < 3; ++i)
    if (const permit p = co_await sem.acquire(1); !p) ++refused;
  co_return refused;
}

TEST(SemaphoreParkTest, AfterAStopAcquireIsEmptyAtOnceEvenIfPermitsAreFree) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(2);
  join_handle<int> h = rt->spawn(acquire_after_stop, std::ref(sem), channel<int>(0));
  settle(*rt);
  h.request_stop();
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(h.get(), 3);
  EXPECT_EQ(sem.available(), 2);
}

TEST(SemaphoreParkTest, AStoppedLargeHeadLetsTheSmallOnesBehindItThrough) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  semaphore sem(4);
  permit held = *sem.try_acquire(2);
  join_handle<permit> large = rt->spawn(acquire, std::ref(sem), 4);
  settle(*rt);
  join_handle<permit> small = rt->spawn(acquire, std::ref(sem), 1);
  join_handle<permit> other = rt->spawn(acquire, std::ref(sem), 1);
  settle(*rt);
  EXPECT_FALSE(small.done());
  large.request_stop();
  settle(*rt);
  EXPECT_FALSE(large.get());
  EXPECT_TRUE(small.done());
  EXPECT_TRUE(other.done());
}

TEST_P(SemaphoreTest, PermitsAreConservedWhenAStopRacesWithAGrant) {
  semaphore sem(3);
  for (int round = 0; round < 300; ++round) {
    permit held = *sem.try_acquire(3);
    std::vector<join_handle<permit>> waiting;
    for (const int64_t count : {1, 2, 3, 1}) waiting.push_back(rt().spawn(acquire, std::ref(sem), count));
    // From the other side: another task gives the permits back while this thread stops the waiters.
    join_handle<void> releaser = rt().spawn(
        [](permit p) -> task<> {
          p.release();
          co_return;
        },
        std::move(held));
    for (join_handle<permit>& h : waiting) h.request_stop();
    for (join_handle<permit>& h : waiting) {
      const permit p = h.get();
      if (p) {
        EXPECT_GE(p.count(), 1);
      }
    }
    releaser.get();
    ASSERT_EQ(sem.available(), 3) << "round " << round;
  }
}

TEST_P(SemaphoreTest, PlainThreadsAndTasksShareASemaphore) {
  semaphore sem(2);
  int guarded = 0;  // by taking all permits
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          const permit p = sem.blocking_acquire(2);
          ++guarded;
        }
      });
    }
    std::vector<join_handle<void>> tasks;
    for (int t = 0; t < 2; ++t) {
      tasks.push_back(rt().spawn([&]() -> task<> {
        for (int i = 0; i < 300; ++i) {
          const permit p = co_await sem.acquire(2);
          ++guarded;
        }
      }));
    }
    for (join_handle<void>& h : tasks) h.get();
  }
  EXPECT_EQ(guarded, 4 * 300);
  EXPECT_EQ(sem.available(), 2);
}

}  // namespace
}  // namespace weft
