// The choices among scheduling_options, each by what it changes for a task: counts, orders and places, never times.
//
// Where a single thread drives two processors (drive::test) nothing happens between two steps, so what one processor
// takes from the other can be counted. A slice of one dispatch makes each task a step of its own.
#include <weft/weft.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "api/runtime.h"
#include "os/random.h"
#include "sched/scheduler.h"
#include "support/fault_system.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

options with(int processors, scheduling_options rules = {}) {
  options opts;
  opts.processors = processors;
  opts.scheduling = rules;
  return opts;
}

scheduling_options one_dispatch_each() {
  scheduling_options rules;
  rules.run_next_in_a_row = rules.global_queue_interval = 1;
  return rules;
}

// A runtime whose processors go on only when the test says so.
class stepped {
 public:
  explicit stepped(int processors, scheduling_options rules) {
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    rt_ = *runtime_access::create(with(processors, rules), seams, detail::drive::test);
  }
  runtime& rt() noexcept { return *rt_; }
  test::manual_clock& clock() noexcept { return clock_; }
  detail::processor& at(uint32_t index) { return *runtime_access::sched(*rt_).processors()[index]; }
  std::size_t step(uint32_t index, std::size_t most = 1) { return runtime_access::sched(*rt_).drive_some(index, most); }
  /// Starts a task: the first on the first processor, the next one on the next.
  template <class... Args>
  void start(Args&&... args) {
    tasks_.push_back(rt_->spawn(std::forward<Args>(args)...));
  }
  std::size_t ready_on(uint32_t index) { return at(index).ring.size(); }

  /// Until nothing is ready on any processor.
  void settle() {
    for (bool ran = true; ran;) {
      ran = false;
      for (uint32_t i = 0; i < runtime_access::sched(*rt_).processors().size(); ++i) ran |= step(i, 1000) != 0;
    }
  }

 private:
  test::manual_clock clock_{1'000'000};
  std::unique_ptr<runtime> rt_;
  std::vector<join_handle<void>> tasks_;
};

task<> nothing() { co_return; }

// The last one is in the run-next slot, the others in the ring.
task<> start_many(int count) {
  for (int i = 0; i < count; ++i) go(nothing);
  co_return;
}

uint32_t taken_of_eight(steal_share share) {
  scheduling_options rules = one_dispatch_each();
  rules.steal = share;
  stepped s(2, rules);
  s.start(start_many, 9);
  s.step(0);
  EXPECT_EQ(s.ready_on(0), 8u);
  s.step(1);
  const auto taken = static_cast<uint32_t>(8 - s.ready_on(0));
  s.settle();
  return taken;
}

TEST(ChoicesTest, AThiefTakesTheShareOfARingThatItIsToldTo) {
  EXPECT_EQ(taken_of_eight(steal_share::half), 4u);
  EXPECT_EQ(taken_of_eight(steal_share::quarter), 2u);
  EXPECT_EQ(taken_of_eight(steal_share::one), 1u);
}

TEST(ChoicesTest, VictimsInTurnAreRobbedOneAfterTheOther) {
  scheduling_options rules = one_dispatch_each();
  rules.steal = steal_share::one;
  rules.victims = victim_order::in_turn;
  stepped s(3, rules);
  s.start(start_many, 9);  // goes to the first processor
  s.start(start_many, 9);
  s.step(0);
  s.step(1);
  std::vector<uint32_t> robbed;
  for (int i = 0; i < 6; ++i) {
    const std::size_t before = s.ready_on(0);
    s.step(2);
    robbed.push_back(s.ready_on(0) < before ? 0 : 1);
  }
  EXPECT_THAT(robbed, ElementsAre(1, 0, 1, 0, 1, 0));
  s.settle();
}

TEST(ChoicesTest, VictimsAtRandomAreNotAlwaysTheSame) {
  scheduling_options rules = one_dispatch_each();
  rules.steal = steal_share::one;
  stepped s(3, rules);
  s.start(start_many, 101);
  s.start(start_many, 101);
  s.step(0);
  s.step(1);
  for (int i = 0; i < 100; ++i) s.step(2);
  EXPECT_LT(s.ready_on(0), 100u);
  EXPECT_LT(s.ready_on(1), 100u);
  s.settle();
}

