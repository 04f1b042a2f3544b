// Workloads: tasks that arrive whether or not the earlier ones have ended (an open loop), and work for a while.
//
//   mixed    arrivals at random, at a rate; most are short, some are long
//   replay   the arrivals of a trace
//
// A latency is from the moment at which the task was to arrive until its end, so a runtime that falls behind cannot
// hide it by starting tasks late. To work is to compute until so much time has passed by the clock.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "trace.h"
#include "workload.h"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::nanoseconds;
using weft_lab::arrival;
using weft_lab::check;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::trace;

// What one task did.
struct served {
  int64_t began_ns = 0;  // since the start
  int64_t ended_ns = 0;
};

struct site {
  clock_type::time_point start;
  const trace& arrivals;
  std::vector<served> done;
  weft::wait_group open;

  int64_t now_ns() const { return std::chrono::duration_cast<nanoseconds>(clock_type::now() - start).count(); }
};

void touch(std::size_t bytes) {
  constexpr std::size_t page = 4096;
  const auto memory = std::make_unique<std::byte[]>(bytes);
  for (std::size_t at = 0; at < bytes; at += page) std::memset(&memory[at], 1, 1);
}

weft::task<> serve(site* s, std::size_t i) {
  const arrival& a = s->arrivals.arrivals[i];
  const int64_t began = s->now_ns();
  if (a.bytes > 0) touch(static_cast<std::size_t>(a.bytes));
  while (s->now_ns() - began < a.work_ns) continue;
  s->done[i] = {began, s->now_ns()};
  s->open.done();
  co_return;
}

// Starts each task when it arrives; when several are due, all of them.
weft::task<bool> arrive_inside(site* s) {
  const std::vector<arrival>& list = s->arrivals.arrivals;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].at_ns > s->now_ns()) {
      const bool slept = co_await weft::sleep_until(s->start + nanoseconds(list[i].at_ns));
      check(slept, "asked to stop");
    }
    weft::go(serve, s, i);
  }
  co_return co_await s->open.wait();
}

weft::task<bool> wait_for_all(site* s) { co_return co_await s->open.wait(); }

bool arrive_outside(weft::runtime& rt, site& s) {
  const std::vector<arrival>& list = s.arrivals.arrivals;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::this_thread::sleep_until(s.start + nanoseconds(list[i].at_ns));
    const weft::join_handle<void> detached = rt.spawn(serve, &s, i);
  }
  return rt.run(wait_for_all, &s);
}

// Serves a trace once, and checks that every task had its turn and its work.
outcome serve_trace(context& c, const trace& t, bool outside) {
  site s{clock_type::now(), t, std::vector<served>(t.arrivals.size()), {}};
  s.open.add(static_cast<int64_t>(t.arrivals.size()));
  bool all = false;
  c.timed([&] {
    s.start = clock_type::now();
    all = outside ? arrive_outside(c.rt(), s) : c.rt().run(arrive_inside, &s);
  });
  check(all, "asked to stop");
  outcome out;
  out.operations = t.arrivals.size();
  for (std::size_t i = 0; i < s.done.size(); ++i) {
    const arrival& a = t.arrivals[i];
    check(s.done[i].began_ns >= a.at_ns, "a task began before it arrived");
    check(s.done[i].ended_ns - s.done[i].began_ns >= a.work_ns, "a task did not do its work");
    out.latencies_ns.push_back(static_cast<uint64_t>(s.done[i].ended_ns - a.at_ns));
    if (c.recorded() != nullptr)
      c.recorded()->arrivals.push_back({a.at_ns, s.done[i].ended_ns - s.done[i].began_ns, a.bytes});
  }
  return out;
}

constexpr parameter outside_parameter{"outside", 0, 1, 0, "on: a plain thread starts the tasks, not a task"};

constexpr std::array mixed_parameters{
    parameter{"tasks", 1, 100'000'000, 20'000, "tasks that arrive"},
    parameter{"rate", 1, 10'000'000, 50'000, "arrivals a second, at random moments (exponential gaps)"},
    parameter{"short-ns", 0, 1'000'000'000, 5'000, "work of a short task, in ns"},
    parameter{"long-ns", 0, 1'000'000'000, 500'000, "work of a long task, in ns"},
    parameter{"long-per-mille", 0, 1000, 5, "long tasks in 1000"},
    parameter{"bytes", 0, 1 << 30, 0, "memory that each takes and touches"},
    outside_parameter,
};

trace make_mixed(context& c) {
  std::mt19937_64 random(c.seed());
  std::exponential_distribution<double> gap(static_cast<double>(c["rate"]) / 1e9);
  std::bernoulli_distribution is_long(static_cast<double>(c["long-per-mille"]) / 1000);
  trace t;
  double at = 0;
  for (int64_t i = 0; i < c["tasks"]; ++i) {
    at += gap(random);
    t.arrivals.push_back({static_cast<int64_t>(at), is_long(random) ? c["long-ns"] : c["short-ns"], c["bytes"]});
  }
  return t;
}

outcome run_mixed(context& c) { return serve_trace(c, make_mixed(c), c["outside"] != 0); }

constexpr std::array replay_parameters{outside_parameter};

outcome run_replay(context& c) {
  check(c.replayed() != nullptr, "there is no trace: weft-lab replay FILE");
  return serve_trace(c, *c.replayed(), c["outside"] != 0);
}

constexpr std::array<weft_lab::workload, 2> workloads{{
    {.name = "mixed",
     .summary = "short and long tasks arrive at a fixed rate, whether or not the earlier ones have ended",
     .shows = "latency against load: how long short tasks wait behind long ones, stealing and waking; sweep --rate",
     .unit = "task",
     .parameters = mixed_parameters,
     .run = run_mixed,
     .judged = weft_lab::judged_by::p99},
    {.name = "replay",
     .summary = "the arrivals and the work of a trace, at a chosen volume",
     .shows = "what a change does to a load that was recorded; see weft-lab record",
     .unit = "task",
     .parameters = replay_parameters,
     .run = run_replay,
     .judged = weft_lab::judged_by::p99},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::replay_workloads() { return workloads; }
