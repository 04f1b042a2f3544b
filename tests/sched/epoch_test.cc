// Epochs: that each processor passes each of them, who begins them and when, and what comes after them.
//
// The tests put their own hooks where pools have theirs, so that what is held and what is to be cleaned up is a number.
#include "sched/epoch.h"

#include <weft/weft.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "api/runtime.h"
#include "mem/program_heap.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using detail::epoch_cause;
using detail::epoch_driver;
using detail::epoch_figures;
using detail::epoch_work;
using ::testing::HasSubstr;

constexpr uint64_t mib = uint64_t{1} << 20;
constexpr int64_t minute = 60'000'000'000;

// What stands for all pools. All atomics are seq_cst: a test's book-keeping.
struct fake_pools {
  static void age_slot(uint32_t slot, bool everything) noexcept {
    if (everything) ++aged_whole;
    ++slots_aged;
    if (slot < by_slot.size()) ++by_slot[slot];
  }
  static void age_shared(bool everything) noexcept {
    if (everything) ++aged_whole;
    ++shared_aged;
    clearable.exchange(0);
  }
  static void forget_slot(uint32_t) noexcept {}
  static uint64_t held_bytes() noexcept { return held; }
  static uint64_t idle_bytes() noexcept { return idle; }
  static bool clear_open() noexcept {
    const uint64_t n = open.exchange(0);
    to_clean += n;
    return n != 0;
  }
  static bool clean_up(uint32_t most) noexcept {
    const uint64_t n = std::min<uint64_t>(most, to_clean);
    most_at_once = std::max<uint64_t>(most_at_once, n);
    to_clean -= n;
    cleaned += n;
    return to_clean != 0;
  }

  static void reset() {
    static constexpr detail::epoch_hooks hooks{.age_slot = age_slot,
                                               .age_shared = age_shared,
                                               .forget_slot = forget_slot,
                                               .clear_open = clear_open,
                                               .held_bytes = held_bytes,
                                               .idle_bytes = idle_bytes,
                                               .clean_up = clean_up};
    detail::set_epoch_hooks(hooks);
    mem::program_heap.store(nullptr);
    slots_aged = shared_aged = aged_whole = held = idle = open = to_clean = cleaned = most_at_once = clearable = 0;
    for (auto& n : by_slot) n = 0;
  }

  static inline std::atomic<uint64_t> slots_aged, shared_aged, aged_whole, held, idle, open, to_clean, cleaned,
      most_at_once, clearable;
  static inline std::array<std::atomic<uint64_t>, 64> by_slot;
};

// A kernel whose CPU clock moves by so much at each look, so that what takes time is the test's choice.
class slow_system final : public os::system {
 public:
  int64_t thread_cpu_time_ns() noexcept override { return cpu_ns_ += step_ns; }
  void trim_program_heap() noexcept override { ++trims; }
  void write_stderr(std::string_view text) noexcept override { said += text; }

  std::atomic<int64_t> step_ns{1};
  std::atomic<int> trims{0};
  std::string said;

 private:
  std::atomic<int64_t> cpu_ns_{0};
};

class EpochTest : public test::processors_test {
 public:
  EpochTest() { fake_pools::reset(); }

