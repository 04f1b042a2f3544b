// Metrics behave as Go's: the behaviours that runtime/metrics_test.go and its programs define, by id.
//
// What needs a moment at which nothing moves is tested on a runtime that the test drives, with a clock that it moves.
#include <weft/metrics.h>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <weft/weft.h>

#include "support/metrics.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using metrics::value_kind;
using test::driven_runtime;
using test::eventually;
using test::make_runtime;
using test::processors_test;
using test::read_count;
using test::read_seconds;

class GoMetricsTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoMetricsTest, test::some_processors(), test::processors_name);

task<> nothing() { co_return; }

task<> start_many(int n) {
  for (int i = 0; i < n; ++i) {
    auto h = spawn(nothing);
    co_await h;
  }
}

// M1
TEST_P(GoMetricsTest, EachListedNameReadsWithItsKindAndAnUnknownOneAsBad) {
  const metrics::snapshot s(rt());
  std::size_t i = 0;
  for (const metrics::description& d : metrics::all()) {
    EXPECT_EQ(s.samples()[i].name, d.name);
    EXPECT_EQ(s.samples()[i].value.kind(), d.kind) << d.name;
    if (d.kind == value_kind::float64) {
      EXPECT_TRUE(std::isfinite(s.samples()[i].value.as_float64())) << d.name;
    }
    ++i;
  }
  EXPECT_EQ(test::read_value(rt(), "/no/such:thing").kind(), value_kind::bad);
  EXPECT_EQ(test::read_value(rt(), "/sched/gomaxprocs:bytes").kind(), value_kind::bad);
}

void expect_no_fall(const metrics::sample& before, const metrics::sample& after) {
  switch (before.value.kind()) {
    case value_kind::bad: break;
    case value_kind::uint64: EXPECT_GE(after.value.as_uint64(), before.value.as_uint64()) << before.name; break;
    case value_kind::float64: EXPECT_GE(after.value.as_float64(), before.value.as_float64()) << before.name; break;
    case value_kind::histogram:
      for (std::size_t i = 0; i < before.value.as_histogram().counts.size(); ++i)
        EXPECT_GE(after.value.as_histogram().counts[i], before.value.as_histogram().counts[i]) << before.name;
      break;
    case value_kind::per_processor:
      for (std::size_t i = 0; i < before.value.as_per_processor().size(); ++i)
        EXPECT_GE(after.value.as_per_processor()[i], before.value.as_per_processor()[i]) << before.name;
      break;
  }
}

// M2: while tasks come, wait and go, so that processors fall asleep and wake up between and during two reads.
TEST_P(GoMetricsTest, CumulativeMetricsNeverFall) {
  std::atomic<bool> enough = false;
  join_handle<void> work = rt().spawn([&enough]() -> task<> {
    while (!enough) {
      for (int i = 0; i < 4; ++i) go(start_many, 100);
      static_cast<void>(co_await sleep_for(100us));
    }
  });
  metrics::snapshot before(rt());
  for (int round = 0; round < 300; ++round) {
    const metrics::snapshot after(rt());
    for (std::size_t i = 0; i < metrics::all().size(); ++i)
      if (metrics::all()[i].cumulative) expect_no_fall(before.samples()[i], after.samples()[i]);
    before = after;
  }
  enough = true;
  work.get();
}

/// The sum of the metrics below `folder` that are not sums themselves; nothing if the total is not reported.
double sum_of_parts(const metrics::snapshot& s, std::string_view folder) {
  double sum = 0;
  for (const metrics::sample& each : s.samples()) {
    if (!each.name.starts_with(folder) || each.name.find("/total:") != std::string_view::npos) continue;
    sum += each.value.kind() == value_kind::float64 ? each.value.as_float64()
                                                    : static_cast<double>(each.value.as_uint64());
  }
  return sum;
}

// M3
TEST_P(GoMetricsTest, TheMemoryTotalIsTheExactSumOfItsClasses) {
  rt().run(start_many, 1000);
  const metrics::snapshot s(rt());
  const metrics::value* total = s.find("/memory/classes/total:bytes");
  if (total == nullptr) GTEST_SKIP() << "/memory/classes/total is not reported yet";
  EXPECT_EQ(static_cast<double>(total->as_uint64()), sum_of_parts(s, "/memory/classes/"));
}

