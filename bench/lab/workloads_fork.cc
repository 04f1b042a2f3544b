// Workloads: fork and join, and tasks that are started by the thousand.
//
//   fib           a join of two at each call
//   skynet        a tree whose nodes have ten children each, by a fork_scope
//   nqueens       a fork_scope for the places that are free in a row
//   tree-search   an unbalanced tree, by a fork_scope (peers/fork_join_work.h)
//   matmul        a product of matrices, halved down to 32 x 32
//   spawn-storm   go or spawn, as often as possible
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <weft/fork_scope.h>
#include <weft/go.h>
#include <weft/join.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/wait_group.h>

#include "peers/fork_join_work.h"
#include "work.h"
#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::compute;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::warm_up_and_measure;

// fib -----------------------------------------------------------------------------------------------------------------

weft::task<uint64_t> fib(int n) {
  if (n < 2) co_return static_cast<uint64_t>(n);
  auto [a, b] = co_await weft::join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

uint64_t fibonacci(int n) {
  uint64_t a = 0;
  uint64_t b = 1;
  for (int i = 0; i < n; ++i) {
    const uint64_t next = a + b;
    a = b;
    b = next;
  }
  return a;
}

constexpr std::array fib_parameters{
    parameter{"n", 1, 45, 36, "the Fibonacci number to compute"},
};

outcome run_fib(context& c) {
  const int n = static_cast<int>(c["n"]);
  const int smaller = n > 8 ? n - 4 : n;
  check(c.rt().run(fib, smaller) == fibonacci(smaller), "wrong number");
  uint64_t result = 0;
  c.timed([&] { result = c.rt().run(fib, n); });
  check(result == fibonacci(n), "wrong number");
  // The naive recursion calls itself so often.
  return {.operations = 2 * fibonacci(n + 1) - 1, .latencies_ns = {}, .figures = {}};
}

// skynet --------------------------------------------------------------------------------------------------------------

weft::task<int64_t> skynet(int64_t number, int64_t leaves, int64_t work) {
  if (leaves == 1) {
    compute(work);
    co_return number;
  }
  const int64_t n = leaves / 10;
  std::array<int64_t, 10> parts;
  weft::fork_scope scope;
  for (std::size_t i = 0; i < parts.size(); ++i)
    co_await scope.fork(parts[i], skynet(number + static_cast<int64_t>(i) * n, n, work));
  co_await scope.join();
  co_return std::accumulate(parts.begin(), parts.end(), int64_t{0});
}

constexpr std::array skynet_parameters{
    parameter{"depth", 1, 8, 7, "levels below the root: so many zeros has the number of leaves"},
    weft_lab::work_parameter,
};

outcome run_skynet(context& c) {
  int64_t leaves = 1;
  for (int64_t level = 0; level < c["depth"]; ++level) leaves *= 10;
  const int64_t work = c["work"];
  const int64_t fewer = std::max<int64_t>(leaves / 100, 1);
  check(c.rt().run(skynet, 0, fewer, work) == fewer * (fewer - 1) / 2, "wrong sum");
  int64_t sum = 0;
  c.timed([&] { sum = c.rt().run(skynet, 0, leaves, work); });
  check(sum == leaves * (leaves - 1) / 2, "wrong sum");
  return {.operations = static_cast<uint64_t>((leaves * 10 - 1) / 9), .latencies_ns = {}, .figures = {}};
}

// nqueens -------------------------------------------------------------------------------------------------------------

struct found {
  int64_t solutions = 0;
  int64_t nodes = 1;
};

weft::task<found> queens(int row, int size, peer::queens_board board) {
  if (row == size) co_return found{1, 1};
  std::array<found, peer::queens> below;
  std::size_t children = 0;
  weft::fork_scope scope;
  for (int column = 0; column < size; ++column) {
    if (!peer::queen_fits(board, row, column)) continue;
    board[static_cast<std::size_t>(row)] = static_cast<char>(column);
    co_await scope.fork(below[children++], queens(row + 1, size, board));
  }
  co_await scope.join();
  found all;
  for (std::size_t i = 0; i < children; ++i) {
    all.solutions += below[i].solutions;
    all.nodes += below[i].nodes;
  }
  co_return all;
}

// For boards of 1 x 1 up.
constexpr std::array<int64_t, peer::queens> queens_solutions{
    1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, peer::queens_solutions};

constexpr std::array nqueens_parameters{
    parameter{"size", 1, peer::queens, 12, "queens, and rows and columns of the board"},
};

outcome run_nqueens(context& c) {
  const int size = static_cast<int>(c["size"]);
  const int smaller = std::max(size - 3, 1);
  const auto right = [](int n) { return queens_solutions[static_cast<std::size_t>(n - 1)]; };
  check(c.rt().run(queens, 0, smaller, peer::queens_board{}).solutions == right(smaller), "wrong number of solutions");
  found all;
  c.timed([&] { all = c.rt().run(queens, 0, size, peer::queens_board{}); });
  check(all.solutions == right(size), "wrong number of solutions");
  return {.operations = static_cast<uint64_t>(all.nodes), .latencies_ns = {}, .figures = {}};
}

// tree-search ---------------------------------------------------------------------------------------------------------

weft::task<int64_t> search(uint64_t state, std::size_t children) {
  if (children == 0) co_return 1;
  std::array<int64_t, peer::uts_most_children> few;
  std::vector<int64_t> many(children > few.size() ? children : 0);  // the root's
  int64_t* const nodes = many.empty() ? few.data() : many.data();
  weft::fork_scope scope;
  for (std::size_t i = 0; i < children; ++i) {
    const uint64_t child = peer::uts_child(state, i);
    co_await scope.fork(nodes[i], search(child, peer::uts_children(child)));
  }
  co_await scope.join();
  co_return std::accumulate(nodes, nodes + children, int64_t{1});
}

constexpr std::array tree_search_parameters{
    parameter{"children", 1, 1'000'000, 4'000, "of the root; those below have eight or none, one on average"},
};

outcome run_tree_search(context& c) {
  const auto children = static_cast<std::size_t>(c["children"]);
  const int64_t right = peer::uts_serial(peer::uts_seed, children);
  const std::size_t fewer = children / 20 + 1;
  check(c.rt().run(search, peer::uts_seed, fewer) == peer::uts_serial(peer::uts_seed, fewer), "wrong number of nodes");
  int64_t nodes = 0;
  c.timed([&] { nodes = c.rt().run(search, peer::uts_seed, children); });
  check(nodes == right, "wrong number of nodes");
  return {.operations = static_cast<uint64_t>(nodes), .latencies_ns = {}, .figures = {}};
}

// matmul --------------------------------------------------------------------------------------------------------------

constexpr int64_t matrix_base = 32;

// Parts of square matrices with rows of `stride` elements: c += a * b.
void multiply_base(const float* __restrict a, const float* __restrict b, float* __restrict c, int64_t stride) {
  for (int64_t i = 0; i < matrix_base; ++i)
    for (int64_t k = 0; k < matrix_base; ++k)
      for (int64_t j = 0; j < matrix_base; ++j) c[i * stride + j] += a[i * stride + k] * b[k * stride + j];
}

weft::task<> multiply(const float* a, const float* b, float* c, int64_t n, int64_t stride) {
  if (n == matrix_base) {
    multiply_base(a, b, c, stride);
    co_return;
  }
  const int64_t half = n / 2;
  const int64_t down = half * stride;
  co_await weft::join(multiply(a, b, c, half, stride), multiply(a, b + half, c + half, half, stride),
                      multiply(a + down, b, c + down, half, stride),
                      multiply(a + down, b + half, c + down + half, half, stride));
  co_await weft::join(multiply(a + half, b + down, c, half, stride),
                      multiply(a + half, b + down + half, c + half, half, stride),
                      multiply(a + down + half, b + down, c + down, half, stride),
                      multiply(a + down + half, b + down + half, c + down + half, half, stride));
}

// Every row of the left one is one number, every column of the right one another: so each element of the product is
// known, and small enough to be exact.
struct matrices {
  explicit matrices(int64_t size) : n(size), a(static_cast<std::size_t>(n * n)), b(a.size()), c(a.size()) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        a[at(i, j)] = row(i);
        b[at(i, j)] = column(j);
      }
  }

  std::size_t at(int64_t i, int64_t j) const { return static_cast<std::size_t>(i * n + j); }
  static float row(int64_t i) { return static_cast<float>(i % 7 + 1); }
  static float column(int64_t j) { return static_cast<float>(j % 5 + 1); }

  bool product_is_right() const {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        if (c[at(i, j)] != static_cast<float>(n) * row(i) * column(j)) return false;
    return true;
  }

  int64_t n;
  std::vector<float> a;
  std::vector<float> b;
  std::vector<float> c;
};