TEST(ChoicesTest, WithoutStealingAProcessorKeepsItsTasks) {
  scheduling_options rules = one_dispatch_each();
  rules.stealing = false;
  stepped s(2, rules);
  s.start(start_many, 9);
  s.step(0);
  EXPECT_EQ(s.step(1, 100), 0u);
  EXPECT_EQ(s.ready_on(0), 8u);
  EXPECT_EQ(s.step(0, 100), 9u);
}

task<> wait_for(channel<int> release) { static_cast<void>(co_await release.receive()); }

task<> fork_two(channel<int> release, bool& joined) {
  co_await join(wait_for(release), wait_for(release));
  joined = true;
}

TEST(ChoicesTest, WithoutStealingForksStayWithTheirProcessor) {
  scheduling_options rules = one_dispatch_each();
  rules.stealing = false;
  stepped s(2, rules);
  channel<int> release(0);
  bool joined = false;
  s.start(fork_two, release, std::ref(joined));
  s.step(0);  // the first one waits; what is left of the parent is offered
  EXPECT_EQ(s.step(1, 100), 0u);
  s.step(0, 100);
  release.close();
  s.settle();
  EXPECT_TRUE(joined);
}

task<int> count_leaves(int depth) {
  if (depth == 0) co_return 1;
  auto [left, right] = co_await join(count_leaves(depth - 1), count_leaves(depth - 1));
  co_return left + right;
}

task<int> pass_on(channel<int> in, channel<int> out, int times) {
  int seen = 0;
  for (int i = 0; i < times; ++i) {
    const std::optional<int> v = co_await in.receive();
    seen += v.value_or(0);
    const bool sent = co_await out.send(1);
    if (!sent) break;
    if (i % 64 == 0) static_cast<void>(co_await sleep_for(1us));
  }
  co_return seen;
}

TEST(ChoicesTest, AllWorkIsDoneWithEveryChoice) {
  std::vector<std::pair<const char*, scheduling_options>> all;
  const auto add = [&all](const char* name, auto change) {
    scheduling_options rules;
    change(rules);
    all.emplace_back(name, rules);
  };
  add("steal one", [](auto& r) { r.steal = steal_share::one; });
  add("steal a quarter", [](auto& r) { r.steal = steal_share::quarter; });
  add("victims in turn", [](auto& r) { r.victims = victim_order::in_turn; });
  add("wake one", [](auto& r) { r.wakes = wake_policy::one; });
  add("wake eagerly", [](auto& r) { r.wakes = wake_policy::eager; });
  add("eagerly without run-next", [](auto& r) {
    r.wakes = wake_policy::eager;
    r.run_next = false;
  });
  add("no stealing", [](auto& r) { r.stealing = false; });
  add("global queue alone", [](auto& r) { r.global_fifo = true; });
  add("global queue alone, no stealing", [](auto& r) {
    r.global_fifo = true;
    r.stealing = false;
  });
  add("global queue alone, wake one", [](auto& r) {
    r.global_fifo = true;
    r.wakes = wake_policy::one;
  });
  add("I/O each time", [](auto& r) { r.io_interval = 1; });
  add("pinned", [](auto& r) { r.pin_workers = true; });
  add("one queue of timers", [](auto& r) { r.timers = timer_placement::global; });
  add("no hint", [](auto& r) { r.stack_hint = false; });
  add("no monitor", [](auto& r) { r.monitor = false; });
  for (const auto& [name, rules] : all) {
    for (const int processors : {1, 2, 4}) {
      SCOPED_TRACE(testing::Message() << name << ", " << processors << " processors");
      const std::unique_ptr<runtime> rt = test::make_runtime(with(processors, rules));
      std::vector<join_handle<int>> pairs;
      for (int i = 0; i < 4; ++i) {
        const channel<int> there(0), back(1);
        ASSERT_TRUE(back.try_send(1));
        pairs.push_back(rt->spawn(pass_on, there, back, 300));
        pairs.push_back(rt->spawn(pass_on, back, there, 300));
      }
      EXPECT_EQ(rt->run(count_leaves, 10), 1024);
      for (join_handle<int>& p : pairs) EXPECT_EQ(p.get(), 300);
    }
  }
}

