// weft's side of the comparison with other runtimes: the workloads of bench/peers, each in a whole process of its own.
//
//   weft_workloads WORKLOAD PROCESSORS     prints one line, `WORKLOAD PROCESSORS VALUE UNIT`, as the peers do
//
//   fib          fork-join fib(34), weft::join per fork, ns per call
//   pingpong     two tasks, two channels of capacity 0, ns per round trip
//   chan128      one producer, one consumer, channel of capacity 128, ns per item
//   spawnjoin    spawn one task and join it, repeated, ns per task
//   spawn1m      spawn 1,000,000 tasks, then join all handles; median of 3, ns per task
//   spawn1m_go   `go` 1,000,000 tasks, then wait for all in a wait_group; median of 3, ns per task
//   yield2       2 tasks that yield in a loop, ns per yield (wall time / all yields)
//   yield1000    the same with 1000 tasks
//   parked       1,000,000 tasks that receive from one channel: growth of the resident set, bytes per task
//
// and those that workloads_channel.cc, workloads_lock.cc and workloads_timer.cc describe.
//
// As in the peers, started tasks prove that they ran by an addition to one shared atomic, and the counts of the
// repeated workloads grow until a run lasts about half a second.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/this_task.h>
#include <weft/wait_group.h>

#include "peers/peer.h"
#include "resident.h"
#include "workloads.h"

namespace {

using namespace std::chrono_literals;
using items = weft::channel<std::uint64_t>;
using counter = std::atomic<std::uint64_t>;

constexpr std::uint64_t million = 1'000'000;

weft::task<std::uint64_t> fib(int n) {
  if (n < 2) co_return static_cast<std::uint64_t>(n);
  auto [a, b] = co_await weft::join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

double run_fib(weft::runtime& rt) {
  std::uint64_t result = 0;
  const double ns = peer::elapsed_ns([&] { result = rt.run(fib, peer::fib_n); });
  peer::check(result == peer::fib_result, "fib: wrong result");
  return ns / static_cast<double>(peer::fib_calls);
}

weft::task<> echo(items ping, items pong, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t value = (co_await ping.receive()).value_or(0);
    peer::check(co_await pong.send(value + 1), "pingpong: a send was refused");
  }
}

weft::task<std::uint64_t> serve(std::uint64_t count) {
  const items ping(0);
  const items pong(0);
  auto echoing = weft::spawn(echo, ping, pong, count);
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    peer::check(co_await ping.send(value), "pingpong: a send was refused");
    value = (co_await pong.receive()).value_or(0);
  }
  co_await echoing;
  co_return value;
}

double run_pingpong(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(serve, count) == count, "pingpong: wrong value"); });
}

weft::task<> produce(items out, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) peer::check(co_await out.send(i), "chan128: a send was refused");
  out.close();
}

weft::task<std::uint64_t> consume(std::uint64_t count) {
  const items channel(128);
  auto producer = weft::spawn(produce, channel, count);
  std::uint64_t sum = 0;
  while (auto item = co_await channel.receive()) sum += *item;
  co_await producer;
  co_return sum;
}

double run_chan128(weft::runtime& rt) {
  return peer::ns_per_op([&rt](std::uint64_t count) {
    peer::check(rt.run(consume, count) == count * (count - 1) / 2, "chan128: wrong sum");
  });
}

weft::task<> add_one(counter* sum) {
  // relaxed: whoever reads the sum has joined this task.
  sum->fetch_add(1, std::memory_order_relaxed);
  co_return;
}

weft::task<> spawn_and_join(counter* sum, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) co_await weft::spawn(add_one, sum);
}

double run_spawnjoin(weft::runtime& rt) {
  return peer::ns_per_op([&rt](std::uint64_t count) {
    counter sum{0};
    rt.run(spawn_and_join, &sum, count);
    peer::check(sum == count, "spawnjoin: wrong count");
  });
}

weft::task<> spawn_all(counter* sum, std::vector<weft::join_handle<void>>* handles) {
  for (std::uint64_t i = 0; i < million; ++i) handles->push_back(weft::spawn(add_one, sum));
  for (auto& handle : *handles) co_await handle;
}

double run_spawn1m(weft::runtime& rt) {
  std::vector<weft::join_handle<void>> handles;
  handles.reserve(million);
  const double ns = peer::median_of_three_ns([&rt, &handles] {
    counter sum{0};
    handles.clear();
    rt.run(spawn_all, &sum, &handles);
    peer::check(sum == million, "spawn1m: wrong count");
  });
  return ns / static_cast<double>(million);
}