 protected:
  epoch_driver& epochs() { return runtime_access::sched(rt()).epochs(); }
  uint64_t processors() const { return static_cast<uint64_t>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(With, EpochTest, test::some_processors(), test::processors_name);

TEST_P(EpochTest, EveryProcessorPassesEachEpochOnceAndThenTheSharedPartComes) {
  for (uint64_t n = 1; n <= 10; ++n) {
    rt().collect();
    EXPECT_EQ(fake_pools::slots_aged, n * processors());
    EXPECT_EQ(fake_pools::shared_aged, n);
    EXPECT_EQ(epochs().finished(), n);
  }
  uint64_t slots = 0;
  for (const auto& n : fake_pools::by_slot) slots += n == 10 ? 1 : 0;
  EXPECT_EQ(slots, processors());
  EXPECT_EQ(epochs().figures().forced(), 10u);
  EXPECT_EQ(epochs().figures().automatic(), 0u);
}

TEST_P(EpochTest, ATaskMayCollect) {
  run([&]() -> task<> {
    // Its patience has a limit, so an epoch may go on when the call is over.
    while (fake_pools::shared_aged < 3u) rt().collect();
    co_return;
  });
  EXPECT_GE(fake_pools::shared_aged, 3u);
}

// Each call sees the end of an epoch that began after it.
TEST_P(EpochTest, ManyThreadsMayCollectAtOnceAndEpochsDoNotOverlap) {
  constexpr int threads = 4, calls = 50;
  std::atomic<int> missed{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&] {
      for (int i = 0; i < calls; ++i) {
        const uint64_t before = fake_pools::shared_aged;
        rt().collect();
        if (fake_pools::shared_aged == before) ++missed;
      }
    });
  for (auto& t : all) t.join();
  EXPECT_EQ(missed, 0);
  EXPECT_GE(fake_pools::shared_aged, static_cast<uint64_t>(calls));
  EXPECT_LE(fake_pools::shared_aged, static_cast<uint64_t>(threads * calls));
  EXPECT_EQ(fake_pools::slots_aged, fake_pools::shared_aged * processors());
}

TEST_P(EpochTest, EpochsEndWhileTasksComeAndGo) {
  std::atomic<bool> stop{false};
  std::thread collector([&] {
    for (int i = 0; i < 100; ++i) rt().collect();
    stop = true;
  });
  run([&]() -> task<> {
    while (!stop) {
      wait_group done;
      for (int i = 0; i < 32; ++i) done.go([]() -> task<> { co_await yield(); });
      (void)co_await done.wait();
    }
  });
  collector.join();
  EXPECT_GE(fake_pools::shared_aged, 100u);
}

// The counter of sleeps is the witness: a worker that was woken goes to sleep again.
TEST_P(EpochTest, CollectPassesForSleepingWorkersAndLetsThemSleep) {
  auto& s = runtime_access::sched(rt());
  test::eventually([&] { return s.idle_workers() == processors(); });
  const auto sleeps = [&] {
    uint64_t n = 0;
    for (const auto& p : s.processors()) n += p->counters.sleeps.value();
    return n;
  };
  test::eventually([&] { return sleeps() >= processors(); });
  const uint64_t before = sleeps();
  for (int i = 0; i < 10; ++i) rt().collect();
  EXPECT_EQ(fake_pools::slots_aged, 10 * processors());
  EXPECT_EQ(s.idle_workers(), processors());
  run([]() -> task<> { co_return; });
  test::eventually([&] { return s.idle_workers() == processors(); });
  EXPECT_LE(sleeps(), before + processors()) << "only the task has woken workers";
}

// What is made ready while a worker's processor is in the collector's hands finds the worker nevertheless.
TEST_P(EpochTest, TasksThatComeWhileOthersCollectAreRun) {
  std::atomic<bool> stop{false};
  std::thread collector([&] {
    while (!stop) rt().collect();
  });
  for (int i = 0; i < 300; ++i) EXPECT_EQ(rt().spawn([](int n) -> task<int> { co_return n; }, i).get(), i);
  stop = true;
  collector.join();
}

// No epoch ends without a processor that computes, and none is lost.
TEST_P(EpochTest, AProcessorThatComputesPassesWhenItComesRound) {
  std::atomic<bool> computes{false}, go_on{false};
  join_handle<> task = rt().spawn([&]() -> weft::task<> {
    computes = true;
    while (!go_on) std::this_thread::yield();
    co_return;
  });
  test::eventually([&] { return computes.load(); });
  ASSERT_TRUE(epochs().begin(epoch_cause::forced));
  EXPECT_FALSE(epochs().begin(epoch_cause::forced)) << "one is under way";
  test::eventually([&] { return fake_pools::slots_aged >= processors() - 1; });
  EXPECT_EQ(fake_pools::shared_aged, 0u);
  go_on = true;
  task.get();
  test::eventually([&] { return fake_pools::shared_aged == 1; });
}

TEST_P(EpochTest, CollectReturnsWhenTheRuntimeStops) {
  for (int i = 0; i < 20; ++i) {
    std::unique_ptr<runtime> other = test::make_runtime(GetParam());
    std::latch begun(3);
    std::vector<std::thread> collectors;
    for (int t = 0; t < 2; ++t)
      collectors.emplace_back([&] {
        begun.arrive_and_wait();
        for (int n = 0; n < 10; ++n) other->collect();
      });
    begun.arrive_and_wait();
    EXPECT_TRUE(other->shutdown(5s).clean());
    for (auto& t : collectors) t.join();
    other->collect();
  }
}

TEST_P(EpochTest, CollectDoesAllTheBackgroundWork) {
  fake_pools::to_clean = 1000;
  rt().collect();
  EXPECT_EQ(fake_pools::cleaned, 1000u);
  EXPECT_LE(fake_pools::most_at_once, 64u);
}

TEST_P(EpochTest, WorkersThatFindNothingToRunDoTheBackgroundWork) {
  fake_pools::to_clean = 1000;
  epochs().begin(epoch_cause::growth);
  test::eventually([] { return fake_pools::cleaned == 1000; });
}

// The monitor does it while no worker can, as long as there is one that computes on each.
TEST_P(EpochTest, TheMonitorDoesTheBackgroundWorkWhileAllWorkersCompute) {
  rt().collect();
  std::atomic<uint64_t> compute{0};
  std::atomic<bool> go_on{false};
  std::vector<join_handle<>> tasks;
  for (uint64_t i = 0; i < processors(); ++i)
    tasks.push_back(rt().spawn([&]() -> task<> {
      // The last one to begin leaves work behind, after a pass, as an epoch would.
      if (++compute == processors()) {
        fake_pools::to_clean = 200;
        epochs().begin(epoch_cause::growth);
      }
      while (compute < processors()) std::this_thread::yield();
      while (fake_pools::shared_aged < 2) co_await yield();
      while (!go_on) std::this_thread::yield();
    }));
  test::eventually([] { return fake_pools::cleaned == 200; });
  go_on = true;
  for (auto& t : tasks) t.get();
}

TEST_P(EpochTest, ChannelsAreCountedWhileTheyLive) {
  const auto held = [&] { return epochs().held().channels; };
  const uint64_t before = held();
  {
    channel<std::array<char, 1000>> from_outside(100);
    EXPECT_GE(held(), before + 100'000);
    run([&]() -> task<> {
      channel<std::array<char, 1000>> inside(1000);
      EXPECT_GE(held(), before + 1'100'000);
      from_outside = channel<std::array<char, 1000>>(10);
      EXPECT_GE(held(), before + 1'010'000);
      EXPECT_LE(held(), before + 1'099'000);
      co_return;
    });
  }
  EXPECT_EQ(held(), before);
}

// --- a runtime that the test drives, with its own time --------------------------------------------------------------

class HostedEpochTest : public ::testing::Test {
 protected:
  HostedEpochTest() {
    fake_pools::reset();
    make({});
  }
  // The runtime is gone before what it uses.
  ~HostedEpochTest() override { rt_.reset(); }

  void make(options opts) {
    rt_.reset();
    opts.processors = 1;
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    seams.sys = &sys_;
    rt_ = *runtime_access::create(opts, seams, detail::drive::host);
  }

  epoch_driver& epochs() { return runtime_access::sched(*rt_).epochs(); }
  epoch_figures figures() { return epochs().figures(); }
  uint64_t epochs_by(epoch_cause cause) { return figures().epochs[static_cast<std::size_t>(cause)]; }
  void poll() { test::settle(*rt_); }
  void run_something() {
    rt_->run([]() -> task<> { co_return; });
  }

  test::manual_clock clock_{1'000'000};
  slow_system sys_;
  std::unique_ptr<runtime> rt_;
};

TEST_F(HostedEpochTest, PollBeginsAnEpochWhenMemoryHasGrownPastTheTrigger) {
  rt_->collect();
  const epoch_figures before = figures();
  EXPECT_EQ(before.goal_bytes,
            std::max<uint64_t>(before.live_bytes + before.live_bytes + before.held.roots(), 4 * mib));
  fake_pools::held = before.trigger_bytes - before.held.paced();
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 0u);
  ++fake_pools::held;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u);
  EXPECT_EQ(figures().live_bytes, before.trigger_bytes + 1);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u) << "the goal has moved on";
  EXPECT_EQ(figures().automatic(), 1u);
  EXPECT_EQ(figures().total(), 2u);
}

