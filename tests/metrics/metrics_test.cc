// Metrics: what read() and snapshots do, and how the list stands to Go's. That each metric moves is in moves_test.cc,
// what Go's tests say of the values in tests/go_behaviour/metrics_test.cc.
#include <weft/metrics.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/weft.h>

#include "support/go_metrics.h"
#include "support/metrics.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using metrics::value_kind;
using test::make_runtime;
using test::read_count;
using test::read_value;

task<> nothing() { co_return; }

task<> start_many(int n) {
  for (int i = 0; i < n; ++i) {
    auto h = spawn(nothing);
    co_await h;
  }
}

task<int> count_down(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await count_down(n - 1);
}

// Each call is counted once, on the stack or as elided, whatever the compiler makes of it.
TEST(MetricsTest, EveryCoroutineFrameIsCounted) {
  const auto rt = make_runtime(1);
  const auto frames = [&] {
    return read_count(*rt, "/weft/frames/stack:frames") + read_count(*rt, "/weft/frames/elided:frames");
  };
  rt->run(nothing);
  rt->run(nothing);
  const uint64_t before = frames();
  EXPECT_EQ(rt->run(count_down, 1000), 1000);
  rt->run(nothing);  // the loop has turned since
  const uint64_t after = frames();
  EXPECT_GE(after - before, 1002u);
  EXPECT_LE(after - before, 1010u);
}

TEST(MetricsTest, NamesAreSortedAndHaveAPathAndAUnit) {
  const std::span<const metrics::description> all = metrics::all();
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; }));
  for (const metrics::description& d : all) {
    EXPECT_EQ(d.name.front(), '/') << d.name;
    EXPECT_EQ(std::count(d.name.begin(), d.name.end(), ':'), 1) << d.name;
    EXPECT_FALSE(d.text.empty()) << d.name;
    EXPECT_EQ(d.text.back(), '.') << d.name;
  }
}

// A name that Go has is reported as the same kind of value, or there is a reason why not; other names are weft's own.
TEST(MetricsTest, TheListIsGosButForWhatHasAReason) {
  for (const metrics::go_metric& go : metrics::go_metrics) {
    const auto at = std::find_if(metrics::all().begin(), metrics::all().end(),
                                 [&](const metrics::description& d) { return d.name == go.name; });
    const bool reported = at != metrics::all().end();
    EXPECT_NE(reported, !go.left_out.empty()) << go.name << ": reported, and a reason not to be, or neither";
    if (!reported) continue;
    EXPECT_EQ(at->kind, go.kind) << go.name;
    EXPECT_EQ(at->cumulative, go.cumulative) << go.name;
  }
  for (const metrics::description& d : metrics::all()) {
    const bool in_go = std::any_of(metrics::go_metrics.begin(), metrics::go_metrics.end(),
                                   [&](const metrics::go_metric& go) { return go.name == d.name; });
    EXPECT_NE(in_go, d.name.starts_with("/weft/")) << d.name;
  }
}

TEST(MetricsTest, SamplesMayComeInAnyOrderAndMoreThanOnce) {
  const auto rt = make_runtime(3);
  std::array samples{metrics::sample{"/weft/wait/sleep:seconds"}, metrics::sample{"/no/such:thing"},
                     metrics::sample{"/sched/gomaxprocs:threads"}, metrics::sample{"/sched/gomaxprocs:threads"},
                     metrics::sample{""}};
  metrics::read(*rt, samples);
  EXPECT_EQ(samples[0].value.kind(), value_kind::histogram);
  EXPECT_EQ(samples[1].value.kind(), value_kind::bad);
  EXPECT_EQ(samples[2].value.as_uint64(), 3u);
  EXPECT_EQ(samples[3].value.as_uint64(), 3u);
  EXPECT_EQ(samples[4].value.kind(), value_kind::bad);
}

TEST(MetricsTest, AHistogramThatWasCopiedDoesNotChangeWithTheNextRead) {
  const auto rt = make_runtime(1);
  std::array samples{metrics::sample{"/sched/latencies:seconds"}};
  metrics::read(*rt, samples);
  const metrics::value copy = samples[0].value;
  const uint64_t before = test::values_in(copy.as_histogram());
  rt->run(start_many, 100);
  metrics::read(*rt, samples);
  EXPECT_EQ(test::values_in(copy.as_histogram()), before);
  EXPECT_GT(test::values_in(samples[0].value.as_histogram()), before);
}