task<> note(std::vector<int>& order, int number) {
  order.push_back(number);
  co_return;
}

task<> note_three(std::vector<int>& order) {
  for (int i = 1; i <= 3; ++i) go(note, std::ref(order), i);
  co_await yield();
  order.push_back(0);
}

std::vector<int> order_with(scheduling_options rules) {
  const std::unique_ptr<runtime> rt = test::make_runtime(with(0, rules));
  std::vector<int> order;
  const join_handle<void> all = rt->spawn(note_three, std::ref(order));
  test::settle(*rt);
  return order;
}

TEST(ChoicesTest, TheGlobalQueueAloneIsFirstInFirstOut) {
  scheduling_options rules;
  EXPECT_THAT(order_with(rules), ElementsAre(1, 2, 3, 0)) << "a yield puts run-next behind the ring";
  rules.global_fifo = true;
  EXPECT_THAT(order_with(rules), ElementsAre(1, 2, 3, 0));
}

task<> note_two_and_wait(std::vector<int>& order, channel<int> never) {
  for (int i = 1; i <= 3; ++i) go(note, std::ref(order), i);
  static_cast<void>(co_await never.receive());
}

TEST(ChoicesTest, TheGlobalQueueAloneKnowsNoRunNext) {
  for (const bool global : {false, true}) {
    scheduling_options rules;
    rules.global_fifo = global;
    const std::unique_ptr<runtime> rt = test::make_runtime(with(0, rules));
    std::vector<int> order;
    const channel<int> never(0);
    const join_handle<void> all = rt->spawn(note_two_and_wait, std::ref(order), never);
    test::settle(*rt);
    if (global)
      EXPECT_THAT(order, ElementsAre(1, 2, 3));
    else
      EXPECT_THAT(order, ElementsAre(3, 1, 2));
    never.close();
    test::settle(*rt);
  }
}

TEST(ChoicesTest, OfTheGlobalQueueAProcessorTakesOneAtATimeWhereThereIsNoRing) {
  scheduling_options rules;
  rules.global_fifo = true;
  stepped s(2, rules);
  s.start(start_many, 9);
  s.step(0);
  EXPECT_EQ(runtime_access::sched(s.rt()).global().size(), 9u);
  EXPECT_EQ(s.step(1), 1u);
  EXPECT_EQ(runtime_access::sched(s.rt()).global().size(), 8u);
  EXPECT_EQ(s.ready_on(0) + s.ready_on(1), 0u);
  s.settle();
}

// The one who has fired both timers computes, and the other's task lies before nobody in particular.
TEST(ChoicesTest, OfTwoTasksThatBecomeReadyTogetherTheGlobalQueueKeepsNone) {
  scheduling_options rules;
  rules.global_fifo = true;
  rules.timers = timer_placement::global;
  const std::unique_ptr<runtime> rt = test::make_runtime(with(2, rules));
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> ran = false;
    const auto due = std::chrono::steady_clock::now() + 2ms;
    const auto computes = [](std::atomic<bool>& r, std::chrono::steady_clock::time_point when) -> task<bool> {
      static_cast<void>(co_await sleep_until(when));
      const auto deadline = when + 10s;
      while (!r && std::chrono::steady_clock::now() < deadline) {
      }
      co_return r;
    };
    const auto runs = [](std::atomic<bool>& r, std::chrono::steady_clock::time_point when) -> task<> {
      static_cast<void>(co_await sleep_until(when));
      r = true;
    };
    join_handle<bool> first = rt->spawn(computes, std::ref(ran), due);
    join_handle<void> second = rt->spawn(runs, std::ref(ran), due + 1us);
    ASSERT_TRUE(first.get()) << "round " << round;
    second.get();
  }
}

// --- turns -----------------------------------------------------------------------------------------------------------

task<> answer_for_ever(channel<int> in, channel<int> out) {
  for (;;) {
    const std::optional<int> v = co_await in.receive();
    if (!v) co_return;
    const bool sent = co_await out.send(0);
    if (!sent) co_return;
  }
}