TEST_F(HostedEpochTest, ATaskThatTakesMuchMemoryBeginsAnEpochItself) {
  rt_->collect();
  rt_->run([&]() -> task<> {
    detail::processor& p = *detail::this_context.proc;
    epochs().took_memory(p, mib, true);
    EXPECT_FALSE(epochs().is_due(p));
    fake_pools::held = 100 * mib;
    epochs().took_memory(p, 1000, true);
    EXPECT_FALSE(epochs().is_due(p)) << "so little is not worth a look";
    epochs().took_memory(p, 5 * mib, true);
    EXPECT_TRUE(epochs().is_due(p));
    EXPECT_EQ(figures().automatic(), 0u) << "without a limit it passes at its next turn";
    co_return;
  });
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u);
}

TEST_F(HostedEpochTest, WithThePercentageOffOnlyTimeBeginsEpochs) {
  options opts;
  opts.gc_percent = -1;
  make(opts);
  EXPECT_EQ(figures().goal_bytes, mem::no_goal);
  fake_pools::held = 10'000 * mib;
  poll();
  EXPECT_EQ(figures().total(), 0u);
  clock_.advance(2 * minute);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::period), 1u);
}

TEST_F(HostedEpochTest, WithAPercentageOfZeroEveryGrowthBeginsAnEpoch) {
  rt_->set_gc_percent(0);
  rt_->collect();
  const uint64_t before = figures().automatic();
  for (uint64_t i = 1; i <= 5; ++i) {
    fake_pools::held += 1;
    poll();
    EXPECT_EQ(figures().automatic(), before + i);
    poll();
    EXPECT_EQ(figures().automatic(), before + i);
  }
}