// M4
TEST_P(GoMetricsTest, AllocationsLessFreesAreTheLiveObjectsAndAgreeWithTheSizes) {
  rt().run(start_many, 1000);
  const metrics::snapshot s(rt());
  const metrics::value* allocs = s.find("/gc/heap/allocs:objects");
  if (allocs == nullptr) GTEST_SKIP() << "/gc/heap/allocs is not reported yet";
  EXPECT_EQ(allocs->as_uint64() - s.find("/gc/heap/frees:objects")->as_uint64(),
            s.find("/gc/heap/objects:objects")->as_uint64());
  EXPECT_EQ(s.find("/gc/heap/allocs:bytes")->as_uint64() - s.find("/gc/heap/frees:bytes")->as_uint64(),
            s.find("/memory/classes/heap/objects:bytes")->as_uint64());
  const metrics::histogram& by_size = s.find("/gc/heap/allocs-by-size:bytes")->as_histogram();
  const metrics::histogram& freed_by_size = s.find("/gc/heap/frees-by-size:bytes")->as_histogram();
  EXPECT_EQ(by_size.buckets.data(), freed_by_size.buckets.data());
  EXPECT_EQ(test::values_in(by_size), allocs->as_uint64());
  EXPECT_EQ(test::values_in(freed_by_size), s.find("/gc/heap/frees:objects")->as_uint64());
}

// M5
TEST_P(GoMetricsTest, TheTotalOfProcessorTimeIsTheSumOfItsClasses) {
  for (int round = 0; round < 20; ++round) {
    rt().run(start_many, 100);
    const metrics::snapshot s(rt());
    const double total = s.find("/cpu/classes/total:cpu-seconds")->as_float64();
    EXPECT_NEAR(sum_of_parts(s, "/cpu/classes/"), total, total / 1000);
    for (const char* part : {"gc", "scavenge"}) {
      const std::string folder = std::string("/cpu/classes/") + part + "/";
      if (const metrics::value* sum = s.find(folder + "total:cpu-seconds")) {
        EXPECT_NEAR(sum_of_parts(s, folder), sum->as_float64(), sum->as_float64() / 1000);
      }
    }
  }
}

// M6
TEST_P(GoMetricsTest, ProcessorsAreWhatTheRuntimeSaysAndTheAskingTaskIsThere) {
  EXPECT_EQ(read_count(rt(), "/sched/gomaxprocs:threads"), static_cast<uint64_t>(rt().processors()));
  EXPECT_EQ(rt().processors(), GetParam());
  const uint64_t tasks =
      run([this]() -> task<uint64_t> { co_return read_count(rt(), "/sched/goroutines:goroutines"); });
  EXPECT_GE(tasks, 1u);
}

class GoMetricsIdleTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(With, GoMetricsIdleTest, test::some_processors(), test::processors_name);

// M7
TEST_P(GoMetricsIdleTest, WhileAllAreIdleTheIdleTimeGrowsByTheTimeOfAllProcessors) {
  test::manual_clock clock(1'000'000'000);
  options opts;
  opts.processors = GetParam();
  os::seams seams = os::seams::real();
  seams.time = &clock;
  const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::threads);
  rt->run(nothing);
  const auto all_idle = [&] { return read_count(*rt, "/weft/sched/idle:processors") == uint64_t(GetParam()); };
  eventually(all_idle);
  // On the list of the idle, but perhaps not yet at the place where its time begins to count: the clock stands still.
  eventually([&] {
    uint64_t sleeps = 0;
    for (const auto& p : runtime_access::sched(*rt).processors()) sleeps += p->counters.sleeps.value() != 0 ? 1 : 0;
    return sleeps == uint64_t(GetParam()) && all_idle();
  });
  const double before = read_seconds(*rt, "/cpu/classes/idle:cpu-seconds");
  const auto d = 10s;
  clock.advance(std::chrono::nanoseconds(d).count());
  const double grown = read_seconds(*rt, "/cpu/classes/idle:cpu-seconds") - before;
  EXPECT_GE(grown, 10.0 * (GetParam() - 0.5));
  EXPECT_LE(grown, 10.0 * GetParam() + 1e-6);
}

/// Holds a lock until something comes through the channel.
template <class Lock>
task<> hold(Lock lock, channel<int> ch) {
  auto held = co_await lock();
  static_cast<void>(co_await ch.receive());
}
template <class Lock>
task<> take(Lock lock) {
  auto held = co_await lock();
}

/// How much the metric grows while `waiters` tasks wait for the lock for a second, with every wait measured.
template <class First, class Second>
double grown_by_waits(First first, Second second, int waiters) {
  driven_runtime rt;
  const channel<int> ch(0);
  rt.start(hold<First>, first, ch);
  rt.settle();
  for (int i = 0; i < waiters; ++i) rt.start(take<Second>, second);
  rt.settle();
  const double before = read_seconds(*rt, "/sync/mutex/wait/total:seconds");
  rt.pass(1s);
  EXPECT_TRUE(ch.try_send(1));
  rt.settle();
  EXPECT_EQ(read_count(*rt, "/sched/goroutines:goroutines"), 0u);
  return read_seconds(*rt, "/sync/mutex/wait/total:seconds") - before;
}

