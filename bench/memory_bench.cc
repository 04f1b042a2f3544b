// What epochs cost, and what they do to memory and time. One figure a process.
//
//   memory_bench epoch [PROCESSORS [POOLS [STACKS [OBJECTS [ROUNDS]]]]]
//                                                        microseconds that collect() takes, an epoch and its background
//                                                        work, with so many pools in use, so many stacks cached, and so
//                                                        many objects put into each pool by each processor; for the
//                                                        longest call, for how much of it threads waited for a CPU, and
//                                                        the CPU time of giving memory back to the kernel; the same
//                                                        calls without the latter; and the longest time that a task
//                                                        which only counts was kept from it meanwhile
//   memory_bench burst [PROCESSORS [TASKS]]              resident MiB after so many tasks have ended, and after one,
//                                                        two and three epochs
//   memory_bench ceiling [PROCESSORS [LIMIT [PERCENT]]]  the bursty pipeline (below): seconds, peak resident MiB; LIMIT
//                                                        in MiB, 0 for none; PERCENT -1 for off (default)
//   memory_bench curve [PROCESSORS [PERCENT [ROUNDS]]]   the same under a percentage: CPU seconds, peak resident MiB
//
// The bursty pipeline works in phases. In a phase all buffers have one of eight sizes; four times, 24 MiB of them are
// in flight at once, go through two stages that read them, and come back. So 24 MiB are needed at any time, while pools
// that are never cleared hold 24 MiB of each size, about 200 MiB. peers/go/memory.go does the same with sync.Pool.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <weft/metrics.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "bench_support.h"
#include "cpu_time.h"
#include "resident.h"

namespace {

constexpr double mib = 1 << 20;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double resident_mib() { return static_cast<double>(weft_bench::resident_bytes()) / mib; }

// The most that was resident, as the kernel counted it.
double peak_resident_mib() {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  long kib = -1;
  for (char line[256]; file != nullptr && std::fgets(line, sizeof line, file) != nullptr;)
    if (std::sscanf(line, "VmHWM: %ld kB", &kib) == 1) break;
  if (file != nullptr) std::fclose(file);
  return static_cast<double>(kib) / 1024;
}

std::unique_ptr<weft::runtime> make_runtime(int processors, int gc_percent, int64_t limit_mib) {
  weft::options opts;
  opts.processors = processors;
  opts.gc_percent = gc_percent;
  if (limit_mib != 0) opts.memory_limit_bytes = limit_mib << 20;
  return *weft::runtime::create(opts);
}

// --- epoch ----------------------------------------------------------------------------------------------------------

struct object {
  char bytes[64];
};

weft::task<> use_pools(std::vector<std::unique_ptr<weft::pool<object>>>* pools, int64_t objects) {
  std::vector<weft::pooled<object>> taken;
  for (auto& p : *pools) {
    for (int64_t i = 0; i < objects; ++i) taken.push_back(p->get());
    taken.clear();
  }
  co_return;
}

// Microseconds that this process's threads were ready to run and waited for a CPU, in sum, as the kernel counted.
double waited_for_cpu_us() {
  double ns = 0;
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    std::ifstream file(thread.path() / "schedstat");
    double ran = 0, waited = 0;
    if (file >> ran >> waited) ns += waited;
  }
  return ns / 1e3;
}

// Microseconds of CPU time in which memory was given back to the kernel, by anybody.
double gave_back_us(const weft::runtime& rt) {
  std::array<weft::metrics::sample, 2> samples{
      {{"/cpu/classes/scavenge/assist:cpu-seconds"}, {"/cpu/classes/scavenge/background:cpu-seconds"}}};
  weft::metrics::read(rt, samples);
  return (samples[0].value.as_float64() + samples[1].value.as_float64()) * 1e6;
}

weft::task<> wait_for_close(weft::channel<int> gate) { (void)co_await gate.receive(); }

