// Memory after a burst: the resident set when a million parked tasks have ended, and after two epochs of their heap.
//
//   burst_bench [TASKS]      (default: 1,000,000 tasks; 1 processor)
//
// Prints the resident set in MiB: before, with all tasks parked, after they have ended, and after each of two epochs,
// whose part is the cache's trim by its processor, the epoch's end, and all steps of giving memory back.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <weft/go.h>
#include <weft/task.h>

#include "api/runtime.h"
#include "bench_support.h"
#include "gate.h"
#include "resident.h"

namespace {

using weft_bench::shared_gate;
using weft_bench::wait_at_gate;
using weft_bench::wait_until;

weft::task<> start(shared_gate* c, int64_t tasks) {
  for (int64_t i = 0; i < tasks; ++i) weft::go(wait_at_gate, c);
  co_return;
}

weft::task<> trim() {
  weft::detail::this_context.proc->blocks.trim(weft::mem::trim_level::unused);
  co_return;
}

void print(const char* what) {
  std::printf("burst_%s %.1f MiB\n", what, static_cast<double>(weft_bench::resident_bytes()) / (1 << 20));
}

}  // namespace

int main(int argc, char** argv) {
  int64_t tasks = 1'000'000;
  if (argc > 2 || (argc == 2 && std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), tasks).ec != std::errc())) {
    std::fputs("usage: burst_bench [TASKS]\n", stderr);
    return 2;
  }
  const auto rt = weft_bench::make_runtime(1);
  weft::mem::block_heap& heap = weft::runtime_access::sched(*rt).heap();
  shared_gate c;
  print("before");
  rt->run(start, &c, tasks);
  wait_until(c.arrived, tasks);
  print("parked");
  c.gate.close();
  wait_until(c.released, tasks);
  print("ended");
  for (const char* what : {"epoch1", "epoch2"}) {
    rt->run(trim);
    heap.end_epoch(weft::mem::trim_level::unused);
    const int64_t begin = weft_bench::now_ns();
    while (heap.has_returnable()) heap.release_some(256 * 1024);
    std::printf("burst_%s_steps %.2f ms\n", what, static_cast<double>(weft_bench::now_ns() - begin) * 1e-6);
    print(what);
  }
  return 0;
}
