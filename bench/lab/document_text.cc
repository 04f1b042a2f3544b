// A document as tables for a terminal.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "document.h"
#include "session.h"
#include "show.h"

namespace weft_lab {

namespace {

using table = std::vector<std::vector<std::string>>;

// The first column left, the others right; the last one, which holds words, left.
std::string lay_out(const table& lines) {
  std::vector<std::size_t> widths;
  for (const auto& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], line[i].size());
    }
  std::string text;
  for (const auto& line : lines) {
    std::string out = " ";
    for (std::size_t i = 0; i < line.size(); ++i) {
      const bool words = i == 0 || i + 1 == widths.size();
      out += " " + (words ? pad_right(line[i], widths[i]) : pad_left(line[i], widths[i])) + " ";
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    text += out + "\n";
  }
  return text;
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) longest = std::max(longest, line.size());
  return longest;
}

std::string percent(double share) {
  char text[40];
  std::snprintf(text, sizeof text, "+-%.1f%%", share * 100);
  return text;
}

std::string range_of(const comparison& c) {
  if (!c.has_ratio) return "-";
  return show_change(c.ratio) + " [" + show_change(c.ratio_interval.low) + ", " + show_change(c.ratio_interval.high) +
         "]";
}

table run_table(const document& d) {
  table lines{{"", "median", "lowest", "highest", "spread"}};
  for (const row& r : rows_of(d)) {
    const std::vector<double> values = series(d.sides[0].runs, r.figure);
    if (values.empty() || std::isnan(values[0])) continue;
    lines.push_back({r.what, show(median(values), r.unit), show(*std::ranges::min_element(values), r.unit),
                     show(*std::ranges::max_element(values), r.unit), percent(spread(values))});
  }
  return lines;
}

table compare_table(const document& d) {
  table lines{{"", "A", "B", "B against A", ""}};
  for (const row& r : rows_of(d)) {
    const comparison c = compare_row(d, r, 1);
    lines.push_back({r.what, show(c.a, r.unit), show(c.b, r.unit), range_of(c), word_for(r, c.found)});
  }
  return lines;
}

// A sweep's table has room for a few: what decides, what the workload measured itself, and what it costs.
int place_in_sweep(const row& r) {
  if (r.judged) return 0;
  if (r.own) return 1;
  if (r.figure.starts_with("latency_")) return 2;
  if (r.figure == "cpu_per_operation_ns" || r.figure == "peak_resident_bytes") return 3;
  return 4;
}

// The words in two lines, each about half as long.
std::pair<std::string, std::string> halves(const std::string& words) {
  std::size_t cut = std::string::npos;
  for (std::size_t at = words.find(' '); at != std::string::npos; at = words.find(' ', at + 1))
    if (cut == std::string::npos || std::max(at, words.size() - at) < std::max(cut, words.size() - cut)) cut = at;
  if (cut == std::string::npos) return {"", words};
  return {words.substr(0, cut), words.substr(cut + 1)};
}

table sweep_table_of(const document& d, const std::vector<row>& rows) {
  table lines{{""}, {"--" + d.swept}};
  for (const row& r : rows) {
    const auto [above, below] = halves(r.what);
    lines[0].push_back(above);
    lines[1].push_back(below);
  }
  lines[0].push_back("");
  lines[1].push_back(rows.empty() ? "" : "against the first");
  for (std::size_t i = 0; i < d.sides.size(); ++i) {
    std::vector<std::string> line{d.swept_values[i]};
    for (const row& r : rows) line.push_back(show(median(series(d.sides[i].runs, r.figure)), r.unit));
    if (!rows.empty() && i > 0) {
      const comparison c = compare_row(d, rows[0], i);
      line.push_back(range_of(c) + " " + word_for(rows[0], c.found));
    }
    lines.push_back(line);
  }
  return lines;
}

// As many figures as fit in a line of 120 characters, and no more than five.
table sweep_table(const document& d) {
  std::vector<row> rows;
  for (int place = 0; place <= 4; ++place)
    std::ranges::copy_if(rows_of(d), std::back_inserter(rows),
                         [place](const row& r) { return place_in_sweep(r) == place; });
  constexpr std::size_t most_columns = 5;
  constexpr std::size_t most_characters = 120;
  if (rows.size() > most_columns) rows.resize(most_columns);
  table lines = sweep_table_of(d, rows);
  while (rows.size() > 1 && longest_line(lay_out(lines)) > most_characters) {
    rows.pop_back();
    lines = sweep_table_of(d, rows);
  }
  return lines;
}

std::string check_text(const document& d) {
  std::string text;
  const std::vector<answer> answers = check_of(d);
  if (answers.empty()) return text;
  text += "\nThe practical check: what B does, against A\n";
  int number = 0;
  for (const answer& a : answers) {
    text += "\n" + std::to_string(++number) + ". " + a.question + "\n   " + a.verdict + " - " + a.sentence + "\n";
    table lines;
    for (const evidence& e : a.parts)
      lines.push_back({"  " + e.what, show(e.compared.a, e.unit), show(e.compared.b, e.unit), range_of(e.compared),
                       std::string(to_string(e.compared.found))});
    text += lay_out(lines);
    for (const std::string& note : a.notes) text += "     " + note + "\n";
  }
  return text;
}

}  // namespace

std::string to_text(const document& d) {
  std::string text;
  for (std::size_t i = 0; i < d.sides.size(); ++i) {
    if (d.kind == "sweep" && i > 0) break;
    const std::string name = d.kind == "compare" ? std::string(1, static_cast<char>('A' + i)) + ": " : "";
    text += name + d.sides[i].text + "\n";
  }
  const std::size_t rounds = d.sides.empty() ? 0 : d.sides[0].runs.size();
  text += std::to_string(rounds) + " rounds; " + d.ended + "\n";
  if (!d.failure.empty()) text += "failed: " + d.failure + "\n";
  for (const std::string& warning : d.warnings) text += "noisy machine: " + warning + "\n";
  if (rounds == 0) return text;
  text += "\n";
  if (d.kind == "sweep")
    text += lay_out(sweep_table(d));
  else if (d.kind == "compare")
    text += lay_out(compare_table(d));
  else
    text += lay_out(run_table(d));
  if (d.kind == "compare") text += "\n" + conclusion(d, 1) + "\n" + check_text(d);
  return text;
}

}  // namespace weft_lab
