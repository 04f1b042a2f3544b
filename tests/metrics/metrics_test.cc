// Metrics: every described name is reported with its kind, and the figures follow what tasks did.
#include <weft/metrics.h>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <weft/weft.h>

namespace weft {
namespace {

std::unique_ptr<runtime> make_runtime(int processors) {
  options opts;
  opts.processors = processors;
  auto rt = runtime::create(opts);
  EXPECT_TRUE(rt.ok()) << rt.status();
  return *std::move(rt);
}

uint64_t read_count(const runtime& rt, std::string_view name) {
  std::array samples{metrics::sample{name}};
  metrics::read(rt, samples);
  return samples[0].value.as_uint64();
}

task<> nothing() { co_return; }

task<> start_many(int n) {
  for (int i = 0; i < n; ++i) {
    auto h = spawn(nothing);
    co_await h;
  }
}

TEST(MetricsTest, EachDescribedMetricReadsWithItsKind) {  // M1
  const auto rt = make_runtime(2);
  std::vector<metrics::sample> samples;
  for (const metrics::description& d : metrics::all()) samples.push_back({d.name});
  metrics::read(*rt, samples);
  std::size_t i = 0;
  for (const metrics::description& d : metrics::all()) {
    EXPECT_EQ(samples[i].value.kind(), d.kind) << d.name;
    EXPECT_FALSE(d.text.empty()) << d.name;
    if (d.kind == metrics::value_kind::float64) {
      EXPECT_TRUE(std::isfinite(samples[i].value.as_float64())) << d.name;
    }
    ++i;
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

TEST(MetricsTest, AnUnknownNameReadsAsBad) {  // M1
  const auto rt = make_runtime(1);
  std::array samples{metrics::sample{"/no/such:thing"}};
  metrics::read(*rt, samples);
  EXPECT_EQ(samples[0].value.kind(), metrics::value_kind::bad);
}

TEST(MetricsTest, CreatedCountGrowsExactlyByTheNumberStarted) {  // M11
  const auto rt = make_runtime(2);
  const uint64_t before = read_count(*rt, "/sched/goroutines-created:goroutines");
  rt->run(start_many, 1000);
  EXPECT_EQ(read_count(*rt, "/sched/goroutines-created:goroutines") - before, 1001u);
}

TEST(MetricsTest, ProcessorsAndThreadsAreReported) {  // M6
  const auto rt = make_runtime(3);
  EXPECT_EQ(read_count(*rt, "/sched/gomaxprocs:threads"), 3u);
  EXPECT_EQ(read_count(*rt, "/sched/threads/total:threads"), 4u);
}

task<> park_on(channel<int> ch) { (void)co_await ch.receive(); }

task<bool> sees_waiting(const runtime* rt) {
  channel<int> ch(0);
  for (int i = 0; i < 1000; ++i) go(park_on, ch);
  // Each has parked once it has had its turn.
  bool seen = false;
  for (int i = 0; i < 100'000 && !seen; ++i) {
    co_await yield();
    seen = read_count(*rt, "/sched/goroutines/waiting:goroutines") >= 1000;
  }
  ch.close();
  co_return seen;
}

TEST(MetricsTest, ParkedTasksCountAsWaiting) {  // M15
  const auto rt = make_runtime(1);
  EXPECT_TRUE(rt->run(sees_waiting, rt.get()));
}

TEST(MetricsTest, CumulativeMetricsNeverFall) {  // M2
  const auto rt = make_runtime(2);
  std::vector<metrics::sample> before;
  for (const metrics::description& d : metrics::all())
    if (d.cumulative) before.push_back({d.name});
  std::vector<metrics::sample> after = before;
  metrics::read(*rt, before);
  rt->run(start_many, 1000);
  metrics::read(*rt, after);
  for (std::size_t i = 0; i < before.size(); ++i) {
    switch (before[i].value.kind()) {
      case metrics::value_kind::uint64:
        EXPECT_GE(after[i].value.as_uint64(), before[i].value.as_uint64()) << before[i].name;
        break;
      case metrics::value_kind::histogram:
        for (std::size_t b = 0; b < before[i].value.as_histogram().counts.size(); ++b)
          EXPECT_GE(after[i].value.as_histogram().counts[b], before[i].value.as_histogram().counts[b]);
        break;
      case metrics::value_kind::float64:
      case metrics::value_kind::bad: break;  // times: total and idle are read at slightly different moments
    }
  }
}

TEST(MetricsTest, AHistogramHasOneBoundMoreThanBuckets) {
  const auto rt = make_runtime(1);
  rt->run(start_many, 1000);
  std::array samples{metrics::sample{"/sched/latencies:seconds"}};
  metrics::read(*rt, samples);
  const metrics::histogram& h = samples[0].value.as_histogram();
  ASSERT_EQ(h.buckets.size(), h.counts.size() + 1);
  EXPECT_TRUE(std::isinf(h.buckets.front()));
  EXPECT_TRUE(std::isinf(h.buckets.back()));
  uint64_t total = 0;
  for (const uint64_t n : h.counts) total += n;
  EXPECT_GT(total, 0u);
}

}  // namespace
}  // namespace weft
