// Channels beyond what Go says: stop results, refused values, move-only values, plain threads, the nil channel, views.
#include <weft/channel.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
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

using test::counted;
using test::make_runtime;
using test::processors_test;
using test::settle;
using test::tasks_in_state;

class ChannelTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, ChannelTest, test::some_processors(), test::processors_name);

static_assert(std::is_copy_constructible_v<channel<std::unique_ptr<int>>>, "handles copy, whatever the values do");
static_assert(!std::is_copy_constructible_v<try_result<std::unique_ptr<int>>>);

TEST(ChannelHandleTest, CopiesNameTheSameChannel) {
  const channel<int> a(1);
  const channel<int> b = a;
  const channel<int> c(1);
  EXPECT_EQ(a, b);
  EXPECT_FALSE(a == c);
  EXPECT_TRUE(a.try_send(3));
  EXPECT_EQ(*b.try_receive(), 3);
  EXPECT_TRUE(static_cast<bool>(a));
  EXPECT_FALSE(static_cast<bool>(channel<int>()));
  const send_only<int> out = a;
  const receive_only<int> in = b;
  EXPECT_TRUE(out.try_send(4));
  EXPECT_EQ(in.size(), 1u);
  EXPECT_EQ(*in.try_receive(), 4);
}

TEST(ChannelHandleTest, ValuesThatAreLeftDieWithTheLastHandle) {
  std::atomic<int> live = 0;
  {
    channel<counted> ch(3);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ch.try_send(counted(live, i)));
    EXPECT_EQ((*ch.try_receive()).value(), 0);
    ASSERT_TRUE(ch.try_send(counted(live, 3))) << "the ring has wrapped";
    const channel<counted> other = std::move(ch);
    EXPECT_EQ(live, 3);
  }
  EXPECT_EQ(live, 0);
}

TEST(ChannelHandleTest, ARefusedTrySendDestroysItsValue) {
  std::atomic<int> live = 0;
  const channel<counted> full(0);
  const channel<counted> nil;
  EXPECT_FALSE(full.try_send(counted(live)));
  EXPECT_FALSE(nil.try_send(counted(live)));
  EXPECT_EQ(live, 0);
}

TEST(ChannelHandleTest, CloseIsTrueForTheOneCallThatClosed) {
  const channel<int> ch(1);
  EXPECT_FALSE(ch.closed());
  std::atomic<int> closers = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        if (ch.close()) ++closers;
      });
    }
  }
  EXPECT_EQ(closers, 1);
  EXPECT_TRUE(ch.closed());
}

TEST(ChannelDeathTest, MisuseSaysWhatAndAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(channel<int>().close(), "close of a nil channel");
  EXPECT_DEATH(static_cast<void>(channel<int>().blocking_receive()), "blocking_receive on a nil channel");
  EXPECT_DEATH(static_cast<void>(channel<int>().blocking_send(1)), "blocking_send on a nil channel");
  EXPECT_DEATH(make_runtime(1)->run([]() -> task<> {
    static_cast<void>(channel<int>(1).blocking_send(1));
    co_return;
  }),
               "blocking_send inside a task; use co_await send");
  EXPECT_DEATH(make_runtime(1)->run([]() -> task<> {
    static_cast<void>(channel<int>(1).blocking_receive());
    co_return;
  }),
               "blocking_receive inside a task; use co_await receive");
}

task<bool> send_counted(channel<counted> ch, counted value) { co_return co_await ch.send(std::move(value)); }
task<int> receive_counted(channel<counted> ch) {
  const std::optional<counted> v = co_await ch.receive();
  co_return v ? v->value() : -1;
}

TEST_P(ChannelTest, MoveOnlyValuesPassThroughEveryPath) {
  std::atomic<int> live = 0;
  for (const std::size_t capacity : {0u, 1u, 4u}) {
    channel<counted> ch(capacity);
    std::vector<join_handle<bool>> senders;
    std::vector<join_handle<int>> receivers;
    for (int i = 0; i < 50; ++i) {
      if (i % 2 == 0) receivers.push_back(rt().spawn(receive_counted, ch));
      senders.push_back(rt().spawn(send_counted, ch, counted(live, i)));
      if (i % 2 != 0) receivers.push_back(rt().spawn(receive_counted, ch));
    }
    int sum = 0;
    for (join_handle<bool>& h : senders) EXPECT_TRUE(h.get());
    for (join_handle<int>& h : receivers) sum += h.get();
    EXPECT_EQ(sum, 50 * 49 / 2);
  }
  EXPECT_EQ(live, 0);
}

TEST(ChannelParkTest, CloseWakesParkedSendersWithFalseAndDestroysTheirValues) {
  std::atomic<int> live = 0;
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<counted> ch(1);
  ASSERT_TRUE(ch.try_send(counted(live, 1)));
  std::vector<join_handle<bool>> senders;
  for (int i = 0; i < 3; ++i) senders.push_back(rt->spawn(send_counted, ch, counted(live, 2)));
  settle(*rt);
  EXPECT_EQ(tasks_in_state(*rt, "chan send"), 3u);
  EXPECT_TRUE(ch.close());
  settle(*rt);
  for (join_handle<bool>& h : senders) EXPECT_FALSE(h.get());
  EXPECT_EQ(live, 1) << "only what was buffered before is left";
  EXPECT_EQ((*ch.try_receive()).value(), 1);
  EXPECT_TRUE(ch.try_receive().closed());
  EXPECT_EQ(live, 0);
}

// --- stop ------------------------------------------------------------------------------------------------------------

