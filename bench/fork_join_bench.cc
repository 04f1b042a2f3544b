// Fork-join: the naive Fibonacci recursion, which is nothing but calls, so a call costs what the runtime adds.
//
//   BM_Fib        both recursive calls as children of weft::join
//   BM_FibCall    the same recursion by plain co_await, never parallel: what a coroutine call costs without the fork
//   BM_FibPlain   the same recursion as a C++ function (the compiler may not fold the calls): the floor
//
// Figures are ns per call; fib(n) makes 2 fib(n + 1) - 1 calls.
#include <cstdint>
#include <utility>

#include <weft/join.h>
#include <weft/task.h>

#include "bench_support.h"

namespace {

weft::task<int64_t> fib(int64_t n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await weft::join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

weft::task<int64_t> fib_call(int64_t n) {
  if (n < 2) co_return n;
  const int64_t a = co_await fib_call(n - 1);
  const int64_t b = co_await fib_call(n - 2);
  co_return a + b;
}

[[gnu::noinline]] int64_t fib_plain(int64_t n) {
  // Without this the compiler turns one of the calls into a loop.
  asm volatile("" : "+r"(n));
  if (n < 2) return n;
  const int64_t a = fib_plain(n - 1);
  const int64_t b = fib_plain(n - 2);
  return a + b;
}

int64_t fib_value(int64_t n) {
  int64_t a = 0;
  int64_t b = 1;
  for (int64_t i = 0; i < n; ++i) b += std::exchange(a, b);
  return a;
}

int64_t fib_calls(int64_t n) { return 2 * fib_value(n + 1) - 1; }

void BM_Fib(benchmark::State& state) {
  const int64_t n = state.range(0);
  weft_bench::run_batches(state, state.range(1), "ns/call", fib_calls(n), fib_value(n), fib, n);
}
BENCHMARK(BM_Fib)->Apply(weft_bench::wall_time)->ArgNames({"n", "processors"})->ArgsProduct({{30, 32, 34}, {1, 2}});

void BM_FibCall(benchmark::State& state) {
  const int64_t n = 32;
  weft_bench::run_batches(state, state.range(0), "ns/call", fib_calls(n), fib_value(n), fib_call, n);
}
BENCHMARK(BM_FibCall)->Apply(weft_bench::on_processors);

weft::task<int64_t> plain(int64_t n) { co_return fib_plain(n); }

void BM_FibPlain(benchmark::State& state) {
  const int64_t n = 34;
  weft_bench::run_batches(state, state.range(0), "ns/call", fib_calls(n), fib_value(n), plain, n);
}
BENCHMARK(BM_FibPlain)->Apply(weft_bench::on_processors);

}  // namespace