task<> ask_for_ever(channel<int> in, channel<int> out) {
  const bool sent = co_await out.send(0);
  if (sent) co_await answer_for_ever(in, out);
}

task<> note_dispatches(detail::processor& p, uint64_t& at) {
  at = p.counters.dispatches.value();
  co_return;
}

// A task in the ring behind a pair that stays in run-next.
TEST(ChoicesTest, RunNextGoesBehindTheRingAfterAsManyDispatchesAsItIsTold) {
  for (const int in_a_row : {1, 7, 61, 500}) {
    scheduling_options rules;
    rules.run_next_in_a_row = in_a_row;
    rules.budget = 1'000'000;  // a task whose budget is spent goes behind the ring, too
    stepped s(1, rules);
    const channel<int> a(0), b(0);
    s.start(ask_for_ever, a, b);
    s.start(answer_for_ever, b, a);
    s.step(0, 2000);
    uint64_t ran_at = 0;
    const uint64_t before = s.at(0).counters.dispatches.value();
    s.start(note_dispatches, std::ref(s.at(0)), std::ref(ran_at));  // mail: into the ring at the slice's end
    s.step(0, 3000);
    ASSERT_GT(before, 1000u) << "the pair runs";
    const uint64_t waited = ran_at - before;
    const auto longest = static_cast<uint64_t>(in_a_row + rules.global_queue_interval);
    EXPECT_LE(waited, 2 * longest + 2) << in_a_row;
    // The others' intervals do not shorten it. It may have begun before the task came.
    if (in_a_row > 61) {
      EXPECT_GT(waited, 61u);
    }
    a.close();
    b.close();
    s.settle();
  }
}

// Counts the looks, and the dispatches between them.
class looked_at final : public detail::poller {
 public:
  struct log {
    uint64_t looks = 0;
    uint64_t last = 0;
    uint64_t longest = 0;
    uint64_t shortest = UINT64_MAX;
  };
  looked_at(detail::processor& p, log& out) noexcept : p_(p), out_(out) {
    // relaxed: nobody else knows of it yet.
    under_way_.store(1, std::memory_order_relaxed);
  }
  detail::strand* poll(bool, uint32_t& count) noexcept override {
    count = 0;
    const uint64_t now = p_.counters.dispatches.value();
    if (out_.looks++ != 0) {
      out_.longest = std::max(out_.longest, now - out_.last);
      out_.shortest = std::min(out_.shortest, now - out_.last);
    }
    out_.last = now;
    return nullptr;
  }
  detail::strand* relieve(uint32_t& count) noexcept override {
    count = 0;
    return nullptr;
  }
  void sleep(int64_t) noexcept override {}
  void wake() noexcept override {}
  void close() noexcept override {}
  const char* description() const noexcept override { return "counts looks"; }

 private:
  detail::processor& p_;
  log& out_;
};

task<> yield_until(const bool& stop) {
  while (!stop) co_await yield();
}

TEST(ChoicesTest, IoIsLookedAtAfterAsManyDispatchesAsItIsTold) {
  for (const int interval : {1, 10, 61, 300}) {
    scheduling_options rules;
    rules.io_interval = interval;
    stepped s(1, rules);
    bool stop = false;
    s.start(yield_until, std::cref(stop));
    s.start(yield_until, std::cref(stop));
    s.step(0, 1000);
    looked_at::log log;
    s.at(0).io = new looked_at(s.at(0), log);  // the processor's from here on
    s.step(0, 6000);
    const auto wanted = static_cast<uint64_t>(interval);
    EXPECT_GE(log.looks, 6000 / wanted - 1) << interval;
    EXPECT_LE(log.longest, wanted) << interval;
    EXPECT_GE(log.shortest + 2 + wanted / 61, wanted) << "a slice counts its end, too";
    stop = true;
    s.settle();
  }
}

// --- wakes -----------------------------------------------------------------------------------------------------------

#if WEFT_METRICS

// Three workers, of which two sleep, and no monitor: who is woken now is woken by tasks.
struct woken {
  uint64_t by_the_first = 0;   // the worker whose task readies two others
  uint64_t by_the_second = 0;  // the one that takes the first of them
};

