// Peer benchmark: oneTBB, measured with the same workloads as weft.
//
//   fib        fork-join fib(34), one tbb::task_group per fork, ns per call
//   skynet     10,000,000 leaves, one tbb::task_group with ten tasks for each node, ns per task
//   nqueens    13 queens, one tbb::task_group for the rows that fit, ns per node
//   matmul     2048 x 2048 floats, tbb::parallel_invoke of four, twice, ms
//   uts        unbalanced tree search, one tbb::task_group for each inner node, ns per node
//   parfor     tbb::parallel_for over a range with the default (auto) partitioner, ns per iteration
//   spawnjoin  task_group::run() then wait(), repeated, ns per task
//   spawn1m    1,000,000 x task_group::run(), then one wait(); median of 3, ns per task
//
// oneTBB has no channels, no yield and no parked tasks, so the other workloads are absent. The calling thread is one
// of the THREADS threads of the arena. At 1 thread, wait() runs the task on the spot.
//
// Build: clang++ -std=c++20 -O3 tbb.cc -ltbb -o peer_tbb      (or the CMake target peer_tbb)
// Run:   ./peer_tbb WORKLOAD THREADS

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "fork_join_work.h"
#include "peer.h"

namespace {

std::uint64_t fib(int n) {
  if (n < 2) {
    return static_cast<std::uint64_t>(n);
  }
  std::uint64_t left = 0;
  tbb::task_group group;
  group.run([&left, n] { left = fib(n - 1); });
  const std::uint64_t right = fib(n - 2);
  group.wait();
  return left + right;
}

double run_fib() {
  std::uint64_t result = 0;
  const double ns = peer::elapsed_ns([&] { result = fib(peer::fib_n); });
  peer::check(result == peer::fib_result, "fib: wrong result");
  return ns / static_cast<double>(peer::fib_calls);
}

std::int64_t skynet(std::int64_t number, std::int64_t leaves) {
  if (leaves == 1) return number;
  const std::int64_t n = leaves / 10;
  std::array<std::int64_t, 10> parts;
  tbb::task_group group;
  for (std::size_t i = 1; i < 10; ++i)
    group.run([&parts, i, number, n] { parts[i] = skynet(number + static_cast<std::int64_t>(i) * n, n); });
  parts[0] = skynet(number, n);
  group.wait();
  return std::accumulate(parts.begin(), parts.end(), std::int64_t{0});
}

double run_skynet() {
  std::int64_t sum = 0;
  const double ns = peer::elapsed_ns([&] { sum = skynet(0, peer::skynet_leaves); });
  peer::check(sum == peer::skynet_sum, "skynet: wrong sum");
  return ns / static_cast<double>(peer::skynet_tasks);
}

int queens(int row, peer::queens_board board) {
  if (row == peer::queens) return 1;
  std::array<int, peer::queens> solutions;
  std::size_t children = 0;
  tbb::task_group group;
  for (int column = 0; column < peer::queens; ++column) {
    if (!peer::queen_fits(board, row, column)) continue;
    board[static_cast<std::size_t>(row)] = static_cast<char>(column);
    int& result = solutions[children++];
    group.run([&result, row, board] { result = queens(row + 1, board); });
  }
  group.wait();
  return std::accumulate(solutions.begin(), solutions.begin() + static_cast<std::ptrdiff_t>(children), 0);
}

double run_nqueens() {
  int solutions = 0;
  const double ns = peer::elapsed_ns([&] { solutions = queens(0, peer::queens_board{}); });
  peer::check(solutions == peer::queens_solutions, "nqueens: wrong number of solutions");
  return ns / static_cast<double>(peer::queens_nodes);
}

void matmul(const float* a, const float* b, float* c, int n) {
  if (n == peer::matrix_base) return peer::matmul_base(a, b, c, n);
  const int half = n / 2;
  const int down = half * peer::matrix_size;
  tbb::parallel_invoke([=] { matmul(a, b, c, half); }, [=] { matmul(a, b + half, c + half, half); },
                       [=] { matmul(a + down, b, c + down, half); },
                       [=] { matmul(a + down, b + half, c + down + half, half); });
  tbb::parallel_invoke([=] { matmul(a + half, b + down, c, half); },
                       [=] { matmul(a + half, b + down + half, c + half, half); },
                       [=] { matmul(a + down + half, b + down, c + down, half); },
                       [=] { matmul(a + down + half, b + down + half, c + down + half, half); });
}

double run_matmul() {
  peer::matrices m;
  const double ns = peer::elapsed_ns([&] { matmul(m.a.data(), m.b.data(), m.c.data(), peer::matrix_size); });
  peer::check(m.product_is_right(), "matmul: wrong product");
  return ns / 1e6;
}

std::int64_t uts(std::uint64_t state, std::size_t children) {
  if (children == 0) return 1;
  std::array<std::int64_t, peer::uts_most_children> few;
  std::vector<std::int64_t> many(children > few.size() ? children : 0);  // the root's
  std::int64_t* const nodes = many.empty() ? few.data() : many.data();
  tbb::task_group group;
  for (std::size_t i = 0; i < children; ++i) {
    const std::uint64_t child = peer::uts_child(state, i);
    group.run([nodes, i, child] { nodes[i] = uts(child, peer::uts_children(child)); });
  }
  group.wait();
  return std::accumulate(nodes, nodes + children, std::int64_t{1});
}

double run_uts() {
  std::int64_t nodes = 0;
  const double ns = peer::elapsed_ns([&] { nodes = uts(peer::uts_seed, peer::uts_root_children); });
  peer::check(nodes == peer::uts_serial(peer::uts_seed, peer::uts_root_children), "uts: wrong number of nodes");
  return ns / static_cast<double>(nodes);
}

double run_parfor() {
  const double ns = peer::elapsed_ns([] {
    tbb::parallel_for(tbb::blocked_range<std::int64_t>(0, peer::parfor_iterations), [](const auto& range) {
      for (std::int64_t i = range.begin(); i != range.end(); ++i) peer::keep(i);
    });
  });
  return ns / static_cast<double>(peer::parfor_iterations);
}

double run_spawnjoin() {
  tbb::task_group group;
  std::atomic<std::uint64_t> sum{0};
  return peer::ns_per_op([&](std::uint64_t count) {
    sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      // relaxed: a count, read after the joins.
      group.run([&sum] { sum.fetch_add(1, std::memory_order_relaxed); });
      group.wait();
    }
    peer::check(sum == count, "spawnjoin: wrong count");
  });
}