weft::task<> cache_stacks(int64_t stacks) {
  weft::channel<int> gate(0);
  weft::wait_group done;
  for (int64_t i = 0; i < stacks; ++i) done.go(wait_for_close, gate);
  co_await weft::yield();
  gate.close();
  (void)co_await done.wait();
}

// Counts, and remembers the longest time between two counts.
weft::task<> tick(const std::atomic<bool>* stop, std::atomic<int64_t>* longest_ns) {
  auto last = std::chrono::steady_clock::now();
  // relaxed: a flag and a figure.
  while (!stop->load(std::memory_order_relaxed)) {
    co_await weft::yield();
    const auto now = std::chrono::steady_clock::now();
    const int64_t ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now - last).count();
    // relaxed: as above.
    if (ns > longest_ns->load(std::memory_order_relaxed)) longest_ns->store(ns, std::memory_order_relaxed);
    last = now;
  }
}

int run_epoch(int processors, int64_t pools, int64_t stacks, int64_t objects, int64_t rounds) {
  auto rt = make_runtime(processors, -1, 0);
  std::vector<std::unique_ptr<weft::pool<object>>> all;
  for (int64_t i = 0; i < pools; ++i) all.push_back(std::make_unique<weft::pool<object>>([] { return object{}; }));
  std::atomic<bool> stop{false};
  std::atomic<int64_t> longest_ns{0};
  struct call {
    double us, waited_us, gave_back_us;
    double without_us() const { return us - gave_back_us; }
  };
  std::vector<call> calls;
  double gap_us = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    rt->run(cache_stacks, stacks);
    for (int i = 0; i < processors; ++i) rt->run(use_pools, &all, objects);
    auto ticker = rt->spawn(tick, &stop, &longest_ns);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const double waited = waited_for_cpu_us();
    const double gave_back = gave_back_us(*rt);
    // relaxed: as above.
    longest_ns.store(0, std::memory_order_relaxed);
    const auto begin = std::chrono::steady_clock::now();
    rt->collect();
    const double us = seconds_since(begin) * 1e6;
    // relaxed: as above.
    gap_us = std::max(gap_us, static_cast<double>(longest_ns.load(std::memory_order_relaxed)) / 1e3);
    calls.push_back({us, waited_for_cpu_us() - waited, gave_back_us(*rt) - gave_back});
    stop = true;
    ticker.get();
    stop = false;
  }
  const auto print = [&](const char* name, auto us_of) {
    std::sort(calls.begin(), calls.end(), [&](const call& a, const call& b) { return us_of(a) < us_of(b); });
    const call& worst = calls.back();
    const auto longer = std::count_if(calls.begin(), calls.end(), [&](const call& c) { return us_of(c) > 1000; });
    std::printf(
        "%s %d: median %.0f, p99 %.0f, worst %.0f us (%.0f us of waiting for a CPU, %.0f us of giving back), "
        "%ld of %zu above 1 ms\n",
        name, processors, us_of(calls[calls.size() / 2]), us_of(calls[calls.size() * 99 / 100]), us_of(worst),
        worst.waited_us, worst.gave_back_us, static_cast<long>(longer), calls.size());
  };
  print("epoch", [](const call& c) { return c.us; });
  print("epoch_without_giving_back", [](const call& c) { return c.without_us(); });
  std::printf("epoch_longest_gap %d: %.0f us\n", processors, gap_us);
  return 0;
}

// --- burst ----------------------------------------------------------------------------------------------------------

int run_burst(int processors, int64_t tasks) {
  auto rt = make_runtime(processors, 100, 0);
  std::printf("burst_before %d %.1f MiB\n", processors, resident_mib());
  rt->run(cache_stacks, tasks);
  std::printf("burst_ended %d %.1f MiB (peak %.1f)\n", processors, resident_mib(), peak_resident_mib());
  for (int i = 1; i <= 3; ++i) {
    rt->collect();
    std::printf("burst_epoch_%d %d %.1f MiB\n", i, processors, resident_mib());
  }
  return 0;
}

// --- the bursty pipeline --------------------------------------------------------------------------------------------

