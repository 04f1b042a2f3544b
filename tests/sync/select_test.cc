// select over everything that can be waited for: what wins, and that losers have no effect.
#include <weft/select.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class SelectTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, SelectTest, test::some_processors(), test::processors_name);

TEST_P(SelectTest, ResultsHaveTheTypesOfTheSingleOperations) {
  run([]() -> task<> {
    channel<int> in(1);
    channel<std::string> out(1);
    EXPECT_TRUE(in.try_send(3));
    auto r = co_await select(in.receive());
    static_assert(std::is_same_v<decltype(r.get<0>()), std::optional<int>&>);
    EXPECT_EQ(r.get<0>(), 3);
    auto s = co_await select(in.receive(), out.send("text"));
    EXPECT_EQ(s.index(), 1u);
    static_assert(std::is_same_v<decltype(s.get<1>()), bool&>);
    EXPECT_TRUE(s.get<1>());
    EXPECT_EQ(out.try_receive().operator*(), "text");
  });
}

TEST_P(SelectTest, ATimerEndsAWaitForNothing) {
  run([]() -> task<> {
    channel<int> idle(0);
    auto r = co_await select(idle.receive(), sleep_for(1ms));
    EXPECT_EQ(r.index(), 1u);
    EXPECT_TRUE(r.get<1>());
    auto at_once = co_await select_first(idle.receive(), sleep_for(0ms));
    EXPECT_EQ(at_once.index(), 1u);
  });
}

TEST_P(SelectTest, ATimerThatLostNeverFires) {
  run([]() -> task<> {
    channel<int> ch(0);
    for (int i = 0; i < 200; ++i) {
      go([](channel<int> c) -> task<> { (void)co_await c.send(1); }, ch);
      auto r = co_await select(ch.receive(), sleep_for(1h));
      EXPECT_EQ(r.index(), 0u);
    }
    co_await yield();
  });
  for (const auto& p : runtime_access::sched(rt()).processors()) EXPECT_TRUE(p->timers.empty());
}

TEST_P(SelectTest, AJoinedTaskIsOneOfTheArms) {
  run([]() -> task<> {
    channel<int> gate(0);
    join_handle<std::string> h = spawn(
        [](channel<int> g) -> task<std::string> {
          (void)co_await g.receive();
          co_return "done";
        },
        gate);
    auto first = co_await select(h, sleep_for(1ms));
    EXPECT_EQ(first.index(), 1u) << "it waits at the gate";
    EXPECT_TRUE(h.valid()) << "losing has no effect";
    EXPECT_TRUE(gate.try_send(1));
    auto second = co_await select(sleep_for(1h), h);
    EXPECT_EQ(second.index(), 1u);
    EXPECT_EQ(second.get<1>(), "done");
    EXPECT_FALSE(h.valid());
  });
}