TEST_F(HostedEpochTest, AnEpochIsForcedTwoMinutesAfterTheLast) {
  run_something();
  clock_.advance(2 * minute - 2);
  poll();
  EXPECT_EQ(figures().total(), 0u);
  clock_.advance(2);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::period), 1u);
  run_something();
  clock_.advance(minute);
  rt_->collect();
  run_something();
  clock_.advance(2 * minute - 1);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::period), 1u) << "counted from the last epoch of any kind";
  clock_.advance(1);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::period), 2u);
}

// Two epochs clear what is not used; after them an idle process may sleep for ever.
TEST_F(HostedEpochTest, NoEpochIsForcedWhenNothingHappenedForTwo) {
  run_something();
  for (int i = 0; i < 10; ++i) {
    clock_.advance(2 * minute);
    poll();
  }
  const uint64_t until_still = figures().total();
  EXPECT_GE(until_still, 2u);
  EXPECT_LE(until_still, 5u);
  EXPECT_EQ(epochs().period_ends_ns(), INT64_MAX);
  run_something();
  EXPECT_NE(epochs().period_ends_ns(), INT64_MAX);
  poll();
  EXPECT_EQ(figures().total(), until_still + 1);
}

TEST_F(HostedEpochTest, PollDoesTheBackgroundWorkInSmallSteps) {
  fake_pools::to_clean = 100;
  epochs().begin(epoch_cause::growth);
  rt_->poll();
  const uint64_t first = fake_pools::cleaned;
  EXPECT_GT(first, 0u);
  EXPECT_LE(first, 32u);
  for (int i = 0; i < 10; ++i) rt_->poll();
  EXPECT_EQ(fake_pools::cleaned, 100u);
  EXPECT_FALSE(epochs().has_background_work());
}

TEST_F(HostedEpochTest, TheKnobsReturnWhatTheyWereBefore) {
  EXPECT_EQ(rt_->set_gc_percent(50), 100);
  EXPECT_EQ(rt_->set_gc_percent(-7), 50);
  EXPECT_EQ(rt_->set_gc_percent(100), -1);
  EXPECT_EQ(rt_->set_gc_percent(2'000'000'000), 100);
  EXPECT_EQ(rt_->set_gc_percent(0), 1'000'000);
  EXPECT_EQ(rt_->set_memory_limit(-1), mem::no_memory_limit);
  EXPECT_EQ(rt_->set_memory_limit(64 << 20), mem::no_memory_limit);
  EXPECT_EQ(rt_->set_memory_limit(-5), 64 << 20);
  EXPECT_EQ(rt_->set_memory_limit(-5), 64 << 20);
  EXPECT_EQ(figures().memory_limit_bytes, 64 << 20);
}

TEST_F(HostedEpochTest, AKnobThatPutsTheGoalBelowWhatIsHeldBeginsAnEpochAtOnce) {
  rt_->set_gc_percent(-1);
  rt_->collect();
  fake_pools::held = 100 * mib;
  poll();
  EXPECT_EQ(figures().automatic(), 0u);
  rt_->set_gc_percent(10);
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u);
  rt_->set_gc_percent(-1);
  fake_pools::held = 200 * mib;
  rt_->set_memory_limit(static_cast<int64_t>(150 * mib));
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::limit), 1u);
}

