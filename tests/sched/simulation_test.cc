// The real scheduler, channels, joins and semaphores, with every choice made by one number.
//
// One thread drives several processors: at each step a seeded random choice says which processor goes on, and for how
// many dispatches. The clock moves by hand and the runtime's own random numbers come from the same seed, so a seed is
// an execution. A failure prints its seed, and WEFT_SEED in the environment repeats that one alone.
#include <weft/weft.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "api/runtime.h"
#include "base/fast_random.h"
#include "os/random.h"
#include "support/explored_protocol.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::counted;

// A runtime of two to four processors that goes on only when step() says so.
class simulation {
 public:
  explicit simulation(uint64_t seed) : random_(seed), source_(seed) {
    options opts;
    opts.processors = 2 + static_cast<int>(random_.below(3));
    // Small numbers reach the rare paths in few steps.
    opts.scheduling.run_next = random_.below(4) != 0;
    opts.scheduling.run_next_in_a_row = 1 + static_cast<int>(random_.below(8));
    opts.scheduling.budget = 1 + static_cast<int>(random_.below(16));
    opts.scheduling.steal = static_cast<steal_share>(random_.below(3));
    opts.scheduling.victims = static_cast<victim_order>(random_.below(2));
    opts.scheduling.global_fifo = random_.below(8) == 0;
    opts.scheduling.stealing = random_.below(8) != 0;
    opts.scheduling.timers = static_cast<timer_placement>(random_.below(4) == 0 ? 1 : 0);
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    seams.random = &source_;
    rt_ = *runtime_access::create(opts, seams, detail::drive::test);
  }

  runtime& rt() noexcept { return *rt_; }
  test::manual_clock& clock() noexcept { return clock_; }
  uint32_t below(uint32_t n) noexcept { return random_.below(n); }

  /// One processor, a few dispatches. Returns how many there were.
  std::size_t step() {
    detail::scheduler& s = runtime_access::sched(*rt_);
    const auto processors = static_cast<uint32_t>(s.processors().size());
    return s.drive_some(random_.below(processors), 1 + random_.below(4));
  }

  /// Steps until nothing is ready; time stands still.
  void settle() {
    detail::scheduler& s = runtime_access::sched(*rt_);
    for (uint32_t idle = 0; idle < 8;) idle = step() == 0 ? idle + 1 : 0;
    for (bool ran = true; ran;) {
      ran = false;
      for (uint32_t i = 0; i < s.processors().size(); ++i) ran |= s.drive_some(i, 1) != 0;
    }
  }

  /// Steps, and moves time on now and then, until every task has ended.
  void finish() {
    for (int quiet = 0; runtime_access::sched(*rt_).live_tasks() != 0;) {
      quiet = step() == 0 ? quiet + 1 : 0;
      if (random_.below(16) == 0 || quiet > 32) clock_.advance(static_cast<int64_t>(random_.below(1000)));
      if (quiet > 10'000) {
        ADD_FAILURE() << "tasks wait for what never comes:\n" << rt_->dump();
        return;
      }
    }
  }

 private:
  base::fast_random random_;
  os::seeded_random source_;
  test::manual_clock clock_{1'000'000};
  std::unique_ptr<runtime> rt_;
};

/// Runs body(simulation&) with many seeds, or with the one in WEFT_SEED.
template <class Body>
void for_many_seeds(int seeds, Body body) {
  if (test::slow_build) seeds = std::max(seeds / 4, 10);
  const bool one = std::getenv("WEFT_SEED") != nullptr;
  const uint64_t first = test::seed_or(1);
  for (uint64_t seed = first; seed < first + (one ? 1 : static_cast<uint64_t>(seeds)); ++seed) {
    SCOPED_TRACE(testing::Message() << "repeat with WEFT_SEED=" << seed);
    simulation sim(seed);
    body(sim);
    if (testing::Test::HasFailure()) return;
  }
}

// --- channels --------------------------------------------------------------------------------------------------------

struct message {
  int sender;
  int number;
};

task<> send_all(channel<message> out, int sender, int count, int& sent) {
  for (int i = 0; i < count; ++i) {
    if (!co_await out.send(message{sender, i})) co_return;
    ++sent;
  }
}

task<> receive_all(channel<message> in, std::vector<message>& got) {
  while (std::optional<message> m = co_await in.receive()) got.push_back(*m);
}

void expect_order_per_sender(const std::vector<message>& got, int senders) {
  std::vector<int> last(static_cast<std::size_t>(senders), -1);
  for (const message& m : got) {
    EXPECT_LT(last[static_cast<std::size_t>(m.sender)], m.number) << "sender " << m.sender;
    last[static_cast<std::size_t>(m.sender)] = m.number;
  }
}

