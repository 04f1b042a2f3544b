// Workloads: timers, and how long it takes until who was woken runs.
//
//   timer-churn    timers that are armed and disarmed, and never fire
//   sleepers       many tasks that sleep: how late they wake
//   wake-latency   from sending a value to the first instruction of the task that waited for it
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "workload.h"

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using weft_lab::check;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::warm_up_and_measure;

int64_t now_ns() {
  return std::chrono::duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// timer-churn ---------------------------------------------------------------------------------------------------------

using items = weft::channel<uint64_t>;

weft::task<> answer(items in, items out) {
  for (;;) {
    const std::optional<uint64_t> value = co_await in.receive();
    if (!value) break;
    const bool sent = co_await out.send(*value + 1);
    check(sent, "a send was refused");
  }
}

// Nothing here takes so long.
nanoseconds an_hour(std::size_t) { return 1h; }

// Asks `count` times and waits for each answer beside timers. The answer comes after the select has parked: there is
// room for the question, so the asker goes on to its select before the answerer runs.
template <std::size_t... Timer>
weft::task<uint64_t> ask_beside(uint64_t count, std::index_sequence<Timer...>) {
  const items there(1);
  const items back(1);
  auto answering = weft::spawn(answer, there, back);
  uint64_t value = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await there.send(value);
    check(sent, "a send was refused");
    auto r = co_await weft::select(back.receive(), weft::sleep_for(an_hour(Timer))...);
    check(static_cast<bool>(r), "asked to stop");
    check(r.index() == 0, "a timer of an hour has fired");
    value = r.template get<0>().value_or(0);
  }
  there.close();
  co_await answering;
  co_return value;
}

template <std::size_t Timers>
weft::task<uint64_t> ask(uint64_t count) {
  co_return co_await ask_beside(count, std::make_index_sequence<Timers>());
}

using asker = weft::task<uint64_t> (*)(uint64_t count);
constexpr std::array<asker, 9> askers{ask<0>, ask<1>, ask<2>, ask<3>, ask<4>, ask<5>, ask<6>, ask<7>, ask<8>};

weft::task<uint64_t> ask_in_pairs(asker one, uint64_t pairs, uint64_t each) {
  std::vector<weft::join_handle<uint64_t>> handles;
  for (uint64_t i = 0; i < pairs; ++i) handles.push_back(weft::spawn(one, each));
  uint64_t answers = 0;
  for (auto& handle : handles) answers += co_await handle;
  co_return answers;
}

