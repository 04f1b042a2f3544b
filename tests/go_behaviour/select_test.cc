// What Go's tests ask of select, by the ids of their behaviours. Each runs with 1, 2 and 8 processors.
#include <weft/select.h>

#include <gtest/gtest.h>

#include <any>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/explored_protocol.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class GoSelectTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoSelectTest, test::some_processors(), test::processors_name);

// C11
task<bool> one_is_always_ready(bool close_is_the_event) {
  for (int round = 0; round < 2000; ++round) {
    channel<int> c1(1);
    channel<int> c2(1);
    EXPECT_TRUE(c1.try_send(1));
    join_handle<bool> found = spawn(
        [](channel<int> a, channel<int> b) -> task<bool> {
          const auto r = try_select(a.receive(), b.receive());
          co_return static_cast<bool>(r);
        },
        c1, c2);
    if (close_is_the_event)
      c2.close();
    else
      EXPECT_TRUE(c2.try_send(1));
    (void)c1.try_receive();
    const bool was_ready = co_await found;
    if (!was_ready) co_return false;
  }
  co_return true;
}

TEST_P(GoSelectTest, ADefaultIsNotTakenWhileOneOfTwoIsAlwaysReady) {
  EXPECT_TRUE(run(one_is_always_ready, false));
  EXPECT_TRUE(run(one_is_always_ready, true));
}

// A receive as an arm of a select that, when it was tried and not ready, makes itself ready and then empties the other:
// the worst that another thread could do between the tries of two arms.
class contrary_receive {
 public:
  contrary_receive(channel<int> mine, channel<int> other)
      : mine_(std::move(mine)), other_(std::move(other)), receive_(mine_.receive()) {}
  bool arm_try() {
    if (receive_.arm_try()) return true;
    EXPECT_TRUE(mine_.try_send(1));
    (void)other_.try_receive();
    return false;
  }
  detail::spin_lock* arm_lock() noexcept { return receive_.arm_lock(); }
  bool arm_poll(uintptr_t& woken) noexcept { return receive_.arm_poll(woken); }
  bool arm_enqueue() noexcept { return receive_.arm_enqueue(); }
  void arm_leave(detail::waiter_chain& woken) noexcept { receive_.arm_leave(woken); }
  detail::waiter& arm_waiter() noexcept { return receive_.arm_waiter(); }
  std::source_location arm_where() const noexcept { return receive_.arm_where(); }
  std::optional<int> await_resume() noexcept { return receive_.await_resume(); }

 private:
  channel<int> mine_, other_;
  detail::receive_awaiter<int> receive_;
};

// C11: whichever arm is tried first, at every moment from the first try on one of the two channels holds a value.
TEST(GoSelectRaceTest, ADefaultIsNotTakenThoughEachArmIsEmptyWhenItIsTried) {
  for (int round = 0; round < 20; ++round) {
    const channel<int> first(1), second(1);
    EXPECT_TRUE(try_select(contrary_receive(first, second), contrary_receive(second, first)));
    EXPECT_EQ(first.size() + second.size(), 0u) << "one value was taken, and no more";
  }
}

// C11, with a plain thread that looks, so that the two really run at the same time.
TEST(GoSelectRaceTest, ADefaultIsNotTakenWhileAnotherThreadMakesOneReadyBeforeItEmptiesTheOther) {
  constexpr int rounds = test::slow_build ? 2'000 : 20'000;
  for (const bool close_is_the_event : {false, true}) {
    struct pair {
      channel<int> first{1}, second{1};
    };
    std::vector<pair> pairs(rounds);
    for (const pair& p : pairs) ASSERT_TRUE(p.first.try_send(1));
    std::atomic<int> turn = 0;
    std::atomic<int> missed = 0;
    std::jthread looker([&] {
      for (int i = 0; i < rounds; ++i) {
        const pair& p = pairs[static_cast<std::size_t>(i)];
        while (turn.load() < 2 * i + 1) std::this_thread::yield();
        if (!try_select(p.first.receive(), p.second.receive())) ++missed;
        turn = 2 * i + 2;
      }
    });
    for (int i = 0; i < rounds; ++i) {
      const pair& p = pairs[static_cast<std::size_t>(i)];
      turn = 2 * i + 1;
      // Different delays, so that the looker is met at different places.
      for (int k = i % 64; k > 0; --k) std::atomic_signal_fence(std::memory_order_seq_cst);
      if (close_is_the_event)
        p.second.close();
      else
        EXPECT_TRUE(p.second.try_send(1));
      (void)p.first.try_receive();
      while (turn.load() < 2 * i + 2) std::this_thread::yield();
    }
    EXPECT_EQ(missed, 0) << (close_is_the_event ? "close" : "send");
  }
}