TEST_F(HostedEpochTest, BeyondTheLimitWhoTakesMemoryAssists) {
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  rt_->collect();
  rt_->run([&]() -> task<> {
    detail::processor& p = *detail::this_context.proc;
    fake_pools::held = 100 * mib;
    fake_pools::to_clean = 1000;
    epochs().took_memory(p, mib, true);
    EXPECT_EQ(epochs_by(epoch_cause::limit), 1u) << "it has passed the epoch at once";
    const uint64_t cleaned = fake_pools::cleaned;
    EXPECT_GE(cleaned, 1u);
    epochs().took_memory(p, mib, false);
    EXPECT_EQ(fake_pools::cleaned, cleaned) << "where the program does not expect it nothing is destroyed";
    co_return;
  });
  EXPECT_GT(figures().cpu_ns[static_cast<std::size_t>(epoch_work::assist)], 0);
  EXPECT_GT(figures().cpu_ns[static_cast<std::size_t>(epoch_work::scavenge_assist)], 0);
}

TEST_F(HostedEpochTest, OnlyEpochsForTheLimitsSakeSpareNothing) {
  rt_->collect();
  fake_pools::held = 100 * mib;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u);
  EXPECT_EQ(fake_pools::aged_whole, 0u);
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  fake_pools::held += 1;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::limit), 1u);
  EXPECT_EQ(fake_pools::aged_whole, 2u) << "the slot's part and the shared one";
}

// Its epoch does not end, but what needs no pass is cleared, and whoever takes memory destroys it.
TEST_F(HostedEpochTest, AProcessorThatDoesNotPassDoesNotKeepMemoryFromBeingClearedForTheLimit) {
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  rt_->collect();
  rt_->run([&]() -> task<> {
    detail::processor& p = *detail::this_context.proc;
    epochs().begin(epoch_cause::forced);
    const uint32_t due = p.epoch_passed;
    for (int i = 1; i <= 3; ++i) {
      fake_pools::held = (62 + static_cast<uint64_t>(i)) * mib;
      fake_pools::open = 100;
      epochs().took_memory(p, 5 * mib, true);
      p.epoch_passed = due + 1;  // as if it were another processor's part
      EXPECT_EQ(fake_pools::open, 0u);
      EXPECT_EQ(fake_pools::cleaned, 100u * static_cast<uint64_t>(i));
    }
    co_return;
  });
}

