// The scheduler behaves as Go's: the behaviours that proc_test.go, crash_test.go and their programs define, by id.
//
// Where C++ differs from Go by design: coroutines cannot be pre-empted and tasks cannot be pinned to a thread, so what
// Go says of either is left out; and a main task that ends ends the program's run, whatever else is parked.
#include <gtest/gtest.h>

#include <weft/weft.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sched/run_queue.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::make_runtime;
using test::processors_test;
using test::settle;
using test::tasks_in_state;

class GoSchedulerTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoSchedulerTest, test::some_processors(), test::processors_name);

task<> receive_for_ever(channel<int> ch) {
  bool open = true;
  while (open) open = (co_await ch.receive()).has_value();
}

// T1: Go stops the world for this; here two threads ask for everything that looks at all tasks, at once.
TEST_P(GoSchedulerTest, TwoStopRequestsAtOnceDoNotDeadlock) {
  channel<int> ch(0);
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 20; ++i) handles.push_back(rt().spawn(receive_for_ever, ch));
  const auto ask = [&] {
    for (int i = 0; i < 20; ++i) {
      handles[static_cast<std::size_t>(i)].request_stop();
      EXPECT_LE(rt().tasks().size(), 20u);
      static_cast<void>(rt().dump());
    }
    EXPECT_TRUE(rt().shutdown(10s).clean());
  };
  {
    std::jthread one(ask);
    std::jthread other(ask);
  }
  for (join_handle<void>& h : handles) h.get();
}

task<> wait_by_yielding(const std::atomic<int>& turn, int mine) {
  while (turn != mine) co_await yield();
}

task<> pass_turn(std::atomic<int>& turn, int mine, int parties, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    co_await wait_by_yielding(turn, mine);
    turn = (mine + 1) % parties;
  }
}

// T2
TEST_P(GoSchedulerTest, AYieldLetsTheOtherReadyTasksRun) {
  constexpr int parties = 5;
  std::atomic<int> turn = 0;
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < parties; ++i) handles.push_back(rt().spawn(pass_turn, std::ref(turn), i, parties, 10));
  for (join_handle<void>& h : handles) h.get();
  EXPECT_EQ(turn, 0);
}

