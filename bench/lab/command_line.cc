// Words to options.
#include "command_line.h"

#include <algorithm>

#include "trace.h"
#include "values.h"

namespace weft_lab {

namespace {

// These belong to a side, and take a value that may be the next word.
bool takes_next_word(std::string_view name) {
  return name == "program" || name == "trace" || name == "volume" || name == "peer" || name == "only" ||
         name == "threads" || name == "programs";
}

absl::Status set_lab_option(lab_options& lab, std::string_view name, std::string_view value) {
  const std::string what = "--" + std::string(name);
  if (name == "json" || name == "csv" || name == "html") {
    if (value.empty()) return absl::InvalidArgumentError(what + " needs a file's name");
    (name == "json" ? lab.json : name == "csv" ? lab.csv : lab.html) = value;
  } else if (name == "quiet") {
    lab.quiet = true;
  } else if (name == "help") {
    lab.help = true;
  } else if (name == "precision") {
    const bool percent = value.ends_with('%');
    if (percent) value.remove_suffix(1);
    absl::StatusOr<double> number =
        parse_fraction(what + (percent ? " (in %)" : ""), value, percent ? 0.01 : 0.0001, percent ? 100.0 : 1.0);
    if (!number.ok()) return number.status();
    lab.precision = percent ? *number / 100 : *number;
  } else if (name == "seconds") {
    absl::StatusOr<double> number = parse_fraction(what, value, 0.1, 86'400);
    if (!number.ok()) return number.status();
    lab.time = std::chrono::nanoseconds(static_cast<int64_t>(*number * 1e9));
  } else if (name == "patience") {
    absl::StatusOr<double> number = parse_fraction(what, value, 0.1, 86'400);
    if (!number.ok()) return number.status();
    lab.patience = std::chrono::nanoseconds(static_cast<int64_t>(*number * 1e9));
  } else if (name == "rounds") {
    absl::StatusOr<int64_t> number = parse_number(what, value, 1, 100'000);
    if (!number.ok()) return number.status();
    lab.rounds = static_cast<std::size_t>(*number);
  } else if (name == "seed") {
    absl::StatusOr<int64_t> number = parse_number(what, value, 0, INT64_MAX);
    if (!number.ok()) return number.status();
    lab.seed = static_cast<uint64_t>(*number);
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<lab_option>& lab_option_list() {
  static const std::vector<lab_option> list{
      {"seconds", "S", "no new round begins after it (30)"},
      {"precision", "P%", "width of the interval that is narrow enough (2%)"},
      {"rounds", "N", "exactly so many rounds, whatever the precision; --seconds still counts"},
      {"patience", "S", "a run that takes longer is killed (60)"},
      {"seed", "N", "of workloads' random numbers and of the intervals (1)"},
      {"json", "FILE", "all figures of all runs; `report` makes the others from it"},
      {"csv", "FILE", "all figures of all runs, one a line"},
      {"html", "FILE", "a report with plots, one file that needs no network"},
      {"quiet", "", "no progress bar (there is one on terminals only)"},
      {"help", "", "how to use the command"},
  };
  return list;
}

absl::StatusOr<command_line> parse_command_line(const std::vector<std::string>& words) {
  command_line line;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "vs") {
      if (line.has_vs) return absl::InvalidArgumentError("'vs' stands between two sides, so it can come only once");
      line.has_vs = true;
      continue;
    }
    if (!word.starts_with("--")) {
      (line.has_vs ? line.words_b : line.words).push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == word.npos ? word.npos : equals - 2);
    std::string value = equals == word.npos ? "" : word.substr(equals + 1);
    const auto& list = lab_option_list();
    const auto own = std::ranges::find(list, name, &lab_option::name);
    const bool needs_value = own != list.end() ? !own->value.empty() : takes_next_word(name);
    if (equals == word.npos && needs_value) {
      if (i + 1 == words.size()) return absl::InvalidArgumentError("--" + name + " needs a value: --" + name + "=...");
      value = words[++i];
    }
    if (own == list.end()) {
      (line.has_vs ? line.given_b : line.given).emplace_back(name, value);
    } else if (absl::Status s = set_lab_option(line.lab, name, value); !s.ok()) {
      return s;
    }
  }
  return line;
}

absl::Status set_option(variant& v, const std::string& name, const std::string& value) {
  const bool replays = v.work != nullptr && v.work->name == "replay";
  if (replays && name == "trace") {
    v.trace = value;
    return absl::OkStatus();
  }
  if (replays && name == "volume") {
    absl::StatusOr<double> volume = parse_fraction("--volume", value, 0.001, 1000);
    if (!volume.ok()) return volume.status();
    v.volume = *volume;
    return absl::OkStatus();
  }
  return assign(v, name, value);
}

absl::StatusOr<variant> make_variant(std::string_view workload_name,
                                     const std::vector<std::pair<std::string, std::string>>& given) {
  absl::StatusOr<variant> v = variant_of(workload_name);
  if (!v.ok()) return v;
  for (const auto& [name, value] : given)
    if (absl::Status s = set_option(*v, name, value); !s.ok()) return s;
  return v;
}

}  // namespace weft_lab