// C12
task<int> sends_and_receives(channel<int> ch, int mine, int rounds) {
  int taken = 0;
  for (int i = 0; i < rounds; ++i) {
    auto r = co_await select(ch.receive(), ch.send(mine));
    EXPECT_TRUE(r);
    if (r.index() == 0) {
      EXPECT_TRUE(r.get<0>().has_value());
      if (ch.capacity() == 0) {
        EXPECT_NE(*r.get<0>(), mine) << "took its own value";
      }
      ++taken;
    }
  }
  co_return taken;
}

TEST_P(GoSelectTest, SendAndReceiveOnOneChannelNeverPairWithThemselves) {
  run([]() -> task<> {
    for (const std::size_t capacity : {0u, 10u}) {
      channel<int> ch(capacity);
      join_handle<int> one = spawn(sends_and_receives, ch, 1, 1000);
      join_handle<int> other = spawn(sends_and_receives, ch, 2, 1000);
      const int a = co_await one;
      const int b = co_await other;
      // Each taken value was sent; what is left is in the buffer.
      EXPECT_EQ(static_cast<std::size_t>(2000 - a - b), static_cast<std::size_t>(a + b) + ch.size());
    }
  });
}

// C13: four channels; who sends or receives picks one by plain operations, or all by a select that forgets what is used
// up.
task<> send_plainly(channel<int> ch, int n) {
  for (int i = 0; i < n; ++i) EXPECT_TRUE(co_await ch.send(1));
}
task<> receive_plainly(channel<int> ch, int n) {
  for (int i = 0; i < n; ++i) {
    const bool came = (co_await ch.receive()).has_value();
    EXPECT_TRUE(came);
  }
}
task<> send_by_select(std::array<channel<int>, 4> all, int n) {
  std::array<int, 4> left{n, n, n, n};
  for (int i = 0; i < 4 * n; ++i) {
    const auto r = co_await select(all[0].send(1), all[1].send(1), all[2].send(1), all[3].send(1));
    EXPECT_TRUE(r);
    if (--left[r.index()] == 0) all[r.index()] = channel<int>();
  }
}
task<> receive_by_select(std::array<channel<int>, 4> all, int n) {
  std::array<int, 4> left{n, n, n, n};
  for (int i = 0; i < 4 * n; ++i) {
    const auto r = co_await select(all[0].receive(), all[1].receive(), all[2].receive(), all[3].receive());
    EXPECT_TRUE(r);
    if (--left[r.index()] == 0) all[r.index()] = channel<int>();
  }
}

TEST_P(GoSelectTest, PlainAndSelectingUsersOfManyChannelsAllFinish) {
  run([]() -> task<> {
    constexpr int n = 2000;
    const std::array<channel<int>, 4> all{channel<int>(0), channel<int>(0), channel<int>(2), channel<int>(3)};
    std::vector<join_handle<void>> users;
    for (const channel<int>& ch : all) {
      users.push_back(spawn(send_plainly, ch, n));
      users.push_back(spawn(receive_plainly, ch, n));
    }
    users.push_back(spawn(send_by_select, all, n));
    users.push_back(spawn(receive_by_select, all, n));
    for (join_handle<void>& h : users) co_await h;
  });
}

// C14: two of four are always ready.

TEST_P(GoSelectTest, TwoReadyCasesOfFourShareEvenly) {
  run([]() -> task<> {
    constexpr int trials = 10000;
    channel<int> c1(trials), c2(trials), c3(0), c4(0);
    for (int i = 0; i < trials; ++i) {
      EXPECT_TRUE(c1.try_send(1));
      EXPECT_TRUE(c2.try_send(1));
    }
    std::array<int, 4> count{};
    for (int i = 0; i < trials; ++i) {
      const auto r = co_await select(c3.receive(), c4.receive(), c1.receive(), c2.receive());
      ++count[r.index()];
    }
    EXPECT_EQ(count[0] + count[1], 0);
    // Ten standard deviations of a fair coin.
    const double far = 10 * std::sqrt(trials * 0.25);
    EXPECT_NEAR(count[2], trials / 2.0, far);
    EXPECT_NEAR(count[3], trials / 2.0, far);
  });
}

// C15
TEST_P(GoSelectTest, TwoReadySendsOfOneChannelAreBothUsed) {
  run([]() -> task<> {
    channel<int> ch(1);
    int zeros = 0;
    for (int i = 0; i < 100; ++i) {
      const auto r = co_await select(ch.send(0), ch.send(1));
      EXPECT_TRUE(r);
      const std::optional<int> v = co_await ch.receive();
      zeros += *v == 0 ? 1 : 0;
    }
    EXPECT_GT(zeros, 10);
    EXPECT_LT(zeros, 90);
  });
}