// Holds its processor: no co_await until `condition()`. The thread gives way, so that more processors than the machine
// has can be held.
template <class Condition>
void hold_processor(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

// T3: as many tasks as processors, each of which holds its processor until its turn comes. They get on only if all run
// at the same time, wherever they were started.
TEST_P(GoSchedulerTest, AsManyTasksAsProcessorsRunAtTheSameTime) {
  const int parties = GetParam();
  const auto busy_pass_turn = [parties](std::atomic<int>& turn, int mine) -> task<> {
    for (int i = 0; i < 20; ++i) {
      hold_processor([&] { return turn == mine; });
      turn = (mine + 1) % parties;
    }
    co_return;
  };
  for (const bool load : {false, true}) {
    std::atomic<bool> enough = false;
    std::vector<join_handle<void>> others;
    if (load)
      for (int i = 0; i < 4 * parties; ++i)
        others.push_back(rt().spawn([&enough]() -> task<> {
          while (!enough) co_await yield();
        }));
    std::atomic<int> turn = 0;
    rt().run([&]() -> task<> {
      std::vector<join_handle<void>> handles;
      for (int i = 0; i < parties; ++i) handles.push_back(spawn(busy_pass_turn, std::ref(turn), i));
      for (join_handle<void>& h : handles) co_await h;
    });
    EXPECT_EQ(turn, 0);
    enough = true;
    for (join_handle<void>& h : others) h.get();
  }
}

// T4: tasks are not bound to threads, so there is no such case; T13: nor can they be.

task<> ping_pong(channel<int> in, channel<int> out, std::atomic<int64_t>& count, const std::atomic<bool>& enough) {
  bool open = true;
  while (open && !enough) {
    if (!co_await in.receive()) break;
    ++count;
    open = co_await out.send(1);
  }
  in.close();
  out.close();
}

task<> until_a_timer_fires() {
  std::atomic<bool> enough = false;
  std::atomic<int64_t> count = 0;
  channel<int> there(0);
  channel<int> back(1);
  EXPECT_TRUE(back.try_send(1));
  join_handle<void> one = spawn(ping_pong, there, back, std::ref(count), std::cref(enough));
  join_handle<void> other = spawn(ping_pong, back, there, std::ref(count), std::cref(enough));
  for (int i = 0; i < 3; ++i) {
    const bool slept = co_await sleep_for(1ms);
    EXPECT_TRUE(slept);
  }
  enough = true;
  co_await one;
  co_await other;
}

// T5
TEST_P(GoSchedulerTest, ATimerFiresAlthoughTwoTasksPingPongWithoutPause) { run(until_a_timer_fires); }

// T6: there is no pre-emption, but operations that never wait are counted, and after a number of them comes a yield.
TEST_P(GoSchedulerTest, TasksWhoseOperationsAreAlwaysReadyLetOthersRun) {
  std::atomic<bool> enough = false;
  std::atomic<int> running = 0;
  semaphore permits(100);
  const auto always_ready = [&](int kind) -> task<> {
    channel<int> ch(1);
    ++running;
    while (!enough) {
      if (kind == 0) {
        (void)co_await ch.send(1);
        (void)co_await ch.receive();
      } else if (kind == 1) {
        (void)co_await select(ch.send(1), ch.receive());
      } else {
        const permit p = co_await permits.acquire(1);
      }
    }
  };
  std::vector<join_handle<void>> handles;
  const int all = 3 * GetParam();
  for (int i = 0; i < all; ++i) handles.push_back(rt().spawn(always_ready, i % 3));
  // Each processor has three of them: all run, and so does one that comes later.
  eventually([&] { return running == all; });
  rt().run([&]() -> task<> {
    enough = true;
    co_return;
  });
  for (join_handle<void>& h : handles) h.get();
}

// T6: what is ready on the processor of a task that computes is run by another processor, wherever it lies: the first
// of the two that the hog starts is displaced into the ring by the second, which lies in the run-next slot.
TEST_P(GoSchedulerTest, TasksBehindOneThatComputesRunOnAnotherProcessor) {
  if (GetParam() == 1) GTEST_SKIP() << "there is no other processor: the task that computes must yield";
  for (int i = 0; i < 20; ++i)
    rt().run([]() -> task<> {
      std::atomic<int> ran = 0;
      const auto counts = [](std::atomic<int>& n) -> task<> {
        ++n;
        co_return;
      };
      join_handle<void> one = spawn(counts, std::ref(ran));
      join_handle<void> other = spawn(counts, std::ref(ran));
      hold_processor([&] { return ran == 2; });
      co_await one;
      co_await other;
    });
}

// T7: what looks at all tasks, or stops them, waits for none of them; one that computes sees its stop when it asks.
TEST_P(GoSchedulerTest, ATaskThatComputesHoldsUpNoListingAndNoStop) {
  std::atomic<bool> computes = false;
  std::atomic<bool> listed = false;
  channel<int> ch(0);
  join_handle<void> parked = rt().spawn(receive_for_ever, ch);
  eventually([&] { return tasks_in_state(rt(), "chan receive") == 1; });
  join_handle<bool> busy = rt().spawn([&]() -> task<bool> {
    computes = true;
    hold_processor([] { return this_task::stop_requested(); });
    co_return listed.load();
  });
  eventually([&] { return computes.load(); });
  EXPECT_EQ(rt().tasks().size(), 2u);
  EXPECT_EQ(tasks_in_state(rt(), "running"), 1u);
  EXPECT_NE(rt().dump().find("running"), std::string::npos);
  parked.request_stop();
  listed = true;
  busy.request_stop();
  EXPECT_TRUE(busy.get());
  parked.get();
}

// T8
TEST(GoSchedulerHostedTest, TheNumberOfTasksIsTheNumberInTheDump) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(0);
  std::vector<join_handle<void>> handles;
  for (std::size_t n = 0; n <= 50; ++n) {
    const std::string dump = rt->dump();
    std::size_t paragraphs = 0;
    for (std::size_t at = dump.find("task "); at != std::string::npos; at = dump.find("\ntask ", at + 1)) ++paragraphs;
    EXPECT_EQ(paragraphs, n);
    EXPECT_EQ(rt->tasks().size(), n);
    EXPECT_EQ(runtime_access::sched(*rt).live_tasks(), n);
    handles.push_back(rt->spawn(receive_for_ever, ch));
    settle(*rt);
  }
  ch.close();
  settle(*rt);
  EXPECT_TRUE(rt->tasks().empty());
}