double run_spawn1m() {
  constexpr std::uint64_t tasks = 1'000'000;
  tbb::task_group group;
  std::atomic<std::uint64_t> sum{0};
  const double ns = peer::median_of_three_ns([&] {
    sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) {
      // relaxed: a count, read after the joins.
      group.run([&sum] { sum.fetch_add(1, std::memory_order_relaxed); });
    }
    group.wait();
    peer::check(sum == tasks, "spawn1m: wrong count");
  });
  return ns / static_cast<double>(tasks);
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
  const auto parallelism = static_cast<std::size_t>(args.threads);
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, parallelism);
  tbb::task_arena arena(args.threads);
  arena.execute([&args] {
    if (args.workload == "fib") {
      peer::report(args, run_fib(), "ns/call");
    } else if (args.workload == "skynet") {
      peer::report(args, run_skynet(), "ns/task");
    } else if (args.workload == "nqueens") {
      peer::report(args, run_nqueens(), "ns/node");
    } else if (args.workload == "matmul") {
      peer::report(args, run_matmul(), "ms");
    } else if (args.workload == "uts") {
      peer::report(args, run_uts(), "ns/node");
    } else if (args.workload == "parfor") {
      peer::report(args, run_parfor(), "ns/iteration");
    } else if (args.workload == "spawnjoin") {
      peer::report(args, run_spawnjoin(), "ns/task");
    } else if (args.workload == "spawn1m") {
      peer::report(args, run_spawn1m(), "ns/task");
    } else {
      peer::fail("unknown workload " + args.workload);
    }
  });
}
