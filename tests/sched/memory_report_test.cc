// The escape report: what is counted for each entry function, in sum, and as text.
#include <weft/memory_report.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/weft.h>

#include "support/processors.h"

namespace weft {
namespace {

const entry_usage* find(const memory_usage& usage, const std::string& function) {
  const auto at = std::find_if(usage.entries.begin(), usage.entries.end(), [&](const entry_usage& e) {
    return e.function == "weft::(anonymous namespace)::" + function;
  });
  return at == usage.entries.end() ? nullptr : &*at;
}

// The figures of a function, all zero when the report does not name it.
entry_usage of(const memory_usage& usage, const std::string& function) {
  const entry_usage* at = find(usage, function);
  return at != nullptr ? *at : entry_usage{};
}

task<> waits_for(channel<int> ch) { static_cast<void>(co_await ch.receive()); }
task<> also_waits_for(channel<int> ch) { static_cast<void>(co_await ch.receive()); }

TEST(MemoryReportTest, LiveTasksAreCountedForTheFunctionTheyWereStartedWith) {
  const auto rt = test::make_runtime(0);
  channel<int> ch(0);
  // The two functions have the same type, and so share what a kind of task shares.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rt->spawn(waits_for, ch).valid());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rt->spawn(also_waits_for, ch).valid());
  test::settle(*rt);
  const memory_usage usage = memory_report(*rt);
  EXPECT_EQ(of(usage, "waits_for").live_tasks, 5u);
  EXPECT_EQ(of(usage, "waits_for").tasks_started, 5u) << "tasks that plain threads start are counted exactly";
  EXPECT_EQ(of(usage, "also_waits_for").live_tasks, 3u);
  EXPECT_EQ(of(usage, "also_waits_for").tasks_started, 3u);
  EXPECT_EQ(usage.live_tasks, 8u);
  EXPECT_EQ(usage.tasks_started, 8u);
  EXPECT_EQ(usage.stack_bytes, of(usage, "waits_for").stack_bytes + of(usage, "also_waits_for").stack_bytes);
  EXPECT_GE(of(usage, "waits_for").stack_bytes, 5 * of(usage, "waits_for").first_block_bytes);
  EXPECT_LE(usage.stack_bytes, usage.stack_bytes_set_aside);
  EXPECT_LE(usage.stack_bytes_set_aside, usage.stack_bytes_peak);
  ch.close();
  test::settle(*rt);
  EXPECT_EQ(memory_report(*rt).live_tasks, 0u);
  EXPECT_EQ(memory_report(*rt).stack_bytes, 0u);
}

// 4 KiB of frame: more than any first block.
task<> big_root(channel<int> ch) {
  char block[4096];
  asm volatile("" : : "r"(&block[0]) : "memory");
  static_cast<void>(co_await ch.receive());
  asm volatile("" : : "r"(&block[0]) : "memory");
}

task<> starts_big_roots(channel<int> ch, int n) {
  for (int i = 0; i < n; ++i) go(big_root, ch);
  co_return;
}

TEST(MemoryReportTest, ARootFrameThatDoesNotFitItsFirstBlockIsHeldAndGivenBack) {
  for (const bool from_a_task : {false, true}) {
    SCOPED_TRACE(from_a_task);
    const auto rt = test::make_runtime(0);
    channel<int> ch(0);
    if (from_a_task) {
      rt->run(starts_big_roots, ch, 10);
    } else {
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(rt->spawn(big_root, ch).valid());
    }
    test::settle(*rt);
    const entry_usage big = of(memory_report(*rt), "big_root");
    EXPECT_EQ(big.live_tasks, 10u);
    EXPECT_EQ(big.growths, 10u);
    EXPECT_GT(big.stack_bytes, 10u * 4096);
    EXPECT_GT(big.high_water_bytes, 4096u);
    EXPECT_LT(big.high_water_bytes, 3u * 4096);
    ch.close();
    test::settle(*rt);
    EXPECT_EQ(memory_report(*rt).stack_bytes, 0u);
  }
}

// The part of a frame of deep() that no compiler can do without.
constexpr std::size_t least_deep_frame = 64;
task<int> deep(int n) {
  if (n == 0) co_return 0;
  char block[least_deep_frame];
  asm volatile("" : : "r"(&block[0]) : "memory");
  const int below = co_await deep(n - 1);
  asm volatile("" : : "r"(&block[0]) : "memory");
  co_return below + 1;
}
task<int> grows(int depth) { co_return co_await deep(depth); }
task<int> grows_and_parks(int depth, channel<int> ch) {
  int sum = co_await deep(depth);
  sum += (co_await ch.receive()).value_or(0);
  co_return sum;
}

class MemoryReportProcessorsTest : public test::processors_test {};
INSTANTIATE_TEST_SUITE_P(, MemoryReportProcessorsTest, test::some_processors(), test::processors_name);

TEST_P(MemoryReportProcessorsTest, GrowthsAndHighWaterBelongToTheEntryFunction) {
  EXPECT_EQ(run(grows, 1000), 1000);
  const memory_usage usage = memory_report(rt());
  const entry_usage grown = of(usage, "grows");
  EXPECT_GE(grown.growths, 3u);
  EXPECT_EQ(grown.growths, usage.growths);
  EXPECT_GE(grown.high_water_bytes, 1000 * least_deep_frame / 2) << "seen when it grew last, so at least half";
  EXPECT_EQ(grown.stack_bytes, 0u);
  EXPECT_EQ(find(usage, "deep"), nullptr) << "deep() is called, not started";
}

TEST_P(MemoryReportProcessorsTest, TheHintFollowsTheHighWater) {
  // More than the first block of an unknown kind of task holds, and no more than a hint may ask for.
  constexpr int depth = 16;
  ASSERT_LT(detail::starting_stack_bytes(), depth * least_deep_frame);
  options opts;  // the defaults: there is a hint
  opts.processors = GetParam();
  const auto hinted = test::make_runtime(opts);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(hinted->run(grows, depth), depth);
  EXPECT_GE(of(memory_report(*hinted), "grows").first_block_bytes, depth * least_deep_frame);
}

TEST(MemoryReportTest, ASegmentThatAShrinkingStackGaveUpIsHeldNoMore) {
  const auto rt = test::make_runtime(0);
  channel<int> ch(0);
  EXPECT_TRUE(rt->spawn(grows_and_parks, 2000, ch).valid());
  test::settle(*rt);
  const entry_usage parked = of(memory_report(*rt), "grows_and_parks");
  EXPECT_EQ(parked.live_tasks, 1u);
  EXPECT_GT(parked.high_water_bytes, 1000u * 32) << "seen when it grew last, so at least half";
  EXPECT_LT(parked.stack_bytes, 4096u) << "its deep frames are gone when it parks";
  ch.close();
  test::settle(*rt);
}

task<int> leaf_of_a_loop() {
  char block[256];
  asm volatile("" : : "r"(&block[0]) : "memory");
  co_return 1;
}
// At some depth the leaf's frame crosses a segment's end, whatever their sizes.
task<int> splits(int depth) {
  int sum = 0;
  for (int i = 0; i < 50; ++i) sum += co_await leaf_of_a_loop();
  if (depth > 0) sum += co_await splits(depth - 1);
  co_return sum;
}

TEST(MemoryReportTest, HotSplitsBelongToTheEntryFunction) {
  const auto rt = test::make_runtime(0);
  EXPECT_EQ(rt->run(splits, 100), 101 * 50);
  const memory_usage usage = memory_report(*rt);
  EXPECT_GT(usage.hot_splits, 0u);
  EXPECT_EQ(of(usage, "splits").hot_splits, usage.hot_splits);
}

task<int> small(int x) { co_return x; }
task<int> small_too(int x) { co_return x; }
task<> starts_two_kinds(int n) {
  for (int i = 0; i < n; ++i) {
    for (int k = 0; k < 3; ++k) go(small, i);
    go(small_too, i);
    if (i % 64 == 0) co_await yield();
  }
}

TEST_P(MemoryReportProcessorsTest, TasksThatTakeTurnsAreToldApart) {
  constexpr int n = 20000;
  run(starts_two_kinds, n);
  EXPECT_TRUE(test::all_tasks_end(rt()));
  const memory_usage usage = memory_report(rt());
  EXPECT_EQ(usage.tasks_started, 4u * n + 1);
  const uint64_t a = of(usage, "small").tasks_started;
  const uint64_t b = of(usage, "small_too").tasks_started;
  // All but those after each processor's last look are counted, each for one of the two.
  EXPECT_LE(a + b, 4u * n);
  EXPECT_GE(a + b + 8 * 32, 4u * n);
  // A quarter, of about 4800 looks, with a standard deviation of less than 0.01: ten of them.
  EXPECT_NEAR(static_cast<double>(b) / (4 * n), 0.25, 0.1);
}

task<> counts_frames() {
  for (int i = 0; i < 10; ++i) static_cast<void>(co_await small(i));
}

TEST(MemoryReportTest, FramesPerFunctionNeedTheBuildOption) {
  const auto rt = test::make_runtime(0);
  rt->run(counts_frames);
  const memory_usage usage = memory_report(*rt);
  const entry_usage e = of(usage, "counts_frames");
  EXPECT_EQ(usage.frames_counted, WEFT_COUNT_FRAMES != 0);
  EXPECT_EQ(e.tasks_started, 1u);
  if (usage.frames_counted) {
    EXPECT_EQ(e.frames_on_stack + e.frames_elided, 11u);
    EXPECT_GE(e.frame_bytes, 11u * 32);
    EXPECT_GT(e.high_water_bytes, 0u) << "known without any growth";
  } else {
    EXPECT_EQ(e.frames_on_stack, 0u);
    EXPECT_EQ(e.frames_elided, 0u);
    EXPECT_EQ(e.frame_bytes, 0u);
  }
}

TEST(MemoryReportTest, TheTextNamesFunctionsAndSums) {
  const auto rt = test::make_runtime(0);
  channel<int> ch(0);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rt->spawn(waits_for, ch).valid());
  EXPECT_TRUE(rt->spawn(also_waits_for, ch).valid());
  test::settle(*rt);
  const memory_usage usage = memory_report(*rt);
  const std::string text = usage.text();
  EXPECT_NE(text.find("6 live, 6 started"), std::string::npos) << text;
  EXPECT_NE(text.find("0 on the heap"), std::string::npos) << text;
  EXPECT_NE(text.find("heap     not counted"), std::string::npos) << text;
  EXPECT_LT(text.find("::waits_for"), text.find("::also_waits_for")) << "the largest first\n" << text;
  const std::string shorter = usage.text(1);
  EXPECT_NE(shorter.find("and 1 more entry functions"), std::string::npos) << shorter;
  ch.close();
  test::settle(*rt);
}

TEST(MemoryReportTest, ADumpHasItOnRequestOnly) {
  options opts;
  opts.processors = 0;
  EXPECT_EQ(test::make_runtime(opts)->dump().find("memory:"), std::string::npos);
  opts.memory_in_dumps = true;
  const std::string dump = test::make_runtime(opts)->dump();
  EXPECT_NE(dump.find("memory:\ntasks    0 live, 0 started\n"), std::string::npos) << dump;
}

// Reading while tasks start, grow, fork and end: nothing tears that is used, and sums never go wrong by far.
task<int> busy(int rounds) {
  int sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto [a, b] = co_await join(grows(40), grows(20));
    sum += a + b;
    go(small, i);
    co_await yield();
  }
  co_return sum;
}

TEST_P(MemoryReportProcessorsTest, MayBeReadWhileTasksRun) {
  std::vector<join_handle<int>> handles;
  for (int i = 0; i < 8; ++i) handles.push_back(rt().spawn(busy, 200));
  for (int i = 0; i < 20; ++i) {
    const memory_usage usage = memory_report(rt());
    EXPECT_LT(usage.stack_bytes, uint64_t{1} << 30);
    EXPECT_LT(usage.live_tasks, 10'000u);
  }
  for (auto& h : handles) EXPECT_EQ(h.get(), 200 * 60);
  EXPECT_TRUE(test::all_tasks_end(rt()));
  EXPECT_EQ(memory_report(rt()).stack_bytes, 0u);
}

}  // namespace
}  // namespace weft
