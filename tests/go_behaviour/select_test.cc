// What Go's tests ask of select, by the ids of their behaviours. Each runs with 1, 2 and 8 processors, or, where the
// test must know who is parked, in a runtime that it drives itself.
#include <weft/select.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <any>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/count_allocations.h"
#include "support/explored_protocol.h"
#include "support/processors.h"

namespace weft {
namespace {

using test::make_runtime;
using test::settle;
using test::tasks_in_state;

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
  detail::biased_lock* arm_lock() noexcept { return receive_.arm_lock(); }
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

// C11, with a plain thread that looks, so that the two really run at the same time. Where other programs have the
// processors each round takes milliseconds, so a time bounds them, too.
TEST(GoSelectRaceTest, ADefaultIsNotTakenWhileAnotherThreadMakesOneReadyBeforeItEmptiesTheOther) {
  constexpr int rounds = test::slow_build ? 2'000 : 20'000;
  constexpr int over = std::numeric_limits<int>::max();
  for (const bool close_is_the_event : {false, true}) {
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(10);
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
        if (turn == over) return;
        if (!try_select(p.first.receive(), p.second.receive())) ++missed;
        turn = 2 * i + 2;
      }
    });
    for (int i = 0; i < rounds && std::chrono::steady_clock::now() < latest; ++i) {
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
    turn = over;
    looker.join();
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
TEST_P(GoSelectTest, AnythingCanBeSentBySeveralTasksAtOnce) {
  run([]() -> task<> {
    channel<std::any> ch(1);
    const auto sender = [](channel<std::any> out, int n) -> task<> {
      bool sent = false;
      if (n % 3 == 0)
        sent = co_await out.send(std::any(n));
      else if (n % 3 == 1)
        sent = co_await out.send(std::any(std::string(100, 'a') + std::to_string(n)));
      else
        sent = co_await out.send(std::any(std::make_shared<int>(n)));
      EXPECT_TRUE(sent);
    };
    constexpr int all = 90;
    for (int i = 0; i < all; ++i) go(sender, ch, i);
    std::array<int, all> seen{};
    for (int i = 0; i < all; ++i) {
      auto r = co_await select(ch.receive());
      const std::any& v = *r.get<0>();
      int n = -1;
      if (const int* number = std::any_cast<int>(&v))
        n = *number;
      else if (const std::string* text = std::any_cast<std::string>(&v))
        n = std::stoi(text->substr(100));
      else
        n = *std::any_cast<std::shared_ptr<int>>(v);
      ++seen[static_cast<std::size_t>(n)];
    }
    EXPECT_THAT(seen, ::testing::Each(1));
  });
}

// C20: the same channel in two arms; the loser leaves a sound queue behind.
TEST(GoSelectParkTest, TheSameChannelTwiceInOneSelectLeavesASoundQueue) {
  for (const bool sends : {false, true}) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    const channel<int> ch(0), never(0);
    const auto twice = [&]() -> task<std::size_t> {
      if (sends) {
        auto r = co_await select(ch.send(1), ch.send(2), never.receive());
        co_return r.index();
      }
      auto r = co_await select(ch.receive(), ch.receive(), never.receive());
      co_return r.index();
    };
    const auto once = [&]() -> task<> {
      if (sends) {
        const bool sent = co_await ch.send(3);
        EXPECT_TRUE(sent);
      } else {
        const std::optional<int> v = co_await ch.receive();
        EXPECT_EQ(v, 3);
      }
    };
    join_handle<void> before = rt->spawn(once);
    settle(*rt);
    join_handle<std::size_t> selects = rt->spawn(twice);
    settle(*rt);
    ASSERT_EQ(tasks_in_state(*rt, "select"), 1u);
    join_handle<void> after = rt->spawn(once);
    settle(*rt);
    const auto serve = [&](int expected) {
      if (!sends) return ch.try_send(expected);
      const try_result<int> r = ch.try_receive();
      return r && (expected == 0 ? *r == 1 || *r == 2 : *r == expected);
    };
    EXPECT_TRUE(serve(3));
    EXPECT_TRUE(serve(0)) << "one of the two arms";
    settle(*rt);
    ASSERT_TRUE(before.done() && selects.done());
    EXPECT_LT(selects.get(), 2u);
    EXPECT_FALSE(after.done());
    EXPECT_TRUE(serve(3)) << "the other arm is gone, so it is the one behind it";
    settle(*rt);
    EXPECT_TRUE(after.done());
    EXPECT_FALSE(serve(3)) << "and then nobody waits";
  }
}

// C20
TEST_P(GoSelectTest, TheSameChannelTwiceInManySelectsLosesNothing) {
  run([]() -> task<> {
    constexpr int n = 5000;
    channel<int> ch(0);
    const auto sender = [](channel<int> out, int count) -> task<> {
      for (int i = 0; i < count; ++i) {
        const auto r = co_await select(out.send(i), out.send(i));
        EXPECT_TRUE(r);
      }
      out.close();
    };
    go(sender, ch, n);
    for (int i = 0; i < n; ++i) {
      auto r = co_await select(ch.receive(), ch.receive());
      const std::optional<int> v = r.index() == 0 ? r.get<0>() : r.get<1>();
      EXPECT_EQ(v, i);
    }
    const std::optional<int> end = co_await ch.receive();
    EXPECT_FALSE(end);
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

// C27: a select without arms does not compile.
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

// C30: in which order is the language's matter (arguments are evaluated in any), how often is not.
TEST_P(GoSelectTest, EveryOperandIsEvaluatedOnceWhetherChosenOrNot) {
  run([]() -> task<> {
    for (const bool parks : {false, true}) {
      std::map<std::string, int> times;
      channel<int> ready(1);
      channel<int> idle(0);
      if (!parks) {
        EXPECT_TRUE(ready.try_send(1));
      }
      const auto named = [&](const char* what, channel<int> c) {
        ++times[what];
        return c;
      };
      const auto value = [&](int v) {
        ++times["value"];
        return v;
      };
      const auto late = [](channel<int> c) -> task<> {
        for (int i = 0; i < 3; ++i) co_await yield();
        EXPECT_TRUE(c.try_send(1));
      };
      if (parks) go(late, ready);
      auto r = co_await select(named("idle", idle).receive(), named("ready", ready).receive(),
                               named("also idle", idle).send(value(7)));
      EXPECT_EQ(r.index(), 1u);
      const std::map<std::string, int> once{{"idle", 1}, {"ready", 1}, {"also idle", 1}, {"value", 1}};
      EXPECT_EQ(times, once);
    }
  });
}

// C31: there is no destination to write; what an arm came to exists for the chosen arm alone.
TEST(GoSelectDeathTest, OnlyTheChosenArmHasAResult) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  channel<int> a(1), b(1);
  EXPECT_TRUE(a.try_send(1));
  auto r = try_select(a.receive(), b.receive());
  ASSERT_EQ(r.index(), 0u);
  EXPECT_EQ(r.get<0>(), 1);
  EXPECT_DEATH(static_cast<void>(r.get<1>()), "get.. of an arm that did not come about");
}

// C32: a loser at the tail of the queue goes; those before it and those who come later are still reached.
TEST(GoSelectParkTest, ALoserAtTheTailLeavesTheQueueWhole) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  const channel<int> c1(0), c2(0);
  const auto receive = [&]() -> task<std::optional<int>> { co_return co_await c1.receive(); };
  join_handle<std::optional<int>> before = rt->spawn(receive);
  settle(*rt);
  join_handle<std::size_t> selects = rt->spawn([&]() -> task<std::size_t> {
    auto r = co_await select(c1.receive(), c2.receive());
    co_return r.index();
  });
  settle(*rt);
  ASSERT_EQ(tasks_in_state(*rt, "select"), 1u);
  EXPECT_TRUE(c2.try_send(0));
  settle(*rt);
  ASSERT_TRUE(selects.done());
  EXPECT_EQ(selects.get(), 1u);
  join_handle<std::optional<int>> after = rt->spawn(receive);
  settle(*rt);
  EXPECT_TRUE(c1.try_send(1));
  EXPECT_TRUE(c1.try_send(2));
  EXPECT_FALSE(c1.try_send(3)) << "nobody waits any more";
  settle(*rt);
  EXPECT_EQ(before.get(), 1);
  EXPECT_EQ(after.get(), 2);
}

// C33
TEST_P(GoSelectTest, EveryWayToReceiveMeetsEveryWayToSend) {
  run([]() -> task<> {
    for (int which = 0; which < 18; ++which) {
      const int receiver = which % 3;
      const int sender = which / 3 % 3;
      const bool sender_is_first = which >= 9;  // with one processor; with more, either may be
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
      if (sender_is_first)
        for (int i = 0; i < 3; ++i) co_await yield();
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

// C34: the queues' nodes lie in the selecting tasks, so there is nothing that could grow.
TEST_P(GoSelectTest, AHundredThousandSelectsAllocateNothing) {
  const auto selects = [](int n) -> task<> {
    channel<int> in(0), out(0), never(0), nobodys(0);
    const auto echo = [](channel<int> from, channel<int> to, channel<int> other) -> task<> {
      for (;;) {
        auto r = co_await select(from.receive(), other.receive());
        if (!r || !r.get<0>()) break;
        const bool sent = co_await to.send(*r.get<0>());
        EXPECT_TRUE(sent);
      }
      to.close();
    };
    go(echo, in, out, never);
    for (int i = 0; i < n; ++i) {
      auto r = co_await select(in.send(i), never.receive());
      EXPECT_EQ(r.index(), 0u);
      auto back = co_await select(never.receive(), out.receive());
      EXPECT_EQ(back.get<1>(), i);
      EXPECT_FALSE(try_select(nobodys.receive(), nobodys.send(1)));
    }
    in.close();
    const std::optional<int> end = co_await out.receive();
    EXPECT_FALSE(end);
  };
  constexpr int n = test::slow_build ? 10'000 : 100'000;
  const auto counted_run = [&](int times) {
    const test::count_allocations count;
    run(selects, times);
    return count.so_far();
  };
  const auto stack_bytes = [&] { return runtime_access::sched(rt()).heap().figures().peak_stack_bytes; };
  counted_run(100);
  const uint64_t few = counted_run(100);
  const uint64_t bytes_before = stack_bytes();
  const uint64_t many = counted_run(n);
  // A processor that runs one of the tasks for the first time may need a slab or two.
  EXPECT_LE(stack_bytes(), bytes_before + (1 << 20)) << "nor do the stacks grow";
  // Whatever the channels, the tasks and the handle take, which is the same in both.
  EXPECT_LE(many, few + 16);
  EXPECT_LE(few, 64u);
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
    constexpr int n = test::slow_build ? 20'000 : 100'000;
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
