// Workloads: fork and join.
#include <array>
#include <cstdint>
#include <span>

#include <weft/join.h>
#include <weft/runtime.h>
#include <weft/task.h>

#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;

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

constexpr std::array<weft_lab::workload, 1> workloads{{
    {.name = "fib",
     .summary = "the naive recursion, a fork for each call",
     .shows = "the bare cost of a fork: stealing and waking matter only while the processors get their first piece",
     .unit = "call",
     .parameters = fib_parameters,
     .run = run_fib},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::fork_workloads() { return workloads; }
