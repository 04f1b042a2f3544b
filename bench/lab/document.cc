// Rows, conclusions, JSON and CSV.
#include "document.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "session.h"
#include "show.h"

namespace weft_lab {

using nlohmann::json;

namespace {

struct known_row {
  const char* figure;
  const char* what;  ///< % is the operation
  const char* unit;
};

constexpr known_row known_rows[] = {
    {"time_per_operation_ns", "time per %", "ns"},
    {"operations_per_second", "throughput", "/s"},
    {"cpu_per_operation_ns", "CPU time per %", "ns"},
    {"latency_p50_ns", "latency, median", "ns"},
    {"latency_p90_ns", "latency, 90th percentile", "ns"},
    {"latency_p99_ns", "latency, 99th percentile", "ns"},
    {"latency_p999_ns", "latency, 99.9th percentile", "ns"},
    {"latency_max_ns", "latency, longest", "ns"},
    {"context_switches_voluntary", "context switches, own", ""},
    {"context_switches_forced", "context switches, forced", ""},
    {"/weft/sched/dispatches:dispatches", "dispatches", ""},
    {"/weft/sched/parks:parks", "parks", ""},
    {"/weft/sched/wakes:wakes", "wakes of workers", ""},
    {"/weft/sched/steals:steals", "steals", ""},
    {"peak_resident_bytes", "peak resident memory", "B"},
    {"drain_ns", "time to drain at shutdown", "ns"},
};

// The lab's own figures that are not in a table: they are counts behind others, or belong to the practical check.
const std::set<std::string, std::less<>> unlisted{
    "operations",           "elapsed_ns",           "cpu_ns",
    "page_faults",          "latency_count",        "heap_allocations",
    "heap_allocated_bytes", "settled_stacks_bytes", "settled_pools_and_channels_bytes",
    "settled_heap_bytes",   "settled_held_bytes",   "settled_resident_bytes",
    "peak_stacks_bytes",    "tasks_at_shutdown",    "stragglers"};

bool is_time(const row& r) { return r.unit == "ns"; }

bool any_has(const document& d, std::string_view figure_name) {
  return std::ranges::any_of(d.sides, [&](const side& s) {
    return std::ranges::any_of(s.runs, [&](const record& r) { return !std::isnan(figure(r, figure_name)); });
  });
}

std::string with_operation(const char* what, const std::string& operation) {
  std::string text(what);
  if (const std::size_t at = text.find('%'); at != text.npos) text.replace(at, 1, operation);
  return text;
}

}  // namespace

std::vector<row> rows_of(const document& d) {
  std::vector<row> rows;
  std::set<std::string, std::less<>> listed;
  const std::string judged = d.sides.empty() ? "" : d.sides[0].judged;
  for (const known_row& k : known_rows) {
    listed.insert(k.figure);
    if (!any_has(d, k.figure)) continue;
    row r{k.figure, with_operation(k.what, d.sides[0].unit), k.unit, judged == k.figure};
    rows.insert(r.judged ? rows.begin() : rows.end(), r);
  }
  // What a workload measured itself.
  for (const side& s : d.sides)
    for (const record& run : s.runs)
      for (const auto& [name, value] : run.values)
        if (!name.starts_with("/") && !unlisted.contains(name) && listed.insert(name).second)
          rows.push_back({name, name, name.ends_with("_ns") ? "ns" : name.ends_with("_bytes") ? "B" : "", false});
  return rows;
}

comparison compare_row(const document& d, const row& r, std::size_t i) {
  criteria c;
  c.level = r.judged ? d.level : std::max(d.level, 0.999);
  const side& a = d.sides[0];
  const side& b = d.sides[i];
  // Sides that are judged differently, as different workloads may be, are compared all the same: by their names.
  return compare(series(a.runs, r.figure), series(b.runs, r.figure), c, d.seed);
}

std::string word_for(const row& r, verdict v) {
  if (is_time(r) && v == verdict::more) return "slower";
  if (is_time(r) && v == verdict::less) return "faster";
  return std::string(to_string(v));
}

std::string conclusion(const document& d, std::size_t i) {
  const std::vector<row> rows = rows_of(d);
  if (rows.empty() || !rows[0].judged) return "nothing was measured";
  const row& r = rows[0];
  const comparison c = compare_row(d, r, i);
  const std::string rounds = std::to_string(d.sides[0].runs.size()) + " rounds";
  if (c.found == verdict::unknown)
    return rounds + " are too few for a verdict; it takes " + std::to_string(least_rounds);
  char level[40];
  std::snprintf(level, sizeof level, "%g%%", d.level * 100);
  const std::string range = c.has_ratio ? ", " + std::string(level) + " interval " + show_change(c.ratio_interval.low) +
                                              " to " + show_change(c.ratio_interval.high)
                                        : "";
  if (c.found == verdict::none)
    return "no measurable difference in " + r.what + " (" + rounds +
           (c.has_ratio ? ", B " + show_change(c.ratio) : "") + range + ")";
  return "B is " + word_for(r, c.found) + ": " + r.what + " " + show(c.a, r.unit) + " -> " + show(c.b, r.unit) +
         (c.has_ratio ? ", " + show_change(c.ratio) : "") + range + ", " + rounds;
}

std::vector<answer> check_of(const document& d) {
  if (d.kind != "compare" || d.sides.size() != 2 || d.sides[0].runs.empty()) return {};
  return practical_check(d.sides[0].runs, d.sides[1].runs, d.seed);
}

json to_json(const document& d) {
  json sides = json::array();
  for (const side& s : d.sides) {
    json runs = json::array();
    for (const record& r : s.runs) runs.push_back(to_json(r));
    json settings = json::object();
    for (const auto& [name, value] : s.settings) settings[name] = value;
    sides.push_back(
        {{"variant", s.text}, {"judged", s.judged}, {"unit", s.unit}, {"settings", settings}, {"runs", runs}});
  }
  json results = json::array();
  for (std::size_t i = 1; i < d.sides.size(); ++i) {
    json rows = json::array();
    for (const row& r : rows_of(d)) {
      const comparison c = compare_row(d, r, i);
      json one{{"figure", r.figure}, {"verdict", word_for(r, c.found)}};
      if (std::isfinite(c.a)) one["a"] = c.a;
      if (std::isfinite(c.b)) one["b"] = c.b;
      if (c.has_ratio) {
        one["ratio"] = c.ratio;
        one["interval"] = {c.ratio_interval.low, c.ratio_interval.high};
      }
      rows.push_back(one);
    }
    results.push_back({{"side", i}, {"conclusion", conclusion(d, i)}, {"rows", rows}});
  }
  json check = json::array();
  for (const answer& a : check_of(d)) {
    json parts = json::array();
    for (const evidence& e : a.parts)
      parts.push_back({{"what", e.what},
                       {"unit", e.unit},
                       {"a", e.compared.a},
                       {"b", e.compared.b},
                       {"verdict", std::string(to_string(e.compared.found))}});
    check.push_back(
        {{"question", a.question}, {"answer", a.verdict}, {"why", a.sentence}, {"parts", parts}, {"notes", a.notes}});
  }
  return {{"format", "weft-lab 1"}, {"kind", d.kind},       {"command", d.command},
          {"started", d.started},   {"machine", d.machine}, {"warnings", d.warnings},
          {"ended", d.ended},       {"failure", d.failure}, {"level", d.level},
          {"seed", d.seed},         {"swept", d.swept},     {"swept_values", d.swept_values},
          {"sides", sides},         {"results", results},   {"practical_check", check}};
}

absl::StatusOr<document> document_from_json(const json& j) {
  document d;
  try {
    if (j.at("format").get<std::string>() != "weft-lab 1")
      return absl::InvalidArgumentError("its format is not \"weft-lab 1\"");
    d.kind = j.at("kind").get<std::string>();
    d.command = j.at("command").get<std::string>();
    d.started = j.at("started").get<std::string>();
    d.machine = j.at("machine").get<std::vector<std::string>>();
    d.warnings = j.at("warnings").get<std::vector<std::string>>();
    d.ended = j.at("ended").get<std::string>();
    d.failure = j.at("failure").get<std::string>();
    d.level = j.at("level").get<double>();
    d.seed = j.at("seed").get<uint64_t>();
    d.swept = j.at("swept").get<std::string>();
    d.swept_values = j.at("swept_values").get<std::vector<std::string>>();
    for (const json& s : j.at("sides")) {
      side one;
      one.text = s.at("variant").get<std::string>();
      one.judged = s.at("judged").get<std::string>();
      one.unit = s.at("unit").get<std::string>();
      for (const auto& [name, value] : s.at("settings").items())
        one.settings.emplace_back(name, value.get<std::string>());
      for (const json& r : s.at("runs")) {
        absl::StatusOr<record> read = record_from_json(r);
        if (!read.ok()) return read.status();
        one.runs.push_back(*std::move(read));
      }
      d.sides.push_back(std::move(one));
    }
  } catch (const json::exception& e) {
    return absl::InvalidArgumentError(e.what());
  }
  if (d.sides.empty()) return absl::InvalidArgumentError("it has no sides");
  return d;
}

std::string to_csv(const document& d) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
  };
  std::string csv = "side,variant,round,figure,value\n";
  for (std::size_t i = 0; i < d.sides.size(); ++i)
    for (std::size_t round = 0; round < d.sides[i].runs.size(); ++round)
      for (const auto& [name, value] : d.sides[i].runs[round].values) {
        char number[64];
        std::snprintf(number, sizeof number, "%.17g", value);
        csv += std::to_string(i) + "," + quoted(d.sides[i].text) + "," + std::to_string(round) + "," + quoted(name) +
               "," + number + "\n";
      }
  return csv;
}

}  // namespace weft_lab