// C16
TEST_P(GoSelectTest, AnythingCanBeSent) {
  run([]() -> task<> {
    channel<std::any> ch(1);
    for (int i = 0; i < 3; ++i) {
      go(
          [](channel<std::any> out, int n) -> task<> {
            const bool sent = co_await out.send(std::any(n));
            EXPECT_TRUE(sent);
          },
          ch, i);
      auto r = co_await select(ch.receive());
      EXPECT_EQ(std::any_cast<int>(*r.get<0>()), i);
    }
  });
}

// C20: the same channel in two arms; the loser leaves a sound queue behind.
TEST_P(GoSelectTest, TheSameChannelTwiceInOneSelect) {
  run([]() -> task<> {
    channel<int> in(0);
    channel<int> never(0);
    channel<int> done(0);
    go(
        [](channel<int> c, channel<int> other, channel<int> end) -> task<> {
          auto r = co_await select(c.receive(), c.receive(), other.receive());
          EXPECT_LT(r.index(), 2u);
          std::optional<int> v = co_await c.receive();
          EXPECT_EQ(v, 2);
          const bool sent = co_await end.send(1);
          EXPECT_TRUE(sent);
        },
        in, never, done);
    for (int i = 1; i <= 2; ++i) EXPECT_TRUE(co_await in.send(i));
    (void)co_await done.receive();
  });
}

// C22
TEST_P(GoSelectTest, ANilChannelIsNeverChosen) {
  run([]() -> task<> {
    channel<int> nil;
    channel<int> ready(1);
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(ready.try_send(i));
      auto r = co_await select(nil.receive(), ready.receive(), nil.send(1));
      EXPECT_EQ(r.index(), 1u);
      EXPECT_FALSE(try_select(nil.receive(), nil.send(1)));
    }
  });
}

// C23: where Go panics, a send on a closed channel is false.
TEST_P(GoSelectTest, ASendOnAClosedChannelIsReadyAndFalse) {
  run([]() -> task<> {
    channel<int> closed(1);
    closed.close();
    channel<int> idle(0);
    for (int i = 0; i < 3; ++i) {
      auto r = co_await select(closed.send(1), idle.receive());
      EXPECT_EQ(r.index(), 0u);
      EXPECT_FALSE(r.get<0>());
    }
  });
}

// C25, C45
TEST_P(GoSelectTest, AReceiveOnAClosedChannelIsReadyAgainAndAgain) {
  run([]() -> task<> {
    channel<int> closed(1);
    closed.close();
    channel<int> idle(0);
    for (int i = 0; i < 3; ++i) {
      auto alone = co_await select(closed.receive());
      EXPECT_FALSE(alone.get<0>().has_value());
      auto beside = co_await select(idle.receive(), closed.receive());
      EXPECT_EQ(beside.index(), 1u);
      EXPECT_FALSE(closed.try_send(1));
    }
  });
}

// C27
TEST_P(GoSelectTest, ASelectOfNilChannelsOnlyWaitsForAStop) {
  join_handle<bool> h = rt().spawn([]() -> task<bool> {
    channel<int> nil;
    auto r = co_await select(nil.receive(), nil.send(1));
    co_return static_cast<bool>(r);
  });
  test::eventually([&] { return test::tasks_in_state(rt(), "select (no cases)") == 1; });
  EXPECT_FALSE(h.done());
  h.request_stop();
  EXPECT_FALSE(h.get());
}

// C28
TEST_P(GoSelectTest, TrySelectNeverBlocksAndPrefersWhatIsReady) {
  run([]() -> task<> {
    channel<int> ch(1);
    EXPECT_FALSE(try_select(ch.receive()));
    auto sent = try_select(ch.receive(), ch.send(5));
    EXPECT_EQ(sent.index(), 1u);
    auto got = try_select(ch.receive(), ch.send(6));
    EXPECT_EQ(got.index(), 0u);
    EXPECT_EQ(got.get<0>(), 5);
    co_return;
  });
}

// C29
TEST_P(GoSelectTest, SendAndReceiveOnOneUnbufferedChannelAloneBlock) {
  channel<int> ch(0);
  join_handle<bool> h = rt().spawn(
      [](channel<int> c) -> task<bool> {
        auto r = co_await select(c.receive(), c.send(1));
        co_return static_cast<bool>(r);
      },
      ch);
  test::eventually([&] { return test::tasks_in_state(rt(), "select") == 1; });
  EXPECT_FALSE(h.done());
  h.request_stop();
  EXPECT_FALSE(h.get());
  EXPECT_FALSE(ch.try_receive()) << "a waiter was left behind";
  EXPECT_FALSE(ch.try_send(1)) << "a waiter was left behind";
}

