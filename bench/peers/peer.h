// Helpers shared by the C++ peer benchmarks in this folder: argument parsing, a self-sizing timing loop and the one
// line of output. Header only; each peer is one program, run as `PROG WORKLOAD THREADS`, that prints exactly one line
// `WORKLOAD THREADS VALUE UNIT`. With _mem behind the workload's name the value is the process's peak memory in MiB.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace peer {

struct arguments {
  std::string workload;
  int threads = 1;
  bool peak_memory = false;  // the workload was named with the suffix _mem
};

/// Ends the program with status 2, without destructors: other threads of the runtime may be running.
[[noreturn]] inline void fail(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  std::fflush(stderr);
  std::_Exit(2);
}

inline arguments parse(int argc, char** argv) {
  if (argc != 3) {
    fail("usage: PROG WORKLOAD THREADS");
  }
  const int threads = std::atoi(argv[2]);
  if (threads < 1) {
    fail("THREADS must be at least 1");
  }
  arguments args{argv[1], threads};
  constexpr std::size_t suffix = 4;
  if (args.workload.size() > suffix && args.workload.ends_with("_mem")) {
    args.peak_memory = true;
    args.workload.resize(args.workload.size() - suffix);
  }
  return args;
}

/// The most memory that this process ever had resident, in MiB.
inline double peak_mib() {
  long kib = -1;
  if (std::FILE* file = std::fopen("/proc/self/status", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, file) != nullptr)
      if (std::sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    std::fclose(file);
  }
  if (kib < 0) fail("no VmHWM in /proc/self/status");
  return static_cast<double>(kib) / 1024;
}

inline void report(const arguments& args, double value, const char* unit) {
  if (args.peak_memory)
    std::printf("%s_mem %d %.2f MiB\n", args.workload.c_str(), args.threads, peak_mib());
  else
    std::printf("%s %d %.2f %s\n", args.workload.c_str(), args.threads, value, unit);
}

inline void check(bool condition, const char* message) {
  if (!condition) {
    fail(message);
  }
}

/// Wall-clock nanoseconds that `body()` takes.
template <class Body>
double elapsed_ns(Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

/// Calls `body(count)` with a growing count until one call lasts about half a second, and returns the nanoseconds per
/// unit of that last call. The shorter calls before it serve as the warm-up.
template <class Body>
double ns_per_op(Body&& body, std::uint64_t count = 1'000) {
  constexpr double long_enough_ns = 0.3e9;
  constexpr double target_ns = 0.5e9;
  for (;;) {
    const double ns = elapsed_ns([&] { body(count); });
    if (ns >= long_enough_ns) {
      return ns / static_cast<double>(count);
    }
    const double growth = std::clamp(target_ns / std::max(ns, 1.0), 1.5, 10.0);
    count = static_cast<std::uint64_t>(static_cast<double>(count) * growth);
  }
}

/// Median of three timed calls of `body()`, in nanoseconds.
template <class Body>
double median_of_three_ns(Body&& body) {
  std::vector<double> runs;
  for (int i = 0; i < 3; ++i) {
    runs.push_back(elapsed_ns(body));
  }
  std::sort(runs.begin(), runs.end());
  return runs[1];
}

constexpr int fib_n = 34;
constexpr std::uint64_t fib_result = 5'702'887;
/// Calls made by the naive recursion: 2 * fib(fib_n + 1) - 1.
constexpr std::uint64_t fib_calls = 2 * 9'227'465ull - 1;

}  // namespace peer
