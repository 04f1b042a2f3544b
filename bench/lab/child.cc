// Measures one run: what happens in the workload's timed part, what is left when it has settled, and how it ends.
//
// A run settles by two epochs after the workload has returned: what a pool holds is gone after two. What is then still
// held is the live set; the peaks are those of the whole process, warm-up too.
#include "child.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include <sys/resource.h>

#include <weft/metrics.h>
#include <weft/metrics_export.h>
#include <weft/runtime.h>
#ifdef WEFT_LAB_COUNTS_HEAP
#include <weft/counting_allocator.h>
#endif

#include "cpu_time.h"
#include "resident.h"
#include "trace.h"

namespace weft_lab {

namespace {

using clock = std::chrono::steady_clock;

// Metrics that say what lives, taken once more after the run has settled.
constexpr std::pair<const char*, const char*> settled_metrics[] = {
    {"/weft/memory/stacks:bytes", "settled_stacks_bytes"},
    {"/memory/classes/other:bytes", "settled_pools_and_channels_bytes"},
    {"/weft/memory/program-heap:bytes", "settled_heap_bytes"},
    {"/weft/memory/held:bytes", "settled_held_bytes"},
};

double peak_resident_bytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_maxrss) * 1024;
}

double elapsed_ns(clock::time_point since) {
  return std::chrono::duration<double, std::nano>(clock::now() - since).count();
}

// What is read at both ends of the timed part. Reading the metrics allocates, so it is done outside of the heap's
// figures: first at the beginning, last at the end.
struct reading {
#ifdef WEFT_LAB_COUNTS_HEAP
  std::optional<weft::heap::snapshot> heap;
#endif
  std::optional<weft::metrics::snapshot> metrics;
  rusage usage{};
  double cpu_ns = 0;
  clock::time_point at;
};

class meter final : public context::observer {
 public:
  explicit meter(const weft::runtime& rt) : rt_(rt) {}

  void begin() override {
    check(!before_.metrics, "the workload measures twice");
    before_.metrics.emplace(rt_);
#ifdef WEFT_LAB_COUNTS_HEAP
    before_.heap.emplace(weft::heap::take_snapshot());
#endif
    getrusage(RUSAGE_SELF, &before_.usage);
    before_.cpu_ns = weft_bench::cpu_ns();
    before_.at = clock::now();
  }

  void end() override {
    after_.at = clock::now();
    after_.cpu_ns = weft_bench::cpu_ns();
    getrusage(RUSAGE_SELF, &after_.usage);
#ifdef WEFT_LAB_COUNTS_HEAP
    after_.heap.emplace(weft::heap::take_snapshot());
#endif
    after_.metrics.emplace(rt_);
  }

  absl::Status add_to(record& r, const outcome& out) const {
    check(after_.metrics.has_value(), "the workload has measured nothing");
    check(out.operations > 0, "the workload says that it has done nothing");
    const auto operations = static_cast<double>(out.operations);
    const double lasted = std::chrono::duration<double, std::nano>(after_.at - before_.at).count();
    const double cpu = after_.cpu_ns - before_.cpu_ns;
    figures& f = r.values;
    f["operations"] = operations;
    f["elapsed_ns"] = lasted;
    f["time_per_operation_ns"] = lasted / operations;
    f["operations_per_second"] = operations / lasted * 1e9;
    f["cpu_ns"] = cpu;
    f["cpu_per_operation_ns"] = cpu / operations;
    f["context_switches_voluntary"] = static_cast<double>(after_.usage.ru_nvcsw - before_.usage.ru_nvcsw);
    f["context_switches_forced"] = static_cast<double>(after_.usage.ru_nivcsw - before_.usage.ru_nivcsw);
    f["page_faults"] = static_cast<double>(after_.usage.ru_minflt - before_.usage.ru_minflt);
    const std::string metrics = weft::metrics::to_json(after_.metrics->since(*before_.metrics));
    return add_metrics(nlohmann::json::parse(metrics), f);
  }

#ifdef WEFT_LAB_COUNTS_HEAP
  void add_heap_to(record& r) const {
    const weft::heap::snapshot between = after_.heap->since(*before_.heap);
    const weft::heap::counts total = between.total();
    r.values["heap_allocations"] = static_cast<double>(total.allocations);
    r.values["heap_allocated_bytes"] = static_cast<double>(total.allocated_bytes);
    constexpr std::size_t most_places = 5;
    std::istringstream text(between.text(most_places));
    for (std::string line; std::getline(text, line);) r.places.push_back(line);
  }
#endif

 private:
  const weft::runtime& rt_;
  reading before_;
  reading after_;
};

void add_settled(weft::runtime& rt, figures& out) {
  rt.collect();
  rt.collect();
  const weft::metrics::snapshot settled(rt);
  for (const auto& [metric, name] : settled_metrics)
    if (const weft::metrics::value* v = settled.find(metric)) out[name] = static_cast<double>(v->as_uint64());
  out["settled_resident_bytes"] = static_cast<double>(weft_bench::resident_bytes());
  // The kernel updates the peak now and then only.
  out["peak_resident_bytes"] = std::max(peak_resident_bytes(), out["settled_resident_bytes"]);
  if (const weft::metrics::value* v = settled.find("/weft/memory/stacks-peak:bytes"))
    out["peak_stacks_bytes"] = static_cast<double>(v->as_uint64());
}

void shut_down(weft::runtime& rt, record& r) {
  constexpr std::chrono::seconds deadline(5);
  r.values["tasks_at_shutdown"] = static_cast<double>(rt.tasks().size());
  const clock::time_point start = clock::now();
  const weft::shutdown_report report = rt.shutdown(deadline);
  r.values["drain_ns"] = elapsed_ns(start);
  r.values["stragglers"] = static_cast<double>(report.stragglers.size());
  constexpr std::size_t most_named = 5;
  for (const weft::task_info& t : report.stragglers) {
    if (r.stragglers.size() == most_named) break;
    r.stragglers.push_back(t.function + ": " + t.state + (t.parked_at.empty() ? "" : " at " + t.parked_at));
  }
}

}  // namespace

absl::StatusOr<record> run_here(const variant& v, uint64_t seed) {
  std::optional<trace> replayed;
  if (!v.trace.empty()) {
    absl::StatusOr<trace> read = read_trace(v.trace);
    if (!read.ok()) return read.status();
    replayed = scaled(*read, v.volume);
  }
  absl::StatusOr<std::unique_ptr<weft::runtime>> made = weft::runtime::create(settings_of(v).options);
  if (!made.ok()) return made.status();
  weft::runtime& rt = **made;

  record r;
  meter m(rt);
  const context::parameter_values parameters = parameters_of(v);
  context c(rt, parameters, seed, m);
  if (replayed) c.set_replayed(&*replayed);
  trace recorded;
  if (!v.trace_out.empty()) c.set_recorded(&recorded);
  try {
    outcome out = v.work->run(c);
    if (absl::Status s = m.add_to(r, out); !s.ok()) return s;
    add_percentiles(out.latencies_ns, r.values);
    r.latencies = make_buckets(out.latencies_ns);
    for (const auto& [name, value] : out.figures) r.values[name] = value;
  } catch (const std::exception& e) {
    return absl::InternalError(std::string(v.work->name) + ": " + e.what());
  }
  if (!v.trace_out.empty())
    if (absl::Status s = write_trace(recorded, v.trace_out); !s.ok()) return s;
#ifdef WEFT_LAB_COUNTS_HEAP
  m.add_heap_to(r);
#endif
  add_settled(rt, r.values);
  shut_down(rt, r);
  return r;
}

}  // namespace weft_lab
