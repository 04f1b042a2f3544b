// The heap of stack blocks: the cost of its part of an epoch, and of giving memory back to the kernel.
//
//   BM_EpochOfCachedStacks  100,000 stacks lie in the depot and a processor's cache: trims it and ends the epoch.
//                           The figure is "us/epoch"; nothing goes back to the kernel in it
//   BM_GiveBackStacks       gives the memory of 100,000 free stacks back in steps of 256 KiB, "us/MiB" and the longest
//                           step, "us/step_most"
//   BM_ReadHeapFigures      a snapshot of all figures, with 100,000 stacks and two processors' caches, "us/read"
#include <algorithm>
#include <cstdint>
#include <vector>

#include "bench_support.h"
#include "mem/block_heap.h"

namespace {

using namespace weft::mem;

constexpr int64_t stacks = 100'000;
constexpr std::size_t size_class = class_of(256);

void use_stacks(block_cache& cache) {
  std::vector<void*> blocks;
  for (int64_t i = 0; i < stacks; ++i) {
    blocks.push_back(cache.take(block_kind::strand, size_class));
    weft_bench::require(blocks.back() != nullptr, "no memory");
    *static_cast<char*>(blocks.back()) = 1;
  }
  for (void* b : blocks) cache.give(block_kind::strand, size_class, b);
}

void BM_EpochOfCachedStacks(benchmark::State& state) {
  block_heap heap(weft::os::system::real(), nullptr);
  block_cache cache(heap);
  int64_t total_ns = 0;
  for (auto _ : state) {
    use_stacks(cache);
    for (int i = 0; i < 2; ++i) {  // the first keeps what was needed, the second nothing
      const int64_t start = weft_bench::now_ns();
      cache.trim(trim_level::unused);
      heap.end_epoch(trim_level::unused);
      total_ns += weft_bench::now_ns() - start;
    }
  }
  weft_bench::require(heap.figures().of(block_kind::strand).cached_bytes == 0, "something is cached");
  state.counters["us/epoch"] = static_cast<double>(total_ns) * 1e-3 / static_cast<double>(2 * state.iterations());
}
BENCHMARK(BM_EpochOfCachedStacks)->Apply(weft_bench::wall_time);

void BM_GiveBackStacks(benchmark::State& state) {
  block_heap heap(weft::os::system::real(), nullptr);
  block_cache cache(heap);
  int64_t total_ns = 0;
  int64_t longest_ns = 0;
  for (auto _ : state) {
    use_stacks(cache);
    cache.flush();
    heap.end_epoch(trim_level::everything);
    while (heap.has_returnable()) {
      const int64_t start = weft_bench::now_ns();
      heap.release_some(256 * 1024);
      const int64_t ns = weft_bench::now_ns() - start;
      total_ns += ns;
      longest_ns = std::max(longest_ns, ns);
    }
  }
  const heap_figures f = heap.figures();
  weft_bench::require(f.strand_slab_bytes == 0, "something was not given back");
  state.counters["us/MiB"] =
      static_cast<double>(total_ns) * 1e-3 / (static_cast<double>(f.given_back_bytes) / (1 << 20));
  state.counters["us/step_most"] = static_cast<double>(longest_ns) * 1e-3;
}
BENCHMARK(BM_GiveBackStacks)->Apply(weft_bench::wall_time);

void BM_ReadHeapFigures(benchmark::State& state) {
  block_heap heap(weft::os::system::real(), nullptr);
  block_cache cache(heap);
  block_cache other(heap);
  use_stacks(cache);
  int64_t total_ns = 0;
  for (auto _ : state) {
    const int64_t start = weft_bench::now_ns();
    benchmark::DoNotOptimize(heap.figures());
    total_ns += weft_bench::now_ns() - start;
  }
  state.counters["us/read"] = static_cast<double>(total_ns) * 1e-3 / static_cast<double>(state.iterations());
}
BENCHMARK(BM_ReadHeapFigures)->Apply(weft_bench::wall_time);

}  // namespace