constexpr std::size_t in_flight_bytes = std::size_t{24} << 20;
constexpr std::array<std::size_t, 8> sizes = {8 << 10,  12 << 10, 16 << 10, 24 << 10,
                                              32 << 10, 48 << 10, 64 << 10, 96 << 10};

weft::task<> stage(weft::channel<weft::pooled_buffer> in, weft::channel<weft::pooled_buffer> out,
                   std::atomic<uint64_t>* sum) {
  for (;;) {
    std::optional<weft::pooled_buffer> b = co_await in.receive();
    if (!b) break;
    uint64_t n = 0;
    for (std::size_t i = 0; i < b->size(); i += 64) n += static_cast<uint64_t>(b->data()[i]);
    // relaxed: a sum.
    sum->fetch_add(n, std::memory_order_relaxed);
    const bool sent = co_await out.send(*std::move(b));
    if (!sent) break;
  }
  out.close();
}

weft::task<> pipeline(weft::buffer_pool* pool, int rounds) {
  std::atomic<uint64_t> sum{0};
  weft::channel<weft::pooled_buffer> first(64), second(64);
  weft::channel<weft::pooled_buffer> last(in_flight_bytes / sizes[0] + 1);
  weft::wait_group done;
  done.go(stage, first, second, &sum);
  done.go(stage, second, last, &sum);
  for (int round = 0; round < rounds; ++round)
    for (const std::size_t size : sizes)
      for (int burst = 0; burst < 4; ++burst) {
        const std::size_t count = in_flight_bytes / size;
        for (std::size_t i = 0; i < count; ++i) {
          weft::pooled_buffer b = pool->get(size);
          std::memset(b.data(), static_cast<int>(i), b.size());
          (void)co_await first.send(std::move(b));
        }
        for (std::size_t i = 0; i < count; ++i) (void)co_await last.receive();
      }
  first.close();
  (void)co_await done.wait();
}

int run_pipeline(std::string_view name, int processors, int64_t limit_mib, int percent, int rounds) {
  auto rt = make_runtime(processors, percent, limit_mib);
  weft::buffer_pool pool;
  const auto begin = std::chrono::steady_clock::now();
  const double cpu = weft_bench::cpu_ns();
  rt->run(pipeline, &pool, rounds);
  const weft::pool_stats s = pool.stats();
  std::printf("%.*s %d limit %ld MiB percent %d: %.3f s, %.3f cpu-s, peak %.1f MiB, misses %lu of %lu\n",
              static_cast<int>(name.size()), name.data(), processors, static_cast<long>(limit_mib), percent,
              seconds_since(begin), (weft_bench::cpu_ns() - cpu) * 1e-9, peak_resident_mib(),
              static_cast<unsigned long>(s.misses), static_cast<unsigned long>(s.gets));
  return 0;
}

int usage() {
  std::fprintf(stderr, "usage: memory_bench epoch|burst|ceiling|curve [NUMBERS]; see the top of memory_bench.cc\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t number[5] = {};
  bool given[5] = {};
  if (argc < 2 || argc > 7) return usage();
  for (int i = 2; i < argc; ++i) {
    const char* end = argv[i] + std::strlen(argv[i]);
    if (std::from_chars(argv[i], end, number[i - 2]).ptr != end) return usage();
    given[i - 2] = true;
  }
  const auto value = [&](int i, int64_t otherwise) { return given[i] ? number[i] : otherwise; };
  const std::string_view what = argv[1];
  const int processors = static_cast<int>(value(0, 2));
  if (what == "epoch")
    return run_epoch(processors, value(1, 1000), value(2, 100'000), value(3, 2), std::max<int64_t>(value(4, 100), 1));
  if (what == "burst") return run_burst(processors, value(1, 1'000'000));
  if (what == "ceiling") return run_pipeline(what, processors, value(1, 64), static_cast<int>(value(2, -1)), 12);
  if (what == "curve")
    return run_pipeline(what, processors, 0, static_cast<int>(value(1, 100)), static_cast<int>(value(2, 12)));
  return usage();
}
