// Switching between ready tasks: each of 2 or 1,000 tasks yields in a loop.
//
//   BM_Yield   wall time divided by all yields of all tasks; ns per yield
#include <atomic>
#include <cstdint>

#include <weft/go.h>
#include <weft/task.h>
#include <weft/this_task.h>
#include <weft/wait_group.h>

#include "bench_support.h"

namespace {

weft::task<> yielder(int64_t rounds, std::atomic<int64_t>* yields, weft::wait_group* running) {
  int64_t mine = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    co_await weft::yield();
    ++mine;
  }
  // relaxed: the wait group orders it before the reader.
  yields->fetch_add(mine, std::memory_order_relaxed);
  running->done();
}

weft::task<int64_t> yield_all(int64_t tasks, int64_t rounds) {
  std::atomic<int64_t> yields{0};
  weft::wait_group running;
  running.add(tasks);
  for (int64_t i = 0; i < tasks; ++i) weft::go(yielder, rounds, &yields, &running);
  (void)co_await running.wait();
  // relaxed: as above.
  co_return yields.load(std::memory_order_relaxed);
}

void BM_Yield(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t yields = 2'000'000;
  weft_bench::run_batches(state, state.range(1), "ns/yield", yields, yields, yield_all, tasks, yields / tasks);
}
BENCHMARK(BM_Yield)->Apply(weft_bench::wall_time)->ArgNames({"tasks", "processors"})->ArgsProduct({{2, 1000}, {1, 2}});

}  // namespace
