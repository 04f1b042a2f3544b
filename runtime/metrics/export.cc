// Writing metrics for other programs. See metrics_export.h.
//
// Source: the rules for names, buckets and sums, and the older names, are those of client_golang
// (prometheus/internal/go_runtime_metrics.go, prometheus/go_collector.go, go_collector_latest.go).
#include <weft/metrics_export.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace weft::metrics {

namespace {

bool is_weft_only(std::string_view name) noexcept { return name.starts_with("/weft/"); }

void append_number(std::string& to, uint64_t v) { to += std::to_string(v); }

/// The shortest text that reads back as the same number.
void append_number(std::string& to, double v) {
  if (std::isinf(v)) {
    to += v > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text;
  to.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), v).ptr);
}

std::string_view unit_of(std::string_view name) noexcept { return name.substr(name.find(':') + 1); }

// Fewer buckets -------------------------------------------------------------------------------------------------------

/// Which bounds of a histogram Prometheus gets, ascending, without the first if that is -infinity. Of the others each
/// is at least `base` times the one before it; in seconds those behind the first above `most` are +infinity.
std::vector<double> fewer_bounds(std::span<const double> all, std::string_view unit, bool go_names) {
  const bool seconds = unit == "seconds";
  const double base = unit == "bytes" ? 2 : !seconds ? 1 : go_names ? 10 : 4;
  const double most = go_names ? 1 : 60;
  if (std::isinf(all.front())) all = all.subspan(1);
  std::vector<double> chosen{all.front()};
  for (const double bound : all.subspan(1)) {
    if (bound < chosen.back() * base) continue;
    // The first step is from zero to anything; zero itself says nothing.
    chosen.push_back(seconds && bound > most ? std::numeric_limits<double>::infinity() : bound);
    if (std::isinf(chosen.back())) break;
  }
  if (!std::isinf(chosen.back())) chosen.push_back(std::numeric_limits<double>::infinity());
  return chosen;
}

struct bucket {
  double upper;    // inclusive, as Prometheus wants it
  uint64_t count;  // of values up to there
};

std::vector<bucket> cumulative_buckets(const histogram& h, std::string_view unit, bool go_names) {
  const std::vector<double> bounds = fewer_bounds(h.buckets, unit, go_names);
  std::vector<bucket> buckets;
  uint64_t count = 0;
  std::size_t i = 0;
  for (std::size_t b = 1; b < bounds.size(); ++b) {
    while (i < h.counts.size() && h.buckets[i + 1] <= bounds[b]) count += h.counts[i++];
    // Here the upper bound is outside the bucket, there it is inside.
    buckets.push_back({std::isinf(bounds[b]) ? bounds[b] : std::nextafter(bounds[b], bounds[b - 1]), count});
  }
  return buckets;
}

/// The sum, or the least that it can be if it is not known.
double sum_of(const histogram& h) {
  if (h.sum) return *h.sum;
  double least = 0;
  for (std::size_t i = 0; i < h.counts.size(); ++i)
    if (h.counts[i] != 0 && !std::isinf(h.buckets[i])) least += h.buckets[i] * static_cast<double>(h.counts[i]);
  return least;
}

// Prometheus ----------------------------------------------------------------------------------------------------------

/// Writes families of samples in one of the two text formats.
class page {
 public:
  explicit page(text_format format) noexcept : open_(format == text_format::openmetrics) {}

  /// Begins a family. `name` ends in _total exactly if it is a counter.
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    // OpenMetrics names the family without what counters' samples end in.
    if (open_ && type == "counter") name.remove_suffix(std::string_view("_total").size());
    text_.append("# HELP ").append(name).append(" ");
    for (const char c : help) {
      if (c == '\\')
        text_ += "\\\\";
      else if (c == '\n')
        text_ += "\\n";
      else if (c == '"' && open_)
        text_ += "\\\"";
      else
        text_ += c;
    }
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  }

  /// One sample of the family.
  template <class Number>
  void sample(Number v, std::string_view suffix = {}, std::string_view label = {}, std::string_view label_value = {}) {
    text_.append(name_).append(suffix);
    if (!label.empty()) text_.append("{").append(label).append("=\"").append(label_value).append("\"}");
    text_ += ' ';
    append_number(text_, v);
    text_ += '\n';
  }

  void histogram(const metrics::histogram& h, std::string_view unit, bool go_names) {
    uint64_t count = 0;
    for (const bucket& b : cumulative_buckets(h, unit, go_names)) {
      std::string upper;
      append_number(upper, b.upper);
      sample(b.count, "_bucket", "le", upper);
      count = b.count;
    }
    sample(sum_of(h), "_sum");
    sample(count, "_count");
  }

  std::string finish() {
    if (open_) text_ += "# EOF\n";
    return std::move(text_);
  }

 private:
  const bool open_;
  std::string_view name_;
  std::string text_;
};