task<> hog_ping_pong(channel<int> in, channel<int> out, std::atomic<int64_t>& count, const std::atomic<bool>& enough) {
  while (!enough) {
    if (!co_await in.receive()) break;
    for (int i = 0; i < 1000; ++i) count.fetch_add(i % 2 == 0 ? 1 : -1);
    ++count;
    if (!co_await out.send(1)) break;
  }
  in.close();
  out.close();
}

task<> hog_and_light(std::atomic<int64_t>& hogs, std::atomic<int64_t>& lights) {
  std::atomic<bool> hog_enough = false;
  std::atomic<bool> light_enough = false;
  channel<int> a(0), b(1), c(0), d(1);
  EXPECT_TRUE(b.try_send(1));
  EXPECT_TRUE(d.try_send(1));
  join_handle<void> h1 = spawn(hog_ping_pong, a, b, std::ref(hogs), std::cref(hog_enough));
  join_handle<void> h2 = spawn(hog_ping_pong, b, a, std::ref(hogs), std::cref(hog_enough));
  join_handle<void> l1 = spawn(ping_pong, c, d, std::ref(lights), std::cref(light_enough));
  join_handle<void> l2 = spawn(ping_pong, d, c, std::ref(lights), std::cref(light_enough));
  while (lights < 10000) co_await yield();
  hog_enough = true;
  light_enough = true;
  co_await h1;
  co_await h2;
  co_await l1;
  co_await l2;
}

// T9: counted in hand-offs, as in Go, with the wider of its two factors.
TEST(GoSchedulerOneProcessorTest, APairThatComputesAndALightPairShareTheProcessor) {
  std::atomic<int64_t> hogs = 0;
  std::atomic<int64_t> lights = 0;
  make_runtime(1)->run(hog_and_light, std::ref(hogs), std::ref(lights));
  EXPECT_GT(hogs, lights / 20);
  EXPECT_LT(hogs, lights * 20);
}

// T10
TEST(GoRunQueueTest, ItemsComeOutInTheOrderInWhichTheyWentIn) {
  sched::run_queue<int, 16> queue;
  std::array<int, 16> items{};
  for (std::size_t n = 1; n <= items.size(); ++n) {
    EXPECT_EQ(queue.pop(), nullptr);
    for (std::size_t i = 0; i < n; ++i) ASSERT_TRUE(queue.push(&items[i]));
    EXPECT_EQ(queue.size(), n);
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(queue.pop(), &items[i]);
    EXPECT_EQ(queue.size(), 0u);
  }
  for (int& item : items) ASSERT_TRUE(queue.push(&item));
  int extra = 0;
  EXPECT_FALSE(queue.push(&extra)) << "full";
}

// T10: while a thief takes, the owner never sees an item in an empty queue, nor an empty queue that holds one.
TEST(GoRunQueueTest, TheEmptyCheckIsRightWhileOthersSteal) {
  constexpr int rounds = 20000;
  sched::run_queue<int, 16> queue;
  std::array<int, 2> items{};
  std::atomic<int> turn = 0;
  std::atomic<int> stolen = 0;
  std::jthread thief([&] {
    int* out[16];
    for (int i = 1; i <= rounds; ++i) {
      while (turn.load() < i) std::this_thread::yield();
      stolen += static_cast<int>(queue.steal(out));
      turn = -i;
    }
  });
  for (int i = 1; i <= rounds; ++i) {
    ASSERT_TRUE(queue.push(&items[0]));
    EXPECT_GE(queue.size(), 1u);
    stolen = 0;
    turn = i;
    const bool second = queue.push(&items[1]);
    int mine = 0;
    while (queue.pop() != nullptr) ++mine;
    EXPECT_EQ(queue.size(), 0u) << "nobody else pushes";
    while (turn.load() != -i) std::this_thread::yield();
    ASSERT_TRUE(second);
    ASSERT_EQ(mine + stolen, 2);
  }
}