task<int> receive_after_stop(channel<int> ready, channel<int> empty) {
  static_cast<void>(co_await empty.receive());  // parked here when the stop comes
  int nothing = 0;
  for (int i = 0; i < 3; ++i) {
    if (!co_await ready.receive()) ++nothing;
    if (!co_await ready.send(1)) ++nothing;
  }
  EXPECT_TRUE(this_task::stop_requested());
  co_return nothing;
}

TEST(ChannelParkTest, AfterAStopEveryOperationReportsNothingMoreAtOnceEvenIfItIsReady) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ready(10);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(ready.try_send(i));
  join_handle<int> h = rt->spawn(receive_after_stop, ready, channel<int>(0));
  settle(*rt);
  h.request_stop();
  settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(h.get(), 6);
  EXPECT_EQ(ready.size(), 5u) << "nothing was taken or put in";
}

TEST(ChannelParkTest, AStopEndsAWaitOnTheNilChannelAndInASend) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  join_handle<bool> nil_send = rt->spawn([]() -> task<bool> { co_return co_await channel<int>().send(1); });
  join_handle<bool> nil_receive =
      rt->spawn([]() -> task<bool> { co_return (co_await channel<int>().receive()).has_value(); });
  const channel<int> full(0);
  join_handle<bool> send = rt->spawn([full]() -> task<bool> { co_return co_await full.send(1); });
  settle(*rt);
  EXPECT_EQ(tasks_in_state(*rt, "chan send (nil chan)"), 1u);
  EXPECT_EQ(tasks_in_state(*rt, "chan receive (nil chan)"), 1u);
  for (join_handle<bool>* h : {&nil_send, &nil_receive, &send}) {
    h->request_stop();
    settle(*rt);
    ASSERT_TRUE(h->done());
    EXPECT_FALSE(h->get());
  }
  EXPECT_FALSE(full.try_receive()) << "the stopped sender has left the queue";
}

TEST(ChannelParkTest, AStoppedWaiterInTheMiddleLeavesTheOthersInOrder) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(0);
  std::vector<join_handle<std::optional<int>>> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.push_back(rt->spawn([ch]() -> task<std::optional<int>> { co_return co_await ch.receive(); }));
    settle(*rt);
  }
  waiting[1].request_stop();
  waiting[4].request_stop();
  settle(*rt);
  for (const int v : {0, 2, 3}) ASSERT_TRUE(ch.try_send(v));
  EXPECT_FALSE(ch.try_send(9));
  settle(*rt);
  for (const int i : {0, 2, 3}) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i);
  for (const int i : {1, 4}) EXPECT_FALSE(waiting[static_cast<std::size_t>(i)].get());
}

// A stop that races with a hand-off: each value is received once or stays with its sender's refusal; none is lost.
TEST_P(ChannelTest, AStopThatRacesWithAHandOffLosesNoValue) {
  for (int round = 0; round < 300; ++round) {
    channel<int> ch(0);
    join_handle<bool> sender = rt().spawn([ch]() -> task<bool> { co_return co_await ch.send(1); });
    join_handle<std::optional<int>> receiver =
        rt().spawn([ch]() -> task<std::optional<int>> { co_return co_await ch.receive(); });
    sender.request_stop();
    receiver.request_stop();
    const bool sent = sender.get();
    EXPECT_EQ(sent, receiver.get().has_value());
  }
}

task<int> two_receives(channel<int> ch) {
  auto one = [](channel<int> from) -> task<int> { co_return (co_await from.receive()).has_value() ? 1 : 0; };
  auto [a, b] = co_await join(one(ch), one(ch));
  co_return a + b;
}

TEST_P(ChannelTest, AStopReachesChildrenOfAJoin) {
  for (int round = 0; round < 100; ++round) {
    channel<int> ch(0);
    join_handle<int> h = rt().spawn(two_receives, ch);
    h.request_stop();
    EXPECT_EQ(h.get(), 0);
  }
}

// --- plain threads ---------------------------------------------------------------------------------------------------

task<long> sum_until_closed(channel<int> ch) {
  long sum = 0;
  while (std::optional<int> v = co_await ch.receive()) sum += *v;
  co_return sum;
}

TEST_P(ChannelTest, PlainThreadsSendToTasks) {
  for (const std::size_t capacity : {0u, 8u}) {
    channel<int> ch(capacity);
    join_handle<long> one = rt().spawn(sum_until_closed, ch);
    join_handle<long> other = rt().spawn(sum_until_closed, ch);
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([ch] {
          for (int i = 0; i < 500; ++i) EXPECT_TRUE(ch.blocking_send(i));
        });
      }
    }
    ch.close();
    EXPECT_FALSE(ch.blocking_send(1));
    EXPECT_EQ(one.get() + other.get(), 2 * 499 * 500 / 2);
  }
}

TEST_P(ChannelTest, TasksSendToPlainThreads) {
  for (const std::size_t capacity : {0u, 8u}) {
    channel<int> ch(capacity);
    join_handle<void> sender = rt().spawn([ch]() -> task<> {
      for (int i = 0; i < 500; ++i) {
        const bool sent = co_await ch.send(i);
        EXPECT_TRUE(sent);
      }
      ch.close();
    });
    int next = 0;
    while (const std::optional<int> v = ch.blocking_receive()) EXPECT_EQ(*v, next++);
    EXPECT_EQ(next, 500);
    sender.get();
  }
}

TEST(ChannelThreadTest, PlainThreadsTalkWithoutAnyRuntime) {
  const channel<int> ch(0);
  std::jthread sender([ch] {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(ch.blocking_send(i));
    ch.close();
  });
  int next = 0;
  while (const std::optional<int> v = ch.blocking_receive()) EXPECT_EQ(*v, next++);
  EXPECT_EQ(next, 100);
}

}  // namespace
}  // namespace weft
