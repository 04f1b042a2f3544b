// weft's side of the comparison with other runtimes: the workloads of bench/peers, each in a whole process of its own.
//
//   weft_workloads WORKLOAD PROCESSORS     prints one line, `WORKLOAD PROCESSORS VALUE UNIT`, as the peers do
//
//   fib          fork-join fib(34), weft::join per fork, ns per call
//   skynet       a tree of 10,000,000 leaves with fan-out 10, a fork_scope in a loop, ns per task
//   skynet_join  the same with the ten children as arguments of weft::join
//   nqueens      all solutions of 13 queens, a fork_scope for the rows that fit, ns per node
//   matmul       2048 x 2048 floats, halved down to 32 x 32, weft::join of four, twice, ms
//   uts          unbalanced tree search, a fork_scope, ns per node
//   parfor       weft::parallel_for over 100,000,000 empty bodies, ns per iteration
//   ..._mem      any workload with this suffix: the peak memory of the process, MiB
//   pingpong     two tasks, two channels of capacity 0, ns per round trip
//   chan128      one producer, one consumer, channel of capacity 128, ns per item
//   spawnjoin    spawn one task and join it, repeated, ns per task
//   spawn1m      spawn 1,000,000 tasks, then join all handles; median of 3, ns per task
//   spawn1m_go   `go` 1,000,000 tasks, then wait for all in a wait_group; median of 3, ns per task
//   yield2       2 tasks that yield in a loop, ns per yield (wall time / all yields)
//   yield1000    the same with 1000 tasks
//   readmetrics  read every metric into the same samples, ns per read
//   parked       1,000,000 tasks that receive from one channel: growth of the resident set, bytes per task
//
// and those that workloads_channel.cc, workloads_lock.cc, workloads_pool.cc and workloads_timer.cc describe.
//
// As in the peers, started tasks prove that they ran by an addition to one shared atomic, and the counts of the
// repeated workloads grow until a run lasts about half a second.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include <weft/channel.h>
#include <weft/fork_scope.h>
#include <weft/go.h>
#include <weft/join.h>
#include <weft/join_handle.h>
#include <weft/metrics.h>
#include <weft/parallel.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/this_task.h>
#include <weft/wait_group.h>

#include "gate.h"
#include "peers/fork_join_work.h"
#include "peers/peer.h"
#include "resident.h"
#include "workloads.h"