// T11
TEST(GoRunQueueTest, AStealTakesHalfAndLosesAndDoublesNothing) {
  for (std::size_t n = 0; n <= 256; ++n) {
    sched::run_queue<int, 256> queue;
    std::vector<int> items(n);
    for (int& item : items) ASSERT_TRUE(queue.push(&item));
    std::array<int*, 256> out{};
    const uint32_t taken = queue.steal(out.data());
    EXPECT_EQ(taken, n - n / 2) << "half, rounded up";
    std::vector<int*> all(out.begin(), out.begin() + taken);
    while (int* item = queue.pop()) all.push_back(item);
    ASSERT_EQ(all.size(), n);
    for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(all[i], &items[i]) << "the oldest were taken, in order";
  }
}

// T11, with thieves that take while the owner pushes and pops.
TEST(GoRunQueueTest, ConcurrentStealsLoseAndDoubleNothing) {
  constexpr int total = 100000;
  constexpr int thieves = 3;
  sched::run_queue<int, 16> queue;
  std::vector<int> times(total);
  std::vector<std::atomic<int>> seen(total);
  std::atomic<bool> end = false;
  const auto see = [&](const int* item) { ++seen[static_cast<std::size_t>(item - times.data())]; };
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < thieves; ++t)
      threads.emplace_back([&] {
        int* out[16];
        while (!end) {
          const uint32_t n = queue.steal(out);
          for (uint32_t i = 0; i < n; ++i) see(out[i]);
          if (n == 0) std::this_thread::yield();
        }
      });
    for (int i = 0; i < total; ++i) {
      while (!queue.push(&times[static_cast<std::size_t>(i)]))
        if (const int* item = queue.pop()) see(item);
      if (i % 3 == 0)
        if (const int* item = queue.pop()) see(item);
    }
    while (const int* item = queue.pop()) see(item);
    end = true;
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const std::atomic<int>& n) { return n == 1; }));
}

task<int> one() { co_return 1; }

// T12: one processor looks for work in all others. Each of those is held by a task that has made another one ready,
// which nobody but a thief can run. That a pass is over the ring of processors from a random one, so that none comes
// twice, is how search() is written.
TEST(GoSchedulerStealTest, ASearchComesToEveryProcessor) {
  for (const int n : {2, 3, 4, 5, 8, 13}) {
    const std::unique_ptr<runtime> rt = make_runtime(n);
    std::atomic<int> held = 0;
    std::atomic<int> ran = 0;
    std::vector<join_handle<void>> holders;
    for (int i = 0; i < n - 1; ++i)
      holders.push_back(rt->spawn([&, n]() -> task<> {
        ++held;
        hold_processor([&] { return held == n - 1; });  // each has a processor of its own
        go([&ran]() -> task<> {
          ++ran;
          co_return;
        });
        hold_processor([&] { return ran == n - 1; });
        co_return;
      }));
    for (join_handle<void>& h : holders) h.get();
    EXPECT_EQ(ran, n - 1);
  }
}

// T12: and the driver of one processor finds what was sent to any of them.
TEST(GoSchedulerStealTest, WhatWasSentToAnyProcessorIsFound) {
  for (int n = 1; n <= 32; ++n) {
    options opts;
    opts.processors = n;
    const std::unique_ptr<runtime> rt = *runtime_access::create(opts, os::seams::real(), detail::drive::test);
    std::vector<join_handle<int>> handles;
    for (int i = 0; i < n; ++i) handles.push_back(rt->spawn(one));
    const auto driver = static_cast<uint32_t>(n / 2);
    EXPECT_EQ(runtime_access::sched(*rt).drive_some(driver, 1000), static_cast<std::size_t>(n));
    for (join_handle<int>& h : handles) EXPECT_TRUE(h.done());
  }
}

// T14: a task that comes back from a blocking call gets a turn among tasks that never wait.
TEST_P(GoSchedulerTest, AfterABlockingCallATaskIsScheduledAmongBusyOnes) {
  std::atomic<bool> enough = false;
  std::vector<join_handle<void>> busy;
  for (int i = 0; i < 2 * GetParam(); ++i)
    busy.push_back(rt().spawn([&]() -> task<> {
      channel<int> ch(1);
      while (!enough) {
        (void)co_await ch.send(1);
        (void)co_await ch.receive();
      }
    }));
  rt().run([]() -> task<> {
    for (const auto length : {10us, 100us, 1000us})
      for (int i = 0; i < 5; ++i) {
        const int n = co_await blocking([length] {
          std::this_thread::sleep_for(length);
          return 1;
        });
        EXPECT_EQ(n, 1);
      }
  });
  enough = true;
  for (join_handle<void>& h : busy) h.get();
}

