// Workloads of weft_workloads: timers.
//
//   timerstop   arm a timer of one hour and disarm it before it fires; ns per timer. In weft a timer is armed where a
//               task parks, so this is what a timer adds to a select that parks: timerloses with 8 timers, less the
//               same without a timer, divided by 8
//   timerloses  two tasks answer each other over channels of capacity 1; the asker waits in a select over the answer
//               and a timer of one hour, which always loses; ns per round trip, in which one timer is armed and
//               disarmed. Capacity 1 for the reason given at selectpark, in workloads_channel.cc
//   sleep1m     start 1,000,000 tasks that sleep once each, 1 to 3 s by a hash of their number, and wait for all; CPU
//               time of the process, user and system, in ns per task
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "cpu_time.h"
#include "peers/peer.h"
#include "workloads.h"

namespace {

using namespace std::chrono_literals;
using items = weft::channel<std::uint64_t>;

weft::task<> answer(items in, items out) {
  while (auto value = co_await in.receive()) {
    const bool sent = co_await out.send(*value + 1);
    peer::check(sent, "timers: a send was refused");
  }
}

// Asks `count` times and waits for each answer beside this many timers. The answer comes after the select has parked:
// there is room for the question, so the asker goes on to its select before the answerer runs.
template <std::size_t Timers>
weft::task<std::uint64_t> ask(std::uint64_t count) {
  const items there(1);
  const items back(1);
  auto answering = weft::spawn(answer, there, back);
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await there.send(value);
    peer::check(sent, "timers: a send was refused");
    if constexpr (Timers == 0) {
      auto r = co_await weft::select(back.receive());
      value = r.template get<0>().value_or(0);
    } else if constexpr (Timers == 1) {
      auto r = co_await weft::select(back.receive(), weft::sleep_for(1h));
      peer::check(r.index() == 0, "timers: a timer has won");
      value = r.template get<0>().value_or(0);
    } else {
      static_assert(Timers == 8);
      auto r = co_await weft::select(back.receive(), weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h),
                                     weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h),
                                     weft::sleep_for(1h));
      peer::check(r.index() == 0, "timers: a timer has won");
      value = r.template get<0>().value_or(0);
    }
  }
  there.close();
  co_await answering;
  co_return value;
}

template <std::size_t Timers>
double run_asking(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(ask<Timers>, count) == count, "timers: wrong value"); });
}

double run_timerstop(weft::runtime& rt) {
  const double without = run_asking<0>(rt);
  return (run_asking<8>(rt) - without) / 8;
}

double run_timerloses(weft::runtime& rt) { return run_asking<1>(rt); }

constexpr std::uint64_t million = 1'000'000;
constexpr std::chrono::nanoseconds shortest_sleep = 1s;
constexpr std::chrono::nanoseconds longest_sleep = 3s;

// 1 to 3 s, spread evenly by Fibonacci hashing; the peers compute the same.
std::chrono::nanoseconds sleep_of(std::uint64_t i) {
  const std::uint64_t hash = (i * 2'654'435'761u) & 0xffff'ffffu;
  const auto range = static_cast<std::uint64_t>((longest_sleep - shortest_sleep).count());
  return shortest_sleep + std::chrono::nanoseconds(hash * range >> 32);
}

weft::task<> sleep_once(std::uint64_t i, weft::wait_group* group) {
  const bool slept = co_await weft::sleep_for(sleep_of(i));
  peer::check(slept, "sleep1m: asked to stop");
  group->done();
}

weft::task<bool> sleep_all() {
  weft::wait_group group;
  group.add(static_cast<std::int64_t>(million));
  for (std::uint64_t i = 0; i < million; ++i) weft::go(sleep_once, i, &group);
  co_return co_await group.wait();
}

double run_sleep1m(weft::runtime& rt) {
  const double before = weft_bench::cpu_ns();
  const double lasted = peer::elapsed_ns([&rt] { peer::check(rt.run(sleep_all), "sleep1m: asked to stop"); });
  // Some hash comes within a thousandth of the range of its end.
  peer::check(lasted >= 0.999 * static_cast<double>(longest_sleep.count()), "sleep1m: over too soon");
  return (weft_bench::cpu_ns() - before) / static_cast<double>(million);
}

constexpr std::array<weft_bench::workload, 3> workloads{{
    {"timerstop", "ns/timer", run_timerstop},
    {"timerloses", "ns/roundtrip", run_timerloses},
    {"sleep1m", "ns-cpu/task", run_sleep1m},
}};

}  // namespace

std::span<const weft_bench::workload> weft_bench::timer_workloads() { return workloads; }
