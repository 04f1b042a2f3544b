// The runtime object: several in one process, driven by threads or by the host, shut down in every state, and refused
// threads or memory without leaving anything behind.
#include <weft/runtime.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weft/weft.h>

#include <poll.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fault_system.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::call;
using test::counted;
using test::fault_system;
using test::make_runtime;
using test::processors_test;
using test::settle;

class RuntimeTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, RuntimeTest, test::some_processors(), test::processors_name);

task<int> add(int a, int b) { co_return a + b; }
task<int> throws() {
  throw std::runtime_error("thrown");
  co_return 0;
}
task<std::optional<int>> receive(channel<int> ch) { co_return co_await ch.receive(); }

// --- several runtimes, plain threads ---------------------------------------------------------------------------------

TEST(RuntimesTest, SeveralRuntimesLiveSideBySideAndTalkThroughChannels) {
  const std::unique_ptr<runtime> a = make_runtime(1);
  const std::unique_ptr<runtime> b = make_runtime(2);
  channel<int> there(0);
  channel<int> back(0);
  join_handle<int> echo = b->spawn([there, back]() -> task<int> {
    int n = 0;
    while (std::optional<int> v = co_await there.receive()) {
      ++n;
      const bool sent = co_await back.send(*v + 1);
      if (!sent) break;
    }
    co_return n;
  });
  const int last = a->run([there, back]() -> task<int> {
    int v = 0;
    for (int i = 0; i < 1000; ++i) {
      const bool sent = co_await there.send(v);
      if (!sent) break;
      v = (co_await back.receive()).value_or(-1);
    }
    there.close();
    co_return v;
  });
  EXPECT_EQ(last, 1000);
  EXPECT_EQ(echo.get(), 1000);
  EXPECT_TRUE(a->shutdown(10s).clean());
  EXPECT_EQ(b->run(add, 1, 2), 3) << "the other one lives on";
}

task<int> await_other(runtime& other) {
  join_handle<int> h = other.spawn(add, 20, 22);
  const int v = co_await h;
  co_return v;
}

TEST(RuntimesTest, ATaskAwaitsATaskOfAnotherRuntime) {
  const std::unique_ptr<runtime> a = make_runtime(2);
  const std::unique_ptr<runtime> b = make_runtime(1);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(a->run(await_other, std::ref(*b)), 42);
}

TEST_P(RuntimeTest, ManyPlainThreadsSpawnAndWait) {
  std::atomic<int> sum = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) sum += rt().spawn(add, i, 1).get();
      });
    }
  }
  EXPECT_EQ(sum, 4 * (199 * 200 / 2 + 200));
  EXPECT_TRUE(rt().shutdown(10s).clean());
}

TEST_P(RuntimeTest, ExceptionsTravelToWhoeverAsks) {
  EXPECT_THROW(run(throws), std::runtime_error);
  EXPECT_THROW(rt().spawn(throws).get(), std::runtime_error);
}

TEST(UnhandledExceptionTest, AnExceptionOfATaskWithoutAHandleGoesToTheHandler) {
  std::atomic<int> calls = 0;
  std::string what;
  task_info seen;
  options opts;
  opts.processors = 1;
  opts.on_unhandled_exception = [&](std::exception_ptr error, const task_info& info) {
    try {
      std::rethrow_exception(error);
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    seen = info;
    ++calls;
  };
  const std::unique_ptr<runtime> rt = make_runtime(opts);
  rt->run([]() -> task<> {
    go(throws);
    co_return;
  });
  EXPECT_TRUE(rt->shutdown(10s).clean());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(what, "thrown");
  EXPECT_NE(seen.id, 0u);
}

TEST(UnhandledExceptionDeathTest, WithoutAHandlerItIsPrintedWithTheTaskAndTheProcessEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(make_runtime(1)->run([]() -> task<> {
    go(throws);
    for (;;) co_await yield();
  }),
               "weft: unhandled exception in a task: thrown\n\ntask [0-9]+ \\[ended by an exception\\]");
}

// --- hosted ----------------------------------------------------------------------------------------------------------

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

bool becomes_readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, -1) == 1;
}

TEST(HostedRuntimeTest, PollRunsWhatIsReadyAndReturnsHowOftenItResumed) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  EXPECT_EQ(rt->processors(), 1);
  EXPECT_EQ(rt->poll(), 0u);
  join_handle<int> h = rt->spawn(add, 1, 2);
  EXPECT_FALSE(h.done()) << "nothing runs until the host polls";
  EXPECT_EQ(rt->poll(), 1u);
  EXPECT_TRUE(h.done());
  EXPECT_EQ(rt->poll(), 0u);
  EXPECT_EQ(h.get(), 3);
}

