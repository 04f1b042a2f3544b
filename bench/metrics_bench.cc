// Reading metrics: all of them, a few, and what becomes of them for other programs. Nothing is paused meanwhile.
//
//   BM_ReadAll          metrics::read() of every metric into the same samples; us per read
//   BM_ReadAllBeside    the same while two tasks on another processor hand over to each other; us per read
//   BM_ReadFour         four of them; us per read
//   BM_Snapshot         a new snapshot, with memory of its own; us per snapshot
//   BM_Prometheus       a snapshot's page; us per page
//
// In Go's runtime: bench/peers/go, readmetrics.
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/metrics_export.h>
#include <weft/task.h>

#include "bench_support.h"

namespace {

std::vector<weft::metrics::sample> every_metric() {
  std::vector<weft::metrics::sample> samples;
  for (const weft::metrics::description& d : weft::metrics::all()) samples.push_back({d.name});
  return samples;
}

template <class F>
void measure(benchmark::State& state, F&& operation) {
  int64_t total_ns = 0;
  int64_t count = 0;
  for (auto _ : state) {
    const int64_t start = weft_bench::now_ns();
    for (int i = 0; i < 100; ++i) operation();
    total_ns += weft_bench::now_ns() - start;
    count += 100;
  }
  state.counters["us/read"] = static_cast<double>(total_ns) * 1e-3 / static_cast<double>(count);
}

void BM_ReadAll(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  std::vector<weft::metrics::sample> samples = every_metric();
  measure(state, [&] { weft::metrics::read(*rt, samples); });
}
BENCHMARK(BM_ReadAll)->Apply(weft_bench::on_processors);

weft::task<> hand_over(weft::channel<int> in, weft::channel<int> out, const std::atomic<bool>* enough) {
  while (!*enough) {
    const bool sent = co_await out.send(1);
    const auto got = co_await in.receive();
    if (!sent || !got) break;
  }
  out.close();
}

void BM_ReadAllBeside(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  std::atomic<bool> enough = false;
  const weft::channel<int> there(0);
  const weft::channel<int> back(0);
  auto one = rt->spawn(hand_over, there, back, &enough);
  auto other = rt->spawn(hand_over, back, there, &enough);
  std::vector<weft::metrics::sample> samples = every_metric();
  measure(state, [&] { weft::metrics::read(*rt, samples); });
  enough = true;
  weft::channel<int>(there).close();
  weft::channel<int>(back).close();
  one.get();
  other.get();
}
BENCHMARK(BM_ReadAllBeside)->Apply(weft_bench::on_processors);

void BM_ReadFour(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  std::array samples{
      weft::metrics::sample{"/sched/goroutines:goroutines"}, weft::metrics::sample{"/sched/latencies:seconds"},
      weft::metrics::sample{"/cpu/classes/idle:cpu-seconds"}, weft::metrics::sample{"/weft/sched/steals:steals"}};
  measure(state, [&] { weft::metrics::read(*rt, samples); });
}
BENCHMARK(BM_ReadFour)->Apply(weft_bench::on_processors);

void BM_Snapshot(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  measure(state, [&] { benchmark::DoNotOptimize(weft::metrics::snapshot(*rt)); });
}
BENCHMARK(BM_Snapshot)->Apply(weft_bench::on_processors);

void BM_Prometheus(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  const weft::metrics::snapshot now(*rt);
  measure(state, [&] { benchmark::DoNotOptimize(weft::metrics::to_prometheus(now)); });
}
BENCHMARK(BM_Prometheus)->Apply(weft_bench::on_processors);

}  // namespace
