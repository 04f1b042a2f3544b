// Starting tasks: one at a time, a million before the first join, and let go without a handle.
//
//   BM_SpawnJoinOne      spawn and join one, again and again; ns per task
//   BM_SpawnMillion      spawn 1,000,000, then join all through their handles; ns per task
//   BM_GoMillion         `go` 1,000,000 in a row, then wait for all in a wait_group; ns per task
//   BM_GoSteady          `go` in bursts of 100, waiting for each burst: the same hundred stacks; ns per task
//   BM_CreateGoroutines  each task starts the next one and ends, as in Go's proc_test.go; ns per task
//
// The counter `mallocs/Mtask` says how often malloc and its relatives were called in the timed runs, for a million
// tasks: nothing is the promise for `go` once the first, untimed run has filled the caches.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/task.h>
#include <weft/wait_group.h>

#include "bench_support.h"

namespace {
std::atomic<int64_t> malloc_calls{0};
}

#if defined(__GLIBC__)
// glibc lets a program define these names itself; each counts and passes the call on.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  // relaxed: a statistic; so are the ones below.
  malloc_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  // relaxed: a statistic.
  malloc_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  // relaxed: a statistic.
  malloc_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  // relaxed: a statistic.
  malloc_calls.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
}
#endif

namespace {

// run_batches, with the calls of malloc beside the time.
template <class F, class... Args>
void run_counted(benchmark::State& state, int64_t tasks, F f, Args... args) {
  const int64_t processors = state.range(0);
  const std::unique_ptr<weft::runtime> rt = weft_bench::make_runtime(processors);
  const auto batch = [&] { weft_bench::require(rt->run(f, args...) == tasks, "some task has not run"); };
  batch();
  int64_t total_ns = 0;
  int64_t mallocs = 0;
  for (auto _ : state) {
    // relaxed: the batch's hand-over orders what its tasks counted.
    const int64_t mallocs_before = malloc_calls.load(std::memory_order_relaxed);
    const int64_t start = weft_bench::now_ns();
    batch();
    total_ns += weft_bench::now_ns() - start;
    // relaxed: as above.
    mallocs += malloc_calls.load(std::memory_order_relaxed) - mallocs_before;
  }
  const auto all = static_cast<double>(tasks * state.iterations());
  state.counters["ns/task"] = static_cast<double>(total_ns) / all;
#if defined(__GLIBC__)
  state.counters["mallocs/Mtask"] = 1e6 * static_cast<double>(mallocs) / all;
#endif
}

constexpr int64_t million = 1'000'000;

weft::task<int64_t> one() { co_return 1; }

weft::task<int64_t> spawn_join_one(int64_t count) {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += co_await weft::spawn(one);
  co_return sum;
}

void BM_SpawnJoinOne(benchmark::State& state) { run_counted(state, million, spawn_join_one, million); }
BENCHMARK(BM_SpawnJoinOne)->Apply(weft_bench::on_processors);

weft::task<int64_t> spawn_all(std::vector<weft::join_handle<int64_t>>* handles, int64_t count) {
  for (int64_t i = 0; i < count; ++i) handles->push_back(weft::spawn(one));
  int64_t sum = 0;
  for (auto& handle : *handles) sum += co_await handle;
  handles->clear();
  co_return sum;
}

void BM_SpawnMillion(benchmark::State& state) {
  std::vector<weft::join_handle<int64_t>> handles;
  handles.reserve(million);
  run_counted(state, million, spawn_all, &handles, million);
}
BENCHMARK(BM_SpawnMillion)->Apply(weft_bench::on_processors);

// A count that is spread over many cache lines, so that two processors do not wait for each other over it.
class counters {
 public:
  void add(int64_t task) noexcept {
    // relaxed: the wait group orders it before the reader.
    slots_[static_cast<std::size_t>(task) % slot_count].value.fetch_add(1, std::memory_order_relaxed);
  }
  int64_t take() noexcept {
    int64_t sum = 0;
    // relaxed: as above.
    for (slot& s : slots_) sum += s.value.exchange(0, std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t slot_count = 64;
  struct alignas(64) slot {
    std::atomic<int64_t> value{0};
  };
  slot slots_[slot_count];
};

weft::task<> count_one(counters* sum, int64_t task, weft::wait_group* running) {
  sum->add(task);
  running->done();
  co_return;
}

weft::task<int64_t> go_in_bursts(counters* sum, int64_t bursts, int64_t burst) {
  weft::wait_group running;
  for (int64_t b = 0; b < bursts; ++b) {
    running.add(burst);
    for (int64_t i = 0; i < burst; ++i) weft::go(count_one, sum, i, &running);
    (void)co_await running.wait();
  }
  co_return sum->take();
}

void BM_GoMillion(benchmark::State& state) {
  counters sum;
  run_counted(state, million, go_in_bursts, &sum, int64_t{1}, million);
}
BENCHMARK(BM_GoMillion)->Apply(weft_bench::on_processors);

void BM_GoSteady(benchmark::State& state) {
  counters sum;
  const int64_t burst = 100;
  run_counted(state, million, go_in_bursts, &sum, million / burst, burst);
}
BENCHMARK(BM_GoSteady)->Apply(weft_bench::on_processors);

weft::task<> start_next(int64_t left, int64_t* started, weft::wait_group* end) {
  ++*started;
  if (left > 1)
    weft::go(start_next, left - 1, started, end);
  else
    end->done();
  co_return;
}

weft::task<int64_t> create_chain(int64_t count) {
  int64_t started = 0;
  weft::wait_group end;
  end.add();
  weft::go(start_next, count, &started, &end);
  (void)co_await end.wait();
  co_return started;
}

void BM_CreateGoroutines(benchmark::State& state) { run_counted(state, million, create_chain, million); }
BENCHMARK(BM_CreateGoroutines)->Apply(weft_bench::on_processors);

}  // namespace
