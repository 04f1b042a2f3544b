// Reads the runtime's metrics and the process's clocks.
#include "figures.h"

#include <sys/resource.h>

#include <array>
#include <chrono>

#include <weft/metrics.h>

#include "allocations.h"

namespace gzstat {
namespace {

double ms(const timeval& t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; }

double processor_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return ms(used.ru_utime) + ms(used.ru_stime);
}

double wall_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

figures figures::read(const weft::runtime& rt) {
  std::array samples{
      weft::metrics::sample{"/sched/goroutines-created:goroutines"},
      weft::metrics::sample{"/weft/sched/parks:parks"},
      weft::metrics::sample{"/weft/sched/hops:hops"},
      weft::metrics::sample{"/weft/sched/wakes:wakes"},
      weft::metrics::sample{"/weft/sched/stolen-strands:strands"},
      weft::metrics::sample{"/cgo/go-to-c-calls:calls"},
  };
  weft::metrics::read(rt, samples);
  figures f;
  f.tasks = samples[0].value.as_uint64();
  f.parks = samples[1].value.as_uint64();
  f.hops = samples[2].value.as_uint64();
  f.wakes = samples[3].value.as_uint64();
  f.steals = samples[4].value.as_uint64();
  f.blocking = samples[5].value.as_uint64();
  f.allocations = allocation_count();
  f.wall_ms = gzstat::wall_ms();
  f.cpu_ms = processor_ms();
  return f;
}

figures figures::since(const figures& before) const {
  figures f;
  f.tasks = tasks - before.tasks;
  f.parks = parks - before.parks;
  f.hops = hops - before.hops;
  f.wakes = wakes - before.wakes;
  f.steals = steals - before.steals;
  f.blocking = blocking - before.blocking;
  f.allocations = allocations - before.allocations;
  f.wall_ms = wall_ms - before.wall_ms;
  f.cpu_ms = cpu_ms - before.cpu_ms;
  return f;
}

}  // namespace gzstat
