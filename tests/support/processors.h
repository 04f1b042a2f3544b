// Runtimes for tests: with so many processors, or driven by the test itself; and waiting for what must come.
//
// With a seed (seed.h) the runtimes draw their random numbers from it, and those that are made with nothing but a
// number of processors get constants and choices of the scheduler from it too: run-next on or off, short slices, small
// budgets, other ways to steal and to wake, a global queue for all, stacks that learn nothing. Left alone are those
// without which something does not happen that a test may wait for: stealing, the monitor, bringing tasks together.
// What a test expects must hold with all of them.
//
// A test that is derived from processors_test runs once for each number of processors that it is instantiated with. A
// test that needs to know what is parked uses a hosted runtime: after settle() nothing can go on without the test.
#pragma once

#include <gtest/gtest.h>

#include <weft/runtime.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "api/runtime.h"
#include "base/fast_random.h"
#include "os/random.h"
#include "support/seed.h"

namespace weft::test {

/// Constants that a seed chooses: the default of each, or one that makes what is rare frequent.
inline scheduling_options scheduling_of(uint64_t seed) {
  base::fast_random random(seed);
  const auto one_of = [&random](auto... values) {
    const std::array all{values...};
    return all[random.below(static_cast<uint32_t>(all.size()))];
  };
  scheduling_options rules;
  rules.run_next = one_of(true, true, false);
  rules.run_next_in_a_row = one_of(61, 61, 7, 2, 1);
  rules.global_queue_interval = one_of(61, 61, 3, 1);
  rules.budget = one_of(128, 128, 16, 2, 1);
  rules.search_passes = one_of(4, 2, 1);
  rules.run_next_steal_delay = std::chrono::nanoseconds(one_of(3000, 3000, 0));
  rules.idle_spin = std::chrono::nanoseconds(one_of(20000, 20000, 0));
  rules.timer_slack = std::chrono::nanoseconds(one_of(1000000, 1000000, 0));
  rules.steal = one_of(steal_share::half, steal_share::half, steal_share::quarter, steal_share::one);
  rules.victims = one_of(victim_order::random, victim_order::random, victim_order::in_turn);
  rules.wakes = one_of(wake_policy::chain, wake_policy::chain, wake_policy::one, wake_policy::eager);
  rules.global_fifo = one_of(false, false, false, true);
  rules.io_interval = one_of(61, 61, 7, 1);
  rules.timers = one_of(timer_placement::per_processor, timer_placement::per_processor, timer_placement::global);
  rules.stack_hint = one_of(true, true, true, false);
  return rules;
}

/// The real world, but for the random numbers if the test has a seed.
inline os::seams seeded_seams() {
  os::seams seams = os::seams::real();
  // Never destroyed: a runtime whose handles outlive it is kept, and its seams with it.
  static auto& sources = *new std::deque<os::seeded_random>;
  if (const std::optional<uint64_t> seed = running_seed::get()) seams.random = &sources.emplace_back(*seed);
  return seams;
}

/// A runtime with these options; the test program ends if there is none.
inline std::unique_ptr<runtime> make_runtime(const options& opts) {
  absl::StatusOr<std::unique_ptr<runtime>> rt =
      runtime_access::create(opts, seeded_seams(), opts.processors == 0 ? detail::drive::host : detail::drive::threads);
  if (!rt.ok()) {
    ADD_FAILURE() << rt.status();
    std::abort();
  }
  return *std::move(rt);
}

/// A runtime with so many processors; 0 is one that the test drives with settle().
inline std::unique_ptr<runtime> make_runtime(int processors) {
  options opts;
  opts.processors = processors;
  if (const std::optional<uint64_t> seed = running_seed::get(); seed && processors != 0)
    opts.scheduling = scheduling_of(*seed);
  return make_runtime(opts);
}

/// Drives a hosted runtime until nothing in it is ready, and returns the number of resumptions.
inline std::size_t settle(runtime& rt) {
  std::size_t all = 0;
  while (const std::size_t some = rt.poll()) all += some;
  return all;
}

/// Waits until `condition()` holds. No limit of its own: a condition that never comes ends with the test's timeout.
template <class Condition>
void eventually(Condition condition) {
  while (!condition()) std::this_thread::yield();
}

/// How many live tasks are in this state ("chan receive", "sleep", ...; see task_info::state).
inline std::size_t tasks_in_state(const runtime& rt, std::string_view state) {
  const std::vector<task_info> tasks = rt.tasks();
  return static_cast<std::size_t>(
      std::count_if(tasks.begin(), tasks.end(), [&](const task_info& t) { return t.state == state; }));
}

/// Waits until no task lives. True, so that it can be expected.
inline bool all_tasks_end(const runtime& rt) {
  eventually([&] { return rt.tasks().empty(); });
  return true;
}

/// A test that runs with a given number of processors.
class processors_test : public ::testing::TestWithParam<int> {
 protected:
  /// Runs f(args...) as a task of the test's runtime and returns its result.
  template <class F, class... Args>
  auto run(F&& f, Args&&... args) {
    return rt_->run(std::forward<F>(f), std::forward<Args>(args)...);
  }

  runtime& rt() noexcept { return *rt_; }

  /// The sum of one counter over all processors.
  uint64_t total(base::counter detail::processor_counters::* counter) {
    uint64_t sum = 0;
    for (const auto& p : runtime_access::sched(*rt_).processors()) sum += (p->counters.*counter).value();
    return sum;
  }

 private:
  std::unique_ptr<runtime> rt_ = make_runtime(GetParam());
};

/// For INSTANTIATE_TEST_SUITE_P: 1 (nothing is parallel), 2 (everything may be stolen), 8 (more than the machine has).
inline auto some_processors() { return ::testing::Values(1, 2, 8); }
inline std::string processors_name(const ::testing::TestParamInfo<int>& info) {
  return std::to_string(info.param) + "Processors";
}

/// A type that counts its live instances, so that a test sees each destroyed exactly once. Movable only.
class counted {
 public:
  explicit counted(std::atomic<int>& live, int value = 0) noexcept : live_(&live), value_(value) { ++*live_; }
  counted(counted&& other) noexcept : live_(other.live_), value_(std::exchange(other.value_, -1)) { ++*live_; }
  counted& operator=(counted&& other) noexcept {
    value_ = std::exchange(other.value_, -1);
    return *this;
  }
  ~counted() { --*live_; }
  int value() const noexcept { return value_; }

 private:
  std::atomic<int>* live_;
  int value_;  // -1: moved from
};

}  // namespace weft::test
