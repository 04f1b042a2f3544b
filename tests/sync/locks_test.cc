// shared_mutex, condition_variable and once.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include <weft/weft.h>

#include "sched/scheduler.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class LocksTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, LocksTest, test::some_processors(), test::processors_name);

TEST_P(LocksTest, ReadersShareAndAWriterIsAlone) {
  shared_mutex m;
  std::atomic<int> readers = 0, most_readers = 0, writers = 0;
  int64_t value = 0;
  run([&]() -> task<> {
    wait_group done;
    for (int i = 0; i < 8; ++i) {
      done.go([&]() -> task<> {
        for (int k = 0; k < 200; ++k) {
          const shared_mutex_guard lock = co_await m.lock_shared();
          ++readers;
          EXPECT_EQ(writers, 0);
          co_await yield();
          --readers;
        }
      });
      done.go([&]() -> task<> {
        for (int k = 0; k < 50; ++k) {
          const shared_mutex_guard lock = co_await m.lock();
          EXPECT_EQ(++writers, 1);
          EXPECT_EQ(readers, 0);
          const int64_t before = value;
          co_await yield();
          value = before + 1;
          --writers;
        }
      });
    }
    (void)co_await done.wait();
    // Whether they have met so far is up to the schedule; now each stays until all eight are in.
    wait_group outside;
    outside.add(8);
    for (int i = 0; i < 8; ++i) {
      done.go([&]() -> task<> {
        const shared_mutex_guard lock = co_await m.lock_shared();
        if (const int now = ++readers; now == 8) most_readers = now;
        outside.done();
        (void)co_await outside.wait();
        --readers;
      });
    }
    (void)co_await done.wait();
  });
  EXPECT_EQ(value, 400);
  EXPECT_EQ(most_readers, 8);
}

TEST_P(LocksTest, AWaitingWriterHoldsUpLaterReaders) {
  shared_mutex m;
  shared_mutex_guard reader = m.try_lock_shared();
  EXPECT_TRUE(reader);
  join_handle<void> writer = rt().spawn([](shared_mutex& x) -> task<> { (void)co_await x.lock(); }, std::ref(m));
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.RWMutex.Lock") == 1; });
  EXPECT_FALSE(m.try_lock_shared());
  join_handle<void> late = rt().spawn([](shared_mutex& x) -> task<> { (void)co_await x.lock_shared(); }, std::ref(m));
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.RWMutex.RLock") == 1; });
  reader.unlock();
  writer.get();
  late.get();
  EXPECT_TRUE(m.try_lock());
}

TEST_P(LocksTest, LocksAreNoStopPoints) {
  shared_mutex m;
  shared_mutex_guard held = m.try_lock();
  join_handle<bool> h = rt().spawn(
      [](shared_mutex& x) -> task<bool> {
        const shared_mutex_guard lock = co_await x.lock_shared();
        co_return static_cast<bool>(lock);
      },
      std::ref(m));
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.RWMutex.RLock") == 1; });
  h.request_stop();
  EXPECT_FALSE(h.done());
  held.unlock();
  EXPECT_TRUE(h.get());
}

struct queue_of_one {
  mutex m;
  condition_variable changed;
  std::optional<int> item;
};

TEST_P(LocksTest, ProducersAndConsumersMeetOverAConditionVariable) {
  queue_of_one q;
  constexpr int each = 500;
  const int64_t sum = run([&]() -> task<int64_t> {
    std::vector<join_handle<int64_t>> consumers;
    for (int i = 0; i < 4; ++i) {
      consumers.push_back(spawn(
          [](queue_of_one& x) -> task<int64_t> {
            int64_t mine = 0;
            for (int k = 0; k < each; ++k) {
              mutex_guard lock = co_await x.m.lock();
              const bool there = co_await x.changed.wait_until_true(lock, [&x] { return x.item.has_value(); });
              EXPECT_TRUE(there);
              mine += *x.item;
              x.item.reset();
              x.changed.notify_all();
            }
            co_return mine;
          },
          std::ref(q)));
      go(
          [](queue_of_one& x) -> task<> {
            for (int k = 0; k < each; ++k) {
              mutex_guard lock = co_await x.m.lock();
              const bool free = co_await x.changed.wait_until_true(lock, [&x] { return !x.item.has_value(); });
              EXPECT_TRUE(free);
              x.item = k;
              x.changed.notify_all();
            }
          },
          std::ref(q));
    }
    int64_t total = 0;
    for (join_handle<int64_t>& h : consumers) total += co_await h;
    co_return total;
  });
  EXPECT_EQ(sum, 4 * int64_t{each} * (each - 1) / 2);
}