TEST(SimulationTest, ManySendersAndReceiversLoseNothingAndKeepEachSendersOrder) {
  for_many_seeds(300, [](simulation& sim) {
    const int senders = 1 + static_cast<int>(sim.below(4));
    const int receivers = 1 + static_cast<int>(sim.below(4));
    const int each = 1 + static_cast<int>(sim.below(20));
    channel<message> ch(sim.below(4));
    std::vector<int> sent(static_cast<std::size_t>(senders));
    std::vector<std::vector<message>> got(static_cast<std::size_t>(receivers));
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < receivers; ++i)
      handles.push_back(sim.rt().spawn(receive_all, ch, std::ref(got[static_cast<std::size_t>(i)])));
    for (int i = 0; i < senders; ++i)
      handles.push_back(sim.rt().spawn(send_all, ch, i, each, std::ref(sent[static_cast<std::size_t>(i)])));
    sim.settle();
    std::size_t received = 0;
    for (const std::vector<message>& one : got) {
      received += one.size();
      expect_order_per_sender(one, senders);
    }
    EXPECT_EQ(received, static_cast<std::size_t>(senders * each));
    ch.close();
    sim.finish();
  });
}

// Values are counted by their life, too: none is destroyed twice or forgotten in a ring or a waiter.
task<> send_counted(channel<counted> out, int count, std::atomic<int>& live, int& sent, int& refused) {
  for (int i = 0; i < count; ++i) ++(co_await out.send(counted(live, i)) ? sent : refused);
}

task<> receive_counted(channel<counted> in, int most, int& received) {
  // Not `received < most && co_await ...`: g++ 12 loses the task there.
  while (received < most) {
    const std::optional<counted> value = co_await in.receive();
    if (!value) co_return;
    ++received;
  }
}

TEST(SimulationTest, CloseAndStopRaceWithHandOffsAndEveryValueIsAccountedFor) {
  for_many_seeds(400, [](simulation& sim) {
    constexpr int tasks = 3;
    std::atomic<int> live = 0;
    int sent[tasks] = {}, refused[tasks] = {}, received[tasks] = {};
    const int each = 1 + static_cast<int>(sim.below(12));
    int left = 0;
    {
      channel<counted> ch(sim.below(4));
      std::vector<join_handle<void>> handles;
      for (int i = 0; i < tasks; ++i) {
        handles.push_back(
            sim.rt().spawn(send_counted, ch, each, std::ref(live), std::ref(sent[i]), std::ref(refused[i])));
        handles.push_back(sim.rt().spawn(receive_counted, ch, static_cast<int>(sim.below(15)), std::ref(received[i])));
      }
      const uint32_t before_close = sim.below(60);
      for (uint32_t i = 0; i < before_close; ++i) {
        sim.step();
        if (sim.below(10) == 0) handles[sim.below(2 * tasks)].request_stop();
      }
      ch.close();
      sim.finish();
      while (auto value = ch.try_receive()) ++left;
    }
    int all_sent = 0, all_refused = 0, all_received = 0;
    for (int i = 0; i < tasks; ++i) {
      all_sent += sent[i];
      all_refused += refused[i];
      all_received += received[i];
    }
    EXPECT_EQ(all_sent, all_received + left);
    EXPECT_EQ(all_sent + all_refused, tasks * each);
    EXPECT_EQ(live, 0) << "values that were made and not destroyed";
  });
}

// --- forks -----------------------------------------------------------------------------------------------------------

// Some leaves receive from a channel that is fed slowly, so that strands park, leave their forks behind and move.
task<int> tree(int n, channel<int> tokens) {
  if (n < 2) {
    if (n == 0) co_await yield();
    const std::optional<int> token = co_await tokens.receive();
    co_return n + token.value_or(1000);
  }
  auto [a, b] = co_await join(tree(n - 1, tokens), tree(n - 2, tokens));
  co_return a + b;
}

int leaves(int n) { return n < 2 ? 1 : leaves(n - 1) + leaves(n - 2); }
int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

TEST(SimulationTest, ForksThatParkAndMoveComeTogetherAgain) {
  for_many_seeds(200, [](simulation& sim) {
    const int n = 4 + static_cast<int>(sim.below(5));
    channel<int> tokens(sim.below(3));
    join_handle<int> root = sim.rt().spawn(tree, n, tokens);
    for (int fed = 0; fed < leaves(n);) {
      sim.step();
      if (sim.below(2) == 0 && tokens.try_send(0)) ++fed;
    }
    sim.finish();
    ASSERT_TRUE(root.done());
    EXPECT_EQ(root.get(), fib(n));
  });
}

