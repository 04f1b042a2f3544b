// How long a readied task waits behind a hog: on two processors, a task makes another one ready and computes on.
//
// The readied task sits in the run-next slot of the hog's processor, because most tasks that ready another one park
// soon after and would hand over at once. This one does not: it computes without a scheduling point until the other
// runs. So the other processor has to find the readied task and take it. Measured from just before the ready to the
// first instruction of the readied task, as percentiles in microseconds, and the largest.
//
//   BM_HandOffBehindHog/wake_*    the readied task was parked on a channel
//   BM_HandOffBehindHog/start_*   the readied task is a new one (go)
//   .../*_asleep                  the other processor has had nothing to do for 2 ms: its worker sleeps
//   .../*_searching               the other processor ran the readied task's last turn a moment before
//
// `late` counts the hand-offs that took more than 100 ms, where the hog gives up and parks; it should be 0.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/task.h>
#include <weft/time.h>

#include "bench_support.h"

namespace {

using namespace std::chrono_literals;

constexpr int64_t patience_ns = 100'000'000;

struct result {
  std::vector<int64_t> latencies_ns;
  int64_t late = 0;
};

// Computes until the other task has run, without giving it a chance on this processor. False: it did not.
bool compute_until(const std::atomic<int64_t>& ran_at_ns, int64_t start_ns) {
  // acquire: pairs with the release store of the readied task.
  while (ran_at_ns.load(std::memory_order_acquire) == 0)
    if (weft_bench::now_ns() - start_ns > patience_ns) return false;
  return true;
}

weft::task<> receiver(weft::channel<int> turns, std::atomic<int64_t>* ran_at_ns) {
  for (;;) {
    const bool open = (co_await turns.receive()).has_value();
    if (!open) break;
    // release: pairs with the acquire load in compute_until().
    ran_at_ns->store(weft_bench::now_ns(), std::memory_order_release);
  }
}

weft::task<> run_once(std::atomic<int64_t>* ran_at_ns) {
  // release: as in receiver().
  ran_at_ns->store(weft_bench::now_ns(), std::memory_order_release);
  co_return;
}

weft::task<result> hog(bool start_new, bool let_sleep, int64_t rounds) {
  const weft::channel<int> turns(0);
  std::atomic<int64_t> ran_at_ns{0};
  if (!start_new) weft::go(receiver, turns, &ran_at_ns);
  result r;
  for (int64_t i = 0; i < rounds; ++i) {
    // The receiver parks meanwhile. A short sleep leaves the other processor's worker searching: it does so for 20 us.
    (void)co_await weft::sleep_for(let_sleep ? 2ms : 10us);
    // relaxed: the other task does not run now.
    ran_at_ns.store(0, std::memory_order_relaxed);
    const int64_t start_ns = weft_bench::now_ns();
    if (start_new)
      weft::go(run_once, &ran_at_ns);
    else
      weft_bench::require(co_await turns.send(1), "a send was refused");
    if (!compute_until(ran_at_ns, start_ns)) {
      ++r.late;
      // acquire: as in compute_until(). Sleeping lets it run on this processor.
      while (ran_at_ns.load(std::memory_order_acquire) == 0) (void)co_await weft::sleep_for(1ms);
    }
    // acquire: as in compute_until().
    r.latencies_ns.push_back(ran_at_ns.load(std::memory_order_acquire) - start_ns);
  }
  turns.close();
  co_return r;
}

void BM_HandOffBehindHog(benchmark::State& state, bool start_new, bool let_sleep) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  result all;
  for (auto _ : state) {
    const int64_t rounds = 200;
    const result r = rt->run(hog, start_new, let_sleep, rounds);
    weft_bench::require(r.latencies_ns.size() == static_cast<std::size_t>(rounds), "a hand-off is missing");
    all.latencies_ns.insert(all.latencies_ns.end(), r.latencies_ns.begin(), r.latencies_ns.end());
    all.late += r.late;
  }
  std::ranges::sort(all.latencies_ns);
  const auto percentile_us = [&](double p) {
    const auto last = static_cast<double>(all.latencies_ns.size() - 1);
    return static_cast<double>(all.latencies_ns[static_cast<std::size_t>(p / 100 * last)]) / 1e3;
  };
  state.counters["us_p50"] = percentile_us(50);
  state.counters["us_p90"] = percentile_us(90);
  state.counters["us_p99"] = percentile_us(99);
  state.counters["us_max"] = percentile_us(100);
  state.counters["late"] = static_cast<double>(all.late);
}

void on_two(benchmark::internal::Benchmark* b) {
  weft_bench::wall_time(b);
  b->ArgName("processors")->Arg(2);
}

BENCHMARK_CAPTURE(BM_HandOffBehindHog, wake_asleep, false, true)->Apply(on_two);
BENCHMARK_CAPTURE(BM_HandOffBehindHog, wake_searching, false, false)->Apply(on_two);
BENCHMARK_CAPTURE(BM_HandOffBehindHog, start_asleep, true, true)->Apply(on_two);
BENCHMARK_CAPTURE(BM_HandOffBehindHog, start_searching, true, false)->Apply(on_two);

}  // namespace
