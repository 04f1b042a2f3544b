// Peer benchmark: oneTBB, measured with the same workloads as weft.
//
//   fib        fork-join fib(34), one tbb::task_group per fork, ns per call
//   spawnjoin  task_group::run() then wait(), repeated, ns per task
//   spawn1m    1,000,000 x task_group::run(), then one wait(); median of 3, ns per task
//
// oneTBB has no channels, no yield and no parked tasks, so the other workloads are absent. The calling thread is one
// of the THREADS threads of the arena. At 1 thread, wait() runs the task on the spot.
//
// Build: clang++ -std=c++20 -O3 tbb.cc -ltbb -o peer_tbb      (or the CMake target peer_tbb)
// Run:   ./peer_tbb WORKLOAD THREADS

#include <atomic>
#include <cstdint>

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include "peer.h"

namespace {

std::uint64_t fib(int n) {
  if (n < 2) {
    return static_cast<std::uint64_t>(n);
  }
  std::uint64_t left = 0;
  tbb::task_group group;
  group.run([&left, n] { left = fib(n - 1); });
  const std::uint64_t right = fib(n - 2);
  group.wait();
  return left + right;
}

double run_fib() {
  std::uint64_t result = 0;
  const double ns = peer::elapsed_ns([&] { result = fib(peer::fib_n); });
  peer::check(result == peer::fib_result, "fib: wrong result");
  return ns / static_cast<double>(peer::fib_calls);
}

double run_spawnjoin() {
  tbb::task_group group;
  std::atomic<std::uint64_t> sum{0};
  return peer::ns_per_op([&](std::uint64_t count) {
    sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      // relaxed: a count, read after the joins.
      group.run([&sum] { sum.fetch_add(1, std::memory_order_relaxed); });
      group.wait();
    }
    peer::check(sum == count, "spawnjoin: wrong count");
  });
}

double run_spawn1m() {
  constexpr std::uint64_t tasks = 1'000'000;
  tbb::task_group group;
  std::atomic<std::uint64_t> sum{0};
  const double ns = peer::median_of_three_ns([&] {
    sum = 0;
    for (std::uint64_t i = 0; i < tasks; ++i) {
      // relaxed: a count, read after the joins.
      group.run([&sum] { sum.fetch_add(1, std::memory_order_relaxed); });
    }
    group.wait();
    peer::check(sum == tasks, "spawn1m: wrong count");
  });
  return ns / static_cast<double>(tasks);
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
  const auto parallelism = static_cast<std::size_t>(args.threads);
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, parallelism);
  tbb::task_arena arena(args.threads);
  arena.execute([&args] {
    if (args.workload == "fib") {
      peer::report(args, run_fib(), "ns/call");
    } else if (args.workload == "spawnjoin") {
      peer::report(args, run_spawnjoin(), "ns/task");
    } else if (args.workload == "spawn1m") {
      peer::report(args, run_spawn1m(), "ns/task");
    } else {
      peer::fail("unknown workload " + args.workload);
    }
  });
}