struct leaf_error {};

task<int> tree_that_throws(int n, int throwing, int& at, std::atomic<int>& live) {
  counted here(live);
  if (n < 2) {
    co_await yield();
    if (at++ == throwing) throw leaf_error();
    co_return n;
  }
  auto [a, b] = co_await join(tree_that_throws(n - 1, throwing, at, live), tree_that_throws(n - 2, throwing, at, live));
  co_return a + b;
}

TEST(SimulationTest, AnExceptionInAForkReachesTheRootAfterAllForksHaveEnded) {
  for_many_seeds(200, [](simulation& sim) {
    const int n = 3 + static_cast<int>(sim.below(5));
    std::atomic<int> live = 0;
    int at = 0;
    join_handle<int> root =
        sim.rt().spawn(tree_that_throws, n, static_cast<int>(sim.below(static_cast<uint32_t>(leaves(n)))), std::ref(at),
                       std::ref(live));
    sim.finish();
    EXPECT_THROW((void)root.get(), leaf_error);
    EXPECT_EQ(at, leaves(n));
    EXPECT_EQ(live, 0);
  });
}

// --- semaphores, mutexes
// -----------------------------------------------------------------------------------------------

task<> use_permits(semaphore& permits, int64_t count, int rounds, int64_t& held, int64_t total) {
  for (int i = 0; i < rounds; ++i) {
    const permit p = co_await permits.acquire(count);
    if (!p) co_return;
    held += count;
    EXPECT_LE(held, total);
    co_await yield();
    held -= count;
  }
}

TEST(SimulationTest, PermitsAreConservedWhileTasksAreStopped) {
  for_many_seeds(300, [](simulation& sim) {
    const int64_t total = 1 + sim.below(4);
    semaphore permits(total);
    int64_t held = 0;
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < 6; ++i)
      handles.push_back(sim.rt().spawn(use_permits, std::ref(permits),
                                       int64_t{1} + sim.below(static_cast<uint32_t>(total)),
                                       1 + static_cast<int>(sim.below(5)), std::ref(held), total));
    const uint32_t steps = sim.below(40);
    for (uint32_t i = 0; i < steps; ++i) {
      sim.step();
      if (sim.below(6) == 0) handles[sim.below(6)].request_stop();
    }
    sim.finish();
    EXPECT_EQ(permits.available(), total);
    EXPECT_EQ(held, 0);
  });
}

task<> exclude(mutex& m, channel<int> pause, int rounds, bool& inside, int& done) {
  for (int i = 0; i < rounds; ++i) {
    const mutex_guard guard = co_await m.lock();
    EXPECT_FALSE(inside);
    inside = true;
    if (i % 2 == 0) co_await yield();
    (void)co_await pause.send(i);  // a stop point between two locks
    inside = false;
    ++done;
  }
}

TEST(SimulationTest, AMutexExcludesAlsoThoseThatAreStopped) {
  for_many_seeds(200, [](simulation& sim) {
    mutex m;
    channel<int> pause(1);
    bool inside = false;
    int done = 0;
    const int rounds = 1 + static_cast<int>(sim.below(6));
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < 4; ++i)
      handles.push_back(sim.rt().spawn(exclude, std::ref(m), pause, rounds, std::ref(inside), std::ref(done)));
    while (runtime_access::sched(sim.rt()).live_tasks() != 0) {
      sim.step();
      if (sim.below(2) == 0) (void)pause.try_receive();
      if (sim.below(12) == 0) handles[sim.below(4)].request_stop();
    }
    EXPECT_EQ(done, 4 * rounds);
  });
}

// --- time
// --------------------------------------------------------------------------------------------------------------

task<> nap(test::manual_clock& clock, int times, std::chrono::nanoseconds d, int& slept) {
  for (int i = 0; i < times; ++i) {
    const int64_t before = clock.now_ns();
    if (!co_await sleep_for(d)) co_return;
    EXPECT_GE(clock.now_ns() - before, d.count());
    ++slept;
  }
}

TEST(SimulationTest, SleepersWakeOnTheirTimeOrAreStopped) {
  for_many_seeds(200, [](simulation& sim) {
    constexpr int sleepers = 8;
    int slept[sleepers] = {}, times[sleepers] = {};
    bool stopped[sleepers] = {};
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < sleepers; ++i) {
      times[i] = 1 + static_cast<int>(sim.below(4));
      handles.push_back(sim.rt().spawn(nap, std::ref(sim.clock()), times[i], std::chrono::nanoseconds(sim.below(3000)),
                                       std::ref(slept[i])));
    }
    const uint32_t steps = sim.below(60);
    for (uint32_t i = 0; i < steps; ++i) {
      sim.step();
      if (sim.below(3) == 0) sim.clock().advance(static_cast<int64_t>(sim.below(500)));
      if (sim.below(12) == 0) {
        const uint32_t one = sim.below(sleepers);
        handles[one].request_stop();
        stopped[one] = true;
      }
    }
    sim.finish();
    for (int i = 0; i < sleepers; ++i)
      EXPECT_TRUE(stopped[i] || slept[i] == times[i]) << slept[i] << " of " << times[i] << " naps";
  });
}

