// The sessions of the self check, and their table.
#include "self_check.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "launch.h"
#include "show.h"
#include "values.h"

namespace weft_lab {

namespace {

using options = std::vector<std::pair<std::string, std::string>>;

// What is compared with itself, and how work is planted: the counts leave the computed work all but alone.
struct subject {
  std::string_view workload;
  options alike;     // A against A
  options computes;  // A of the planted comparison; empty: none is planted
};

constexpr std::string_view steps = "2000";
constexpr std::string_view a_tenth_more = "2200";

// On one processor: on two, the time of a pipeline did not always grow with the work of its one stage that computes.
options with_work(std::string_view name, std::string_view value) {
  return {{std::string(name), std::string(value)}, {"work", std::string(steps)}, {"processors", "1"}};
}

const std::vector<subject>& all_subjects() {
  static const std::vector<subject> list{
      {"ping-pong", {}, with_work("count", "100k")},
      {"fan-in", {}, {}},
      {"pipeline", {}, with_work("count", "100k")},
      {"skynet", {}, with_work("depth", "5")},
      {"spawn-storm", {{"tasks", "500k"}}, with_work("tasks", "100k")},
      {"mutex", {}, with_work("count", "100k")},
      {"timer-churn", {}, {}},
      {"inject", {}, with_work("count", "100k")},
      {"wake-latency", {}, {}},
      {"mixed", {}, {}},
  };
  return list;
}

struct tally {
  int equal = 0;        // comparisons of a workload with itself
  int equal_found = 0;  // of those, in which nothing was found
  int planted = 0;
  int planted_found = 0;
  bool interrupted = false;
};

// Measures, prints the line; what was found.
verdict compare_and_print(const std::vector<variant>& sides, const measurer& measure, tally& t) {
  const document d = measure(sides);
  if (interrupted()) {
    t.interrupted = true;
    return verdict::unknown;
  }
  const std::string name = pad_right(sides[0].text(), 50);
  const std::vector<row> rows = rows_of(d);
  if (!d.failure.empty() || rows.empty()) {
    std::printf("  %s  %s\n", name.c_str(), d.failure.empty() ? "nothing was measured" : d.failure.c_str());
    return verdict::unknown;
  }
  const comparison c = compare_row(d, rows[0], 1);
  const std::string range =
      show_change(c.ratio) + " [" + show_change(c.ratio_interval.low) + ", " + show_change(c.ratio_interval.high) + "]";
  std::printf("  %s  %s -> %s  %s  %3zu rounds  %s%s\n", name.c_str(), pad_left(show(c.a, rows[0].unit), 7).c_str(),
              pad_right(show(c.b, rows[0].unit), 7).c_str(), pad_left(range, 24).c_str(), d.sides[0].runs.size(),
              word_for(rows[0], c.found).c_str(), d.warnings.empty() ? "" : " (noisy machine)");
  std::fflush(stdout);
  return c.found;
}

absl::Status compare_with_itself(const subject& s, const measurer& measure, tally& t) {
  absl::StatusOr<variant> v = make_variant(s.workload, s.alike);
  if (!v.ok()) return v.status();
  const verdict found = compare_and_print({*v, *v}, measure, t);
  if (t.interrupted) return absl::OkStatus();
  ++t.equal;
  if (found == verdict::none) ++t.equal_found;
  return absl::OkStatus();
}

absl::Status compare_with_more_work(const subject& s, const measurer& measure, tally& t) {
  absl::StatusOr<variant> a = make_variant(s.workload, s.computes);
  if (!a.ok()) return a.status();
  variant b = *a;
  if (absl::Status assigned = assign(b, "work", a_tenth_more); !assigned.ok()) return assigned;
  const verdict found = compare_and_print({*a, b}, measure, t);
  if (t.interrupted) return absl::OkStatus();
  ++t.planted;
  if (found == verdict::more) ++t.planted_found;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<subject>> chosen_subjects(const std::string& only) {
  std::vector<subject> list;
  std::string known;
  for (const subject& s : all_subjects()) {
    known += " " + std::string(s.workload);
    if (only.empty() || ("," + only + ",").find("," + std::string(s.workload) + ",") != std::string::npos)
      list.push_back(s);
  }
  const auto wanted = static_cast<std::size_t>(std::ranges::count(only, ',') + 1);
  if (!only.empty() && list.size() != wanted)
    return absl::InvalidArgumentError("--only is '" + only + "'; the workloads of the self check are:" + known);
  return list;
}

}  // namespace

absl::StatusOr<int> self_check(const command_line& line, const measurer& measure) {
  std::string only;
  int64_t sessions = 2;
  for (const auto& [name, value] : line.given) {
    if (name == "only") {
      only = value;
    } else if (name == "sessions") {
      absl::StatusOr<int64_t> number = parse_number("--sessions", value, 0, 1000);
      if (!number.ok()) return number.status();
      sessions = *number;
    } else {
      return absl::InvalidArgumentError("self-check has no option '--" + name + "'; it has --only and --sessions");
    }
  }
  absl::StatusOr<std::vector<subject>> subjects = chosen_subjects(only);
  if (!subjects.ok()) return subjects.status();

  tally t;
  std::puts("the same twice: nothing may be found");
  for (const subject& s : *subjects)
    for (int64_t i = 0; i < sessions && !t.interrupted; ++i)
      if (absl::Status done = compare_with_itself(s, measure, t); !done.ok()) return done;
  std::printf("\n%s steps of work against %s: this must be found\n", std::string(steps).c_str(),
              std::string(a_tenth_more).c_str());
  for (const subject& s : *subjects)
    if (!s.computes.empty() && !t.interrupted)
      if (absl::Status done = compare_with_more_work(s, measure, t); !done.ok()) return done;

  std::printf("\nno measurable difference in %d of %d; a tenth more work found in %d of %d\n", t.equal_found, t.equal,
              t.planted_found, t.planted);
  if (t.interrupted) return 130;
  const bool believable = (t.equal - t.equal_found) * 20 <= t.equal && t.planted_found == t.planted;
  return believable ? 0 : 1;
}

}  // namespace weft_lab
