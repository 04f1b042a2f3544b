// Batches of values through a channel, counted endpoints, and waits with a deadline.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class BatchTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, BatchTest, test::some_processors(), test::processors_name);

std::vector<int> numbers(int n) {
  std::vector<int> v(static_cast<std::size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

task<std::vector<int>> collect(channel<int> in, std::size_t most) {
  std::vector<int> all;
  for (;;) {
    const std::size_t taken = co_await in.receive_into(all, most);
    EXPECT_LE(taken, most);
    if (taken == 0) co_return all;
  }
}

TEST_P(BatchTest, AllValuesArriveInOrderWhateverTheCapacity) {
  for (const std::size_t capacity : {0u, 1u, 7u, 64u}) {
    const std::vector<int> got = run([capacity]() -> task<std::vector<int>> {
      const channel<int> ch(capacity);
      auto reader = spawn(collect, ch, std::size_t{10});
      std::vector<int> values = numbers(1000);
      const std::size_t sent = co_await ch.send_all(values);
      EXPECT_EQ(sent, 1000u);
      ch.close();
      co_return co_await reader;
    });
    EXPECT_EQ(got, numbers(1000));
  }
}

TEST_P(BatchTest, BatchesAndSingleOperationsOfManyTasksLoseNothing) {
  constexpr int each = 500;
  std::atomic<int64_t> sum = 0;
  run([&]() -> task<> {
    const channel<int> ch(16);
    wait_group senders, receivers;
    for (int i = 0; i < 4; ++i) {
      senders.go(
          [](channel<int> out) -> task<> {
            std::vector<int> values = numbers(each);
            const std::size_t sent = co_await out.send_all(values);
            EXPECT_EQ(sent, static_cast<std::size_t>(each));
          },
          ch);
      senders.go(
          [](channel<int> out) -> task<> {
            for (int k = 0; k < each; ++k) {
              const bool sent = co_await out.send(k);
              EXPECT_TRUE(sent);
            }
          },
          ch);
      receivers.go(
          [](channel<int> in, std::atomic<int64_t>& total) -> task<> {
            for (;;) {
              const std::vector<int> batch = co_await in.receive_up_to(5);
              if (batch.empty()) co_return;
              total += std::accumulate(batch.begin(), batch.end(), int64_t{0});
            }
          },
          ch, std::ref(sum));
      receivers.go(
          [](channel<int> in, std::atomic<int64_t>& total) -> task<> {
            for (;;) {
              const std::optional<int> v = co_await in.receive();
              if (!v) co_return;
              total += *v;
            }
          },
          ch, std::ref(sum));
    }
    (void)co_await senders.wait();
    ch.close();
    (void)co_await receivers.wait();
  });
  EXPECT_EQ(sum, 8 * int64_t{each} * (each - 1) / 2);
}

TEST_P(BatchTest, ACloseAndAStopEndABatchAndSayHowManyWent) {
  run([]() -> task<> {
    const channel<int> ch(3);
    auto sending = spawn(
        [](channel<int> out) -> task<std::size_t> {
          std::vector<int> values = numbers(10);
          co_return co_await out.send_all(values);
        },
        ch);
    while (ch.size() < 3) co_await yield();
    ch.close();
    const std::size_t before_close = co_await sending;
    EXPECT_EQ(before_close, 3u);
    const std::vector<int> rest = co_await ch.receive_up_to(100);
    EXPECT_EQ(rest, numbers(3));
    const std::vector<int> none = co_await ch.receive_up_to(100);
    EXPECT_TRUE(none.empty());

    const channel<int> idle(1);
    auto receiving =
        spawn([](channel<int> in) -> task<bool> { co_return (co_await in.receive_up_to(4)).empty(); }, idle);
    receiving.request_stop();
    const bool stopped = co_await receiving;
    EXPECT_TRUE(stopped);
  });
}

TEST_P(BatchTest, ValuesThatOnlyMoveGoInBatchesToo) {
  run([]() -> task<> {
    const channel<std::unique_ptr<int>> ch(4);
    std::vector<std::unique_ptr<int>> values;
    for (int i = 0; i < 4; ++i) values.push_back(std::make_unique<int>(i));
    const std::size_t sent = co_await ch.send_all(values);
    EXPECT_EQ(sent, 4u);
    const std::vector<std::unique_ptr<int>> got = co_await ch.receive_up_to(4);
    EXPECT_EQ(got.size(), 4u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(*got[static_cast<std::size_t>(i)], i);
  });
}

// Waiters whose select was served elsewhere stand in the queue; a batch passes over them.
TEST_P(BatchTest, ABatchPassesOverSelectsThatWereServedElsewhere) {
  run([]() -> task<> {
    for (int round = 0; round < 200; ++round) {
      const channel<int> a(0), b(0);
      wait_group receivers;
      std::atomic<int> sum = 0;
      for (int i = 0; i < 6; ++i)
        receivers.go(
            [](channel<int> x, channel<int> y, std::atomic<int>& total) -> task<> {
              auto r = co_await select(x.receive(), y.receive());
              total += r.index() == 0 ? r.get<0>().value_or(0) : r.get<1>().value_or(0);
            },
            a, b, std::ref(sum));
      auto other = spawn(
          [](channel<int> out) -> task<std::size_t> {
            std::vector<int> values{10, 10, 10};
            co_return co_await out.send_all(values);
          },
          b);
      std::vector<int> values{1, 1, 1};
      const std::size_t sent = co_await a.send_all(values);
      EXPECT_EQ(sent, 3u);
      const std::size_t others = co_await other;
      EXPECT_EQ(others, 3u);
      (void)co_await receivers.wait();
      EXPECT_EQ(sum, 33);
    }
  });
}

TEST_P(BatchTest, TheLastSenderClosesTheChannel) {
  const int sum = run([]() -> task<int> {
    auto [out, in] = endpoints<int>(2);
    for (int i = 1; i <= 3; ++i) {
      go(
          [](sender<int> mine, int v) -> task<> {
            const bool sent = co_await mine.send(v);
            EXPECT_TRUE(sent);
          },
          out, i);
    }
    out = sender<int>();
    int total = 0;
    for (;;) {
      const std::optional<int> v = co_await in.receive();
      if (!v) co_return total;
      total += *v;
    }
  });
  EXPECT_EQ(sum, 6);
}

TEST_P(BatchTest, SendersAreToldWhenTheLastReceiverIsGone) {
  run([]() -> task<> {
    auto [out, in] = endpoints<int>(0);
    auto sending = spawn([](sender<int> mine) -> task<bool> { co_return co_await mine.send(1); }, out);
    receiver<int> second = in;
    in = receiver<int>();
    EXPECT_FALSE(out.try_send(2));
    EXPECT_FALSE(out.view().closed());
    second = receiver<int>();
    EXPECT_TRUE(out.view().closed());
    const bool sent = co_await sending;
    EXPECT_FALSE(sent);
  });
}

// Every wait can have a deadline: as an arm of a select, or by with_timeout.
TEST_P(BatchTest, LocksAndGroupsCanBeWaitedForUntilADeadline) {
  run([]() -> task<> {
    mutex m;
    shared_mutex sm;
    wait_group never;
    never.add();
    {
      const mutex_guard held = co_await m.lock();
      const shared_mutex_guard reading = co_await sm.lock_shared();
      auto a = co_await select(m.lock(), sleep_for(1ms));
      EXPECT_EQ(a.index(), 1u);
      auto b = co_await select(sm.lock(), sleep_for(1ms));
      EXPECT_EQ(b.index(), 1u);
      auto c = co_await select(never.wait(), sleep_for(1ms));
      EXPECT_EQ(c.index(), 1u);
    }
    never.done();
    auto a = co_await select(m.lock(), sleep_for(1h));
    EXPECT_EQ(a.index(), 0u);
    EXPECT_TRUE(a.get<0>());
    auto c = co_await select(never.wait(), sleep_for(1h));
    EXPECT_EQ(c.index(), 0u);
    EXPECT_TRUE(c.get<0>());
  });
}

// A select that loses interest in a mutex leaves the queue: the next waiter gets the lock.
TEST_P(BatchTest, ASelectThatLeavesAMutexHoldsUpNobody) {
  run([]() -> task<> {
    mutex m;
    mutex_guard held = co_await m.lock();
    const channel<int> ch(1);
    auto leaver = spawn(
        [](mutex& x, channel<int> c) -> task<std::size_t> {
          auto r = co_await select(x.lock(), c.receive());
          co_return r.index();
        },
        std::ref(m), ch);
    auto waiter = spawn([](mutex& x) -> task<> { (void)co_await x.lock(); }, std::ref(m));
    co_await yield();
    const bool sent = co_await ch.send(1);
    EXPECT_TRUE(sent);
    const std::size_t won = co_await leaver;
    EXPECT_EQ(won, 1u);
    held.unlock();
    co_await waiter;
    EXPECT_TRUE(m.try_lock());
  });
}

TEST_P(BatchTest, AConditionCanBeWaitedForUntilADeadline) {
  run([]() -> task<> {
    mutex m;
    condition_variable changed;
    bool ready = false;
    mutex_guard lock = co_await m.lock();
    const bool early = co_await changed.wait_for(lock, 1ms);
    EXPECT_FALSE(early);
    EXPECT_TRUE(lock);
    go(
        [](mutex& x, condition_variable& c, bool& flag) -> task<> {
          const mutex_guard mine = co_await x.lock();
          flag = true;
          c.notify_one();
        },
        std::ref(m), std::ref(changed), std::ref(ready));
    while (!ready) {
      const bool notified = co_await changed.wait_for(lock, 1h);
      EXPECT_TRUE(notified);
    }
    EXPECT_TRUE(lock);
  });
}

}  // namespace
}  // namespace weft
