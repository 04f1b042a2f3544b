// The pacer's formulas (E1 to E4), on simulated programs.
//
// Go's tests let a simulated program allocate against a simulated collector, and demand two things within 25 cycles:
// that the heap at the end of a cycle is 0.95 to 1.05 of the goal, and that collecting took 25% of the CPU, within half
// a percent. The first is demanded here too, of the memory at the end of an epoch. The second has no meaning: an epoch
// marks nothing, so no share of the processors works on one. In its place stands what an epoch must not do otherwise:
// begin before 0.70 of the way from live memory to the goal, whatever is measured, which bounds how often epochs come.
#include "mem/pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/fast_random.h"

namespace weft::mem {
namespace {

constexpr uint64_t mib = uint64_t{1} << 20;

// --- formulas ------------------------------------------------------------------------------------------------------

TEST(PacerTest, TheGoalIsLiveMemoryAndThePercentageOfLiveAndRoots) {
  EXPECT_EQ(growth_goal({.live = 100 * mib, .roots = 0}, 100), 200 * mib);
  EXPECT_EQ(growth_goal({.live = 100 * mib, .roots = 60 * mib}, 50), 180 * mib);
  EXPECT_EQ(growth_goal({.live = 10 * mib, .roots = 0}, 1500), 160 * mib);
}

TEST(PacerTest, TheGoalIsAtLeastFourMebibytesTimesThePercentage) {
  EXPECT_EQ(growth_goal({.live = 0, .roots = 0}, 100), 4 * mib);
  EXPECT_EQ(growth_goal({.live = 1 * mib, .roots = 0}, 50), 2 * mib);
  EXPECT_EQ(growth_goal({.live = 1 * mib, .roots = 0}, 400), 16 * mib);
}

TEST(PacerTest, WithoutPercentageAndLimitNoEpochIsEverDue) {
  pacer p({.gc_percent = gc_percent_off, .memory_limit_bytes = no_memory_limit});
  EXPECT_EQ(p.goal_bytes(), no_goal);
  EXPECT_EQ(p.trigger_bytes(), no_goal);
  p.epoch_ended({.held = {.live = 900 * mib, .roots = 900 * mib}, .lasted_ns = 1});
  EXPECT_EQ(p.trigger_bytes(), no_goal);
}

TEST(PacerTest, WithAPercentageOfZeroEveryGrowthMakesAnEpochDue) {
  pacer p({.gc_percent = 0, .memory_limit_bytes = no_memory_limit});
  p.epoch_ended({.held = {.live = 7 * mib, .roots = 3 * mib}, .lasted_ns = 1000});
  EXPECT_EQ(p.goal_bytes(), 7 * mib);
  EXPECT_EQ(p.trigger_bytes(), 7 * mib);
}

// What an epoch has cleared is destroyed while the program goes on; were its growth live memory, the goal would run
// away from what the epoch left.
TEST(PacerTest, GrowthSinceTheEpochsEndIsNotLiveMemory) {
  pacer p({.gc_percent = 50, .memory_limit_bytes = no_memory_limit});
  p.epoch_ended({.held = {.live = 40 * mib, .roots = 2 * mib}, .lasted_ns = 1000});
  EXPECT_EQ(p.goal_bytes(), 61 * mib);
  p.settled({.live = 50 * mib, .roots = 4 * mib});
  EXPECT_EQ(p.live_bytes(), 40 * mib);
  EXPECT_EQ(p.goal_bytes(), 62 * mib);
  p.settled({.live = 10 * mib, .roots = 4 * mib});
  EXPECT_EQ(p.goal_bytes(), 17 * mib);
}

TEST(PacerTest, TheLimitsGoalLeavesHeadroomOfThreePercentButAtLeastOneMebibyte) {
  EXPECT_EQ(limit_goal({.live = 0, .roots = 0}, int64_t{512} * mib), 512 * mib - 512 * mib * 3 / 100);
  EXPECT_EQ(limit_goal({.live = 0, .roots = 112 * mib}, int64_t{512} * mib), 400 * mib - 400 * mib * 3 / 100);
  EXPECT_EQ(limit_goal({.live = 0, .roots = 0}, int64_t{10} * mib), 9 * mib);
  EXPECT_EQ(limit_goal({.live = 0, .roots = 0}, no_memory_limit), no_goal);
}

TEST(PacerTest, WhatExceedsTheLimitIsTakenOffTheGoalButNeverLiveMemory) {
  EXPECT_EQ(limit_goal({.live = 5 * mib, .roots = 60 * mib}, int64_t{64} * mib), 5 * mib);
  EXPECT_EQ(limit_goal({.live = 100 * mib, .roots = 0}, int64_t{64} * mib), 100 * mib);
  EXPECT_EQ(limit_goal({.live = 1 * mib, .roots = 500 * mib}, int64_t{64} * mib), 1 * mib);
  EXPECT_EQ(limit_goal({.live = 1 * mib, .roots = 0}, 0), 1 * mib);
}

TEST(PacerTest, TheSmallerOfTheTwoGoalsCounts) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = int64_t{512} * mib});
  p.epoch_ended({.held = {.live = 100 * mib, .roots = 0}, .lasted_ns = 1});
  EXPECT_EQ(p.goal_bytes(), 200 * mib);
  EXPECT_FALSE(p.by_limit());
  p.epoch_ended({.held = {.live = 300 * mib, .roots = 0}, .lasted_ns = 1});
  EXPECT_LT(p.goal_bytes(), 512 * mib);
  EXPECT_TRUE(p.by_limit());
}

