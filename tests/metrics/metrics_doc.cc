// weft-metrics-doc: prints docs/metrics.md from the table of metrics.
//
//   weft-metrics-doc            prints it
//   weft-metrics-doc FILE       compares FILE with it; status 1 and a message if they differ
#include <weft/metrics_export.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "support/go_metrics.h"

namespace {

using weft::metrics::description;
using weft::metrics::go_metric;
using weft::metrics::value_kind;

std::string_view kind_name(value_kind kind, bool cumulative) {
  switch (kind) {
    case value_kind::bad: return "bad";
    case value_kind::uint64: return cumulative ? "counter" : "gauge";
    case value_kind::float64: return cumulative ? "counter, float" : "gauge, float";
    case value_kind::histogram: return "histogram";
    case value_kind::per_processor: return cumulative ? "counter by processor" : "gauge by processor";
  }
  return "";
}

void append_rows(std::string& to, bool weft_only) {
  to += "| name | kind | what it is |\n|---|---|---|\n";
  for (const description& d : weft::metrics::all()) {
    if (d.name.starts_with("/weft/") != weft_only) continue;
    to.append("| `").append(d.name).append("` | ").append(kind_name(d.kind, d.cumulative)).append(" | ");
    to.append(d.text).append(" |\n");
  }
}

void append_left_out(std::string& to) {
  to += "| name | why |\n|---|---|\n";
  for (const go_metric& m : weft::metrics::go_metrics)
    if (!m.left_out.empty()) to.append("| `").append(m.name).append("` | ").append(m.left_out).append(" |\n");
}

std::string document() {
  std::string text = R"(# Metrics

This page is printed by the program `weft-metrics-doc` (`tests/metrics/metrics_doc.cc`) from the table in
`runtime/metrics/metrics.cc`; a test compares the two. To write it anew: `build/release/tests/metrics/weft-metrics-doc >
docs/metrics.md`.

`weft::metrics::all()` describes every metric, `weft::metrics::read()` reads any of them, and a
`weft::metrics::snapshot` reads them all and can be subtracted from a later one. The shape is that of Go's package
runtime/metrics, and so are the names where the meaning is the same. Reading pauses nothing; it costs some microseconds.

* A **counter** never falls while its runtime lives; a **gauge** is what is the case now.
* A **histogram** counts values by size: 162 buckets, those of Go: from 0 to 39 hours, each at most a quarter as wide
  as its lower bound, but for the first four (64 ns each). The bounds never change, so histograms can be subtracted.
  Most count a sample; which one, is said below. `sum` is that of the values that were counted, where it is known.
* A metric **by processor** has a value for each: `value.as_per_processor()[i]`.
* Totals of times are estimates where only a sample is measured: one wait of eight then counts eight times. Such a
  total may be off by a few waits, and is right in the long run.
* `WEFT_METRICS=OFF`, an option for CMake, builds a library that counts only what the scheduler itself needs. It is
  there to see what counting costs.

## The metrics that Go has, too

)";
  append_rows(text, false);
  text += R"(
What Go calls a goroutine is a task here, GOMAXPROCS the number of processors, a call to C a `weft::blocking` call, a
cycle an epoch.

## weft's own

)";
  append_rows(text, true);
  text += R"(
## What is left out of Go's list

)";
  append_left_out(text);
  text += R"(
## Prometheus, OpenMetrics, JSON

`weft/metrics_export.h` turns a snapshot into text; serving it over HTTP is the program's affair.

```cpp
std::string page = weft::metrics::to_prometheus(weft::metrics::snapshot(rt));
std::string same = weft::metrics::to_prometheus(weft::metrics::snapshot(rt), {.go_names = true});
std::string json = weft::metrics::to_json(weft::metrics::snapshot(rt));
```

Names follow from those above: `/weft/sched/steals:steals` is `weft_sched_steals_total`, `/sched/latencies:seconds` is
`weft_sched_latencies_seconds` with its `_bucket`, `_sum` and `_count`. A metric by processor has the label `processor`.
With `go_names` the names that Go has, too, are those of Go's collector for Prometheus with all runtime metrics
switched on (`go_sched_latencies_seconds`), and its older names come along: `go_goroutines`, `go_threads`, `go_info`,
and of `go_memstats_*` and `go_gc_duration_seconds` what weft has the metrics for. A dashboard made for Go programs then
reads a weft program. The process's own figures (`process_*`) are not weft's: another exporter has them.

Histograms have fewer buckets there: bounds grow by a factor of 4 up to a minute, under Go's names by a factor of 10 up
to a second, as Go's collector does it. A sum that is not known is given as the least that it can be, as Go's collector
does, too.
)";
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = document();
  if (argc < 2) {
    std::fwrite(wanted.data(), 1, wanted.size(), stdout);
    return 0;
  }
  std::ifstream in(argv[1], std::ios::binary);
  const std::string found{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (found == wanted) return 0;
  std::fprintf(stderr, "%s is not what the table of metrics gives; write it anew: %s > %s\n", argv[1], argv[0],
               argv[1]);
  return 1;
}