TEST_P(LocksTest, NotifyOneWakesTheFirstWaiter) {
  mutex m;
  condition_variable c;
  std::vector<int> woken;  // guarded by m
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 3; ++i) {
    handles.push_back(rt().spawn(
        [](mutex& x, condition_variable& y, std::vector<int>& w, int n) -> task<> {
          mutex_guard lock = co_await x.lock();
          const bool notified = co_await y.wait(lock);
          EXPECT_TRUE(notified);
          EXPECT_TRUE(lock);
          w.push_back(n);
        },
        std::ref(m), std::ref(c), std::ref(woken), i));
    test::eventually([&] { return test::tasks_in_state(rt(), "sync.Cond.Wait") == static_cast<std::size_t>(i + 1); });
  }
  for (join_handle<void>& h : handles) {
    c.notify_one();
    h.get();
  }
  EXPECT_EQ(woken, (std::vector<int>{0, 1, 2}));
}

TEST_P(LocksTest, AStopEndsAWaitForANotificationWithTheLockHeld) {
  mutex m;
  condition_variable c;
  join_handle<bool> h = rt().spawn(
      [](mutex& x, condition_variable& y) -> task<bool> {
        mutex_guard lock = co_await x.lock();
        const bool first = co_await y.wait(lock);
        EXPECT_TRUE(lock);
        const bool again = co_await y.wait(lock);  // at once
        EXPECT_TRUE(lock);
        co_return first || again;
      },
      std::ref(m), std::ref(c));
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.Cond.Wait") == 1; });
  h.request_stop();
  EXPECT_FALSE(h.get());
  EXPECT_TRUE(m.try_lock());
}

TEST_P(LocksTest, OnceRunsOneCallAndOthersWait) {
  once o;
  std::atomic<int> calls = 0;
  run([&]() -> task<> {
    wait_group done;
    for (int i = 0; i < 20; ++i)
      done.go([&]() -> task<> {
        co_await o.call(
            [](std::atomic<int>& n) -> task<> {
              co_await yield();
              ++n;
            },
            std::ref(calls));
        EXPECT_EQ(calls, 1);
      });
    (void)co_await done.wait();
    once other;
    bool thrown = false;
    try {
      co_await other.call([] { throw std::runtime_error("no"); });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    EXPECT_FALSE(other.done());
    int plain = 0;
    co_await other.call([](int& n) { ++n; }, std::ref(plain));
    EXPECT_TRUE(other.done());
    EXPECT_EQ(plain, 1);
  });
}

TEST_P(LocksTest, OnceIsSharedByTasksAndPlainThreads) {
  once o;
  std::atomic<int> calls = 0;
  channel<int> gate(0);
  const join_handle<void> first = rt().spawn([&]() -> task<> {
    co_await o.call([&]() -> task<> {
      (void)co_await gate.receive();
      ++calls;
    });
  });
  test::eventually([&] { return test::tasks_in_state(rt(), "chan receive") == 1; });
  const int others = detail::blocked_plain_threads;
  std::thread thread([&] {
    o.blocking_call([&] { ++calls; });
    EXPECT_EQ(calls, 1);
  });
  test::eventually([&] { return detail::blocked_plain_threads > others; });
  EXPECT_FALSE(o.done());
  EXPECT_TRUE(gate.blocking_send(1));
  thread.join();
  EXPECT_EQ(calls, 1);
}

TEST(OnceTest, AThreadsCallThatThrowsLeavesItToTheNext) {
  once o;
  EXPECT_THROW(o.blocking_call([] { throw std::runtime_error("no"); }), std::runtime_error);
  EXPECT_FALSE(o.done());
  int sum = 0;
  o.blocking_call([](int& to, int n) { to += n; }, sum, 3);
  o.blocking_call([](int& to, int n) { to += n; }, sum, 4);
  EXPECT_TRUE(o.done());
  EXPECT_EQ(sum, 3);
}

}  // namespace
}  // namespace weft
