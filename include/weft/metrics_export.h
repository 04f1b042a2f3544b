// Metrics for other programs: Prometheus' text, OpenMetrics, JSON.
//
//   weft::metrics::snapshot now(rt);
//   std::string page = weft::metrics::to_prometheus(now);   // the body of GET /metrics
//
// A metric's name there follows from its name here by the rule that Go's own collector uses: `/sched/latencies:seconds`
// is `weft_sched_latencies_seconds`, and a cumulative one ends in `_total`. With `go_names` the metrics that Go has,
// too, are named as Go's collector names them (`go_sched_latencies_seconds`), its older names come along
// (`go_goroutines`, `go_threads`, `go_info`, `go_memstats_...` where there is such a thing), and its histograms have
// the same buckets; so a dashboard that was made for Go programs reads a weft program.
//
// Source: the rule is that of client_golang, prometheus/internal/go_runtime_metrics.go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weft/metrics.h>

namespace weft::metrics {

enum class text_format : uint8_t {
  prometheus,   ///< text/plain; version=0.0.4
  openmetrics,  ///< application/openmetrics-text; version=1.0.0
};

struct export_options {
  text_format format = text_format::prometheus;
  bool go_names = false;
};

/// The value of the HTTP header Content-Type that goes with a format.
std::string_view content_type(text_format format) noexcept;

/// A page that Prometheus can scrape. Histograms have fewer buckets there than here. One whose sum is not known reports
/// the least that it can be, as Go's collector does.
std::string to_prometheus(const snapshot& s, export_options options = {});

/// One object: {"/sched/goroutines:goroutines": 12, ...}. A histogram is {"sum": .., "counts": [[from, to, n], ..]}, of
/// the buckets that are not empty, with null for a bound that is infinite and a sum that is not known. A metric with a
/// value for each processor is an array.
std::string to_json(const snapshot& s);

/// The name that a metric has on the page of to_prometheus(). For histograms the name of the family.
std::string prometheus_name(const description& d, bool go_names);

}  // namespace weft::metrics