constexpr std::array matmul_parameters{
    parameter{"doublings", 0, 7, 5, "of 32: the matrices have 32 x 2^doublings rows and columns"},
};

outcome run_matmul(context& c) {
  const int64_t pieces = int64_t{1} << c["doublings"];
  matrices m(matrix_base * pieces);
  c.timed([&] { c.rt().run(multiply, m.a.data(), m.b.data(), m.c.data(), m.n, m.n); });
  check(m.product_is_right(), "wrong product");
  return {.operations = static_cast<uint64_t>(pieces * pieces * pieces), .latencies_ns = {}, .figures = {}};
}

// spawn-storm ---------------------------------------------------------------------------------------------------------

struct storm {
  int64_t each;  // tasks of one that starts them
  int64_t work;
  std::atomic<int64_t> ran{0};
};

weft::task<> add_one(storm* s) {
  compute(s->work);
  // relaxed: whoever reads the sum has waited for this task.
  s->ran.fetch_add(1, std::memory_order_relaxed);
  co_return;
}

weft::task<> add_one_in_group(storm* s, weft::wait_group* group) {
  co_await add_one(s);
  group->done();
}

weft::task<> start_by_go(storm* s) {
  weft::wait_group group;
  group.add(s->each);
  for (int64_t i = 0; i < s->each; ++i) weft::go(add_one_in_group, s, &group);
  const bool ended = co_await group.wait();
  check(ended, "asked to stop");
}