TEST(PacerTest, TheTriggerLiesBetweenSeventyAndNinetyFivePercentOfTheWay) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = no_memory_limit});
  // Nothing grows: as late as allowed, 0.95 of the way.
  p.epoch_ended({.held = {.live = 20 * mib, .roots = 0}, .begin_bytes = 0, .apart_ns = 1'000'000, .lasted_ns = 1000});
  EXPECT_NEAR(static_cast<double>(p.trigger_bytes()), 39.0 * mib, 0.01 * mib);
  // A growth that a runway cannot make up for: as early as allowed.
  p.epoch_ended({.held = {.live = 20 * mib, .roots = 0},
                 .begin_bytes = 900 * mib,
                 .apart_ns = 1'000'000,
                 .lasted_ns = 1'000'000});
  EXPECT_NEAR(static_cast<double>(p.trigger_bytes()), 34.0 * mib, 0.01 * mib);
}

TEST(PacerTest, NearALargeGoalTheTriggerIsFourMebibytesBelow) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = no_memory_limit});
  p.epoch_ended({.held = {.live = 1000 * mib, .roots = 0}, .lasted_ns = 1000});
  EXPECT_EQ(p.trigger_bytes(), 1996 * mib);
}

TEST(PacerTest, TheRunwayIsTheGrowthWhileAnEpochRunsAveragedOverFour) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = no_memory_limit});
  EXPECT_EQ(p.runway_bytes(), 64u << 10);
  for (const int64_t lasted : {10'000'000, 20'000'000, 30'000'000, 40'000'000})
    p.epoch_ended({.held = {.live = 100 * mib, .roots = 0}, .begin_bytes = 0, .apart_ns = 1'000, .lasted_ns = lasted});
  EXPECT_EQ(p.runway_bytes(), 64u << 10);  // memory never grew
  for (int i = 0; i < 4; ++i)
    p.epoch_ended({.held = {.live = 100 * mib, .roots = 0},
                   .begin_bytes = 100 * mib + 100'000'000,
                   .apart_ns = 100'000'000,
                   .lasted_ns = 10'000'000 * (i + 1)});
  EXPECT_EQ(p.runway_bytes(), 25'000'000u);  // 1 byte a ns, 25 ms
  EXPECT_EQ(p.trigger_bytes(), 200 * mib - 25'000'000);
}

TEST(PacerTest, ChangedSettingsPaceFromWhatTheLastEpochLeft) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = no_memory_limit});
  p.epoch_ended({.held = {.live = 100 * mib, .roots = 20 * mib}, .lasted_ns = 1000});
  p.change({.gc_percent = 50, .memory_limit_bytes = no_memory_limit});
  EXPECT_EQ(p.goal_bytes(), 160 * mib);
  p.change({.gc_percent = gc_percent_off, .memory_limit_bytes = int64_t{220} * mib});
  EXPECT_EQ(p.goal_bytes(), 200 * mib - 6 * mib);
  EXPECT_EQ(p.live_bytes(), 100 * mib);
}