void write(page& to, const description& d, const value& v, bool go_names) {
  const bool go = go_names && !is_weft_only(d.name);
  const std::string name = prometheus_name(d, go_names);
  const std::string help = std::string(d.text) + " Sourced from " + std::string(d.name) + ".";
  to.family(name, v.kind() == value_kind::histogram ? "histogram" : d.cumulative ? "counter" : "gauge", help);
  switch (v.kind()) {
    case value_kind::bad: break;
    case value_kind::uint64: to.sample(v.as_uint64()); break;
    case value_kind::float64: to.sample(v.as_float64()); break;
    case value_kind::histogram: to.histogram(v.as_histogram(), unit_of(d.name), go); break;
    case value_kind::per_processor: {
      std::size_t i = 0;
      for (const uint64_t each : v.as_per_processor()) to.sample(each, {}, "processor", std::to_string(i++));
      break;
    }
  }
}

/// A name that Go's collector had before runtime/metrics: the sum of some metrics.
struct older_name {
  std::string_view name;
  std::string_view text;
  bool cumulative;
  std::array<std::string_view, 4> sources;
};

// In the order in which Go's collector has them. One whose sources are not all there is left out.
constexpr std::array older_names{
    older_name{"go_goroutines", "Tasks that currently exist.", false, {"/sched/goroutines:goroutines"}},
    older_name{"go_threads", "Threads of the runtime.", false, {"/sched/threads/total:threads"}},
    older_name{"go_memstats_alloc_bytes", "Bytes in live objects.", false, {"/memory/classes/heap/objects:bytes"}},
    older_name{"go_memstats_alloc_bytes_total", "Bytes ever handed out.", true, {"/gc/heap/allocs:bytes"}},
    older_name{"go_memstats_sys_bytes", "Bytes obtained from the system.", false, {"/memory/classes/total:bytes"}},
    older_name{"go_memstats_mallocs_total", "Objects ever handed out.", true, {"/gc/heap/allocs:objects"}},
    older_name{"go_memstats_frees_total", "Objects ever given back.", true, {"/gc/heap/frees:objects"}},
    older_name{"go_memstats_heap_alloc_bytes", "Bytes in live objects.", false, {"/memory/classes/heap/objects:bytes"}},
    older_name{"go_memstats_heap_sys_bytes",
               "Bytes of the heap obtained from the system.",
               false,
               {"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes",
                "/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes"}},
    older_name{"go_memstats_heap_idle_bytes",
               "Bytes of the heap that wait to be used.",
               false,
               {"/memory/classes/heap/released:bytes", "/memory/classes/heap/free:bytes"}},
    older_name{"go_memstats_heap_inuse_bytes",
               "Bytes of the heap that are in use.",
               false,
               {"/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes"}},
    older_name{"go_memstats_heap_released_bytes",
               "Bytes of the heap given back to the system.",
               false,
               {"/memory/classes/heap/released:bytes"}},
    older_name{"go_memstats_heap_objects", "Live objects.", false, {"/gc/heap/objects:objects"}},
    older_name{
        "go_memstats_stack_inuse_bytes", "Bytes of coroutine stacks.", false, {"/memory/classes/heap/stacks:bytes"}},
    older_name{"go_memstats_stack_sys_bytes",
               "Bytes of coroutine stacks and of threads' stacks.",
               false,
               {"/memory/classes/heap/stacks:bytes", "/memory/classes/os-stacks:bytes"}},
    older_name{"go_memstats_mspan_inuse_bytes",
               "Bytes of slab headers in use.",
               false,
               {"/memory/classes/metadata/mspan/inuse:bytes"}},
    older_name{"go_memstats_mspan_sys_bytes",
               "Bytes of slab headers.",
               false,
               {"/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/mspan/free:bytes"}},
    older_name{"go_memstats_mcache_inuse_bytes",
               "Bytes of processors' caches in use.",
               false,
               {"/memory/classes/metadata/mcache/inuse:bytes"}},
    older_name{"go_memstats_mcache_sys_bytes",
               "Bytes of processors' caches.",
               false,
               {"/memory/classes/metadata/mcache/inuse:bytes", "/memory/classes/metadata/mcache/free:bytes"}},
    older_name{"go_memstats_buck_hash_sys_bytes",
               "Bytes of profiling tables.",
               false,
               {"/memory/classes/profiling/buckets:bytes"}},
    older_name{"go_memstats_gc_sys_bytes",
               "Bytes of the runtime's other data.",
               false,
               {"/memory/classes/metadata/other:bytes"}},
    older_name{"go_memstats_other_sys_bytes", "Bytes of all else.", false, {"/memory/classes/other:bytes"}},
    older_name{"go_memstats_next_gc_bytes", "Bytes at which the next epoch begins.", false, {"/gc/heap/goal:bytes"}},
};