weft::task<> start_by_spawn(storm* s) {
  std::vector<weft::join_handle<void>> handles;
  handles.reserve(static_cast<std::size_t>(s->each));
  for (int64_t i = 0; i < s->each; ++i) handles.push_back(weft::spawn(add_one, s));
  for (auto& handle : handles) co_await handle;
}

weft::task<int64_t> start_all(int64_t starters, int64_t each, int64_t work, bool joined) {
  storm s{each, work};
  std::vector<weft::join_handle<void>> handles;
  for (int64_t i = 0; i < starters; ++i)
    handles.push_back(joined ? weft::spawn(start_by_spawn, &s) : weft::spawn(start_by_go, &s));
  for (auto& handle : handles) co_await handle;
  // relaxed: the joins have ordered the additions before this.
  co_return s.ran.load(std::memory_order_relaxed);
}

constexpr std::array spawn_storm_parameters{
    parameter{"tasks", 1, 100'000'000, 1'000'000, "that each starter starts before it waits for any"},
    parameter{"starters", 1, 1'000'000, 1, "tasks that start others"},
    parameter{"joined", 0, 1, 0, "on: spawn, and a handle for each; off: go, and a wait_group"},
    weft_lab::work_parameter,
};

outcome run_spawn_storm(context& c) {
  const int64_t starters = c["starters"];
  const bool joined = c["joined"] != 0;
  const auto start = [&](uint64_t n) {
    return static_cast<uint64_t>(c.rt().run(start_all, starters, static_cast<int64_t>(n), c["work"], joined));
  };
  const auto all = [&](uint64_t n) { return static_cast<uint64_t>(starters) * n; };
  const auto each = static_cast<uint64_t>(c["tasks"]);
  outcome out = warm_up_and_measure(c, each, start, all, "wrong number of tasks");
  out.operations = all(each);
  return out;
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 6> workloads{{
    {.name = "fib",
     .summary = "the naive recursion, a fork for each call",
     .shows = "the bare cost of a fork: stealing and waking matter only while the processors get their first piece",
     .unit = "call",
     .parameters = fib_parameters,
     .run = run_fib},
    {.name = "skynet",
     .summary = "a tree of forks, ten at each node",
     .shows = "the cost of forks in a loop, and with --work how much work a fork must have to be worth it",
     .unit = "task",
     .parameters = skynet_parameters,
     .run = run_skynet},
    {.name = "nqueens",
     .summary = "all solutions of the queens' puzzle, a fork for each place that is free",
     .shows = "forks whose frames hold data, and pieces of unlike size, so stealing",
     .unit = "node",
     .parameters = nqueens_parameters,
     .run = run_nqueens},
    {.name = "tree-search",
     .summary = "counts the nodes of a tree whose branches differ widely in size",
     .shows = "stealing and waking: where the next work is to be had changes all the time",
     .unit = "node",
     .parameters = tree_search_parameters,
     .run = run_tree_search},
    {.name = "matmul",
     .summary = "a product of matrices, halved down to blocks of 32 x 32",
     .shows = "forks with work enough: a difference comes from caches, or from processors that had nothing to do",
     .unit = "block",
     .parameters = matmul_parameters,
     .run = run_matmul},
    {.name = "spawn-storm",
     .summary = "starts very many short tasks, then waits for all",
     .shows = "the cost of a task with a stack of its own, queues that overflow, and memory: all may be alive at once",
     .unit = "task",
     .parameters = spawn_storm_parameters,
     .run = run_spawn_storm},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::fork_workloads() { return workloads; }
