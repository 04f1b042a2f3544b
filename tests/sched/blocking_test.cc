// The blocking pool, and the ticker.
#include <weft/blocking.h>

#include <gtest/gtest.h>

#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.h>

#include "sched/scheduler.h"
#include "support/fault_system.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

class BlockingTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(With, BlockingTest, test::some_processors(), test::processors_name);

TEST_P(BlockingTest, ResultsAndExceptionsComeBack) {
  run([]() -> task<> {
    const int n = co_await blocking([] { return 42; });
    EXPECT_EQ(n, 42);
    int side = 0;
    co_await blocking([&side] { side = 7; });
    EXPECT_EQ(side, 7);
    bool thrown = false;
    try {
      co_await blocking([] { throw std::runtime_error("no"); });
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

// As many calls as wait for each other: none would end if one held up a processor.
TEST_P(BlockingTest, CallsBlockNoProcessorAndRunBesideEachOther) {
  constexpr int calls = 16;
  std::latch all(calls);
  run([&]() -> task<> {
    wait_group done;
    for (int i = 0; i < calls; ++i) done.go([&]() -> task<> { co_await blocking([&all] { all.arrive_and_wait(); }); });
    (void)co_await done.wait();
  });
}

TEST(BlockingPoolTest, NeverMoreThreadsThanTheLimit) {
  options opts;
  opts.processors = 2;
  opts.blocking_threads = 3;
  const std::unique_ptr<runtime> rt = *runtime::create(opts);
  std::atomic<int> now = 0, most = 0;
  rt->run([&]() -> task<> {
    wait_group done;
    for (int i = 0; i < 50; ++i)
      done.go([&]() -> task<> {
        co_await blocking([&] {
          const int running = ++now;
          int seen = most;
          while (seen < running && !most.compare_exchange_weak(seen, running)) {
          }
          std::this_thread::yield();
          --now;
        });
      });
    (void)co_await done.wait();
  });
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
}

// A thread that was woken for a call may take its time until it runs; nobody else could go on meanwhile, but it will. A
// signal's handler holds the thread up here.
std::atomic<bool> held_up = false;
std::atomic<bool> let_go = false;
void hold_up(int) {
  held_up = true;
  while (!let_go) sched_yield();
}
TEST(BlockingPoolTest, AThreadThatWakesForItsCallIsNoDeadlock) {
  // Leaves out the test's own thread, which could wake a task, and counts sleeps: those of the monitor, while the
  // workers sleep on.
  struct system_without_me final : os::system {
    int process_thread_count() noexcept override { return os::system::process_thread_count() - 1; }
    void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns) noexcept override {
      ++sleeps;
      os::system::futex_wait(word, expected, timeout_ns);
    }
    std::atomic<int> sleeps = 0;
  } sys;
  held_up = let_go = false;
  options opts;
  opts.processors = 1;
  opts.detect_deadlock = true;
  os::seams seams = os::seams::real();
  seams.sys = &sys;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::threads);
  const auto old = std::signal(SIGUSR1, hold_up);
  const pthread_t thread = rt->run([]() -> task<pthread_t> {
    co_return co_await blocking([] {
      sigset_t usr1;
      sigemptyset(&usr1);
      sigaddset(&usr1, SIGUSR1);
      pthread_sigmask(SIG_UNBLOCK, &usr1, nullptr);
      return pthread_self();
    });
  });
  detail::scheduler& sched = runtime_access::sched(*rt);
  test::eventually([] { return detail::blocked_plain_threads == 1; });
  // Waits for the pool's lock, which the thread lets go of when it sleeps.
  EXPECT_EQ(sched.blocking().read().threads, 1u);
  pthread_kill(thread, SIGUSR1);
  test::eventually([] { return held_up.load(); });
  auto call = rt->spawn([]() -> task<> { co_await blocking([] {}); });
  test::eventually([&] { return test::tasks_in_state(*rt, "blocking") == 1 && sched.idle_workers() == 1; });
  const int before = sys.sleeps;
  test::eventually([&] { return sys.sleeps > before + 10; });
  EXPECT_TRUE(sched.blocking().wakes_thread());
  let_go = true;
  call.get();
  std::signal(SIGUSR1, old);
}

// A call cannot be interrupted: shutdown names its task and gives up, the destructor waits. Calls that have not begun
// never do.
TEST(BlockingPoolTest, ShutdownReportsACallThatGoesOnAndDropsTheQueuedOnes) {
  options opts;
  opts.processors = 1;
  opts.blocking_threads = 1;
  std::unique_ptr<runtime> rt = *runtime::create(opts);
  std::latch begun(1), release(1);
  std::atomic<bool> ended = false, second_ran = false;
  const join_handle<void> first = rt->spawn([&]() -> task<> {
    co_await blocking([&] {
      begun.count_down();
      release.wait();
      ended = true;
    });
  });
  begun.wait();
  const join_handle<void> second =
      rt->spawn([&]() -> task<> { co_await blocking([&second_ran] { second_ran = true; }); });
  const shutdown_report report = rt->shutdown(0s);
  EXPECT_EQ(report.stragglers.size(), 2u);
  EXPECT_TRUE(report.timed_out_running);
  EXPECT_FALSE(ended);
  release.count_down();
  rt.reset();
  EXPECT_TRUE(ended);
  EXPECT_FALSE(second_ran);
}

TEST(BlockingPoolTest, MetricsFollowIt) {
  options opts;
  opts.processors = 1;
  const std::unique_ptr<runtime> rt = *runtime::create(opts);
  const auto read = [&](const char* name) {
    std::array samples{metrics::sample{name}};
    metrics::read(*rt, samples);
    return samples[0].value.as_uint64();
  };
  const uint64_t threads_before = read("/sched/threads/total:threads");
  EXPECT_EQ(read("/weft/blocking/threads:threads"), 0u);
  rt->run([]() -> task<> {
    for (int i = 0; i < 3; ++i) co_await blocking([] {});
  });
  EXPECT_EQ(read("/cgo/go-to-c-calls:calls"), 3u);
  EXPECT_EQ(read("/weft/blocking/queued:calls"), 0u);
  EXPECT_GE(read("/weft/blocking/threads:threads"), 1u);
  EXPECT_EQ(read("/sched/threads/total:threads"), threads_before + read("/weft/blocking/threads:threads"));
}

// Where the kernel refuses a thread the call is made all the same.
TEST(BlockingPoolTest, WithoutThreadsTheCallRunsOnTheProcessor) {
  test::fault_system sys;
  options opts;
  opts.processors = 1;
  os::seams seams = os::seams::real();
  seams.sys = &sys;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::threads);
  sys.fail_nth(test::call::start_thread, 1);
  int n = 0;
  rt->run([&]() -> task<> { n = co_await blocking([] { return 5; }); });
  EXPECT_EQ(n, 5);
}

TEST(TickerTest, TicksComeAtTheirTimesAndMissedOnesAreDropped) {
  test::manual_clock clock(0);
  options opts;
  opts.processors = 0;
  os::seams seams = os::seams::real();
  seams.time = &clock;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::host);
  std::vector<int64_t> at_ms;
  join_handle<void> h = rt->spawn([&]() -> task<> {
    ticker t(10ms);
    for (;;) {
      const bool came = co_await t.next();
      if (!came) co_return;
      at_ms.push_back(clock.now_ns() / 1'000'000);
    }
  });
  const auto move_to = [&](int64_t ms) {
    clock.set(ms * 1'000'000);
    test::settle(*rt);
  };
  test::settle(*rt);
  for (const int64_t ms : {9, 10, 20, 47, 50, 59, 60}) move_to(ms);
  EXPECT_EQ(at_ms, (std::vector<int64_t>{10, 20, 47, 50, 60}));
  h.request_stop();
  test::settle(*rt);
  EXPECT_TRUE(h.done());
}

TEST_P(BlockingTest, ATickIsAnArmOfASelect) {
  run([]() -> task<> {
    ticker t(1ms);
    channel<int> idle(0);
    for (int i = 0; i < 3; ++i) {
      auto r = co_await select(idle.receive(), t.next());
      EXPECT_EQ(r.index(), 1u);
      EXPECT_TRUE(r.get<1>());
    }
  });
}

}  // namespace
}  // namespace weft
