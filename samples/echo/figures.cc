// Reads the runtime's metrics and the process's clocks.
#include "figures.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>

#include <weft/metrics.h>

#include "common/format.h"

namespace echo {

using samples::fixed;
using samples::with_commas;

namespace {

double ms(const timeval& t) { return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3; }

}  // namespace

figures figures::read(const weft::runtime& rt) {
  std::array samples{
      weft::metrics::sample{"/sched/goroutines-created:goroutines"},
      weft::metrics::sample{"/weft/sched/parks:parks"},
      weft::metrics::sample{"/weft/sched/hops:hops"},
      weft::metrics::sample{"/weft/sched/sleeps:sleeps"},
      weft::metrics::sample{"/weft/sched/wakes:wakes"},
      weft::metrics::sample{"/weft/sched/stolen-strands:strands"},
  };
  weft::metrics::read(rt, samples);
  figures f;
  f.tasks = samples[0].value.as_uint64();
  f.parks = samples[1].value.as_uint64();
  f.hops = samples[2].value.as_uint64();
  f.sleeps = samples[3].value.as_uint64();
  f.wakes = samples[4].value.as_uint64();
  f.steals = samples[5].value.as_uint64();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  f.user_ms = ms(used.ru_utime);
  f.system_ms = ms(used.ru_stime);
  return f;
}

figures figures::since(const figures& before) const {
  figures f;
  f.tasks = tasks - before.tasks;
  f.parks = parks - before.parks;
  f.hops = hops - before.hops;
  f.sleeps = sleeps - before.sleeps;
  f.wakes = wakes - before.wakes;
  f.steals = steals - before.steals;
  f.user_ms = user_ms - before.user_ms;
  f.system_ms = system_ms - before.system_ms;
  return f;
}

std::string figures_text(const figures& used, uint64_t requests) {
  const double each = 1e3 / static_cast<double>(std::max<uint64_t>(requests, 1));
  std::string text = "the runtime\n";
  text += "  tasks        " + with_commas(used.tasks) + " started, " + with_commas(used.parks) + " parks\n";
  text += "  hand-offs    " + with_commas(used.hops) + " hops from one task straight to the next, " +
          with_commas(used.steals) + " tasks stolen\n";
  text += "  workers      " + with_commas(used.sleeps) + " sleeps, " + with_commas(used.wakes) + " woken by others\n";
  text += "  time         " + fixed(used.user_ms, 0) + " ms user, " + fixed(used.system_ms, 0) + " ms system";
  if (requests != 0)
    text += "; each request " + fixed(used.user_ms * each, 2) + " us and " + fixed(used.system_ms * each, 2) + " us";
  return text + "\n";
}

}  // namespace echo