task<> hold(std::atomic<uint32_t>& runs_on, const std::atomic<bool>& release) {
  runs_on = detail::this_context.proc->index;
  while (!release) std::this_thread::yield();
  co_return;
}

// Whether its worker, which is on the list of the idle, has looked around for the last time before it sleeps: its idle
// time grows with the clock.
bool sleeps(detail::scheduler& sched, const detail::processor& p) {
  const auto before = p.idle.read(*sched.seams().time);
  eventually([&] { return sched.now_ns() > before.now_ns; });
  const auto after = p.idle.read(*sched.seams().time);
  return after.idle_ns - before.idle_ns == after.now_ns - before.now_ns;
}

bool all_others_sleep(detail::scheduler& sched, const detail::processor& here) {
  if (sched.idle_workers() != 2 || sched.searching_workers() != 0) return false;
  for (const auto& p : sched.processors())
    if (p.get() != &here && !sleeps(sched, *p)) return false;
  return sched.idle_workers() == 2;
}

task<> ready_others(detail::scheduler& sched, const std::atomic<bool>& begin, int others, woken& out) {
  detail::processor& here = *detail::this_context.proc;
  eventually([&] { return begin && all_others_sleep(sched, here); });
  constexpr uint32_t nowhere = 99;
  std::atomic<uint32_t> first_runs_on{nowhere}, second_runs_on{nowhere};
  std::atomic<bool> release{false};
  const uint64_t before = here.counters.wakes.value();
  join_handle<void> first = spawn(hold, std::ref(first_runs_on), std::cref(release));
  if (others == 2) {
    std::array<uint64_t, 3> counts{};
    for (std::size_t i = 0; i < 3; ++i) counts[i] = sched.processors()[i]->counters.wakes.value();
    join_handle<void> second = spawn(hold, std::ref(second_runs_on), std::cref(release));
    eventually([&] { return first_runs_on != nowhere; });
    const std::size_t thief = first_runs_on;
    out.by_the_second = sched.processors()[thief]->counters.wakes.value() - counts[thief];
    out.by_the_first = here.counters.wakes.value() - before;
    release = true;
    co_await first;
    co_await second;
  } else {
    out.by_the_first = here.counters.wakes.value() - before;
    release = true;
    co_await first;
  }
}

woken wakes_with(wake_policy policy, int others) {
  scheduling_options rules;
  rules.wakes = policy;
  rules.monitor = false;
  const std::unique_ptr<runtime> rt = test::make_runtime(with(3, rules));
  woken out;
  std::atomic<bool> begin{false};
  auto all = rt->spawn(ready_others, std::ref(runtime_access::sched(*rt)), std::cref(begin), others, std::ref(out));
  begin = true;  // this thread wakes nobody any more
  all.get();
  return out;
}

TEST(ChoicesTest, ATaskInAnEmptyRunNextSlotWakesAWorkerOnlyIfWakesAreEager) {
  EXPECT_EQ(wakes_with(wake_policy::chain, 1).by_the_first, 0u);
  EXPECT_EQ(wakes_with(wake_policy::one, 1).by_the_first, 0u);
  EXPECT_EQ(wakes_with(wake_policy::eager, 1).by_the_first, 1u);
}

TEST(ChoicesTest, AWorkerThatFoundWorkWakesTheNextOnlyInAChain) {
  EXPECT_EQ(wakes_with(wake_policy::chain, 2).by_the_second, 1u);
  EXPECT_EQ(wakes_with(wake_policy::one, 2).by_the_second, 0u);
  EXPECT_EQ(wakes_with(wake_policy::one, 2).by_the_first, 1u);
}

#endif

// --- timers, threads, memory -----------------------------------------------------------------------------------------

task<> sleep_once(int& awake) {
  const bool slept = co_await sleep_for(1ms);
  if (slept) ++awake;
}