TEST(HostedRuntimeTest, PollNeverBlocks) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(0);
  join_handle<std::optional<int>> h = rt->spawn(receive, ch);
  for (int i = 0; i < 10; ++i) EXPECT_LE(rt->poll(), 1u);
  EXPECT_FALSE(h.done());
  ch.close();
  settle(*rt);
  EXPECT_TRUE(h.done());
}

TEST(HostedRuntimeTest, PollReturnsAlthoughTasksNeverStopYielding) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  bool enough = false;
  join_handle<void> one = rt->spawn([&enough]() -> task<> {
    while (!enough) co_await yield();
  });
  join_handle<void> other = rt->spawn([&enough]() -> task<> {
    while (!enough) co_await yield();
  });
  EXPECT_GT(rt->poll(), 0u);
  EXPECT_TRUE(readable(rt->wake_fd())) << "there is more to do";
  enough = true;
  settle(*rt);
  EXPECT_TRUE(one.done());
  EXPECT_TRUE(other.done());
}

TEST(HostedRuntimeTest, WakeFdIsReadableWhenThereIsWorkAndOnlyThen) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  ASSERT_GE(rt->wake_fd(), 0);
  EXPECT_FALSE(readable(rt->wake_fd()));
  channel<int> ch(0);
  join_handle<std::optional<int>> h = rt->spawn(receive, ch);
  EXPECT_TRUE(readable(rt->wake_fd())) << "a new task";
  settle(*rt);
  EXPECT_FALSE(readable(rt->wake_fd())) << "it is parked";
  std::jthread sender([ch] { EXPECT_TRUE(ch.blocking_send(4)); });
  EXPECT_TRUE(becomes_readable(rt->wake_fd()));
  settle(*rt);
  EXPECT_EQ(h.get(), 4);
  EXPECT_FALSE(readable(rt->wake_fd()));
}

TEST(HostedRuntimeTest, WakeFdBecomesReadableWhenATimerIsDue) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  join_handle<bool> h = rt->spawn([]() -> task<bool> { co_return co_await sleep_for(2ms); });
  settle(*rt);
  while (!h.done()) {
    ASSERT_TRUE(becomes_readable(rt->wake_fd()));
    settle(*rt);
  }
  EXPECT_TRUE(h.get());
}

TEST(HostedRuntimeTest, ThreadsHaveNoWakeFd) { EXPECT_EQ(make_runtime(1)->wake_fd(), -1); }

TEST(HostedRuntimeTest, RunDrivesARuntimeThatNobodyPolls) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  EXPECT_EQ(rt->run(add, 1, 2), 3);
  EXPECT_TRUE(rt->run([]() -> task<bool> { co_return co_await sleep_for(1ms); }));
}

TEST(HostedRuntimeDeathTest, PollOnARuntimeWithThreadsSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(make_runtime(1)->poll(), "runtime::poll on a runtime that has threads of its own");
}

// --- shutdown --------------------------------------------------------------------------------------------------------

task<int> count_until_stopped(channel<int> ch) {
  int n = 0;
  while (co_await ch.receive()) ++n;
  co_return this_task::stop_requested() ? n : -1;
}

TEST_P(RuntimeTest, ShutdownStopsParkedTasksAndIsClean) {
  channel<int> ch(0);
  std::vector<join_handle<int>> handles;
  for (int i = 0; i < 100; ++i) handles.push_back(rt().spawn(count_until_stopped, ch));
  const shutdown_report report = rt().shutdown(10s);
  EXPECT_TRUE(report.clean());
  EXPECT_FALSE(report.timed_out_running);
  for (join_handle<int>& h : handles) EXPECT_EQ(h.get(), 0);
  EXPECT_TRUE(rt().shutdown(1s).clean()) << "the same report again";
}

TEST_P(RuntimeTest, AfterShutdownNothingIsAdmitted) {
  EXPECT_TRUE(rt().shutdown(1s).clean());
  std::atomic<int> live = 0;
  join_handle<int> h = rt().spawn([c = counted(live, 1)]() -> task<int> { co_return c.value(); });
  EXPECT_FALSE(h.valid());
  EXPECT_EQ(live, 0) << "what was given to it is destroyed";
}

task<> lock_for_ever(mutex& m, std::atomic<int>& live) {
  counted here(live);
  mutex_guard lock = co_await m.lock();
}