TEST(MetricsTest, AHistogramHasOneBoundMoreThanBuckets) {
  const auto rt = make_runtime(1);
  rt->run(start_many, 1000);
  for (const metrics::description& d : metrics::all()) {
    if (d.kind != value_kind::histogram) continue;
    const metrics::value v = read_value(*rt, d.name);
    const metrics::histogram& h = v.as_histogram();
    ASSERT_EQ(h.buckets.size(), h.counts.size() + 1) << d.name;
    EXPECT_TRUE(std::isinf(h.buckets.back())) << d.name;
    EXPECT_TRUE(std::is_sorted(h.buckets.begin(), h.buckets.end())) << d.name;
  }
}

TEST(MetricsTest, EachProcessorHasItsOwnFigure) {
  const auto rt = make_runtime(3);
  rt->run(start_many, 100);
  const metrics::value v = read_value(*rt, "/weft/processors/dispatches:dispatches");
  ASSERT_EQ(v.as_per_processor().size(), 3u);
  const uint64_t sum = std::accumulate(v.as_per_processor().begin(), v.as_per_processor().end(), uint64_t{0});
  EXPECT_GE(sum, 100u);
  EXPECT_LE(sum, read_count(*rt, "/weft/sched/dispatches:dispatches"));
}

TEST(MetricsDeathTest, AnAccessorOfAnotherKindIsMisuse) {
  const auto rt = make_runtime(1);
  const metrics::value v = read_value(*rt, "/sched/gomaxprocs:threads");
  EXPECT_DEATH(static_cast<void>(v.as_float64()), "as_float64 of a value of another kind");
  EXPECT_DEATH(static_cast<void>(v.as_histogram()), "as_histogram of a value of another kind");
  EXPECT_DEATH(static_cast<void>(v.as_per_processor()), "as_per_processor of a value of another kind");
}

task<> sleep_a_while(std::chrono::milliseconds time) { static_cast<void>(co_await sleep_for(time)); }

TEST(SnapshotTest, ADifferenceSubtractsWhatIsCumulativeAndKeepsTheRest) {
  test::driven_runtime rt;
  rt.start(sleep_a_while, 10ms);
  rt.settle();
  const metrics::snapshot before(*rt);
  rt.start(sleep_a_while, 30ms);
  rt.start(sleep_a_while, 30ms);
  rt.settle();
  rt.pass(20ms);
  const metrics::snapshot after(*rt);
  const metrics::snapshot between = after.since(before);
  EXPECT_EQ(between.samples().size(), metrics::all().size());
  EXPECT_EQ(between.find("/sched/goroutines-created:goroutines")->as_uint64(), 2u);
  EXPECT_EQ(between.find("/sched/goroutines:goroutines")->as_uint64(), 2u);
  EXPECT_EQ(between.find("/sched/gomaxprocs:threads")->as_uint64(), 1u);
  EXPECT_NEAR(between.find("/cpu/classes/total:cpu-seconds")->as_float64(), 0.020, 1e-9);
  const metrics::histogram& slept = between.find("/weft/wait/sleep:seconds")->as_histogram();
  EXPECT_EQ(test::values_in(slept), 1u);  // the one of 10 ms, which took 20
  ASSERT_TRUE(slept.sum.has_value());
  EXPECT_NEAR(*slept.sum, 0.020, 1e-9);
  EXPECT_EQ(between.find("/weft/processors/timers:timers")->as_per_processor()[0], 2u);
  EXPECT_EQ(between.find("/no/such:thing"), nullptr);
  // The snapshots themselves have not changed.
  EXPECT_EQ(after.find("/sched/goroutines-created:goroutines")->as_uint64(), 3u);
  EXPECT_EQ(before.find("/sched/goroutines-created:goroutines")->as_uint64(), 1u);
  rt.pass(1s);
}

TEST(MetricsTest, ALateTimerIsCountedAsLateAsItWas) {
  test::driven_runtime rt;
  rt.start(sleep_a_while, 10ms);
  rt.settle();
  rt.pass(13ms);
  const metrics::value v = read_value(*rt, "/weft/timers/lateness:seconds");
  const metrics::histogram& h = v.as_histogram();
  for (std::size_t i = 0; i < h.counts.size(); ++i)
    EXPECT_EQ(h.counts[i], h.buckets[i] <= 0.003 && 0.003 < h.buckets[i + 1] ? 1u : 0u) << h.buckets[i];
}

}  // namespace
}  // namespace weft