// C30, C31
TEST_P(GoSelectTest, EveryOperandIsEvaluatedOnceWhetherChosenOrNot) {
  run([]() -> task<> {
    std::vector<std::string> seen;
    channel<int> ready(1);
    channel<int> idle(0);
    const auto named = [&](const char* what, channel<int> c) {
      seen.emplace_back(what);
      return c;
    };
    int destination = 7;
    auto r = co_await select_first(named("idle", idle).receive(), named("ready", ready).send(1));
    if (r.index() == 0) destination = *r.get<0>();
    EXPECT_EQ(destination, 7);
    EXPECT_EQ(seen.size(), 2u);
  });
}

// C32: a loser at the tail of the queue goes; those who come later are still reached.
TEST_P(GoSelectTest, ALoserAtTheTailLeavesTheQueueWhole) {
  run([]() -> task<> {
    channel<int> c1(0), c2(0), done(0);
    go([](channel<int> a) -> task<> { (void)co_await a.receive(); }, c1);
    go(
        [](channel<int> a, channel<int> b, channel<int> d) -> task<> {
          auto r = co_await select(a.receive(), b.receive());
          EXPECT_EQ(r.index(), 1u) << "the first receiver of c1 stands before it";
          const bool first = co_await a.send(1);
          EXPECT_TRUE(first);
          const bool told = co_await d.send(1);
          EXPECT_TRUE(told);
        },
        c1, c2, done);
    bool sent = co_await c2.send(1);
    EXPECT_TRUE(sent);
    (void)co_await done.receive();
    go([](channel<int> a) -> task<> { (void)co_await a.receive(); }, c1);
    sent = co_await c1.send(2);
    EXPECT_TRUE(sent);
  });
}

// C33
TEST_P(GoSelectTest, EveryWayToReceiveMeetsEveryWayToSend) {
  run([]() -> task<> {
    for (int receiver = 0; receiver < 3; ++receiver)
      for (int sender = 0; sender < 3; ++sender) {
        channel<int> ch(0), idle(0);
        join_handle<void> h = spawn(
            [](channel<int> c, channel<int> other, int how) -> task<> {
              bool sent = false;
              if (how == 0) {
                sent = co_await c.send(1);
              } else if (how == 1) {
                auto r = co_await select(c.send(1));
                sent = r.get<0>();
              } else {
                auto r = co_await select(c.send(1), other.receive());
                sent = r.get<0>();
              }
              EXPECT_TRUE(sent);
            },
            ch, idle, sender);
        if (receiver == 0) {
          (void)co_await ch.receive();
        } else if (receiver == 1) {
          (void)co_await select(ch.receive());
        } else {
          (void)co_await select(ch.receive(), idle.receive());
        }
        co_await h;
      }
  });
}

// C36
task<> forward(channel<int> a, channel<int> b, channel<int> c, channel<int> d, channel<int> out, int n) {
  for (int i = 0; i < n; ++i) {
    auto r = co_await select(a.receive(), b.receive(), c.receive(), d.receive());
    int v = 0;
    switch (r.index()) {
      case 0: v = *r.get<0>(); break;
      case 1: v = *r.get<1>(); break;
      case 2: v = *r.get<2>(); break;
      default: v = *r.get<3>(); break;
    }
    const bool sent = co_await out.send(v);
    EXPECT_TRUE(sent);
  }
  out.close();
}

task<> send_each_once(channel<int> a, channel<int> b, channel<int> c, channel<int> d, int n) {
  for (int i = 0; i < n; ++i) {
    auto r = co_await select(a.send(i), b.send(i), c.send(i), d.send(i));
    EXPECT_TRUE(r);
  }
}

TEST_P(GoSelectTest, OneSelectRunsExactlyOneCase) {
  run([]() -> task<> {
    constexpr int n = 20000;
    channel<int> a(0), b(0), c(0), d(0), out(0);
    go(send_each_once, a, b, c, d, n);
    go(forward, a, b, c, d, out, n);
    int expected = 0;
    while (std::optional<int> v = co_await out.receive()) {
      EXPECT_EQ(*v, expected) << "lost, doubled or out of order";
      expected = *v + 1;
    }
    EXPECT_EQ(expected, n);
  });
}

}  // namespace
}  // namespace weft
