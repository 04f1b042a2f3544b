// Pools: what a get and a give back cost, hot, in bursts and between processors, and what an epoch costs.
//
//   BM_Pool               a task for each processor gets an object and gives it back; ns per pair of a task
//   BM_PoolOverflow       a task for each processor gets 100 objects and gives 100 back; ns per object of a task
//   BM_PoolStarvation     one task only gets, another only gives back; ns per object, and which part of the gets was
//                         a steal (of a batch) and a miss
//   BM_PoolExpensiveNew   each of 1,000 epochs sees 100 gets; objects made per epoch
//   BM_BufferPool         get and give back of buffers of 1 to 4,096 bytes; ns per pair
//   BM_PoolEpoch          an epoch of one processor (a hosted runtime's collect()) with so many pools, each with one
//                         object, or with none but used before; us per epoch. Nothing is destroyed in it
//   BM_PoolEpochWaste     the same where each pool has 10 objects that are destroyed; us per epoch, destruction
//   included
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <weft/pool.h>
#include <weft/runtime.h>

#include "bench_support.h"
#include "pool_work.h"

namespace {

using pool_work::object;
using weft_bench::now_ns;

void BM_Pool(benchmark::State& state) {
  const int processors = static_cast<int>(state.range(0));
  const int64_t pairs = 10'000'000;
  const auto work = [](int n, uint64_t rounds) -> weft::task<int64_t> {
    co_return static_cast<int64_t>(co_await pool_work::on_each(pool_work::use_often, n, rounds));
  };
  weft_bench::run_batches(state, processors, "ns/pair", pairs, pairs * processors, work, processors,
                          static_cast<uint64_t>(pairs));
}
BENCHMARK(BM_Pool)->Apply(weft_bench::on_processors);

void BM_PoolOverflow(benchmark::State& state) {
  const int processors = static_cast<int>(state.range(0));
  const int64_t count = 5'000'000;
  const auto work = [](int n, uint64_t rounds) -> weft::task<int64_t> {
    co_return static_cast<int64_t>(co_await pool_work::on_each(pool_work::use_hundreds, n, rounds));
  };
  weft_bench::run_batches(state, processors, "ns/object", count, count * processors, work, processors,
                          static_cast<uint64_t>(count));
}
BENCHMARK(BM_PoolOverflow)->Apply(weft_bench::on_processors);

void BM_PoolStarvation(benchmark::State& state) {
  const uint64_t batches = 10'000;
  const int64_t count = static_cast<int64_t>(batches * pool_work::one_way::batch);
  weft::pool_stats last;
  const auto work = [](uint64_t n, weft::pool_stats* figures) -> weft::task<int64_t> {
    co_return static_cast<int64_t>(co_await pool_work::carry(n, figures));
  };
  weft_bench::run_batches(state, state.range(0), "ns/object", count, count, work, batches, &last);
  state.counters["stolen"] = static_cast<double>(last.hits_stolen) / static_cast<double>(last.gets);
  state.counters["missed"] = static_cast<double>(last.misses) / static_cast<double>(last.gets);
}
BENCHMARK(BM_PoolStarvation)->Apply(weft_bench::on_processors);

// Uses so many objects of each pool in a task of the hosted runtime.
template <class Pools>
void use_each(weft::runtime& rt, Pools& pools, int objects) {
  const auto work = [](Pools* all, int n) -> weft::task<> {
    std::vector<weft::pooled<object>> held(static_cast<std::size_t>(n));
    for (auto& p : *all) {
      for (auto& one : held) one = p->get();
      for (auto& one : held) one.give_back();
    }
    co_return;
  };
  auto done = rt.spawn(work, &pools, objects);
  while (rt.poll() != 0) {
  }
  done.get();
}

using pools = std::vector<std::unique_ptr<weft::pool<object>>>;

pools make_pools(int64_t count) {
  pools all;
  for (int64_t i = 0; i < count; ++i) all.push_back(std::make_unique<weft::pool<object>>([] { return object(); }));
  return all;
}

void BM_PoolExpensiveNew(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(0);
  pools all = make_pools(1);
  int64_t epochs = 0;
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i, ++epochs) {
      use_each(*rt, all, 100);
      rt->collect();
    }
  }
  state.counters["made/epoch"] = static_cast<double>(all[0]->stats().misses) / static_cast<double>(epochs);
}
BENCHMARK(BM_PoolExpensiveNew)->Apply(weft_bench::wall_time);

void BM_BufferPool(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(1);
  const int64_t pairs = 4096 * 256;
  weft::buffer_pool p;
  const auto work = [](weft::buffer_pool* all, int64_t n) -> weft::task<int64_t> {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      weft::pooled_buffer one = all->get(static_cast<std::size_t>(i * 7 % 4096 + 1));
      one.data()[0] = std::byte{1};
      ++sum;
    }
    co_return sum;
  };
  int64_t total_ns = 0;
  for (auto _ : state) {
    const int64_t start = now_ns();
    weft_bench::require(rt->run(work, &p, pairs) == pairs, "buffers: wrong count");
    total_ns += now_ns() - start;
  }
  state.counters["ns/pair"] = static_cast<double>(total_ns) / static_cast<double>(pairs * state.iterations());
}
BENCHMARK(BM_BufferPool)->Apply(weft_bench::wall_time);

void run_epochs(benchmark::State& state, int objects, int epochs_between_uses) {
  const auto rt = weft_bench::make_runtime(0);
  pools all = make_pools(state.range(0));
  int64_t total_ns = 0;
  int64_t epochs = 0;
  for (auto _ : state) {
    if (objects != 0) use_each(*rt, all, objects);
    for (int i = 0; i < epochs_between_uses; ++i, ++epochs) {
      const int64_t start = now_ns();
      rt->collect();
      total_ns += now_ns() - start;
    }
  }
  state.counters["us/epoch"] = static_cast<double>(total_ns) / 1000 / static_cast<double>(epochs);
}

void BM_PoolEpoch(benchmark::State& state) { run_epochs(state, static_cast<int>(state.range(1)), 1); }
BENCHMARK(BM_PoolEpoch)
    ->Apply(weft_bench::wall_time)
    ->ArgNames({"pools", "objects"})
    ->ArgsProduct({{1, 1000, 10'000}, {0, 1}});

void BM_PoolEpochWaste(benchmark::State& state) { run_epochs(state, 10, 2); }
BENCHMARK(BM_PoolEpochWaste)->Apply(weft_bench::wall_time)->ArgName("pools")->Arg(1000);

}  // namespace