TEST(ChoicesTest, OneQueueOfTimersIsEverybodysAndTheirOwnAreEmpty) {
  for (const auto placement : {timer_placement::per_processor, timer_placement::global}) {
    scheduling_options rules;
    rules.timers = placement;
    rules.stealing = false;
    stepped s(2, rules);
    int awake = 0;
    s.start(nothing);                      // goes to the first processor
    s.start(sleep_once, std::ref(awake));  // goes to the second
    s.settle();
    const bool first_has_it = s.at(0).next_timer_ns != INT64_MAX;
    const bool second_has_it = s.at(1).next_timer_ns != INT64_MAX;
    EXPECT_EQ(first_has_it, placement == timer_placement::global);
    EXPECT_EQ(second_has_it, placement == timer_placement::per_processor);
    s.clock().advance(1'000'000);
    EXPECT_EQ(s.step(1, 10), 1u) << "the processor that set it fires it, wherever it is";
    EXPECT_EQ(awake, 1);
  }
}

int cpus_of_this_thread() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  EXPECT_EQ(::sched_getaffinity(0, sizeof cpus, &cpus), 0);
  return CPU_COUNT(&cpus);
}

task<std::pair<int, int>> cpus_here_and_of_the_blocking_pool() {
  const int here = cpus_of_this_thread();
  const int there = co_await blocking([] { return cpus_of_this_thread(); });
  co_return std::pair(here, there);
}

TEST(ChoicesTest, APinnedWorkerHasOneCpuAndTheBlockingPoolHasAll) {
  const int all = cpus_of_this_thread();
  scheduling_options rules;
  const std::unique_ptr<runtime> loose = test::make_runtime(with(2, rules));
  EXPECT_EQ(loose->run(cpus_here_and_of_the_blocking_pool), std::pair(all, all));
  rules.pin_workers = true;
  const std::unique_ptr<runtime> pinned = test::make_runtime(with(2, rules));
  const auto [here, there] = pinned->run(cpus_here_and_of_the_blocking_pool);
  EXPECT_EQ(here, 1);
  EXPECT_EQ(there, all);
  EXPECT_EQ(cpus_of_this_thread(), all) << "the host's threads are left alone";
}

TEST(ChoicesTest, AWorkerThatCannotBePinnedIsAnErrorAndNoThreadIsLeft) {
  for (const int64_t nth : {1, 2}) {
    test::fault_system sys;
    sys.fail_nth(test::call::pin_thread, nth);
    os::seams seams = os::seams::real();
    seams.sys = &sys;
    scheduling_options rules;
    rules.pin_workers = true;
    const auto rt = runtime_access::create(with(2, rules), seams, detail::drive::threads);
    ASSERT_FALSE(rt.ok());
    EXPECT_EQ(rt.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(rt.status().message()), HasSubstr("weft: cannot pin worker thread " + std::to_string(nth)));
    EXPECT_EQ(sys.mapped_bytes(), 0);
  }
}

// Its frame is larger than what the first block of an unknown kind of task has room for. One of a kind of its own for
// each instance, so that they do not learn from each other.
template <int Instance>
task<std::array<int, Instance>> wide() {
  std::array<char, 400> local{};
  asm volatile("" : : "r"(&local) : "memory");
  co_await yield();
  asm volatile("" : : "r"(&local) : "memory");
  co_return std::array<int, Instance>{};
}

template <int Instance>
task<> start_hundred() {
  for (int i = 0; i < 100; ++i) static_cast<void>(co_await spawn(wide<Instance>));
}

template <int Instance>
uint64_t growths_of_hundred(bool hint) {
  scheduling_options rules;
  rules.stack_hint = hint;
  const std::unique_ptr<runtime> rt = test::make_runtime(with(0, rules));
  const join_handle<void> all = rt->spawn(start_hundred<Instance>);
  test::settle(*rt);
  const detail::processor_counters& counters = runtime_access::sched(*rt).processors()[0]->counters;
  return counters.stack_growths.value() + counters.hot_splits.value();
}

TEST(ChoicesTest, StacksStartAsLargeAsEarlierOnesGrewUnlessTheHintIsOff) {
  if (!WEFT_METRICS) GTEST_SKIP() << "growths are not counted";
  EXPECT_LT(growths_of_hundred<1>(true), 20u);
  EXPECT_GE(growths_of_hundred<2>(false), 100u);
  EXPECT_GE(growths_of_hundred<1>(false), 100u) << "what another runtime has learnt is not used either";
}

