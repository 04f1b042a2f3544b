// How much later than its deadline a sleeping task runs, as percentiles in microseconds, and the largest.
//
//   BM_LoneSleep        one task sleeps 1 ms again and again; nothing else is there
//   BM_ManySleeps/n/p   n tasks on p processors sleep 20 to 40 ms by a hash of their number, three times: n / 20 timers
//                       are due in each millisecond
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/go.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "bench_support.h"

namespace {

using namespace std::chrono_literals;

// Sleeps once; how late it was.
weft::task<int64_t> lateness(std::chrono::nanoseconds d) {
  const int64_t due_ns = weft_bench::now_ns() + d.count();
  const bool slept = co_await weft::sleep_for(d);
  weft_bench::require(slept, "a sleep was stopped");
  co_return weft_bench::now_ns() - due_ns;
}

void report(benchmark::State& state, std::vector<int64_t>& late_ns) {
  std::ranges::sort(late_ns);
  weft_bench::require(late_ns.front() >= 0, "a sleeper woke early");
  const auto percentile_us = [&](double p) {
    const auto last = static_cast<double>(late_ns.size() - 1);
    return static_cast<double>(late_ns[static_cast<std::size_t>(p / 100 * last)]) / 1e3;
  };
  state.counters["us_p50"] = percentile_us(50);
  state.counters["us_p90"] = percentile_us(90);
  state.counters["us_p99"] = percentile_us(99);
  state.counters["us_max"] = percentile_us(100);
}

weft::task<> sleep_alone(std::vector<int64_t>* late_ns) {
  for (int i = 0; i < 100; ++i) {
    const int64_t late = co_await lateness(1ms);
    late_ns->push_back(late);
  }
}

void BM_LoneSleep(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  std::vector<int64_t> late_ns;
  for (auto _ : state) rt->run(sleep_alone, &late_ns);
  report(state, late_ns);
}

constexpr int rounds = 3;

weft::task<> sleep_among_others(uint64_t number, int64_t* late_ns, weft::wait_group* group) {
  for (int round = 0; round < rounds; ++round) {
    const uint64_t hash = (number * rounds + static_cast<uint64_t>(round)) * 2'654'435'761u & 0xffff'ffffu;
    const int64_t late = co_await lateness(20ms + std::chrono::nanoseconds(hash * 20'000'000 >> 32));
    late_ns[round] = late;
  }
  group->done();
}

weft::task<bool> sleep_together(int64_t count, std::vector<int64_t>* late_ns) {
  late_ns->resize(late_ns->size() + static_cast<std::size_t>(count * rounds));
  int64_t* first = late_ns->data() + late_ns->size() - count * rounds;
  weft::wait_group group;
  group.add(count);
  for (int64_t i = 0; i < count; ++i)
    weft::go(sleep_among_others, static_cast<uint64_t>(i), first + i * rounds, &group);
  co_return co_await group.wait();
}

void BM_ManySleeps(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(1));
  std::vector<int64_t> late_ns;
  for (auto _ : state) weft_bench::require(rt->run(sleep_together, state.range(0), &late_ns), "asked to stop");
  report(state, late_ns);
}

BENCHMARK(BM_LoneSleep)->Apply(weft_bench::wall_time)->ArgName("processors")->Arg(1)->Arg(2);
BENCHMARK(BM_ManySleeps)
    ->Apply(weft_bench::wall_time)
    ->ArgNames({"tasks", "processors"})
    ->ArgsProduct({{100, 1000, 10'000}, {1, 2}});

}  // namespace