void write_older_names(page& to, const snapshot& s) {
  to.family("go_info", "gauge", "The runtime that reports under these names.");
  to.sample(uint64_t{1}, {}, "version", "weft" WEFT_VERSION);
  // Nothing pauses the processors; dashboards read the number of cycles off this summary.
  if (const value* cycles = s.find("/gc/cycles/total:gc-cycles")) {
    to.family("go_gc_duration_seconds", "summary", "Pauses for epochs; there are none, so each is of length 0.");
    for (const std::string_view q : {"0", "0.25", "0.5", "0.75", "1"}) to.sample(uint64_t{0}, {}, "quantile", q);
    to.sample(uint64_t{0}, "_sum");
    to.sample(cycles->as_uint64(), "_count");
  }
  for (const older_name& old : older_names) {
    uint64_t sum = 0;
    const bool known = std::ranges::all_of(old.sources, [&](std::string_view source) {
      const value* v = source.empty() ? nullptr : s.find(source);
      if (v != nullptr) sum += v->as_uint64();
      return source.empty() || v != nullptr;
    });
    if (!known) continue;
    to.family(old.name, old.cumulative ? "counter" : "gauge", old.text);
    to.sample(sum);
  }
}

// JSON ----------------------------------------------------------------------------------------------------------------

void append_json(std::string& to, double v) {
  if (std::isfinite(v))
    append_number(to, v);
  else
    to += "null";
}

void append_json(std::string& to, const histogram& h) {
  to += "{\"sum\": ";
  if (h.sum)
    append_json(to, *h.sum);
  else
    to += "null";
  to += ", \"counts\": [";
  bool first = true;
  for (std::size_t i = 0; i < h.counts.size(); ++i) {
    if (h.counts[i] == 0) continue;
    to += first ? "[" : ", [";
    first = false;
    append_json(to, h.buckets[i]);
    to += ", ";
    append_json(to, h.buckets[i + 1]);
    to += ", ";
    append_number(to, h.counts[i]);
    to += ']';
  }
  to += "]}";
}

void append_json(std::string& to, std::span<const uint64_t> list) {
  to += '[';
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i != 0) to += ", ";
    append_number(to, list[i]);
  }
  to += ']';
}

void append_json(std::string& to, const value& v) {
  switch (v.kind()) {
    case value_kind::bad: to += "null"; break;
    case value_kind::uint64: append_number(to, v.as_uint64()); break;
    case value_kind::float64: append_json(to, v.as_float64()); break;
    case value_kind::histogram: append_json(to, v.as_histogram()); break;
    case value_kind::per_processor: append_json(to, v.as_per_processor()); break;
  }
}

}  // namespace

std::string_view content_type(text_format format) noexcept {
  return format == text_format::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
}

// "/sched/latencies:seconds" is subsystem "sched", name "latencies", unit "seconds", joined by underscores behind the
// namespace. Names that Go does not have leave out a unit that repeats the name.
std::string prometheus_name(const description& d, bool go_names) {
  const bool go = go_names && !is_weft_only(d.name);
  const std::size_t colon = d.name.find(':');
  std::string_view path = d.name.substr(0, colon);
  const std::string_view unit = unit_of(d.name);
  if (is_weft_only(d.name)) path.remove_prefix(std::string_view("/weft").size());
  std::string name(go ? "go" : "weft");
  name += path;
  const std::string_view last = path.substr(path.rfind('/') + 1);
  if (go || last != unit) name.append("_").append(unit);
  for (char& c : name)
    if (c == '/' || c == '-') c = '_';
  if (d.cumulative && d.kind != value_kind::histogram) name += "_total";
  return name;
}

std::string to_prometheus(const snapshot& s, export_options options) {
  page to(options.format);
  if (options.go_names) write_older_names(to, s);
  for (std::size_t i = 0; i < all().size(); ++i) write(to, all()[i], s.samples()[i].value, options.go_names);
  return to.finish();
}

std::string to_json(const snapshot& s) {
  std::string text = "{";
  for (const sample& each : s.samples()) {
    text += text.size() == 1 ? "\n  \"" : ",\n  \"";
    text.append(each.name).append("\": ");
    append_json(text, each.value);
  }
  return text + "\n}\n";
}

}  // namespace weft::metrics
