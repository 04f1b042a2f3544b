// The mutex excludes, is handed over in order, is not a stop point, and serves plain threads too.
#include <weft/mutex.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <functional>
#include <memory>
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
using test::tasks_in_state;

class MutexTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, MutexTest, test::some_processors(), test::processors_name);

static_assert(!std::is_copy_constructible_v<mutex_guard> && std::is_nothrow_move_constructible_v<mutex_guard>);

TEST(MutexGuardTest, UnlocksOnceHoweverItIsMoved) {
  mutex m;
  mutex_guard a = m.try_lock();
  EXPECT_TRUE(a);
  EXPECT_FALSE(m.try_lock());
  mutex_guard b = std::move(a);
  EXPECT_FALSE(m.try_lock());
  b.unlock();
  EXPECT_TRUE(m.try_lock());
  b.unlock();
  EXPECT_TRUE(m.try_lock());
}

TEST(MutexDeathTest, DestroyingALockedMutexSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        mutex m;
        const auto* kept = new mutex_guard(m.try_lock());
        static_cast<void>(kept);
      },
      "weft::mutex destroyed while it is locked");
}

task<> add_many(mutex& m, long& sum, int n) {
  for (int i = 0; i < n; ++i) {
    mutex_guard lock = co_await m.lock();
    const long before = sum;
    if (i % 8 == 0) co_await yield();
    sum = before + 1;
  }
}

TEST_P(MutexTest, ExcludesTasksAndPlainThreads) {
  mutex m;
  long sum = 0;
  std::vector<join_handle<void>> tasks;
  for (int t = 0; t < 8; ++t) tasks.push_back(rt().spawn(add_many, std::ref(m), std::ref(sum), 300));
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 300; ++i) {
          mutex_guard lock = m.blocking_lock();
          ++sum;
        }
      });
    }
  }
  for (join_handle<void>& h : tasks) h.get();
  EXPECT_EQ(sum, 10 * 300);
}

TEST(MutexParkTest, IsHandedToTheWaitersInTheOrderOfTheirArrival) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  mutex m;
  mutex_guard held = m.try_lock();
  std::vector<int> order;
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 10; ++i) {
    handles.push_back(rt->spawn([&m, &order, i]() -> task<> {
      mutex_guard lock = co_await m.lock();
      order.push_back(i);
      co_await yield();
    }));
    settle(*rt);
  }
  EXPECT_EQ(tasks_in_state(*rt, "sync.Mutex.Lock"), 10u);
  held.unlock();
  EXPECT_FALSE(m.try_lock()) << "handed over, not set free";
  settle(*rt);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(m.try_lock());
}

task<bool> lock_once(mutex& m) {
  mutex_guard lock = co_await m.lock();
  co_return static_cast<bool>(lock) && this_task::stop_requested();
}

TEST(MutexParkTest, LockIsNotAStopPoint) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  mutex m;
  mutex_guard held = m.try_lock();
  join_handle<bool> h = rt->spawn(lock_once, std::ref(m));
  settle(*rt);
  h.request_stop();
  settle(*rt);
  EXPECT_FALSE(h.done()) << "it still waits for the lock";
  held.unlock();
  settle(*rt);
  EXPECT_TRUE(h.get()) << "it got the lock, and knows that it was stopped";
}

task<int> value_of(channel<int> ch) {
  const std::optional<int> v = co_await ch.receive();
  co_return v.value_or(-1);
}

task<int> await_it(join_handle<int> h) {
  const int v = co_await h;
  co_return v;
}

TEST(MutexParkTest, AwaitingAHandleIsNotAStopPointEither) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(0);
  join_handle<int> h = rt->spawn(await_it, rt->spawn(value_of, ch));
  settle(*rt);
  h.request_stop();
  settle(*rt);
  EXPECT_FALSE(h.done());
  ASSERT_TRUE(ch.try_send(7));
  settle(*rt);
  EXPECT_EQ(h.get(), 7);
}

}  // namespace
}  // namespace weft