task<bool> sleep_so_long(std::chrono::nanoseconds d) { co_return co_await sleep_for(d); }

// T15
TEST_P(GoSchedulerTest, AWorkerThatSleepsUntilATimerIsWokenByAnEarlierOneAndByWork) {
  join_handle<bool> far = rt().spawn(sleep_so_long, 1h);
  eventually([&] { return tasks_in_state(rt(), "sleep") == 1; });
  const auto& sched = runtime_access::sched(rt());
  for (int i = 0; i < 20; ++i) {
    eventually([&] { return sched.idle_workers() == sched.processors().size(); });
    EXPECT_TRUE(rt().spawn(sleep_so_long, 100us).get()) << "an earlier timer";
    eventually([&] { return sched.idle_workers() == sched.processors().size(); });
    EXPECT_EQ(rt().spawn(one).get(), 1) << "work";
  }
  EXPECT_FALSE(far.done());
  far.request_stop();
  EXPECT_FALSE(far.get());
}

task<long> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

// T16
TEST(GoSchedulerManyProcessorsTest, AThousandAndTwentyFourProcessorsCanBeConfigured) {
  const std::unique_ptr<runtime> rt = make_runtime(1024);
  EXPECT_EQ(rt->processors(), 1024);
  EXPECT_EQ(rt->run(fib, 15), 610);
}

// T18: threads that use the runtime end while all its tasks are listed, and while it shuts down.
TEST_P(GoSchedulerTest, ThreadsMayEndWhileTasksAreListedAndTheRuntimeShutsDown) {
  std::atomic<bool> enough = false;
  const auto come_and_go = [&] {
    while (!enough) {
      std::jthread([&] {
        join_handle<int> h = rt().spawn(one);
        if (h.valid()) {
          EXPECT_EQ(h.get(), 1);
        }
      }).join();
    }
  };
  {
    std::jthread first(come_and_go);
    std::jthread second(come_and_go);
    for (int i = 0; i < 50; ++i) {
      EXPECT_LE(rt().tasks().size(), 2u);
      static_cast<void>(rt().dump());
    }
    EXPECT_TRUE(rt().shutdown(10s).clean());
    enough = true;
  }
}

// T19: Go may go straight on with the waiter. Here what is handed over is the permit, always, and the releaser goes on
// until it waits; if it yields, the waiter runs first.
TEST_P(GoSchedulerTest, AReleaseHandsThePermitToTheWaiter) {
  constexpr int rounds = 10000;
  rt().run([one_processor = GetParam() == 1]() -> task<> {
    semaphore sem(1);
    int ran = 0;          // guarded by sem
    bool enough = false;  // guarded by sem; the waiter does not end before, however long the releaser's thread is away
    const auto waits = [](semaphore& s, int& count, bool& end) -> task<> {
      for (;;) {
        permit p = co_await s.acquire(1);
        if (end) co_return;
        ++count;
        p.release();
        co_await yield();
      }
    };
    permit mine = co_await sem.acquire(1);
    join_handle<void> waiter = spawn(waits, std::ref(sem), std::ref(ran), std::ref(enough));
    int ran_first = 0;
    int handed = 0;
    // Where there are others, one of the two threads may be away for all of the rounds: then more follow, until the
    // waiter has run first once, or the test's time is over.
    for (int i = 0; i < rounds || (!one_processor && ran_first == 0); ++i) {
      while (sem.try_acquire(1).has_value()) co_await yield();  // cannot be: it is held
      // Only a waiter that has queued up can be handed anything.
      for (int k = 0; k < 3; ++k) co_await yield();
      const int before = ran;
      mine.release();
      if (!sem.try_acquire(1)) ++handed;
      co_await yield();
      mine = co_await sem.acquire(1);
      if (ran == before + 1) ++ran_first;
    }
    enough = true;
    mine.release();
    co_await waiter;
    if (one_processor) {
      EXPECT_GE(handed, rounds * 2 / 3);
      EXPECT_GE(ran_first, rounds * 2 / 3);
    } else {
      EXPECT_GT(ran_first, 0);
    }
  });
}