// Needs more than its first block, and gives the segment back to the processor before it ends.
template <int Instance>
task<std::array<int, Instance>> descend(int calls) {
  if (calls > 0) co_return co_await descend<Instance>(calls - 1);
  co_return std::array<int, Instance>{};
}

task<> start_hundred_with_a_spare() {
  static_cast<void>(co_await spawn(descend<3>, 4));
  for (int i = 0; i < 100; ++i) static_cast<void>(co_await spawn(descend<4>, 4));
}

TEST(ChoicesTest, WhatTheSpareSegmentServedTeachesTheHintAsWell) {
  if (!WEFT_METRICS) GTEST_SKIP() << "growths are not counted";
  const std::unique_ptr<runtime> rt = test::make_runtime(with(0, {}));
  const join_handle<void> all = rt->spawn(start_hundred_with_a_spare);
  test::settle(*rt);
  const detail::processor_counters& counters = runtime_access::sched(*rt).processors()[0]->counters;
  EXPECT_GE(counters.hot_splits.value(), 1u) << "no spare served, so nothing was shown";
  EXPECT_LT(counters.stack_growths.value() + counters.hot_splits.value(), 20u);
}

// The first of many timers that are due at once computes until all the others have run.
TEST(ChoicesTest, DueTimersInAGlobalQueueRunWhileOneOfThemComputes) {
  scheduling_options rules;
  rules.global_fifo = true;
  const std::unique_ptr<runtime> rt = test::make_runtime(with(2, rules));
  constexpr int count = 20;
  std::atomic<int> begun = 0;
  const auto sleeper = [](std::atomic<int>& n) -> task<bool> {
    (void)co_await sleep_for(10ms);
    if (n.fetch_add(1) != 0) co_return true;
    test::eventually([&] { return n == count; });
    co_return n == count;
  };
  std::vector<join_handle<bool>> handles;
  for (int i = 0; i < count; ++i) handles.push_back(rt->spawn(sleeper, std::ref(begun)));
  for (join_handle<bool>& h : handles) EXPECT_TRUE(h.get());
}

TEST(ChoicesTest, WithoutTheMonitorThereAreTheWorkersThreadsAlone) {
  for (const bool monitor : {false, true}) {
    scheduling_options rules;
    rules.monitor = monitor;
    const std::unique_ptr<runtime> rt = test::make_runtime(with(2, rules));
    EXPECT_EQ(runtime_access::sched(*rt).thread_count(), monitor ? 3u : 2u);
  }
}

// --- pools -----------------------------------------------------------------------------------------------------------

task<> get_and_give_back(pool<int>& objects, buffer_pool& buffers, int times) {
  for (int i = 0; i < times; ++i) {
    const pooled<int> one = objects.get(), other = objects.get();
    const pooled_buffer bytes = buffers.get(1000);
  }
  co_return;
}

TEST(ChoicesTest, WithoutPoolsEachGetMakesAnObjectAndEachGiveBackDestroysOne) {
  int made = 0, dropped = 0;
  pool_options<int> told;
  told.on_drop = [&dropped](int&) { ++dropped; };
  pool<int> objects([&made] { return ++made; }, told);
  buffer_pool buffers;
  options opts = with(1);
  opts.pools = false;
  {
    const std::unique_ptr<runtime> rt = test::make_runtime(opts);
    rt->run(get_and_give_back, std::ref(objects), std::ref(buffers), 100);
  }
  EXPECT_EQ(made, 200);
  EXPECT_EQ(dropped, 200);
  const pool_stats all = objects.stats();
  EXPECT_EQ(all.misses, 200u);
  EXPECT_EQ(all.puts, 200u);
  EXPECT_EQ(all.drops, 200u);
  EXPECT_EQ(all.held_objects, 0u);
  EXPECT_EQ(buffers.stats().misses, 100u);
  EXPECT_EQ(buffers.stats().held_objects, 0u);
  // The same pools keep what others give back.
  opts.pools = true;
  const std::unique_ptr<runtime> rt = test::make_runtime(opts);
  rt->run(get_and_give_back, std::ref(objects), std::ref(buffers), 100);
  EXPECT_EQ(made, 202);
  EXPECT_EQ(buffers.stats().misses, 101u);
}

}  // namespace
}  // namespace weft