// --- handles
// -----------------------------------------------------------------------------------------------------------

task<int> sum_of_tree(int depth, channel<int> values) {
  if (depth == 0) co_return (co_await values.receive()).value_or(0);
  std::vector<join_handle<int>> children;
  for (int i = 0; i < 2; ++i) children.push_back(spawn(sum_of_tree, depth - 1, values));
  int sum = 0;
  for (join_handle<int>& child : children) sum += co_await child;
  co_return sum;
}

TEST(SimulationTest, HandlesBringResultsAcrossProcessors) {
  for_many_seeds(200, [](simulation& sim) {
    const int depth = 1 + static_cast<int>(sim.below(5));
    channel<int> values(sim.below(2));
    join_handle<int> root = sim.rt().spawn(sum_of_tree, depth, values);
    int expected = 0;
    for (int fed = 0; fed < 1 << depth;) {
      sim.step();
      if (values.try_send(int{fed})) expected += fed++;
    }
    sim.finish();
    EXPECT_EQ(root.get(), expected);
  });
}

task<> start_and_let_go(int depth, int& ended) {
  if (depth > 0)
    for (int i = 0; i < 2; ++i) (void)spawn(start_and_let_go, depth - 1, std::ref(ended));
  co_await yield();
  ++ended;
}

TEST(SimulationTest, TasksWhoseHandlesAreGoneEndAllTheSame) {
  for_many_seeds(200, [](simulation& sim) {
    int ended = 0;
    sim.rt().spawn(start_and_let_go, 4, std::ref(ended)).request_stop();
    sim.finish();
    EXPECT_EQ(ended, 31);
  });
}

// --- shutdown
// ----------------------------------------------------------------------------------------------------------

// Does not end by itself, nor when it is asked to; some of its children wait for each other.
task<int> obstinate(channel<counted> ch, semaphore& permits, mutex& m, std::atomic<int>& live, int depth, bool top) {
  counted here(live);
  const permit p = co_await permits.acquire();
  if (depth > 0) {
    auto [a, b] = co_await join(obstinate(ch, permits, m, live, depth - 1, false),
                                obstinate(ch, permits, m, live, depth - 2, false));
    co_return a + b;
  }
  if (top) {
    join_handle<int> child = spawn(obstinate, ch, std::ref(permits), std::ref(m), std::ref(live), 2, false);
    if (!child.valid()) co_return 0;  // the shutdown has begun
    co_return co_await child;
  }
  (void)co_await ch.send(counted(live, depth));
  const mutex_guard guard = co_await m.lock();
  (void)co_await sleep_for(1h);
  const mutex_guard for_ever = co_await m.lock();
  co_return 1;
}

TEST(SimulationTest, StragglersAreDestroyedWithAllThatTheyHold) {
  for_many_seeds(150, [](simulation& sim) {
    std::atomic<int> live = 0;
    mutex m;
    const int64_t total = 3 + sim.below(4);
    semaphore permits(total);
    {
      channel<counted> ch(sim.below(3));
      std::vector<join_handle<int>> handles;
      for (int i = 0; i < 4; ++i)
        handles.push_back(sim.rt().spawn(obstinate, ch, std::ref(permits), std::ref(m), std::ref(live),
                                         static_cast<int>(sim.below(4)), sim.below(2) == 0));
      const uint32_t steps = sim.below(80);
      for (uint32_t i = 0; i < steps; ++i) sim.step();
      // Time stands still, so the deadline must have come already.
      sim.rt().shutdown(0ns);
      for (join_handle<int>& handle : handles) {
        ASSERT_TRUE(handle.done());
        if (sim.below(2) == 0) continue;  // lets go of it
        try {
          EXPECT_EQ(handle.get(), 0);
        } catch (const task_destroyed&) {
        }
      }
    }
    EXPECT_EQ(live, 0) << "frames or values that were not destroyed";
    EXPECT_EQ(permits.available(), total);
    EXPECT_TRUE(m.try_lock()) << "a destroyed task still holds the lock";
  });
}

}  // namespace
}  // namespace weft