TEST_P(RuntimeTest, ATaskThatCannotBeStoppedIsNamedAndDestroyed) {
  std::atomic<int> live = 0;
  mutex m;
  mutex_guard held = m.try_lock();
  join_handle<void> h = rt().spawn(lock_for_ever, std::ref(m), std::ref(live));
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.Mutex.Lock") == 1; });
  const uint64_t id = h.id();
  const shutdown_report report = rt().shutdown(20ms);
  EXPECT_FALSE(report.clean());
  ASSERT_EQ(report.stragglers.size(), 1u);
  EXPECT_EQ(report.stragglers[0].id, id);
  EXPECT_EQ(report.stragglers[0].state, "sync.Mutex.Lock");
  EXPECT_THAT(report.stragglers[0].parked_at, ::testing::HasSubstr("runtime_test.cc:"));
  EXPECT_EQ(live, 0) << "its frames were destroyed";
  EXPECT_THROW(h.get(), task_destroyed);
  held.unlock();  // Finds no dead waiter.
  EXPECT_TRUE(m.try_lock());
}

task<> await_handle(join_handle<void> h, std::atomic<int>& live) {
  counted here(live);
  co_await h;
}

task<> nest(mutex& m, std::atomic<int>& live, int depth) {
  counted here(live);
  if (depth == 0) {
    co_await lock_for_ever(m, live);
  } else {
    co_await join(nest(m, live, depth - 1), nest(m, live, depth - 1));
  }
}

TEST_P(RuntimeTest, StragglersInJoinsAndInWaitsForOtherTasksAreDestroyedFromTheLeavesUp) {
  std::atomic<int> live = 0;
  mutex m;
  mutex_guard held = m.try_lock();
  join_handle<void> tree = rt().spawn(nest, std::ref(m), std::ref(live), 4);
  join_handle<void> waiting = rt().spawn(lock_for_ever, std::ref(m), std::ref(live));
  join_handle<void> joiner = rt().spawn(await_handle, std::move(waiting), std::ref(live));
  // 31 in the tree, 16 in its leaves' calls, the task that locks and the one that awaits it.
  test::eventually([&] { return live == 31 + 16 + 2; });
  const shutdown_report report = rt().shutdown(20ms);
  EXPECT_EQ(report.stragglers.size(), 3u);
  EXPECT_EQ(live, 0);
  EXPECT_THROW(tree.get(), task_destroyed);
  held.unlock();
}

task<> lock_both(mutex& first, mutex& second) {
  mutex_guard one = co_await first.lock();
  mutex_guard two = co_await second.lock();
}

task<> lends_its_mutex(mutex& stuck, int generations) {
  mutex own;
  join_handle<void> child = spawn(lock_both, std::ref(own), std::ref(stuck));
  if (generations > 0) go(lends_its_mutex, std::ref(stuck), generations - 1);
  mutex_guard never = co_await stuck.lock();
}

// A mutex that dies while it is locked aborts.
TEST_P(RuntimeTest, StragglersAreDestroyedBeforeTheTaskThatStartedThem) {
  mutex stuck;
  mutex_guard held = stuck.try_lock();
  for (int i = 0; i < 8; ++i) (void)rt().spawn(lends_its_mutex, std::ref(stuck), 20);
  test::eventually([&] { return test::tasks_in_state(rt(), "sync.Mutex.Lock") == 8 * 21 * 2; });
  const shutdown_report report = rt().shutdown(20ms);
  EXPECT_EQ(report.stragglers.size(), 8u * 21 * 2);
  held.unlock();
}

TEST_P(RuntimeTest, AHandleMayOutliveTheRuntime) {
  std::unique_ptr<runtime> rt = make_runtime(GetParam());
  join_handle<std::string> h = rt->spawn([]() -> task<std::string> { co_return std::string(100, 'x'); });
  join_handle<int> failed = rt->spawn(throws);
  join_handle<std::string> dropped = rt->spawn([]() -> task<std::string> { co_return std::string(100, 'y'); });
  rt.reset();
  EXPECT_EQ(h.get(), std::string(100, 'x'));
  EXPECT_THROW(failed.get(), std::runtime_error);
}

TEST_P(RuntimeTest, TheDestructorShutsDown) {
  std::atomic<int> live = 0;
  channel<int> ch(0);
  {
    const std::unique_ptr<runtime> rt = make_runtime(GetParam());
    for (int i = 0; i < 10; ++i) {
      const join_handle<void> dropped =
          rt->spawn([c = counted(live), ch]() -> task<> { static_cast<void>(co_await ch.receive()); });
    }
  }
  EXPECT_EQ(live, 0);
}

TEST(HostedRuntimeTest, ShutdownDrivesTheRuntimeItself) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(0);
  join_handle<int> h = rt->spawn(count_until_stopped, ch);
  EXPECT_TRUE(rt->shutdown(10s).clean());
  EXPECT_EQ(h.get(), 0);
}