weft::task<> add_one_in_group(counter* sum, weft::wait_group* group) {
  // relaxed: whoever reads the sum has waited for the group.
  sum->fetch_add(1, std::memory_order_relaxed);
  group->done();
  co_return;
}

weft::task<> go_all(counter* sum) {
  weft::wait_group group;
  group.add(static_cast<std::int64_t>(million));
  for (std::uint64_t i = 0; i < million; ++i) weft::go(add_one_in_group, sum, &group);
  peer::check(co_await group.wait(), "spawn1m_go: asked to stop");
}

double run_spawn1m_go(weft::runtime& rt) {
  const double ns = peer::median_of_three_ns([&rt] {
    counter sum{0};
    rt.run(go_all, &sum);
    peer::check(sum == million, "spawn1m_go: wrong count");
  });
  return ns / static_cast<double>(million);
}

weft::task<> yielder(std::uint64_t rounds) {
  for (std::uint64_t i = 0; i < rounds; ++i) co_await weft::yield();
}

weft::task<> yield_all(std::uint64_t tasks, std::uint64_t rounds) {
  std::vector<weft::join_handle<void>> handles;
  handles.reserve(tasks);
  for (std::uint64_t i = 0; i < tasks; ++i) handles.push_back(weft::spawn(yielder, rounds));
  for (auto& handle : handles) co_await handle;
}

double run_yield(weft::runtime& rt, std::uint64_t tasks) {
  const double ns_per_round =
      peer::ns_per_op([&rt, tasks](std::uint64_t rounds) { rt.run(yield_all, tasks, rounds); }, 10);
  return ns_per_round / static_cast<double>(tasks);
}

// What all parked tasks share; each has one pointer to it.
struct shared_gate {
  struct nothing {};
  weft::channel<nothing> gate{0};  // closed at the end
  counter arrived{0};
  counter released{0};
};

weft::task<> wait_at_gate(shared_gate* shared) {
  // relaxed: plain counts, read again until they are complete.
  shared->arrived.fetch_add(1, std::memory_order_relaxed);
  (void)co_await shared->gate.receive();
  // relaxed: as above.
  shared->released.fetch_add(1, std::memory_order_relaxed);
}

weft::task<> park_all(shared_gate* shared) {
  for (std::uint64_t i = 0; i < million; ++i) weft::go(wait_at_gate, shared);
  co_return;
}

double run_parked(weft::runtime& rt) {
  shared_gate shared;
  const std::int64_t before = weft_bench::resident_bytes();
  rt.run(park_all, &shared);
  while (shared.arrived < million) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(50ms);  // the last ones are between their count and their receive
  const std::int64_t after = weft_bench::resident_bytes();
  shared.gate.close();
  while (shared.released < million) std::this_thread::sleep_for(1ms);
  return static_cast<double>(after - before) / static_cast<double>(million);
}

// A workload of another file; null if there is none of that name.
const weft_bench::workload* find_workload(const std::string& name) {
  for (const auto& listed :
       {weft_bench::channel_workloads(), weft_bench::lock_workloads(), weft_bench::timer_workloads()})
    for (const weft_bench::workload& found : listed)
      if (name == found.name) return &found;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
  weft::options opts;
  opts.processors = args.threads;
  auto made = weft::runtime::create(opts);
  if (!made.ok()) peer::fail(std::string(made.status().message()));
  weft::runtime& rt = **made;
  if (args.workload == "fib") {
    peer::report(args, run_fib(rt), "ns/call");
  } else if (args.workload == "pingpong") {
    peer::report(args, run_pingpong(rt), "ns/roundtrip");
  } else if (args.workload == "chan128") {
    peer::report(args, run_chan128(rt), "ns/item");
  } else if (args.workload == "spawnjoin") {
    peer::report(args, run_spawnjoin(rt), "ns/task");
  } else if (args.workload == "spawn1m") {
    peer::report(args, run_spawn1m(rt), "ns/task");
  } else if (args.workload == "spawn1m_go") {
    peer::report(args, run_spawn1m_go(rt), "ns/task");
  } else if (args.workload == "yield2") {
    peer::report(args, run_yield(rt, 2), "ns/yield");
  } else if (args.workload == "yield1000") {
    peer::report(args, run_yield(rt, 1000), "ns/yield");
  } else if (args.workload == "parked") {
    peer::report(args, run_parked(rt), "bytes/task");
  } else if (const weft_bench::workload* found = find_workload(args.workload)) {
    peer::report(args, found->run(rt), found->unit);
  } else {
    peer::fail("unknown workload " + args.workload);
  }
}