TEST(PacerTest, TheLargestPercentageOfMuchMemoryDoesNotOverflow) {
  pacer p({.gc_percent = 1'000'000, .memory_limit_bytes = no_memory_limit});
  p.epoch_ended({.held = {.live = uint64_t{1} << 50, .roots = uint64_t{1} << 50}, .lasted_ns = 1000});
  EXPECT_GT(p.goal_bytes(), uint64_t{1} << 60);
  EXPECT_LT(p.trigger_bytes(), p.goal_bytes());
}

// --- simulated programs ----------------------------------------------------------------------------------------------

// What a program is like in one cycle.
struct program {
  double bytes_per_ns = 0.5;
  double live_mib = 64;
  double roots_mib = 0;
  double epoch_ms = 2;
};

struct scenario {
  std::string name;
  std::function<program(int cycle, base::fast_random&)> at;
  int gc_percent = 100;
  int64_t limit = no_memory_limit;
  int steps_at = 0;  // the cycle at which the program changes for good, from which on it has 25 more to settle
};

void PrintTo(const scenario& s, std::ostream* out) { *out << s.name; }

struct cycle_result {
  double goal_ratio;    // memory at the end of the epoch, by the goal
  double way_before;    // part of the way from live to goal at which the epoch began
  uint64_t most_total;  // all memory at the end of the epoch
};

double jitter(base::fast_random& random, double part) {
  return 1 + part * (2 * static_cast<double>(random.below(1'000'001)) / 1'000'000 - 1);
}

uint64_t bytes(double in_mib) { return static_cast<uint64_t>(in_mib * static_cast<double>(mib)); }

std::vector<cycle_result> simulate(const scenario& s, int cycles) {
  base::fast_random random(7);
  pacer p({.gc_percent = s.gc_percent, .memory_limit_bytes = s.limit});
  std::vector<cycle_result> results;
  program now = s.at(0, random);
  uint64_t live = bytes(now.live_mib);
  p.epoch_ended({.held = {live, bytes(now.roots_mib)}, .begin_bytes = live, .apart_ns = 0, .lasted_ns = 0});
  for (int i = 0; i < cycles; ++i) {
    now = s.at(i, random);
    // The program grows up to the trigger, one page beyond it at the latest, and goes on while the epoch runs.
    const uint64_t begin = std::max(p.trigger_bytes(), live) + 4096;
    const auto grow_ns = static_cast<int64_t>(static_cast<double>(begin - live) / now.bytes_per_ns);
    const auto lasts_ns = static_cast<int64_t>(now.epoch_ms * 1e6);
    const uint64_t end = begin + static_cast<uint64_t>(now.bytes_per_ns * static_cast<double>(lasts_ns));
    const double way = static_cast<double>(p.goal_bytes()) - static_cast<double>(live);
    results.push_back({static_cast<double>(end) / static_cast<double>(p.goal_bytes()),
                       way > 0 ? static_cast<double>(begin - live) / way : 1, end + bytes(now.roots_mib)});
    live = std::min(bytes(now.live_mib), end);
    p.epoch_ended(
        {.held = {live, bytes(now.roots_mib)}, .begin_bytes = begin, .apart_ns = grow_ns, .lasted_ns = lasts_ns});
  }
  return results;
}

class PacedProgramTest : public ::testing::TestWithParam<scenario> {};

const program steady{};