// M9, with every wait measured; as a rule one of eight is, and counts eight times. That weft's own locks are included:
// MetricMoveTest.
TEST(GoMetricsWaitTest, TheWaitForMutexesGrowsByTheTimeThatTasksWereBlocked) {
  mutex m;
  shared_mutex shared;
  const auto lock = [&m] { return m.lock(); };
  const auto lock_alone = [&shared] { return shared.lock(); };
  const auto lock_shared = [&shared] { return shared.lock_shared(); };
  EXPECT_NEAR(grown_by_waits(lock, lock, 10), 10, 1e-6);
  EXPECT_NEAR(grown_by_waits(lock_alone, lock_alone, 10), 10, 1e-6);
  EXPECT_NEAR(grown_by_waits(lock_alone, lock_shared, 10), 10, 1e-6);
  EXPECT_NEAR(grown_by_waits(lock_shared, lock_alone, 10), 10, 1e-6);
  EXPECT_NEAR(grown_by_waits(lock_shared, lock_shared, 10), 0, 1e-6);
}

// M10
TEST_P(GoMetricsTest, InTheBaseStateTheAskingTaskRunsAndHardlyAnyOther) {
  run([this]() -> task<> {
    EXPECT_EQ(read_count(rt(), "/sched/goroutines/running:goroutines"), 1u);
    EXPECT_LE(read_count(rt(), "/sched/goroutines/runnable:goroutines"), 4u);
    EXPECT_LE(read_count(rt(), "/sched/goroutines/waiting:goroutines"), 4u + 2u * unsigned(GetParam()));
    EXPECT_EQ(read_count(rt(), "/sched/goroutines/not-in-go:goroutines"), 0u);
    co_return;
  });
}

// M11
TEST_P(GoMetricsTest, TheCountOfCreatedTasksGrowsExactlyByThoseStarted) {
  const uint64_t before = read_count(rt(), "/sched/goroutines-created:goroutines");
  run(start_many, 1000);
  EXPECT_EQ(read_count(rt(), "/sched/goroutines-created:goroutines") - before, 1001u);
}

// M12
TEST(GoMetricsSpinTest, AllTasksThatComputeRunWhereThereAreProcessorsForThem) {
  constexpr int n = 4;
  const std::unique_ptr<runtime> rt = make_runtime(n + 4);
  std::atomic<int> running = 0;
  std::atomic<bool> enough = false;
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < n; ++i)
    handles.push_back(rt->spawn([&]() -> task<> {
      ++running;
      while (!enough) std::this_thread::yield();
      co_return;
    }));
  eventually([&] { return running == n; });
  EXPECT_GE(read_count(*rt, "/sched/goroutines/running:goroutines"), uint64_t{n});
  EXPECT_GE(read_count(*rt, "/sched/threads/total:threads"), uint64_t{n});
  EXPECT_LE(read_count(*rt, "/sched/threads/total:threads"), uint64_t{n + 8});
  enough = true;
  for (join_handle<void>& h : handles) h.get();
}

// M13. Differs: they give way, since nobody makes them.
TEST(GoMetricsSpinTest, OnOneProcessorOneTaskRunsAndTheOthersAreRunnable) {
  constexpr int n = 10;
  const std::unique_ptr<runtime> rt = make_runtime(1);
  int begun = 0;
  int looked = 0;
  rt->run([&]() -> task<> {
    std::vector<join_handle<void>> handles;
    for (int i = 0; i < n; ++i)
      handles.push_back(spawn([&]() -> task<> {
        ++begun;
        while (begun < n || looked == 0) {
          if (begun == n) {
            EXPECT_EQ(read_count(*rt, "/sched/goroutines/running:goroutines"), 1u);
            EXPECT_GE(read_count(*rt, "/sched/goroutines/runnable:goroutines"), uint64_t{n - 1});
            ++looked;
          }
          co_await yield();
        }
      }));
    for (join_handle<void>& h : handles) co_await h;
  });
  EXPECT_EQ(looked, 1);
}

// M14
TEST_P(GoMetricsTest, TasksInBlockingCallsAreNotInGo) {
  constexpr int n = 10;
  std::latch release(1);
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < n; ++i)
    handles.push_back(rt().spawn([&]() -> task<> { co_await blocking([&] { release.wait(); }); }));
  eventually([&] { return read_count(rt(), "/sched/goroutines/not-in-go:goroutines") >= n; });
  eventually([&] { return read_count(rt(), "/sched/goroutines/waiting:goroutines") == 0; });
  release.count_down();
  for (join_handle<void>& h : handles) h.get();
  eventually([&] { return read_count(rt(), "/sched/goroutines/not-in-go:goroutines") == 0; });
}

task<> park_on(channel<int> ch) { static_cast<void>(co_await ch.receive()); }

// M15
TEST_P(GoMetricsTest, TasksThatAreParkedOnAChannelAreWaiting) {
  const channel<int> ch(0);
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 1000; ++i) handles.push_back(rt().spawn(park_on, ch));
  eventually([&] { return read_count(rt(), "/sched/goroutines/waiting:goroutines") >= 1000; });
  channel<int>(ch).close();
  for (join_handle<void>& h : handles) h.get();
}

}  // namespace
}  // namespace weft