namespace {

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

// A fork_scope in a loop, as a program with a variable fan-out would have it.
weft::task<std::int64_t> skynet(std::int64_t number, std::int64_t leaves) {
  if (leaves == 1) co_return number;
  const std::int64_t n = leaves / 10;
  std::array<std::int64_t, 10> parts;
  weft::fork_scope scope;
  for (std::size_t i = 0; i < 10; ++i)
    co_await scope.fork(parts[i], skynet(number + static_cast<std::int64_t>(i) * n, n));
  co_await scope.join();
  co_return std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
}

double run_skynet(weft::runtime& rt) {
  std::int64_t sum = 0;
  const double ns = peer::elapsed_ns([&] { sum = rt.run(skynet, 0, peer::skynet_leaves); });
  peer::check(sum == peer::skynet_sum, "skynet: wrong sum");
  return ns / static_cast<double>(peer::skynet_tasks);
}

// The same tree with the ten children as arguments of one join.
weft::task<std::int64_t> skynet_join(std::int64_t number, std::int64_t leaves) {
  if (leaves == 1) co_return number;
  const std::int64_t n = leaves / 10;
  const auto parts = co_await weft::join(skynet_join(number, n), skynet_join(number + n, n),
                                         skynet_join(number + 2 * n, n), skynet_join(number + 3 * n, n),
                                         skynet_join(number + 4 * n, n), skynet_join(number + 5 * n, n),
                                         skynet_join(number + 6 * n, n), skynet_join(number + 7 * n, n),
                                         skynet_join(number + 8 * n, n), skynet_join(number + 9 * n, n));
  co_return std::apply([](auto... part) { return (part + ...); }, parts);
}

double run_skynet_join(weft::runtime& rt) {
  std::int64_t sum = 0;
  const double ns = peer::elapsed_ns([&] { sum = rt.run(skynet_join, 0, peer::skynet_leaves); });
  peer::check(sum == peer::skynet_sum, "skynet_join: wrong sum");
  return ns / static_cast<double>(peer::skynet_tasks);
}

weft::task<int> queens(int row, peer::queens_board board) {
  if (row == peer::queens) co_return 1;
  std::array<int, peer::queens> solutions;
  std::size_t children = 0;
  weft::fork_scope scope;
  for (int column = 0; column < peer::queens; ++column) {
    if (!peer::queen_fits(board, row, column)) continue;
    board[static_cast<std::size_t>(row)] = static_cast<char>(column);
    co_await scope.fork(solutions[children++], queens(row + 1, board));
  }
  co_await scope.join();
  co_return std::accumulate(solutions.begin(), solutions.begin() + static_cast<std::ptrdiff_t>(children), 0);
}

double run_nqueens(weft::runtime& rt) {
  int solutions = 0;
  const double ns = peer::elapsed_ns([&] { solutions = rt.run(queens, 0, peer::queens_board{}); });
  peer::check(solutions == peer::queens_solutions, "nqueens: wrong number of solutions");
  return ns / static_cast<double>(peer::queens_nodes);
}

weft::task<> matmul(const float* a, const float* b, float* c, int n) {
  if (n == peer::matrix_base) {
    peer::matmul_base(a, b, c, n);
    co_return;
  }
  const int half = n / 2;
  const int down = half * peer::matrix_size;
  co_await weft::join(matmul(a, b, c, half), matmul(a, b + half, c + half, half), matmul(a + down, b, c + down, half),
                      matmul(a + down, b + half, c + down + half, half));
  co_await weft::join(matmul(a + half, b + down, c, half), matmul(a + half, b + down + half, c + half, half),
                      matmul(a + down + half, b + down, c + down, half),
                      matmul(a + down + half, b + down + half, c + down + half, half));
}

double run_matmul(weft::runtime& rt) {
  peer::matrices m;
  const double ns = peer::elapsed_ns([&] { rt.run(matmul, m.a.data(), m.b.data(), m.c.data(), peer::matrix_size); });
  peer::check(m.product_is_right(), "matmul: wrong product");
  return ns / 1e6;
}

weft::task<std::int64_t> uts(std::uint64_t state, std::size_t children) {
  if (children == 0) co_return 1;
  std::array<std::int64_t, peer::uts_most_children> few;
  std::vector<std::int64_t> many(children > few.size() ? children : 0);  // the root's
  std::int64_t* const nodes = many.empty() ? few.data() : many.data();
  weft::fork_scope scope;
  for (std::size_t i = 0; i < children; ++i) {
    const std::uint64_t child = peer::uts_child(state, i);
    co_await scope.fork(nodes[i], uts(child, peer::uts_children(child)));
  }
  co_await scope.join();
  co_return std::accumulate(nodes, nodes + children, std::int64_t{1});
}

double run_uts(weft::runtime& rt) {
  std::int64_t nodes = 0;
  const double ns = peer::elapsed_ns([&] { nodes = rt.run(uts, peer::uts_seed, peer::uts_root_children); });
  peer::check(nodes == peer::uts_serial(peer::uts_seed, peer::uts_root_children), "uts: wrong number of nodes");
  return ns / static_cast<double>(nodes);
}

weft::task<> loop() {
  co_await weft::parallel_for(std::int64_t{0}, peer::parfor_iterations, [](std::int64_t i) { peer::keep(i); });
}

double run_parfor(weft::runtime& rt) {
  const double ns = peer::elapsed_ns([&] { rt.run(loop); });
  return ns / static_cast<double>(peer::parfor_iterations);
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

double run_readmetrics(weft::runtime& rt) {
  std::vector<weft::metrics::sample> samples;
  for (const weft::metrics::description& d : weft::metrics::all()) samples.push_back({d.name});
  return peer::ns_per_op([&](std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) weft::metrics::read(rt, samples);
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

weft::task<> park_all(weft_bench::shared_gate* shared) {
  for (std::uint64_t i = 0; i < million; ++i) weft::go(weft_bench::wait_at_gate, shared);
  co_return;
}

double run_parked(weft::runtime& rt) {
  weft_bench::shared_gate shared;
  const std::int64_t before = weft_bench::resident_bytes();
  rt.run(park_all, &shared);
  weft_bench::wait_until(shared.arrived, million);
  const std::int64_t after = weft_bench::resident_bytes();
  shared.gate.close();
  weft_bench::wait_until(shared.released, million);
  return static_cast<double>(after - before) / static_cast<double>(million);
}

// A workload of another file; null if there is none of that name.
const weft_bench::workload* find_workload(const std::string& name) {
  for (const auto& listed : {weft_bench::channel_workloads(), weft_bench::lock_workloads(),
                             weft_bench::pool_workloads(), weft_bench::timer_workloads()})
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
  } else if (args.workload == "skynet") {
    peer::report(args, run_skynet(rt), "ns/task");
  } else if (args.workload == "skynet_join") {
    peer::report(args, run_skynet_join(rt), "ns/task");
  } else if (args.workload == "nqueens") {
    peer::report(args, run_nqueens(rt), "ns/node");
  } else if (args.workload == "matmul") {
    peer::report(args, run_matmul(rt), "ms");
  } else if (args.workload == "uts") {
    peer::report(args, run_uts(rt), "ns/node");
  } else if (args.workload == "parfor") {
    peer::report(args, run_parfor(rt), "ns/iteration");
  } else if (args.workload == "pingpong") {
    peer::report(args, run_pingpong(rt), "ns/roundtrip");
  } else if (args.workload == "chan128") {
    peer::report(args, run_chan128(rt), "ns/item");
  } else if (args.workload == "readmetrics") {
    peer::report(args, run_readmetrics(rt), "ns/read");
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
  } else if (!weft_bench::run_file_workload(args, rt)) {
    peer::fail("unknown workload " + args.workload);
  }
}
