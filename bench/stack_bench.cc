// Coroutine stacks: calls, deep recursion, and calls across the end of a segment.
//
//   BM_CallCoroutine   co_await of a coroutine that only returns; ns per call
//   BM_CallPlain       the same as a C++ function that the compiler may not inline: the floor
//   BM_DeepRecursion   1,000,000 coroutine calls deep and back; ns per call
//   BM_HotSplit        a loop of calls at each of 400 depths of one stack. Whatever the segments' sizes, at some of
//                      these depths every call crosses the end of one. The dearest depth and the median depth, ns per
//                      call: a hot split would make the first a large multiple of the second.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <weft/task.h>

#include "bench_support.h"

namespace {

// The compiler must not see through the calls: the value passes through a register that it knows nothing about.
int64_t opaque(int64_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

weft::task<int64_t> leaf(int64_t i) { co_return opaque(i) & 1; }

weft::task<int64_t> call_many(int64_t calls) {
  int64_t odd = 0;
  for (int64_t i = 0; i < calls; ++i) odd += co_await leaf(i);
  co_return odd;
}

void BM_CallCoroutine(benchmark::State& state) {
  const int64_t calls = 10'000'000;
  weft_bench::run_batches(state, state.range(0), "ns/call", calls, calls / 2, call_many, calls);
}
BENCHMARK(BM_CallCoroutine)->Apply(weft_bench::on_processors);

[[gnu::noinline]] int64_t plain_leaf(int64_t i) { return opaque(i) & 1; }

weft::task<int64_t> call_many_plain(int64_t calls) {
  int64_t odd = 0;
  for (int64_t i = 0; i < calls; ++i) odd += plain_leaf(i);
  co_return odd;
}

void BM_CallPlain(benchmark::State& state) {
  const int64_t calls = 10'000'000;
  weft_bench::run_batches(state, state.range(0), "ns/call", calls, calls / 2, call_many_plain, calls);
}
BENCHMARK(BM_CallPlain)->Apply(weft_bench::on_processors);

weft::task<int64_t> recurse(int64_t depth) {
  if (depth == 0) co_return 0;
  const int64_t below = co_await recurse(depth - 1);
  co_return below + 1;
}

void BM_DeepRecursion(benchmark::State& state) {
  const int64_t depth = 1'000'000;
  weft_bench::run_batches(state, state.range(0), "ns/call", depth, depth, recurse, depth);
}
BENCHMARK(BM_DeepRecursion)->Apply(weft_bench::on_processors);

// Hot split -----------------------------------------------------------------------------------------------------------

constexpr std::size_t split_depths = 400;
constexpr int64_t split_calls = 1'000;

// Larger than descend()'s frame, so that no segment's end falls between two depths. All words are read, so all are
// kept.
struct padding {
  int64_t words[12] = {};
};

weft::task<int64_t> wide_leaf(padding p) {
  int64_t sum = 0;
  for (const int64_t word : p.words) sum += word;
  co_return sum;
}

// Loops at this depth, keeping the least time that was ever seen there, then goes one deeper.
weft::task<int64_t> descend(std::vector<int64_t>* least_ns, std::size_t depth) {
  if (depth == least_ns->size()) co_return 0;
  int64_t sum = 0;
  const int64_t start = weft_bench::now_ns();
  for (int64_t i = 0; i < split_calls; ++i) {
    padding p;
    p.words[0] = opaque(1);
    sum += co_await wide_leaf(p);
  }
  (*least_ns)[depth] = std::min((*least_ns)[depth], weft_bench::now_ns() - start);
  const int64_t below = co_await descend(least_ns, depth + 1);
  co_return below + sum;
}

void BM_HotSplit(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  std::vector<int64_t> least_ns(split_depths, std::numeric_limits<int64_t>::max());
  const auto batch = [&] {
    const int64_t sum = rt->run(descend, &least_ns, std::size_t{0});
    weft_bench::require(sum == split_calls * static_cast<int64_t>(split_depths), "a call returned a wrong result");
  };
  // Three untimed runs: the least of several is free of interruptions even when the timed loop runs once.
  for (int i = 0; i < 3; ++i) batch();
  for (auto _ : state) batch();
  std::ranges::sort(least_ns);
  state.counters["ns/call_worst_depth"] = static_cast<double>(least_ns.back()) / split_calls;
  state.counters["ns/call_median_depth"] = static_cast<double>(least_ns[split_depths / 2]) / split_calls;
}
BENCHMARK(BM_HotSplit)->Apply(weft_bench::on_processors);

}  // namespace