constexpr std::array timer_churn_parameters{
    parameter{"count", 1, 1'000'000'000, 1'000'000, "answers waited for, by all pairs together"},
    parameter{"pairs", 1, 1'000'000, 1, "of tasks that ask and answer"},
    parameter{"timers", 0, static_cast<int64_t>(askers.size()) - 1, 1, "of an hour, armed beside each answer"},
};

outcome run_timer_churn(context& c) {
  const auto pairs = static_cast<uint64_t>(c["pairs"]);
  const uint64_t each = static_cast<uint64_t>(c["count"]) / pairs + 1;
  const asker one = askers[static_cast<std::size_t>(c["timers"])];
  outcome out = warm_up_and_measure(
      c, each, [&](uint64_t n) { return c.rt().run(ask_in_pairs, one, pairs, n); },
      [&](uint64_t n) { return pairs * n; }, "wrong number of answers");
  out.operations = pairs * each;
  return out;
}

// sleepers ------------------------------------------------------------------------------------------------------------

struct sleeping {
  int64_t tasks;
  int64_t each;  // sleeps of a task
  int64_t shortest_ns;
  int64_t longest_ns;
  uint64_t seed;
  std::vector<int64_t> late_ns;
  weft::wait_group open{};

  // Spread evenly, by a hash of the sleep's number.
  int64_t length_ns(int64_t number) const {
    const uint64_t hash = ((static_cast<uint64_t>(number) + seed) * 2'654'435'761u) & 0xffff'ffffu;
    return shortest_ns + static_cast<int64_t>(hash * static_cast<uint64_t>(longest_ns - shortest_ns) >> 32);
  }
};

weft::task<> sleep_again_and_again(sleeping* s, int64_t task) {
  for (int64_t i = task * s->each; i < (task + 1) * s->each; ++i) {
    const int64_t length_ns = s->length_ns(i);
    const int64_t began_ns = now_ns();
    const bool slept = co_await weft::sleep_for(nanoseconds(length_ns));
    check(slept, "asked to stop");
    s->late_ns[static_cast<std::size_t>(i)] = now_ns() - began_ns - length_ns;
  }
  s->open.done();
}

weft::task<bool> sleep_all(sleeping* s) {
  for (int64_t i = 0; i < s->tasks; ++i) weft::go(sleep_again_and_again, s, i);
  co_return co_await s->open.wait();
}

constexpr std::array sleepers_parameters{
    parameter{"tasks", 1, 10'000'000, 10'000, "that sleep"},
    parameter{"count", 1, 1'000'000, 3, "sleeps of each"},
    parameter{"shortest-us", 0, 1'000'000'000, 20'000, "sleep, in us"},
    parameter{"longest-us", 0, 1'000'000'000, 40'000, "sleep, in us; lengths between the two are spread evenly"},
};

outcome run_sleepers(context& c) {
  sleeping s{.tasks = c["tasks"],
             .each = c["count"],
             .shortest_ns = c["shortest-us"] * 1000,
             .longest_ns = c["longest-us"] * 1000,
             .seed = c.seed(),
             .late_ns = {}};
  check(s.shortest_ns <= s.longest_ns, "--shortest-us is above --longest-us");
  // Nobody has slept as long as that.
  constexpr int64_t never = -1'000'000'000'000;
  s.late_ns.assign(static_cast<std::size_t>(s.tasks * s.each), never);
  s.open.add(s.tasks);
  bool all = false;
  c.timed([&] { all = c.rt().run(sleep_all, &s); });
  check(all, "asked to stop");
  outcome out;
  out.operations = s.late_ns.size();
  for (const int64_t late : s.late_ns) {
    check(late >= 0, "a task woke before its time, or never");
    out.latencies_ns.push_back(static_cast<uint64_t>(late));
  }
  return out;
}

// wake-latency --------------------------------------------------------------------------------------------------------

struct waking {
  int64_t count;
  nanoseconds rest;
  bool hog;
  weft::channel<int64_t> calls{0};  // each value is when it was sent
  weft::channel<int64_t> back{1};
  std::atomic<int64_t> ran{0};
  std::vector<uint64_t> latencies_ns{};  // the woken task's

  waking(int64_t n, nanoseconds r, bool h) : count(n), rest(r), hog(h) {
    latencies_ns.reserve(static_cast<std::size_t>(n));
  }
};

weft::task<> be_woken(waking* w) {
  for (;;) {
    const std::optional<int64_t> sent_ns = co_await w->calls.receive();
    if (!sent_ns) break;
    w->latencies_ns.push_back(static_cast<uint64_t>(now_ns() - *sent_ns));
    // relaxed: a count; what was pushed is handed over by the join.
    w->ran.fetch_add(1, std::memory_order_relaxed);
    const bool sent = co_await w->back.send(*sent_ns);
    check(sent, "a send was refused");
  }
}

// How long a hog computes at most before it parks.
constexpr int64_t patience_ns = 1'000'000;

weft::task<> wake(waking* w) {
  auto woken = weft::spawn(be_woken, w);
  for (int64_t i = 1; i <= w->count; ++i) {
    if (w->rest > 0ns) {
      const bool slept = co_await weft::sleep_for(w->rest);
      check(slept, "asked to stop");
    }
    const int64_t sent_ns = now_ns();
    const bool sent = co_await w->calls.send(sent_ns);
    check(sent, "a send was refused");
    // relaxed: a count.
    while (w->hog && w->ran.load(std::memory_order_relaxed) < i && now_ns() - sent_ns < patience_ns) continue;
    const std::optional<int64_t> back = co_await w->back.receive();
    check(back == sent_ns, "another answer than to this call");
  }
  w->calls.close();
  co_await woken;
}

void wake_from_outside(weft::runtime& rt, waking& w) {
  auto woken = rt.spawn(be_woken, &w);
  for (int64_t i = 0; i < w.count; ++i) {
    if (w.rest > 0ns) std::this_thread::sleep_for(w.rest);
    const int64_t sent_ns = now_ns();
    check(w.calls.blocking_send(sent_ns), "a send was refused");
    check(w.back.blocking_receive() == sent_ns, "another answer than to this call");
  }
  w.calls.close();
  woken.get();
}

constexpr std::array wake_latency_parameters{
    parameter{"count", 1, 100'000'000, 3'000, "wake-ups"},
    parameter{"rest-us", 0, 1'000'000'000, 50, "sleep before each, in us: beyond --idle-spin all workers sleep, too"},
    parameter{"hog", 0, 1, 0, "on: the waker computes on until the woken one runs, up to 1 ms, and then waits"},
    parameter{"outside", 0, 1, 0, "on: a plain thread wakes, not a task; --hog does not matter then"},
};

outcome run_wake_latency(context& c) {
  const auto measure = [&c](waking& w) {
    if (c["outside"] != 0)
      wake_from_outside(c.rt(), w);
    else
      c.rt().run(wake, &w);
  };
  const nanoseconds rest(c["rest-us"] * 1000);
  const bool hog = c["hog"] != 0;
  waking few(c["count"] / 10 + 1, rest, hog);
  measure(few);
  waking all(c["count"], rest, hog);
  c.timed([&] { measure(all); });
  check(all.latencies_ns.size() == static_cast<std::size_t>(all.count), "wrong number of wake-ups");
  outcome out;
  out.operations = all.latencies_ns.size();
  out.latencies_ns = std::move(all.latencies_ns);
  return out;
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 3> workloads{{
    {.name = "timer-churn",
     .summary = "a task waits for answers beside timers that never fire",
     .shows = "what arming and disarming a timer costs: --timers=0 against 1 and 8",
     .unit = "answer",
     .parameters = timer_churn_parameters,
     .run = run_timer_churn},
    {.name = "sleepers",
     .summary = "many tasks sleep; a latency is how late one wakes",
     .shows = "timer-slack: lateness against the CPU time and the context switches of waking for each timer",
     .unit = "sleep",
     .parameters = sleepers_parameters,
     .run = run_sleepers,
     .judged = weft_lab::judged_by::p99},
    {.name = "wake-latency",
     .summary = "one task wakes another; a latency is from the call to the woken one's first instruction",
     .shows = "with --outside=on idle-spin: whether a worker is awake; with --hog=on run-next-steal-delay",
     .unit = "wake-up",
     .parameters = wake_latency_parameters,
     .run = run_wake_latency,
     .judged = weft_lab::judged_by::p50},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::time_workloads() { return workloads; }
