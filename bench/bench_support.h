// What the benchmark programs share: a runtime with a number of processors, the timed loop, and figures with a unit.
//
// A benchmark runs a batch of work as one task, many operations long, so that handing the task to the runtime does not
// count. Each batch returns a result that only the complete work can give; a wrong one ends the program.
//
// The argument `processors` is 1 or 2. Google Benchmark's own time column is that of a whole batch; the figure to read
// is the counter, which is named by its unit ("ns/item") and is a mean over all batches of the run.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>

#include <weft/runtime.h>

namespace weft_bench {

/// Ends the program with a message unless `ok`: a runtime that gives wrong results has no speed.
inline void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "error: %s\n", what);
  std::fflush(stderr);
  std::_Exit(1);
}

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

inline std::unique_ptr<weft::runtime> make_runtime(int64_t processors) {
  weft::options opts;
  opts.processors = static_cast<int>(processors);
  auto made = weft::runtime::create(opts);
  if (!made.ok()) require(false, std::string(made.status().message()).c_str());
  return *std::move(made);
}

/// Runs the coroutine f(args...) as a task in every iteration on one runtime, after one run that is not timed.
///
/// `expected` is what each run must return; `unit` names the counter, and `operations` says how many a run does.
template <class F, class... Args>
void run_batches(benchmark::State& state, int64_t processors, const char* unit, int64_t operations, int64_t expected,
                 F f, Args... args) {
  const std::unique_ptr<weft::runtime> rt = make_runtime(processors);
  const auto batch = [&] { require(rt->run(f, args...) == expected, "the batch returned a wrong result"); };
  batch();
  int64_t total_ns = 0;
  for (auto _ : state) {
    const int64_t start = now_ns();
    batch();
    total_ns += now_ns() - start;
  }
  state.counters[unit] = static_cast<double>(total_ns) / static_cast<double>(operations * state.iterations());
}

/// How every benchmark here is timed: by the wall, with the CPU time of all threads beside it.
inline void wall_time(benchmark::internal::Benchmark* b) {
  b->MeasureProcessCPUTime()->UseRealTime()->Unit(benchmark::kMillisecond);
}

/// The same, with `processors` 1 and 2 as the only argument.
inline void on_processors(benchmark::internal::Benchmark* b) {
  wall_time(b);
  b->ArgName("processors")->Arg(1)->Arg(2);
}

}  // namespace weft_bench