TEST_F(HostedEpochTest, WhatWasClearedForTheLimitIsDestroyedByWhoTakesMemoryThoughTheTriggerIsFar) {
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  rt_->collect();
  rt_->run([&]() -> task<> {
    detail::processor& p = *detail::this_context.proc;
    fake_pools::to_clean = 10'000;
    epochs().begin(epoch_cause::limit);
    epochs().took_memory(p, 5 * mib, true);
    EXPECT_EQ(fake_pools::cleaned, 0u) << "nothing is due below the trigger before the pass";
    epochs().pass(p);
    epochs().took_memory(p, 5 * mib, true);
    const uint64_t cleaned = fake_pools::cleaned;
    EXPECT_GE(cleaned, 100u);
    epochs().took_memory(p, 300'000, true);
    EXPECT_GE(fake_pools::cleaned, cleaned + 100u) << "the next look comes soon";
    co_return;
  });
}

TEST_F(HostedEpochTest, ALimitThatIsExceededWhileMemoryComesAndGoesIsNotSaidToBeTooLow) {
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  fake_pools::held = 100 * mib;
  const auto epochs_over_the_limit = [this](uint64_t idle, int count, int64_t apart_ns) {
    for (int i = 0; i < count; ++i) {
      fake_pools::held += 1;
      fake_pools::idle = idle;
      poll();
      clock_.advance(apart_ns);
    }
  };
  epochs_over_the_limit(50 * mib, 100, 100'000'000);
  EXPECT_GE(epochs_by(epoch_cause::limit), 50u);
  EXPECT_EQ(sys_.said, "") << "what is pooled is not held for good";
  epochs_over_the_limit(0, 100, 1'000'000);
  EXPECT_EQ(sys_.said, "") << "too many epochs in a tenth of a second say nothing";
  epochs_over_the_limit(50 * mib, 1, 1'000'000'000);
  epochs_over_the_limit(0, 3, 1'000'000'000);
  EXPECT_EQ(sys_.said, "") << "nor do three in three seconds";
  epochs_over_the_limit(50 * mib, 1, 1'000'000'000);
  epochs_over_the_limit(0, 20, 100'000'000);
  EXPECT_THAT(sys_.said, HasSubstr("held for good"));
}

// Nothing grows, so there is no second epoch for its sake.
TEST_F(HostedEpochTest, ALimitBelowWhatIsHeldIsSaidOnceThoughNothingGrows) {
  rt_->set_gc_percent(-1);
  fake_pools::held = 100 * mib;
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  const auto looks = [this](int count, int64_t apart_ns) {
    for (int i = 0; i < count; ++i) {
      poll();
      clock_.advance(apart_ns);
    }
  };
  looks(20, 100'000'000);
  EXPECT_EQ(epochs_by(epoch_cause::limit), 1u);
  EXPECT_EQ(sys_.said, "") << "it may end soon";
  looks(30, 100'000'000);
  EXPECT_THAT(sys_.said, HasSubstr("held for good"));
  const std::string said = sys_.said;
  looks(100, 1'000'000'000);
  EXPECT_EQ(sys_.said, said);
  EXPECT_EQ(epochs_by(epoch_cause::limit), 1u);
}

TEST_F(HostedEpochTest, ALimitThatIsKeptAtSomeLookOrCouldBeIsNotSaidToBeTooLow) {
  rt_->set_gc_percent(-1);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  const auto looks_with = [this](uint64_t held, uint64_t idle, int count) {
    fake_pools::held = held;
    fake_pools::idle = idle;
    for (int i = 0; i < count; ++i) {
      poll();
      clock_.advance(1'000'000'000);
    }
  };
  for (int i = 0; i < 5; ++i) {
    looks_with(100 * mib, 0, 3);
    looks_with(10 * mib, 0, 1);
  }
  EXPECT_EQ(sys_.said, "");
  looks_with(100 * mib, 50 * mib, 20);
  EXPECT_EQ(sys_.said, "") << "what is pooled is not held for good";
}

// E3, L4 in the whole: epochs for the limit's sake take all CPU until the bucket is full.
TEST_F(HostedEpochTest, ALimitBelowWhatIsHeldTurnsTheLimiterOnAndIsSaidOnce) {
  rt_->set_gc_percent(-1);
  fake_pools::held = 100 * mib;
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  sys_.step_ns = 5'000'000;  // more than passes between two polls
  for (int polls = 0; !figures().limiter_on && polls < 10'000; ++polls) {
    fake_pools::held += 1;
    clock_.advance(50'000'000);
    poll();
  }
  ASSERT_TRUE(figures().limiter_on);
  const epoch_figures on = figures();
  EXPECT_GT(on.limiter_last_enabled, 0u);
  EXPECT_LE(on.limiter_last_enabled, on.total());
  EXPECT_THAT(sys_.said, ::testing::MatchesRegex(
                             "weft: the memory limit of 67108864 bytes is below the 1[0-9]* bytes that are held for "
                             "good; epochs for its sake take at most half of the CPU\n"));
  // Now none is begun for the limit, but for any other reason.
  fake_pools::held += 1;
  poll();
  EXPECT_EQ(figures().total(), on.total());
  EXPECT_EQ(figures().limited_epochs, on.limited_epochs + 1);
  rt_->collect();
  EXPECT_EQ(figures().forced(), 1u);
  // The program has the CPU for itself again: the bucket drains, and epochs come back.
  sys_.step_ns = 1;
  poll();
  ASSERT_TRUE(figures().limiter_on);
  clock_.advance(100'000'000);
  poll();
  EXPECT_TRUE(figures().limiter_on) << "the host's time outside poll() is idle, and drains nothing";
  rt_->run([this]() -> task<> {
    clock_.advance(100'000'000);
    co_return;
  });
  poll();
  EXPECT_FALSE(figures().limiter_on);
  EXPECT_EQ(epochs_by(epoch_cause::limit), on.epochs[static_cast<std::size_t>(epoch_cause::limit)] + 1);
  EXPECT_EQ(on.limiter_last_enabled, figures().limiter_last_enabled);
}

TEST_F(HostedEpochTest, TheCLibrarysHeapIsTrimmedForTheLimitAndWhenAskedAndNotTooOften) {
  rt_->collect();
  EXPECT_EQ(sys_.trims, 1);
  fake_pools::held = 100 * mib;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::growth), 1u);
  EXPECT_EQ(sys_.trims, 1) << "an epoch for growth leaves it alone";
  rt_->set_gc_percent(-1);
  sys_.step_ns = 1'000'000;  // a trim takes a millisecond
  clock_.advance(1'000'000'000);
  rt_->set_memory_limit(static_cast<int64_t>(64 * mib));
  fake_pools::held += 1;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::limit), 1u);
  EXPECT_EQ(sys_.trims, 2);
  fake_pools::held += 1;
  poll();
  EXPECT_EQ(epochs_by(epoch_cause::limit), 2u);
  EXPECT_EQ(sys_.trims, 2) << "the last one was just now";
  clock_.advance(100'000'000);
  fake_pools::held += 1;
  poll();
  EXPECT_EQ(sys_.trims, 3);
}

TEST_F(HostedEpochTest, AKnownProgramHeapStandsForPoolsAndChannels) {
  fake_pools::held = 10 * mib;
  EXPECT_GE(epochs().held().paced(), 10 * mib);
  mem::program_heap.store([]() noexcept { return 3 * mib; });
  const detail::held_memory m = epochs().held();
  EXPECT_EQ(m.program_heap, 3 * mib);
  EXPECT_EQ(m.pooled, 10 * mib) << "reported all the same";
  EXPECT_EQ(m.paced(), m.stacks_cached + 3 * mib);
  EXPECT_EQ(m.total(), m.paced() + m.stacks_in_use + m.metadata);
  mem::program_heap.store(nullptr);
}

TEST_F(HostedEpochTest, AnEpochThatNobodyPollsForDoesNotKeepTheRuntimeFromItsEnd) {
  epochs().begin(epoch_cause::forced);
  EXPECT_TRUE(rt_->shutdown(1s).clean());
  rt_->collect();
  EXPECT_EQ(figures().forced(), 0u);
}

// --- threads and a manual clock -------------------------------------------------------------------------------------

class ClockedEpochTest : public ::testing::TestWithParam<int> {
 protected:
  ClockedEpochTest() {
    fake_pools::reset();
    options opts;
    opts.processors = GetParam();
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    rt_ = *runtime_access::create(opts, seams, detail::drive::threads);
  }
  ~ClockedEpochTest() override { rt_.reset(); }

  test::manual_clock clock_{1'000'000};
  std::unique_ptr<runtime> rt_;
};

INSTANTIATE_TEST_SUITE_P(With, ClockedEpochTest, test::some_processors(), test::processors_name);

TEST_P(ClockedEpochTest, TheMonitorForcesAnEpochAfterTwoMinutes) {
  rt_->run([]() -> task<> { co_return; });
  clock_.advance(2 * minute);
  test::eventually([] { return fake_pools::shared_aged == 1; });
}

TEST_P(ClockedEpochTest, ACollectInATaskGivesUpOnAProcessorThatComputes) {
  if (GetParam() == 1) GTEST_SKIP() << "the only processor is the one that collects";
  std::atomic<bool> computes{false}, go_on{false};
  join_handle<> hog = rt_->spawn([&]() -> task<> {
    computes = true;
    while (!go_on) std::this_thread::yield();
    co_return;
  });
  test::eventually([&] { return computes.load(); });
  rt_->run([&]() -> task<> {
    rt_->collect();
    co_return;
  });
  EXPECT_EQ(fake_pools::shared_aged, 0u);
  go_on = true;
  hog.get();
  test::eventually([] { return fake_pools::shared_aged == 1; });
}

// --- several runtimes -----------------------------------------------------------------------------------------------

TEST(EpochsOfTwoRuntimesTest, EachPassesItsOwn) {
  fake_pools::reset();
  std::unique_ptr<runtime> a = test::make_runtime(2);
  std::unique_ptr<runtime> b = test::make_runtime(3);
  a->collect();
  EXPECT_EQ(fake_pools::slots_aged, 2u);
  b->collect();
  EXPECT_EQ(fake_pools::slots_aged, 5u);
  EXPECT_EQ(runtime_access::sched(*a).epochs().finished(), 1u);
  EXPECT_EQ(runtime_access::sched(*b).epochs().finished(), 1u);
  for (const auto& n : fake_pools::by_slot) EXPECT_LE(n, 1u) << "no slot belongs to both";
}

}  // namespace
}  // namespace weft
