// The time histogram puts every duration where its boundaries say.
#include "base/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <thread>
#include <vector>

namespace weft::base {
namespace {

constexpr size_t underflow = 0;
constexpr size_t overflow = time_histogram::bucket_count - 1;

double lower_ns(size_t bucket) { return time_histogram::boundaries()[bucket] * 1e9; }

TEST(TimeHistogramTest, HasTheFixedShape) {
  const auto bounds = time_histogram::boundaries();
  EXPECT_EQ(time_histogram::bucket_count, 162u);
  ASSERT_EQ(bounds.size(), 163u);
  EXPECT_EQ(bounds.front(), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(bounds.back(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(bounds[1], 0.0);
  EXPECT_DOUBLE_EQ(bounds[2], 64e-9);
  EXPECT_DOUBLE_EQ(bounds[5], 256e-9);
  EXPECT_DOUBLE_EQ(bounds[overflow], std::ldexp(1.0, 47) / 1e9);
  for (size_t i = 1; i < bounds.size(); ++i) EXPECT_LT(bounds[i - 1], bounds[i]) << i;
}

TEST(TimeHistogramTest, NegativeDurationsUnderflowAndVeryLongOnesOverflow) {
  EXPECT_EQ(time_histogram::bucket_of(-1), underflow);
  EXPECT_EQ(time_histogram::bucket_of(std::numeric_limits<int64_t>::min()), underflow);
  EXPECT_EQ(time_histogram::bucket_of(0), 1u);
  EXPECT_EQ(time_histogram::bucket_of((int64_t{1} << 47) - 1), overflow - 1);
  EXPECT_EQ(time_histogram::bucket_of(int64_t{1} << 47), overflow);
  EXPECT_EQ(time_histogram::bucket_of(std::numeric_limits<int64_t>::max()), overflow);
}

// Powers of two and their quarters are the boundaries, so there and next to them an error of one would show.
TEST(TimeHistogramTest, EveryBoundaryStartsItsBucket) {
  for (size_t bucket = 1; bucket <= overflow; ++bucket) {
    const int64_t first_ns = std::llround(lower_ns(bucket));
    EXPECT_EQ(time_histogram::bucket_of(first_ns), bucket) << first_ns;
    EXPECT_EQ(time_histogram::bucket_of(first_ns - 1), bucket - 1) << first_ns;
    EXPECT_EQ(time_histogram::bucket_of(first_ns + 1), bucket) << first_ns;
  }
}

TEST(TimeHistogramTest, BucketsAreAtMostAQuarterWide) {
  for (size_t bucket = time_histogram::bucket_of(256); bucket < overflow; ++bucket) {
    EXPECT_LE(lower_ns(bucket + 1), lower_ns(bucket) * 1.25 * (1 + 1e-12)) << bucket;
  }
}

TEST(TimeHistogramTest, CountsWhatWasRecorded) {
  time_histogram histogram;
  histogram.record(-5);
  histogram.record(600);
  histogram.record_owner(600);
  histogram.record_owner(int64_t{1} << 50);
  const time_histogram::counts counts = histogram.snapshot();
  EXPECT_EQ(counts[underflow], 1u);
  EXPECT_EQ(counts[time_histogram::bucket_of(600)], 2u);
  EXPECT_EQ(counts[overflow], 1u);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 4u);
}

TEST(TimeHistogramTest, AddsHistogramsUp) {
  time_histogram a;
  time_histogram b;
  a.record(0);
  b.record(0);
  b.record(1000);
  time_histogram::counts total = a.snapshot();
  b.add_to(total);
  EXPECT_EQ(total[1], 2u);
  EXPECT_EQ(total[time_histogram::bucket_of(1000)], 1u);
}

TEST(TimeHistogramTest, ManyWritersLoseNothing) {
  constexpr int writers = 4;
  constexpr int each = 10'000;
  time_histogram histogram;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < writers; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < each; ++i) histogram.record(i);
      });
    }
  }
  const time_histogram::counts counts = histogram.snapshot();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), uint64_t{writers} * each);
}

}  // namespace
}  // namespace weft::base