// --- deadlock --------------------------------------------------------------------------------------------------------

task<> main_receives() {
  channel<int> ch(0);
  static_cast<void>(co_await ch.receive());
}

task<> main_receives_from_nil() {
  channel<int> nil;
  static_cast<void>(co_await nil.receive());
}

task<> main_waits_for_a_task_that_waits() {
  channel<int> ch(0);
  join_handle<void> h = spawn(receive_for_ever, ch);
  co_await h;
}

task<> main_locks_twice() {
  mutex m;
  mutex_guard first = co_await m.lock();
  mutex_guard second = co_await m.lock();
}

task<> main_waits_for_a_group() {
  wait_group group;
  group.add(1);
  static_cast<void>(co_await group.wait());
}

task<> child_acquires(semaphore& sem) { static_cast<void>(co_await sem.acquire(1)); }

task<> main_joins_children_that_wait() {
  semaphore sem(0);
  co_await join(child_acquires(sem), child_acquires(sem));
}

class GoDeadlockDeathTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  template <class F>
  static void run_with(const char* processors, F f) {
    ::setenv("WEFT_PROCS", processors, 1);
    weft::run(f);
  }
};
INSTANTIATE_TEST_SUITE_P(With, GoDeadlockDeathTest, ::testing::Values("1", "2"),
                         [](const auto& tested) { return std::string(tested.param) + "Processors"; });

constexpr const char* deadlock = "weft: all tasks are asleep - deadlock!\n\n";

// T20
TEST_P(GoDeadlockDeathTest, AMainTaskThatReceivesFromNobodyIsReportedWithADump) {
  EXPECT_EXIT(run_with(GetParam(), main_receives), ::testing::ExitedWithCode(2),
              std::string(deadlock) +
                  "task 1 \\[chan receive\\]:\n\tparked at .*scheduler_test.cc:[0-9]+\n"
                  "\tin .*main_receives.*\n\tstarted by ");
}

// T20
TEST_P(GoDeadlockDeathTest, EveryKindOfWaitThatNobodyCanEndIsADeadlock) {
  EXPECT_EXIT(run_with(GetParam(), main_receives_from_nil), ::testing::ExitedWithCode(2),
              std::string(deadlock) + "task 1 \\[chan receive \\(nil chan\\)\\]");
  EXPECT_EXIT(run_with(GetParam(), main_locks_twice), ::testing::ExitedWithCode(2),
              std::string(deadlock) + "task 1 \\[sync.Mutex.Lock\\]");
  EXPECT_EXIT(run_with(GetParam(), main_waits_for_a_group), ::testing::ExitedWithCode(2),
              std::string(deadlock) + "task 1 \\[sync.WaitGroup.Wait\\]");
  EXPECT_EXIT(run_with(GetParam(), main_joins_children_that_wait), ::testing::ExitedWithCode(2),
              std::string(deadlock) + "task 1 \\[");
}

// T20: Go's case in which another goroutine than main is the one that blocks.
TEST_P(GoDeadlockDeathTest, AMainTaskAndTheTaskItWaitsForAreBothInTheDump) {
  EXPECT_EXIT(run_with(GetParam(), main_waits_for_a_task_that_waits), ::testing::ExitedWithCode(2),
              std::string(deadlock) + "task 1 \\[join\\]:(.|\n)*task [0-9]+ \\[chan receive\\]:");
}

task<int> main_ends_while_others_wait() {
  channel<int> ch(0);
  for (int i = 0; i < 10; ++i) go(receive_for_ever, ch);
  for (int i = 0; i < 20; ++i) co_await yield();
  co_return 7;
}

// T21: in Go the main goroutine may end alone (Goexit), and then the rest may deadlock. A main task that ends here ends
// run(): the others are asked to stop, and there is nothing to report.
TEST(GoMainTaskTest, AMainTaskThatEndsEndsTheRunAlthoughOthersAreParked) {
  EXPECT_EQ(weft::run(main_ends_while_others_wait), 7);
}

// The other side of T20: a timer may still wake somebody, so nothing is reported.
TEST(GoMainTaskTest, ATaskThatSleepsIsNoDeadlock) { EXPECT_TRUE(weft::run(sleep_so_long, 60ms)); }

}  // namespace
}  // namespace weft
