// The comparisons of the expectations, and their page.
#include "expectations.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <utility>

#include "launch.h"
#include "show.h"
#include "text_file.h"

namespace weft_lab {

namespace {

constexpr std::string_view not_measured = "not measured yet";
constexpr std::string_view noisy = ", noisy machine";

constexpr std::string_view head = R"(# The choices

Every constant of the scheduler and of memory that `weft-lab` can set, each an option of its command line. This page is
written by

```sh
./weft lab expectations --docs=docs/choices.md             # all; or name some: expectations steal wakes --docs=...
```

which runs each comparison below as `weft-lab compare ...` and keeps what came out, favourable or not. Side B is side A
with what follows `vs` changed; intervals are of 99.5%. An expectation that a measurement has refuted stays, with `no`
behind it, until somebody knows better and says so. `not known`: other programs disturbed the measurement, and it found
no difference, or another one. A line stays as it was until it is measured again, so lines may come from different days
and machines. How measuring works is in [lab.md](lab.md), what the options mean to the scheduler in
[scheduling.md](scheduling.md).
)";

std::string text_of(expectation::effect e, std::string_view figure_name) {
  const bool is_time = figure_name.ends_with("_ns");
  switch (e) {
    case expectation::effect::more: return is_time ? "slower" : "more";
    case expectation::effect::less: return is_time ? "faster" : "less";
    case expectation::effect::none: break;
  }
  return "no measurable difference";
}

std::string figure_of(const expectation& e) {
  if (!e.figure.empty()) return std::string(e.figure);
  const absl::StatusOr<std::vector<variant>> sides = sides_of(e);
  return sides.ok() ? judged_figure(sides->front()) : "";
}

row row_of(const document& d, const std::string& figure_name) {
  for (const row& r : rows_of(d))
    if (r.figure == figure_name) return r;
  return {figure_name, figure_name, figure_name.ends_with("_ns") ? "ns" : "", false};
}

// Yes or no. On a noisy machine only a difference that was expected can be believed.
std::string answer_of(const expectation& e, const std::string& said) {
  if (said == not_measured) return "";
  const bool yes = as_expected(e, said);
  if (said.ends_with(noisy) && (!yes || e.expected == expectation::effect::none)) return "not known";
  return yes ? "yes" : "no";
}

std::string line_of(const expectation& e, const std::string& said) {
  return row_key(e) + text_of(e.expected, figure_of(e)) + ", because " + std::string(e.because) + " | " + said + " | " +
         answer_of(e, said) + " |\n";
}

// What the page says was measured, by the keys of its lines. A cell has no `|`.
std::map<std::string, std::string> measured_in(const std::string& page) {
  std::map<std::string, std::string> found;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::size_t> bars;
    for (std::size_t at = line.find('|'); at != line.npos; at = line.find('|', at + 1)) bars.push_back(at);
    constexpr std::size_t columns = 5;
    if (bars.size() != columns + 1 || bars[0] != 0) continue;
    const std::size_t from = bars[3] + 2;
    if (from < bars[4]) found[line.substr(0, bars[2] + 2)] = line.substr(from, bars[4] - 1 - from);
  }
  return found;
}

absl::StatusOr<std::vector<const choice*>> choices_named(const std::vector<std::string>& names) {
  std::vector<const choice*> chosen;
  for (const std::string& name : names) {
    const choice* c = find_choice(name.starts_with("--") ? name.substr(2) : name);
    if (c == nullptr) {
      std::string message = "there is no choice '" + name + "'; there are:";
      for (const choice& known : all_choices()) message += " " + known.name;
      return absl::InvalidArgumentError(message);
    }
    chosen.push_back(c);
  }
  if (names.empty())
    for (const choice& c : all_choices()) chosen.push_back(&c);
  return chosen;
}

absl::Status write_page(const std::string& path, const std::vector<std::pair<std::string, std::string>>& measured) {
  const absl::StatusOr<std::string> old_page = read_file(path);
  if (!old_page.ok() && !absl::IsNotFound(old_page.status())) return old_page.status();
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << page_of_choices(old_page.value_or(""), measured);
  out.close();
  return out ? absl::OkStatus() : absl::InvalidArgumentError("cannot write '" + path + "'");
}

}  // namespace

