// A document as one HTML file: tables, the practical check, plots. It needs no network and no script.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "document.h"
#include "plot.h"
#include "session.h"
#include "show.h"

namespace weft_lab {

namespace {

constexpr const char* style = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #667; --line: #d8dce2; --paper: #fff; --card: #f5f7fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #9aa3ad; --line: #3a4149; --paper: #15181c; --card: #1e2329; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
       max-width: 1000px; padding: 1.5rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { background: var(--card); padding: .7rem; overflow: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child, .said { text-align: left; }
.said span { white-space: nowrap; } .differs { font-weight: 600; } .wide { overflow-x: auto; }
.conclusion { background: var(--card); border-left: 4px solid #0072b2; padding: .7rem 1rem; font-weight: 600; }
.warning { background: var(--card); border-left: 4px solid #d55e00; padding: .5rem 1rem; margin: .4rem 0; }
.answer { border: 1px solid var(--line); border-radius: 6px; padding: .2rem 1rem 1rem; margin: 1rem 0; }
.answer h3 { margin: .7rem 0 .2rem; font-size: 1rem; } .soft { color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: .5rem; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg text.title { font-size: 13px; font-weight: 600; fill: var(--ink); } svg .grid { stroke: var(--line); }
.legend span { margin-right: 1rem; font-size: 12px; } .legend b { display: inline-block; width: 10px; height: 10px;
       border-radius: 5px; margin-right: 4px; }
)";

std::string element(const char* name, const std::string& inside) {
  return "<" + std::string(name) + ">" + inside + "</" + name + ">";
}

std::string cells(const std::vector<std::string>& texts, const char* kind = "td") {
  std::string line;
  for (const std::string& text : texts) line += element(kind, escape(text));
  return line;
}

// A cell of words, among those with numbers.
std::string words(const std::string& inside, const char* kind = "td") {
  return "<" + std::string(kind) + " class=\"said\">" + inside + "</" + kind + ">";
}

std::string line_of(const std::string& cells) { return element("tr", cells) + "\n"; }

std::string name_of(const document& d, std::size_t i) {
  if (d.kind == "sweep") return d.swept + "=" + d.swept_values[i];
  const std::string text = d.sides[i].text;
  return d.kind == "compare" ? std::string(1, static_cast<char>('A' + i)) + ": " + text : text;
}

std::string range_of(const comparison& c) {
  if (!c.has_ratio) return "-";
  return show_change(c.ratio) + " [" + show_change(c.ratio_interval.low) + ", " + show_change(c.ratio_interval.high) +
         "]";
}

// All sides' medians; for each but the first how it differs.
std::string table_of(const document& d) {
  std::string head = cells({""}, "th");
  for (std::size_t i = 0; i < d.sides.size(); ++i) {
    head += cells({name_of(d, i)}, "th");
    if (i > 0) head += words("against the first", "th");
  }
  std::string out = "<div class=\"wide\"><table>\n" + line_of(head);
  for (const row& r : rows_of(d)) {
    std::string line = cells({r.what});
    for (std::size_t i = 0; i < d.sides.size(); ++i) {
      line += cells({show(median(series(d.sides[i].runs, r.figure)), r.unit)});
      if (i == 0) continue;
      const comparison c = compare_row(d, r, i);
      line += words(element("span", escape(range_of(c))) + " " + escape(word_for(r, c.found)));
    }
    out += line_of(line);
  }
  return out + "</table></div>\n";
}

std::string check_html(const document& d) {
  const std::vector<answer> answers = check_of(d);
  if (answers.empty()) return "";
  std::string out = "<h2>The practical check</h2>\n";
  for (const answer& a : answers) {
    out += "<div class=\"answer\">" + element("h3", escape(a.question)) + "\n<p><b>" + escape(a.verdict) +
           "</b> &ndash; " + escape(a.sentence) + "</p>\n<table>\n" +
           line_of(cells({"", "A", "B", "B against A", ""}, "th"));
    for (const evidence& e : a.parts)
      out += line_of(cells({e.what, show(e.compared.a, e.unit), show(e.compared.b, e.unit), range_of(e.compared)}) +
                     words(escape(std::string(to_string(e.compared.found)))));
    out += "</table>\n";
    std::string notes;
    for (const std::string& note : a.notes) notes += note + "\n";
    if (!notes.empty()) out += element("pre", escape(notes));
    out += "</div>\n";
  }
  return out;
}

// The share of latencies above each latency, over all runs of a side.
plotted latencies_of(const document& d, std::size_t i) {
  std::map<double, uint64_t> counts;
  uint64_t total = 0;
  for (const record& r : d.sides[i].runs)
    for (const latency_bucket& b : r.latencies) {
      counts[b.to_ns] += b.count;
      total += b.count;
    }
  plotted out{name_of(d, i), {}, true};
  uint64_t seen = 0;
  for (const auto& [to_ns, count] : counts) {
    seen += count;
    const double above = static_cast<double>(total - seen) / static_cast<double>(total);
    if (above > 0) out.points.emplace_back(to_ns / 1000, above);
  }
  return out;
}

// A unit of times or bytes in which values like these are short to write, and how many of the figure's unit it is.
struct shown_unit {
  std::string name;
  double size = 1;
};

shown_unit unit_for(const std::vector<plotted>& list, const std::string& unit) {
  double most = 0;
  for (const plotted& p : list)
    for (const auto& [x, y] : p.points)
      if (std::isfinite(y)) most = std::max(most, y);
  const std::vector<shown_unit> times{{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}};
  const std::vector<shown_unit> sizes{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}};
  for (const shown_unit& u : unit == "ns" ? times : unit == "B" ? sizes : std::vector<shown_unit>{})
    if (most >= 2 * u.size) return u;
  return {unit, 1};
}

// A plot of a figure whose values are times, sizes or counts.
std::string plot_in_unit(const std::string& title, const axis& x, const std::string& what, const std::string& unit,
                         std::vector<plotted> list, bool logarithmic = false) {
  const shown_unit shown = unit_for(list, unit);
  for (plotted& p : list)
    for (auto& [px, py] : p.points) py /= shown.size;
  return plot(title, x, {what + (shown.name.empty() ? "" : ", " + shown.name), logarithmic}, list);
}

// "4k" and "20us" are numbers; "on" is none.
bool number_of(const std::string& text, double& value) {
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  const std::string suffix(rest, text.data() + text.size());
  static const std::map<std::string, double> factors{{"", 1},       {"k", 1e3},       {"M", 1e6},         {"ns", 1},
                                                     {"us", 1e3},   {"ms", 1e6},      {"s", 1e9},         {"B", 1},
                                                     {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}};
  const auto factor = factors.find(suffix);
  if (factor == factors.end()) return false;
  value *= factor->second;
  return true;
}

// A figure's medians against the swept value.
plotted swept(const document& d, const std::string& figure_name, const std::string& name) {
  plotted out{name, {}, true};
  for (std::size_t i = 0; i < d.sides.size(); ++i) {
    double x = 0;
    if (number_of(d.swept_values[i], x)) out.points.emplace_back(x, median(series(d.sides[i].runs, figure_name)));
  }
  return out;
}

std::string sweep_plots(const document& d) {
  // Times are typed with a unit, and are numbers of nanoseconds here.
  const bool times = std::ranges::any_of(d.swept_values, [](const std::string& v) { return v.ends_with('s'); });
  const axis x{d.swept + (times ? ", ns" : ""), false};
  std::string out = plot("Throughput against " + d.swept, x, {"operations per second", false},
                         {swept(d, "operations_per_second", "throughput")});
  out += plot_in_unit("Latency against " + d.swept, x, "latency", "ns",
                      {swept(d, "latency_p50_ns", "median"), swept(d, "latency_p99_ns", "99th percentile"),
                       swept(d, "latency_p999_ns", "99.9th percentile")},
                      true);
  out += plot_in_unit("CPU time against " + d.swept, x, "time per operation", "ns",
                      {swept(d, "cpu_per_operation_ns", "CPU time"), swept(d, "time_per_operation_ns", "wall time")});
  plotted curve{"", {}, true};
  for (const side& s : d.sides)
    curve.points.emplace_back(median(series(s.runs, "peak_resident_bytes")) / 1048576,
                              median(series(s.runs, "cpu_per_operation_ns")));
  curve.name = d.swept + " from " + d.swept_values.front() + " to " + d.swept_values.back();
  return out +
         plot_in_unit("CPU against footprint", {"peak resident memory, MiB"}, "CPU time per operation", "ns", {curve});
}

std::string plots_of(const document& d) {
  std::string out;
  const std::vector<row> rows = rows_of(d);
  std::vector<plotted> rounds;
  std::vector<plotted> latencies;
  std::vector<plotted> footprint;
  for (std::size_t i = 0; i < d.sides.size(); ++i) {
    plotted by_round{name_of(d, i), {}, true};
    const std::vector<double> values = series(d.sides[i].runs, rows.empty() ? "" : rows[0].figure);
    for (std::size_t k = 0; k < values.size(); ++k) by_round.points.emplace_back(static_cast<double>(k + 1), values[k]);
    rounds.push_back(by_round);
    latencies.push_back(latencies_of(d, i));
    plotted cost{name_of(d, i), {}, false};
    for (const record& r : d.sides[i].runs)
      cost.points.emplace_back(figure(r, "peak_resident_bytes") / 1048576, figure(r, "cpu_per_operation_ns"));
    footprint.push_back(cost);
  }
  if (!rows.empty())
    out += plot_in_unit("Each round", {.label = "round", .whole = true}, rows[0].what, rows[0].unit, rounds);
  out += plot("Latency distribution", {"latency, us", true}, {"share of operations that took longer", true}, latencies);
  if (d.kind == "sweep")
    out += sweep_plots(d);
  else
    out += plot_in_unit("CPU against footprint, each run", {"peak resident memory, MiB"}, "CPU time per operation",
                        "ns", footprint);
  return out;
}

std::string settings_html(const document& d) {
  std::string out = "<div class=\"wide\"><table>\n";
  std::vector<std::string> head{"in force"};
  for (std::size_t i = 0; i < d.sides.size(); ++i) head.push_back(name_of(d, i));
  out += line_of(cells(head, "th"));
  std::vector<std::string> names;
  for (const side& s : d.sides)
    for (const auto& [name, value] : s.settings)
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  for (const std::string& name : names) {
    std::vector<std::string> line{name};
    for (const side& s : d.sides) {
      const auto found = std::ranges::find(s.settings, name, &std::pair<std::string, std::string>::first);
      line.push_back(found == s.settings.end() ? "" : found->second);
    }
    const bool differs = std::any_of(line.begin() + 1, line.end(), [&](const auto& text) { return text != line[1]; });
    out += differs ? "<tr class=\"differs\">" + cells(line) + "</tr>\n" : line_of(cells(line));
  }
  return out + "</table></div>\n";
}

}  // namespace

std::string to_html(const document& d) {
  const std::size_t rounds = d.sides[0].runs.size();
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>weft-lab: ";
  out += escape(d.sides[0].text) + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n";
  out += element("h1", "weft-lab " + escape(d.kind)) + "\n<p><code>" + escape(d.command) + "</code></p>\n";
  out += "<p class=\"soft\">" + escape(d.started) + "; " + std::to_string(rounds) + " rounds; " + escape(d.ended) +
         "</p>\n";
  if (!d.failure.empty()) out += "<p class=\"warning\">A run failed: " + escape(d.failure) + "</p>\n";
  for (const std::string& w : d.warnings) out += "<p class=\"warning\">Noisy machine: " + escape(w) + "</p>\n";
  if (d.kind == "compare" && rounds > 0) out += "<p class=\"conclusion\">" + escape(conclusion(d, 1)) + "</p>\n";
  if (rounds > 0) {
    out += "<h2>Figures</h2>\n" + table_of(d) + check_html(d);
    out += "<h2>Plots</h2>\n<div class=\"plots\">\n" + plots_of(d) + "</div>\n";
  }
  if (!d.sides[0].settings.empty()) out += "<h2>Choices and parameters</h2>\n" + settings_html(d);
  out += "<h2>Machine</h2>\n<ul>\n";
  for (const std::string& line : d.machine) out += element("li", escape(line)) + "\n";
  return out + "</ul>\n</body>\n</html>\n";
}

}  // namespace weft_lab