const scenario scenarios[] = {
    {"Steady", [](int, auto&) { return steady; }},
    {"SteadyWithBigStacks", [](int, auto&) { return program{.roots_mib = 128}; }},
    {"SteadyWithBigRuntimeData", [](int, auto&) { return program{.live_mib = 16, .roots_mib = 512}; }},
    {"Step", [](int i, auto&) { return program{.bytes_per_ns = i < 30 ? 0.2 : 1.0}; }, 100, no_memory_limit, 30},
    {"HeavyStep", [](int i, auto&) { return program{.bytes_per_ns = i < 30 ? 0.05 : 5.0}; }, 100, no_memory_limit, 30},
    {"StepOfThePartThatIsRoots",
     [](int i, auto&) { return program{.live_mib = i < 30 ? 64.0 : 16.0, .roots_mib = i < 30 ? 0.0 : 48.0}; }, 100,
     no_memory_limit, 30},
    {"StepOfTheEpochsDuration", [](int i, auto&) { return program{.epoch_ms = i < 30 ? 0.1 : 10.0}; }, 100,
     no_memory_limit, 30},
    {"FifteenHundredPercent", [](int, auto&) { return steady; }, 1500},
    {"Oscillating", [](int i, auto&) { return program{.bytes_per_ns = i % 8 < 4 ? 0.3 : 0.6}; }},
    {"Jitter",
     [](int, auto& r) { return program{.bytes_per_ns = 0.5 * jitter(r, 0.1), .epoch_ms = 2 * jitter(r, 0.1)}; }},
    {"HeavyJitter",
     [](int, auto& r) { return program{.bytes_per_ns = 1.0 * jitter(r, 0.5), .epoch_ms = 4 * jitter(r, 0.5)}; }},
    {"SlowGrowthOfLittle", [](int, auto&) { return program{.bytes_per_ns = 1e-4, .live_mib = 0.5, .epoch_ms = 0.01}; }},
    {"SlowGrowthOfSome", [](int, auto&) { return program{.bytes_per_ns = 1e-4, .live_mib = 64, .epoch_ms = 0.01}; }},
    {"SlowGrowthOfMuch", [](int, auto&) { return program{.bytes_per_ns = 1e-4, .live_mib = 4096, .epoch_ms = 0.01}; }},
};

// E1
TEST_P(PacedProgramTest, E1SettlesAtTheGoalWithinTwentyFiveCycles) {
  const scenario& s = GetParam();
  const int settled = s.steps_at + 25;
  const std::vector<cycle_result> results = simulate(s, settled + 50);
  for (std::size_t i = static_cast<std::size_t>(settled); i < results.size(); ++i) {
    EXPECT_GE(results[i].goal_ratio, 0.95) << "cycle " << i;
    EXPECT_LE(results[i].goal_ratio, 1.05) << "cycle " << i;
    EXPECT_GE(results[i].way_before, 0.70) << "cycle " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, PacedProgramTest, ::testing::ValuesIn(scenarios),
                         [](const auto& scenario) { return scenario.param.name; });

// E2
TEST(PacerLimitTest, E2ASteadyProgramStaysUnderItsLimit) {
  const scenario s{"", [](int, auto&) { return program{.live_mib = 200, .roots_mib = 32}; }, 300, int64_t{512} * mib};
  for (const cycle_result& r : simulate(s, 50)) EXPECT_LE(r.most_total, 512 * mib);
}

// E2
TEST(PacerLimitTest, E2WithoutPercentageTheLimitAloneDrivesEpochs) {
  const scenario s{"", [](int, auto&) { return program{.live_mib = 50, .roots_mib = 32}; }, gc_percent_off,
                   int64_t{512} * mib};
  for (const cycle_result& r : simulate(s, 50)) {
    EXPECT_LE(r.most_total, 512 * mib);
    EXPECT_GE(r.goal_ratio, 0.85) << "an eighth of the limit is kept for the second epoch";
    EXPECT_LE(r.goal_ratio, 1.0);
  }
}

// E3. That the limiter then acts is shown in limiter_test.cc and tests/sched/epoch_test.cc.
TEST(PacerLimitTest, E3WithLiveMemoryAboveTheLimitTheGoalIsLiveMemory) {
  pacer p({.gc_percent = 100, .memory_limit_bytes = int64_t{512} * mib});
  for (int i = 0; i < 10; ++i) {
    p.epoch_ended(
        {.held = {.live = 600 * mib, .roots = 10 * mib}, .begin_bytes = 600 * mib, .apart_ns = 1, .lasted_ns = 1});
    EXPECT_EQ(p.goal_bytes(), 600 * mib);
    EXPECT_EQ(p.trigger_bytes(), 600 * mib);
    EXPECT_TRUE(p.by_limit());
  }
}

// E4. "Just": so much below that headroom and one epoch's growth fit in between.
TEST(PacerLimitTest, E4WithLiveMemoryJustAtTheLimitAllMemoryIsKeptAtTheLimit) {
  const scenario s{"", [](int, auto&) { return program{.live_mib = 480, .roots_mib = 15}; }, 100, int64_t{512} * mib};
  for (const cycle_result& r : simulate(s, 50)) {
    EXPECT_LE(r.most_total, 512 * mib);
    EXPECT_GE(r.most_total, 512 * mib * 95 / 100);
  }
}

}  // namespace
}  // namespace weft::mem