absl::StatusOr<std::vector<variant>> sides_of(const expectation& e) {
  std::istringstream text{std::string(e.command)};
  absl::StatusOr<command_line> line = parse_command_line(
      std::vector<std::string>(std::istream_iterator<std::string>(text), std::istream_iterator<std::string>()));
  if (!line.ok()) return line.status();
  if (line->words.size() != 1 || !line->words_b.empty() || !line->has_vs)
    return absl::InvalidArgumentError("'" + std::string(e.command) + "' does not compare a workload with itself");
  absl::StatusOr<variant> a = make_variant(line->words[0], line->given);
  if (!a.ok()) return a.status();
  variant b = *a;
  for (const auto& [name, value] : line->given_b)
    if (absl::Status s = set_option(b, name, value); !s.ok()) return s;
  return std::vector<variant>{*a, b};
}

std::string expected_of(const expectation& e) {
  const std::string name = figure_of(e);
  return text_of(e.expected, name) + " (" + name + ")";
}

std::string row_key(const expectation& e) { return "| `" + std::string(e.command) + "` | `" + figure_of(e) + "` | "; }

std::string said_of(const expectation& e, const document& d) {
  const row r = row_of(d, figure_of(e));
  const comparison c = compare_row(d, r, 1);
  std::string said = word_for(r, c.found) + ": " + show(c.a, r.unit) + " -> " + show(c.b, r.unit);
  if (c.has_ratio)
    said += ", " + show_change(c.ratio) + " [" + show_change(c.ratio_interval.low) + ", " +
            show_change(c.ratio_interval.high) + "]";
  return said + ", " + std::to_string(d.sides[0].runs.size()) + " rounds" +
         (d.warnings.empty() ? "" : std::string(noisy));
}

bool as_expected(const expectation& e, const std::string& said) {
  return said.starts_with(text_of(e.expected, figure_of(e)) + ":");
}

std::string page_of_choices(const std::string& old_page,
                            const std::vector<std::pair<std::string, std::string>>& measured) {
  std::map<std::string, std::string> known = measured_in(old_page);
  for (const auto& [key, said] : measured) known[key] = said;
  std::string page(head);
  // Where and when, of the last comparison.
  const auto at = known.find("machine");
  if (at != known.end()) {
    page += "\nMeasured last on " + at->second + ".\n";
  } else {
    const std::size_t line = old_page.find("\nMeasured last on ");
    if (line != old_page.npos) page += old_page.substr(line, old_page.find('\n', line + 1) + 1 - line);
  }
  for (const choice& c : all_choices()) {
    page += "\n## `--" + c.name + "`\n\n" + c.meaning + ". Allowed: " + c.allowed + "; default " + c.get(settings{}) +
            ".\n\n| compared | figure of B | expected | measured | as expected |\n|---|---|---|---|---|\n";
    for (const expectation& e : c.expectations) {
      const auto found = known.find(row_key(e));
      page += line_of(e, found == known.end() ? std::string(not_measured) : found->second);
    }
  }
  return page;
}

absl::StatusOr<int> check_expectations(const command_line& line, const measurer& measure) {
  std::string page;
  for (const auto& [name, value] : line.given) {
    if (name != "docs" || value.empty())
      return absl::InvalidArgumentError("expectations has no option '--" + name + "' but --docs=FILE");
    page = value;
  }
  absl::StatusOr<std::vector<const choice*>> chosen = choices_named(line.words);
  if (!chosen.ok()) return chosen.status();
  if (!page.empty())
    if (absl::Status s = write_page(page, {}); !s.ok()) return s;
  int refuted = 0;
  int checked = 0;
  for (const choice* c : *chosen)
    for (const expectation& e : c->expectations) {
      const absl::StatusOr<std::vector<variant>> sides = sides_of(e);
      if (!sides.ok()) return sides.status();
      const document d = measure(*sides);
      constexpr int status_of_interrupt = 130;
      if (interrupted()) return status_of_interrupt;
      const bool failed = !d.failure.empty() || d.sides[0].runs.empty();
      const std::string said = failed ? "failed: " + d.failure : said_of(e, d);
      const bool expected = !failed && as_expected(e, said);
      ++checked;
      if (!expected) ++refuted;
      std::printf("%s %s\n    expected %s: %s, because %s\n    measured %s\n", expected ? "yes" : "NO ",
                  std::string(e.command).c_str(), figure_of(e).c_str(), text_of(e.expected, figure_of(e)).c_str(),
                  std::string(e.because).c_str(), said.c_str());
      std::fflush(stdout);
      if (page.empty() || failed) continue;
      std::string where = d.started.substr(0, d.started.find('T'));
      for (const std::string& part : d.machine)
        if (part.find("load average") == part.npos) where += ", " + part;
      if (absl::Status s = write_page(page, {{row_key(e), said}, {"machine", where}}); !s.ok()) return s;
    }
  std::printf("%d of %d as expected\n", checked - refuted, checked);
  return refuted == 0 ? 0 : 1;
}

}  // namespace weft_lab