TEST_P(SelectTest, AnExceptionOfAJoinedTaskIsRethrown) {
  run([]() -> task<> {
    join_handle<void> h = spawn([]() -> task<> {
      co_await yield();
      throw std::runtime_error("from the task");
    });
    bool thrown = false;
    try {
      (void)co_await select(h, sleep_for(1h));
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

// Ends and losses of the wait at the same time: the handle is right afterwards, whichever came first.
TEST_P(SelectTest, ATaskThatEndsWhileItsSelectGoesOnIsStillJoined) {
  run([]() -> task<> {
    for (int i = 0; i < 2000; ++i) {
      channel<int> ch(1);
      join_handle<int> h = spawn(
          [](channel<int> c, int n) -> task<int> {
            (void)c.try_send(n);
            co_return n;
          },
          ch, i);
      auto r = co_await select(ch.receive(), h);
      if (r.index() == 0) {
        const int joined = co_await h;
        EXPECT_EQ(joined, i);
      } else {
        EXPECT_EQ(r.get<1>(), i);
      }
    }
  });
}

TEST_P(SelectTest, PermitsAreAcquiredByTheWinnerOnly) {
  semaphore slots(2);
  run([&]() -> task<> {
    channel<int> idle(0);
    {
      auto r = co_await select(idle.receive(), slots.acquire(2));
      EXPECT_EQ(r.index(), 1u);
      EXPECT_EQ(r.get<1>().count(), 2);
      auto none = co_await select(slots.acquire(1), sleep_for(1ms));
      EXPECT_EQ(none.index(), 1u);
      EXPECT_EQ(slots.available(), 0);
    }
    EXPECT_EQ(slots.available(), 2);
  });
}

// A large request at the head leaves: the small ones behind it go on.
TEST_P(SelectTest, ALosingRequestLetsThoseBehindItGoOn) {
  semaphore slots(2);
  channel<int> leave(0);
  std::optional<permit> held = slots.try_acquire(1);
  join_handle<void> large = rt().spawn(
      [](semaphore& s, channel<int> l) -> task<> {
        auto r = co_await select(s.acquire(2), l.receive());
        EXPECT_EQ(r.index(), 1u);
      },
      std::ref(slots), leave);
  test::eventually([&] { return test::tasks_in_state(rt(), "select") == 1; });
  join_handle<bool> small = rt().spawn(
      [](semaphore& s) -> task<bool> {
        const permit p = co_await s.acquire(1);
        co_return static_cast<bool>(p);
      },
      std::ref(slots));
  test::eventually([&] { return test::tasks_in_state(rt(), "semacquire") == 1; });
  EXPECT_TRUE(leave.try_send(1));
  EXPECT_TRUE(small.get());
  large.get();
}

TEST_P(SelectTest, TheFirstReadyArmInOrderIsChosenByPriority) {
  run([]() -> task<> {
    channel<int> stop(1), work(1);
    EXPECT_TRUE(work.try_send(1));
    for (int i = 0; i < 50; ++i) {
      EXPECT_TRUE(stop.try_send(i));
      auto r = co_await select_first(stop.receive(), work.receive());
      EXPECT_EQ(r.index(), 0u);
    }
    auto last = co_await select_first(stop.receive(), work.receive());
    EXPECT_EQ(last.index(), 1u);
  });
}

TEST_P(SelectTest, AStopEmptiesTheResultAndLeavesNothingBehind) {
  channel<int> a(0), b(0);
  semaphore slots(1);
  std::optional<permit> held = slots.try_acquire(1);
  std::vector<join_handle<bool>> handles;
  for (int i = 0; i < 20; ++i)
    handles.push_back(rt().spawn(
        [](channel<int> x, channel<int> y, semaphore& s) -> task<bool> {
          auto r = co_await select(x.receive(), y.send(1), s.acquire(1), sleep_for(1h));
          if (r) co_return false;
          EXPECT_TRUE(this_task::stop_requested());
          auto again = co_await select(x.receive(), sleep_for(1h));
          co_return !again;
        },
        a, b, std::ref(slots)));
  test::eventually([&] { return test::tasks_in_state(rt(), "select") == 20; });
  for (join_handle<bool>& h : handles) h.request_stop();
  for (join_handle<bool>& h : handles) EXPECT_TRUE(h.get());
  EXPECT_FALSE(a.try_send(1));
  EXPECT_FALSE(b.try_receive());
  held.reset();
  EXPECT_EQ(slots.available(), 1);
}

// Values that were handed over are received, and only those: stops race with senders.
TEST_P(SelectTest, StopsRacingWithHandOffsConserveValues) {
  for (int round = 0; round < 50; ++round) {
    channel<int> ch(0), other(0);
    join_handle<int> receiver = rt().spawn(
        [](channel<int> x, channel<int> y) -> task<int> {
          int got = 0;
          for (;;) {
            auto r = co_await select(x.receive(), y.receive());
            if (!r) co_return got;
            ++got;
          }
        },
        ch, other);
    join_handle<int> sender = rt().spawn(
        [](channel<int> x, channel<int> y) -> task<int> {
          int sent = 0;
          for (;;) {
            auto r = co_await select(x.send(1), y.send(1), sleep_for(20ms));
            if (!r || r.index() == 2) co_return sent;
            ++sent;
          }
        },
        ch, other);
    test::eventually([&] { return round % 2 == 0 || test::tasks_in_state(rt(), "select") > 0; });
    receiver.request_stop();
    const int got = receiver.get();
    sender.request_stop();
    EXPECT_EQ(sender.get(), got);
  }
}

TEST_P(SelectTest, SelectsMeetSelectsCrosswise) {
  run([]() -> task<> {
    channel<int> a(0), b(0);
    const auto play = [](channel<int> x, channel<int> y, int n) -> task<int> {
      int balance = 0;
      for (int i = 0; i < n; ++i) {
        auto r = co_await select(x.send(1), y.receive());
        balance += r.index() == 0 ? 1 : -1;
      }
      co_return balance;
    };
    constexpr int n = 5000;
    join_handle<int> one = spawn(play, a, b, n);
    join_handle<int> other = spawn(play, b, a, n);
    const int x = co_await one;
    const int y = co_await other;
    EXPECT_EQ(x + y, 0) << "each send has its receive";
  });
}

TEST_P(SelectTest, PlainThreadsMayTrySelectAndMeetSelects) {
  channel<int> ch(0);
  join_handle<int> h = rt().spawn(
      [](channel<int> c) -> task<int> {
        auto r = co_await select(c.receive(), sleep_for(1h));
        co_return r.get<0>().value_or(-1);
      },
      ch);
  for (;;) {
    auto r = try_select(ch.send(9), ch.receive());
    if (r) {
      EXPECT_EQ(r.index(), 0u);
      break;
    }
    std::this_thread::yield();
  }
  EXPECT_EQ(h.get(), 9);
}

TEST_P(SelectTest, MoveOnlyValuesPassAndLosersKeepTheirs) {
  run([]() -> task<> {
    std::atomic<int> live = 0;
    {
      channel<test::counted> ch(1);
      channel<test::counted> full(0);
      auto r = co_await select(ch.send(test::counted(live, 1)), full.send(test::counted(live, 2)));
      EXPECT_EQ(r.index(), 0u);
      auto got = co_await select(full.receive(), ch.receive());
      EXPECT_EQ(got.get<1>()->value(), 1);
    }
    EXPECT_EQ(live, 0);
  });
}

TEST_P(SelectTest, ManyArms) {
  run([]() -> task<> {
    std::vector<channel<int>> c;
    for (int i = 0; i < 16; ++i) c.emplace_back(0);
    for (int i = 0; i < 64; ++i) {
      go([](channel<int> out, int n) -> task<> { (void)co_await out.send(n); }, c[static_cast<std::size_t>(i % 16)], i);
      auto r = co_await select(c[0].receive(), c[1].receive(), c[2].receive(), c[3].receive(), c[4].receive(),
                               c[5].receive(), c[6].receive(), c[7].receive(), c[8].receive(), c[9].receive(),
                               c[10].receive(), c[11].receive(), c[12].receive(), c[13].receive(), c[14].receive(),
                               c[15].receive());
      EXPECT_EQ(r.index(), static_cast<std::size_t>(i % 16));
    }
  });
}

// Of a select that was served and has not gone on yet, the other waiters are still in their queues.
TEST(SelectParkTest, WhoMeetsOnlyTheLosersOfASelectThatWasServedFindsNobody) {
  const std::unique_ptr<runtime> rt = test::make_runtime(0);
  const channel<int> x(0), y(0);
  join_handle<std::size_t> h = rt->spawn([&]() -> task<std::size_t> {
    auto r = co_await select(x.receive(), y.receive());
    co_return r.index();
  });
  test::settle(*rt);
  EXPECT_TRUE(y.try_send(1));
  EXPECT_FALSE(try_select(x.send(2), y.send(2))) << "x looks as if a receiver waited";
  test::settle(*rt);
  ASSERT_TRUE(h.done());
  EXPECT_EQ(h.get(), 1u);
  EXPECT_FALSE(try_select(x.send(2), y.send(2)));
}

// Its locks are taken once each, and in the same order, however the arms are written.
TEST(SelectParkTest, ArmsOfTheSameChannelsInAnyOrderAndNilOnesWaitTogether) {
  for (const bool turned : {false, true}) {
    const std::unique_ptr<runtime> rt = test::make_runtime(0);
    const channel<int> one(0), two(0), nil;
    const channel<int>& a = turned ? two : one;
    const channel<int>& b = turned ? one : two;
    join_handle<std::size_t> five = rt->spawn([&]() -> task<std::size_t> {
      auto r = co_await select(a.receive(), b.receive(), a.receive(), nil.receive(), b.receive());
      co_return r.index();
    });
    join_handle<std::size_t> both = rt->spawn([&]() -> task<std::size_t> {
      auto r = co_await select(nil.receive(), a.receive());
      co_return r.index();
    });
    test::settle(*rt);
    ASSERT_EQ(test::tasks_in_state(*rt, "select"), 2u);
    EXPECT_TRUE(b.try_send(1));
    test::settle(*rt);
    ASSERT_TRUE(five.done());
    EXPECT_EQ(five.get(), 1u) << "the first of two that wait in one queue";
    EXPECT_FALSE(b.try_send(1)) << "nobody waits there now";
    EXPECT_TRUE(a.try_send(1));
    test::settle(*rt);
    ASSERT_TRUE(both.done());
    EXPECT_EQ(both.get(), 1u);
  }
}

TEST_P(SelectTest, OneOfTwoTasksIsJoined) {
  run([]() -> task<> {
    channel<int> gate(0);
    const auto pass = [](channel<int> g, int result) -> task<int> {
      (void)co_await g.receive();
      co_return result;
    };
    channel<int> never(0);
    join_handle<int> waits = spawn(pass, never, 1);
    join_handle<int> ends = spawn(pass, gate, 2);
    go([](channel<int> g) -> task<> { (void)co_await g.send(0); }, gate);
    auto r = co_await select(waits, ends);
    EXPECT_EQ(r.index(), 1u);
    EXPECT_EQ(r.get<1>(), 2);
    EXPECT_TRUE(waits.valid());
    never.close();
    const int last = co_await waits;
    EXPECT_EQ(last, 1);
  });
}

TEST_P(SelectTest, AStragglerInASelectIsDestroyedOutOfItsQueues) {
  channel<int> ch(0);
  mutex m;
  mutex_guard held = m.try_lock();
  join_handle<void> h = rt().spawn(
      [](channel<int> c, mutex& never) -> task<> {
        const auto cleanup = [](channel<int> in, mutex& lock) -> task<> {
          auto r = co_await select(in.receive(), sleep_for(1h));
          EXPECT_FALSE(r);
          mutex_guard g = co_await lock.lock();
        };
        co_await cleanup(c, never);
      },
      ch, std::ref(m));
  test::eventually([&] { return test::tasks_in_state(rt(), "select") == 1; });
  const shutdown_report report = rt().shutdown(20ms);
  EXPECT_EQ(report.stragglers.size(), 1u);
  EXPECT_FALSE(ch.try_send(1));
  held.unlock();
}

TEST(SelectDeathTest, TheWrongArmOfAResultIsNamed) {
  EXPECT_DEATH(
      {
        channel<int> ch(1);
        auto r = try_select(ch.receive(), ch.send(1));
        (void)r.get<0>();
      },
      "select_result::get\\(\\) of an arm that did not come about");
}

}  // namespace
}  // namespace weft
