// Memory of a parked task: how much the resident set grows over a million of them.
//
//   parked_bench [PROCESSORS [TASKS]]      (default: 1 processor, 1,000,000 tasks)
//
// Prints one line for each way to park, `parked_WAY PROCESSORS VALUE bytes/task`:
//
//   receive   receiving from one shared channel
//   joinable  the same, and somebody holds a handle to each task (the handles themselves are not counted)
//   nested    the same as receive, but three coroutine calls deep
//   sleep     sleeping for an hour, until they are asked to stop
//
// Each way runs in a process of its own, forked before it has any thread, because memory that one has freed would be
// reused by the next.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/task.h>
#include <weft/time.h>

#include "bench_support.h"
#include "gate.h"
#include "resident.h"

namespace {

using namespace std::chrono_literals;
using weft_bench::shared_gate;
using weft_bench::wait_at_gate;
using weft_bench::wait_until;

weft::task<> wait_deeper(shared_gate* c, int depth) {
  if (depth == 0)
    co_await wait_at_gate(c);
  else
    co_await wait_deeper(c, depth - 1);
}

weft::task<> wait_long(shared_gate* c) {
  // relaxed: a plain count, as in wait_at_gate().
  c->arrived.fetch_add(1, std::memory_order_relaxed);
  (void)co_await weft::sleep_for(1h);
  // relaxed: a plain count, as in wait_at_gate().
  c->released.fetch_add(1, std::memory_order_relaxed);
}

weft::task<> start(std::string_view way, shared_gate* c, std::vector<weft::join_handle<void>>* handles, int64_t tasks) {
  for (int64_t i = 0; i < tasks; ++i) {
    if (way == "joinable")
      handles->push_back(weft::spawn(wait_at_gate, c));
    else if (way == "nested")
      weft::go(wait_deeper, c, 3);
    else if (way == "sleep")
      handles->push_back(weft::spawn(wait_long, c));
    else
      weft::go(wait_at_gate, c);
  }
  co_return;
}

int measure(const char* way, int processors, int64_t tasks) {
  shared_gate c;
  std::vector<weft::join_handle<void>> handles(static_cast<std::size_t>(tasks));  // touched before the first reading
  handles.clear();
  {
    const auto rt = weft_bench::make_runtime(processors);
    const int64_t before = weft_bench::resident_bytes();
    rt->run(start, std::string_view(way), &c, &handles, tasks);
    wait_until(c.arrived, tasks);
    const int64_t after = weft_bench::resident_bytes();
    c.gate.close();
    if (std::strcmp(way, "sleep") == 0)
      for (auto& handle : handles) handle.request_stop();
    wait_until(c.released, tasks);
    handles.clear();
    std::printf("parked_%s %d %.1f bytes/task\n", way, processors,
                static_cast<double>(after - before) / static_cast<double>(tasks));
    std::fflush(stdout);
  }
  return 0;
}

bool parse(const char* text, int64_t least, int64_t& value) {
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  return error == std::errc() && stop == end && value >= least;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t processors = 1;
  int64_t tasks = 1'000'000;
  if (argc > 3 || (argc > 1 && !parse(argv[1], 1, processors)) || (argc > 2 && !parse(argv[2], 1, tasks))) {
    std::fputs("usage: parked_bench [PROCESSORS [TASKS]]\n", stderr);
    return 2;
  }
  for (const char* way : {"receive", "joinable", "nested", "sleep"}) {
    const pid_t child = fork();
    if (child < 0) {
      std::perror("fork");
      return 1;
    }
    if (child == 0) _exit(measure(way, static_cast<int>(processors), tasks));
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) {
      std::fprintf(stderr, "error: parked_bench %s failed with status %d\n", way, status);
      return 1;
    }
  }
  return 0;
}
