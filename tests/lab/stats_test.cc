// The lab's statistics on a simulated machine, where the truth is known: planted effects are found, planted
// non-effects are not, and equal sides are called different less often than the interval's level allows.
//
// The simulated machine's clock advances by what a run takes; noise comes from a seeded generator. Each planted case is
// tried with many seeds, and the test says how many may go wrong.
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "session.h"
#include "stats.h"

namespace {

using namespace std::chrono_literals;
using weft_lab::verdict;

// What a run takes, in ns: of the side, the round, the simulated time and random numbers.
using model = std::function<double(std::size_t side, std::size_t round, double now_s, std::mt19937_64& random)>;

class simulated final : public weft_lab::source {
 public:
  simulated(model m, uint64_t seed) : model_(std::move(m)), random_(seed) {}

  absl::StatusOr<weft_lab::record> run(std::size_t side, uint64_t seed) override {
    order.push_back(side);
    if (fails_at && order.size() == *fails_at) return absl::InternalError("planted");
    const std::size_t round = seed - 1;  // the plan's seed is 1
    const double ns = model_(side, round, std::chrono::duration<double>(now_).count(), random_);
    now_ += std::chrono::nanoseconds(static_cast<int64_t>(ns));
    weft_lab::record r;
    r.values["time_per_operation_ns"] = ns;
    return r;
  }
  std::chrono::nanoseconds now() override { return now_; }
  bool interrupted() override { return interrupt_at && order.size() >= *interrupt_at; }

  std::vector<std::size_t> order;
  std::optional<std::size_t> fails_at;
  std::optional<std::size_t> interrupt_at;

 private:
  model model_;
  std::mt19937_64 random_;
  std::chrono::nanoseconds now_{0};
};

weft_lab::session_result run(simulated& machine, std::size_t sides = 2, weft_lab::plan p = {}) {
  p.time = 20s;
  return run_session(machine, sides, std::vector<std::string>(sides, "time_per_operation_ns"), p);
}

weft_lab::comparison compare_simulated(const model& m, uint64_t seed) {
  simulated machine(m, seed);
  const weft_lab::session_result s = run(machine);
  return weft_lab::compare(series(s.runs[0], "time_per_operation_ns"), series(s.runs[1], "time_per_operation_ns"), {},
                           seed);
}

// How many of 100 seeds give this verdict.
int verdicts(const model& m, verdict wanted) {
  int count = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) count += compare_simulated(m, seed).found == wanted ? 1 : 0;
  return count;
}

double normal(std::mt19937_64& random, double deviation) {
  return std::normal_distribution<double>(0, deviation)(random);
}

bool chance(std::mt19937_64& random, double share) { return std::bernoulli_distribution(share)(random); }

constexpr double base_ns = 2e8;

// B takes `factor` times what A takes, with noise of 3%.
model scaled(double factor) {
  return [factor](std::size_t side, std::size_t, double, std::mt19937_64& random) {
    return base_ns * (side == 1 ? factor : 1) * std::exp(normal(random, 0.03));
  };
}

TEST(PlantedTest, TenPercentSlowerIsFound) { EXPECT_GE(verdicts(scaled(1.10), verdict::more), 99); }

TEST(PlantedTest, TenPercentFasterIsFound) { EXPECT_GE(verdicts(scaled(0.90), verdict::less), 99); }

TEST(PlantedTest, ThreePercentSlowerIsMostlyFoundAndNeverCalledFaster) {
  EXPECT_GE(verdicts(scaled(1.03), verdict::more), 70);
  EXPECT_EQ(verdicts(scaled(1.03), verdict::less), 0);
}

TEST(PlantedTest, TwiceAsSlowIsFound) { EXPECT_EQ(verdicts(scaled(2), verdict::more), 100); }

TEST(PlantedTest, AConstantShiftIsFound) {
  const model m = [](std::size_t side, std::size_t, double, std::mt19937_64& random) {
    return base_ns * std::exp(normal(random, 0.03)) + (side == 1 ? 0.1 * base_ns : 0);
  };
  EXPECT_GE(verdicts(m, verdict::more), 99);
}