// --- deadlock --------------------------------------------------------------------------------------------------------

TEST(DeadlockDeathTest, AnEmbeddedRuntimeReportsADeadlockWhenAsked) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        options opts;
        opts.processors = 2;
        opts.detect_deadlock = true;
        make_runtime(opts)->run(receive, channel<int>(0));
      },
      ::testing::ExitedWithCode(2), "weft: all tasks are asleep - deadlock!\n\ntask [0-9]+ \\[chan receive\\]:");
}

// --- the world says no -----------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<runtime>> create_with(fault_system& sys, int processors) {
  options opts;
  opts.processors = processors;
  os::seams seams = os::seams::real();
  seams.sys = &sys;
  return runtime_access::create(opts, seams, processors == 0 ? detail::drive::host : detail::drive::threads);
}

TEST(RuntimeFaultTest, AThreadThatIsRefusedIsAClearErrorAndLeavesNothing) {
  constexpr int processors = 4;
  for (int nth = 1; nth <= processors + 1; ++nth) {
    fault_system sys;
    sys.fail_nth(call::start_thread, nth);
    const absl::StatusOr<std::unique_ptr<runtime>> rt = create_with(sys, processors);
    ASSERT_FALSE(rt.ok());
    EXPECT_EQ(rt.status().code(), absl::StatusCode::kResourceExhausted);
    const std::string message(rt.status().message());
    if (nth <= processors) {
      EXPECT_THAT(message, ::testing::HasSubstr("weft: cannot start worker thread " + std::to_string(nth) + " of 4"));
    } else {
      EXPECT_THAT(message, ::testing::HasSubstr("weft: cannot start the monitor thread"));
    }
    EXPECT_EQ(sys.failed(call::start_thread), 1);
    EXPECT_EQ(sys.mapped_bytes(), 0);
    EXPECT_EQ(sys.open_fds(), 0);
  }
}

TEST(RuntimeFaultTest, ADescriptorThatIsRefusedIsAClearErrorAndLeavesNothing) {
  fault_system sys;
  sys.fail_nth(call::create_event_fd, 1);
  const absl::StatusOr<std::unique_ptr<runtime>> rt = create_with(sys, 0);
  ASSERT_FALSE(rt.ok());
  EXPECT_EQ(rt.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(sys.mapped_bytes(), 0);
  EXPECT_EQ(sys.open_fds(), 0);
}

TEST(RuntimeFaultTest, NothingIsLeftOfARuntimeThatWorked) {
  fault_system sys;
  for (const int processors : {0, 1, 3}) {
    {
      const std::unique_ptr<runtime> rt = *create_with(sys, processors);
      EXPECT_EQ(rt->run(add, 1, 2), 3);
      EXPECT_EQ(rt->run([]() -> task<int> {
        auto deep = [](auto&& self, int n) -> task<int> {
          if (n == 0) co_return 0;
          const int below = co_await self(self, n - 1);
          co_return below + 1;
        };
        co_return co_await deep(deep, 20000);
      }),
                20000);
      EXPECT_GT(sys.mapped_bytes(), 0);
    }
    EXPECT_EQ(sys.mapped_bytes(), 0) << processors << " processors";
  }
}

TEST(RuntimeFaultDeathTest, MemoryThatIsRefusedEndsTheProcessWithAClearMessage) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        fault_system sys;
        sys.fail_from(call::map);
        absl::StatusOr<std::unique_ptr<runtime>> rt = create_with(sys, 1);
        if (!rt.ok()) {
          std::fprintf(stderr, "weft: out of memory: %s\n", std::string(rt.status().message()).c_str());
          std::abort();
        }
        (*rt)->run(add, 1, 2);
      },
      "weft: out of memory");
}

// Go's line, on standard error.
TEST(RuntimeTraceTest, SchedtracePrintsGosLine) {
  ::testing::internal::CaptureStderr();
  {
    options opts;
    opts.processors = 2;
    opts.schedtrace = std::chrono::milliseconds(1);
    std::unique_ptr<runtime> rt = *runtime::create(opts);
    rt->run([]() -> task<> { (void)co_await sleep_for(20ms); });
  }
  const std::string printed = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, ::testing::ContainsRegex("SCHED [0-9]+ms: gomaxprocs=2 idleprocs=[0-2] threads=3 "
                                                "spinningthreads=[0-2] needspinning=0 idlethreads=[0-2] "
                                                "runqueue=[0-9]+ \\[ [0-9]+ [0-9]+ \\] "
                                                "schedticks=\\[ [0-9]+ [0-9]+ \\]\n"));
}

}  // namespace
}  // namespace weft
