// Fork-join beyond fib: wide and dynamic forks, uneven trees, real kernels, flat ranges.
//
//   BM_SkynetJoin     10,000,000 leaves, fan-out 10, the ten children as arguments of one weft::join; ns per task
//   BM_SkynetScope    the same tree with a fork_scope in a loop
//   BM_Queens         all solutions of 13 queens, a fork_scope for the rows that fit; ns per node (call)
//   BM_QueensPlain    the same search as a C++ function
//   BM_Matmul         2048 x 2048 floats, halved down to 32 x 32, two joins of four; the kernel dominates; ms
//   BM_Uts            unbalanced tree search, binomial as T3 of the UTS benchmark, a fork_scope; ns per node
//   BM_UtsPlain       the same search as a C++ function
//   BM_ParallelFor    weft::parallel_for over 100,000,000 indices; the body only keeps its index; ns per iteration
//   BM_PlainFor       the same body in a for loop: the floor
//   BM_JoinAll        weft::join_all over 1,000,000 elements, each a coroutine that returns at once; ns per element
//
// Sizes, checks and the parts that are not the runtime's: peers/fork_join_work.h.
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <tuple>
#include <vector>

#include <weft/fork_scope.h>
#include <weft/join.h>
#include <weft/parallel.h>
#include <weft/task.h>

#include "bench_support.h"
#include "peers/fork_join_work.h"

namespace {

using weft_bench::on_processors;
using weft_bench::run_batches;

weft::task<int64_t> skynet_join(int64_t number, int64_t leaves) {
  if (leaves == 1) co_return number;
  const int64_t n = leaves / 10;
  const auto parts = co_await weft::join(skynet_join(number, n), skynet_join(number + n, n),
                                         skynet_join(number + 2 * n, n), skynet_join(number + 3 * n, n),
                                         skynet_join(number + 4 * n, n), skynet_join(number + 5 * n, n),
                                         skynet_join(number + 6 * n, n), skynet_join(number + 7 * n, n),
                                         skynet_join(number + 8 * n, n), skynet_join(number + 9 * n, n));
  co_return std::apply([](auto... part) { return (part + ...); }, parts);
}

void BM_SkynetJoin(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/task", peer::skynet_tasks, peer::skynet_sum, skynet_join, int64_t{0},
              peer::skynet_leaves);
}
BENCHMARK(BM_SkynetJoin)->Apply(on_processors);

weft::task<int64_t> skynet_scope(int64_t number, int64_t leaves) {
  if (leaves == 1) co_return number;
  const int64_t n = leaves / 10;
  std::array<int64_t, 10> parts;
  weft::fork_scope scope;
  for (int64_t i = 0; i < 10; ++i)
    co_await scope.fork(parts[static_cast<std::size_t>(i)], skynet_scope(number + i * n, n));
  co_await scope.join();
  co_return std::accumulate(parts.begin(), parts.end(), int64_t{0});
}

void BM_SkynetScope(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/task", peer::skynet_tasks, peer::skynet_sum, skynet_scope, int64_t{0},
              peer::skynet_leaves);
}
BENCHMARK(BM_SkynetScope)->Apply(on_processors);

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

void BM_Queens(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/node", peer::queens_nodes, peer::queens_solutions, queens, 0,
              peer::queens_board{});
}
BENCHMARK(BM_Queens)->Apply(on_processors);

weft::task<int> queens_plain() { co_return peer::queens_serial(0, peer::queens_board{}); }

void BM_QueensPlain(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/node", peer::queens_nodes, peer::queens_solutions, queens_plain);
}
BENCHMARK(BM_QueensPlain)->Apply(weft_bench::wall_time)->ArgName("processors")->Arg(1);

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

void BM_Matmul(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  int64_t total_ns = 0;
  for (auto _ : state) {
    state.PauseTiming();
    peer::matrices m;
    state.ResumeTiming();
    const int64_t start = weft_bench::now_ns();
    rt->run(matmul, m.a.data(), m.b.data(), m.c.data(), peer::matrix_size);
    total_ns += weft_bench::now_ns() - start;
    weft_bench::require(m.product_is_right(), "matmul: a wrong product");
  }
  state.counters["ms"] = static_cast<double>(total_ns) / 1e6 / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Matmul)->Apply(on_processors);

weft::task<int64_t> uts(uint64_t state, std::size_t children) {
  if (children == 0) co_return 1;
  if (children > peer::uts_most_children) {  // the root
    std::vector<int64_t> nodes(children);
    weft::fork_scope scope;
    for (std::size_t i = 0; i < children; ++i) {
      const uint64_t child = peer::uts_child(state, i);
      co_await scope.fork(nodes[i], uts(child, peer::uts_children(child)));
    }
    co_await scope.join();
    co_return std::accumulate(nodes.begin(), nodes.end(), int64_t{1});
  }
  std::array<int64_t, peer::uts_most_children> nodes;
  weft::fork_scope scope;
  for (std::size_t i = 0; i < children; ++i) {
    const uint64_t child = peer::uts_child(state, i);
    co_await scope.fork(nodes[i], uts(child, peer::uts_children(child)));
  }
  co_await scope.join();
  co_return std::accumulate(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(children), int64_t{1});
}

void BM_Uts(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/node", peer::uts_nodes, peer::uts_nodes, uts, peer::uts_seed,
              peer::uts_root_children);
}
BENCHMARK(BM_Uts)->Apply(on_processors);

weft::task<int64_t> uts_plain() { co_return peer::uts_serial(peer::uts_seed, peer::uts_root_children); }

void BM_UtsPlain(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/node", peer::uts_nodes, peer::uts_nodes, uts_plain);
}
BENCHMARK(BM_UtsPlain)->Apply(weft_bench::wall_time)->ArgName("processors")->Arg(1);

weft::task<int64_t> parallel_loop(int64_t iterations) {
  co_await weft::parallel_for(int64_t{0}, iterations, [](int64_t i) { benchmark::DoNotOptimize(i); });
  co_return iterations;
}

void BM_ParallelFor(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/iteration", peer::parfor_iterations, peer::parfor_iterations, parallel_loop,
              peer::parfor_iterations);
}
BENCHMARK(BM_ParallelFor)->Apply(on_processors);

weft::task<int64_t> plain_loop(int64_t iterations) {
  for (int64_t i = 0; i < iterations; ++i) benchmark::DoNotOptimize(i);
  co_return iterations;
}

void BM_PlainFor(benchmark::State& state) {
  run_batches(state, state.range(0), "ns/iteration", peer::parfor_iterations, peer::parfor_iterations, plain_loop,
              peer::parfor_iterations);
}
BENCHMARK(BM_PlainFor)->Apply(weft_bench::wall_time)->ArgName("processors")->Arg(1);

weft::task<int64_t> join_elements(const std::vector<int64_t>* elements) {
  auto twice = [](int64_t x) -> weft::task<int64_t> { co_return 2 * x; };
  const std::vector<int64_t> results = co_await weft::join_all(*elements, twice);
  co_return std::accumulate(results.begin(), results.end(), int64_t{0});
}

void BM_JoinAll(benchmark::State& state) {
  std::vector<int64_t> elements(1'000'000);
  std::iota(elements.begin(), elements.end(), 0);
  const auto count = static_cast<int64_t>(elements.size());
  run_batches(state, state.range(0), "ns/element", count, count * (count - 1), join_elements, &elements);
}
BENCHMARK(BM_JoinAll)->Apply(on_processors);

}  // namespace