TEST(PlantedTest, EqualSidesAreNoMeasurableDifference) { EXPECT_GE(verdicts(scaled(1), verdict::none), 97); }

TEST(PlantedTest, HalfAPercentIsNoMeasurableDifference) { EXPECT_GE(verdicts(scaled(1.005), verdict::none), 95); }

TEST(PlantedTest, EqualSidesWithHeavyTailsAreNoMeasurableDifference) {
  // One run in five is disturbed, up to many times as long.
  const model m = [](std::size_t, std::size_t, double, std::mt19937_64& random) {
    const double disturbed = chance(random, 0.2) ? std::pow(1 - std::uniform_real_distribution<>()(random), -0.7) : 1;
    return base_ns * disturbed * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(PlantedTest, TenPercentSlowerIsFoundUnderHeavyTails) {
  const model m = [](std::size_t side, std::size_t, double, std::mt19937_64& random) {
    const double disturbed = chance(random, 0.2) ? std::pow(1 - std::uniform_real_distribution<>()(random), -0.7) : 1;
    return base_ns * (side == 1 ? 1.1 : 1) * disturbed * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::more), 90);
}

TEST(PlantedTest, ADriftOfTheMachineIsNoDifference) {
  // It becomes half as fast while the session lasts.
  const model m = [](std::size_t, std::size_t, double now_s, std::mt19937_64& random) {
    return base_ns * (1 + now_s / 20) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(PlantedTest, TenPercentSlowerIsFoundInADrift) {
  const model m = [](std::size_t side, std::size_t, double now_s, std::mt19937_64& random) {
    return base_ns * (side == 1 ? 1.1 : 1) * (1 + now_s / 20) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::more), 99);
}

TEST(PlantedTest, AClockThatHalvesInTheMiddleIsNoDifference) {
  const model m = [](std::size_t, std::size_t, double now_s, std::mt19937_64& random) {
    return base_ns * (now_s > 8 ? 2 : 1) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(PlantedTest, EqualSidesWithTwoModesAreNoMeasurableDifference) {
  // Which processor a task begins on decides a run.
  const model m = [](std::size_t, std::size_t, double, std::mt19937_64& random) {
    return base_ns * (chance(random, 0.5) ? 1.5 : 1) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(PlantedTest, TwiceAsSlowIsFoundAcrossTwoModes) {
  const model m = [](std::size_t side, std::size_t, double, std::mt19937_64& random) {
    return base_ns * (side == 1 ? 2 : 1) * (chance(random, 0.5) ? 1.5 : 1) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::more), 99);
}

TEST(PlantedTest, RareOutliersOfOneSideAreNotItsSpeed) {
  // One run in ten of B hangs for a while; its usual run is A's. That is a matter for percentiles, not for the median.
  const model m = [](std::size_t side, std::size_t, double, std::mt19937_64& random) {
    return base_ns * (side == 1 && chance(random, 0.1) ? 5 : 1) * std::exp(normal(random, 0.03));
  };
  EXPECT_GE(verdicts(m, verdict::none), 95);
}

TEST(PlantedTest, AnAdvantageOfWhoeverComesFirstIsNoDifference) {
  int position = 0;
  const model m = [&position](std::size_t, std::size_t, double, std::mt19937_64& random) {
    return base_ns * (position++ % 2 == 0 ? 1 : 1.04) * std::exp(normal(random, 0.02));
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(PlantedTest, CoarseClockTicksAreNoDifference) {
  const model m = [](std::size_t, std::size_t, double, std::mt19937_64& random) {
    return std::round(base_ns * std::exp(normal(random, 0.03)) / 1e7) * 1e7;
  };
  EXPECT_GE(verdicts(m, verdict::none), 97);
}

TEST(CompareTest, ZerosOnBothSidesAreNoDifference) {
  const std::vector<double> zeros(10, 0);
  EXPECT_EQ(weft_lab::compare(zeros, zeros, {}, 1).found, verdict::none);
}

TEST(CompareTest, SomethingAgainstNothingIsMoreWithoutARatio) {
  const std::vector<double> zeros(10, 0);
  const std::vector<double> some{5, 6, 5, 7, 6, 5, 5, 6, 7, 5};
  const weft_lab::comparison c = weft_lab::compare(zeros, some, {}, 1);
  EXPECT_EQ(c.found, verdict::more);
  EXPECT_FALSE(c.has_ratio);
  EXPECT_EQ(weft_lab::compare(some, zeros, {}, 1).found, verdict::less);
}

TEST(CompareTest, FewerThanTenRoundsSayNothing) {
  const std::vector<double> a(9, 100);
  const std::vector<double> b(9, 200);
  EXPECT_EQ(weft_lab::compare(a, b, {}, 1).found, verdict::unknown);
}

TEST(CompareTest, AFigureThatWasNotMeasuredSaysNothing) {
  const std::vector<double> a(12, std::nan(""));
  EXPECT_EQ(weft_lab::compare(a, a, {}, 1).found, verdict::unknown);
}

TEST(CompareTest, ARoundThatLacksTheFigureOfOneSideIsLeftOut) {
  std::vector<double> a(12, 100);
  std::vector<double> b(12, 200);
  a[0] = std::nan("");
  a[5] = 1;
  b[5] = std::nan("");
  const weft_lab::comparison ten = weft_lab::compare(a, b, {}, 1);
  EXPECT_EQ(ten.found, verdict::more);
  EXPECT_EQ(ten.a, 100);
  EXPECT_EQ(ten.b, 200);
  EXPECT_EQ(ten.ratio, 2);
  b[11] = std::nan("");
  const weft_lab::comparison nine = weft_lab::compare(a, b, {}, 1);
  EXPECT_EQ(nine.found, verdict::unknown);
  EXPECT_EQ(nine.a, 100);
  EXPECT_EQ(nine.b, 200);
}

TEST(CompareTest, TheSameSeedGivesTheSameInterval) {
  const std::vector<double> a{1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<double> b{2, 3, 4, 5, 6, 7, 8, 9, 1};
  const weft_lab::comparison one = weft_lab::compare(a, b, {}, 7);
  const weft_lab::comparison two = weft_lab::compare(a, b, {}, 7);
  EXPECT_EQ(one.ratio_interval.low, two.ratio_interval.low);
  EXPECT_EQ(one.ratio_interval.high, two.ratio_interval.high);
}

TEST(SessionTest, RoundsAlternateTheirOrder) {
  simulated machine(scaled(1), 1);
  weft_lab::plan p;
  p.most_rounds = 4;
  p.least_rounds = 4;
  run(machine, 3, p);
  EXPECT_EQ(machine.order, (std::vector<std::size_t>{0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0}));
}

TEST(SessionTest, SteadyRunsEndAsSoonAsTheIntervalIsNarrow) {
  simulated machine([](std::size_t, std::size_t, double, std::mt19937_64&) { return base_ns; }, 1);
  const weft_lab::session_result s = run(machine);
  EXPECT_EQ(s.ended, weft_lab::ending::precise);
  EXPECT_EQ(s.runs[0].size(), weft_lab::least_rounds);
}

TEST(SessionTest, UnsteadyRunsEndWithTheTime) {
  const model wild = [](std::size_t, std::size_t, double, std::mt19937_64& random) {
    return base_ns * std::exp(normal(random, 1));
  };
  simulated machine(wild, 1);
  EXPECT_EQ(run(machine).ended, weft_lab::ending::out_of_time);
  EXPECT_GE(machine.now(), 20s);
}

TEST(SessionTest, AnInterruptKeepsWholeRoundsOnly) {
  simulated machine(scaled(1), 1);
  machine.interrupt_at = 6;
  const weft_lab::session_result s = run(machine);
  EXPECT_EQ(s.ended, weft_lab::ending::interrupted);
  EXPECT_EQ(s.runs[0].size(), 2u);
  EXPECT_EQ(s.runs[1].size(), 2u);
}

TEST(SessionTest, AFailedRunEndsTheSessionWithItsReason) {
  simulated machine(scaled(1), 1);
  machine.fails_at = 4;
  const weft_lab::session_result s = run(machine);
  EXPECT_EQ(s.ended, weft_lab::ending::failed);
  EXPECT_EQ(s.failure.message(), "planted");
  EXPECT_EQ(s.runs[0].size(), 1u);
}

}  // namespace
