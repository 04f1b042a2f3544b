// Sessions whose sides are programs.
#include "peers.h"

#include <cstdio>
#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

#include "launch.h"
#include "machine.h"
#include "session.h"
#include "show.h"
#include "values.h"

namespace weft_lab {

namespace {

namespace fs = std::filesystem;

struct program {
  std::string name;
  std::string path;
};

struct request {
  std::vector<program> programs;
  std::vector<std::string> workloads{"fib",      "skynet",  "nqueens", "spawnjoin", "yield2", "yield1000",
                                     "pingpong", "chan128", "select2", "mutex8",    "sem4of8"};
  std::vector<std::string> threads{"1", "2"};
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> list;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) list.push_back(word);
  return list;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += " " + name;
  return text;
}

absl::StatusOr<request> read_request(const command_line& line) {
  request r;
  if (!line.words.empty() || line.has_vs) return absl::InvalidArgumentError("peers takes options only (weft-lab help)");
  std::error_code ignored;
  fs::path folder = fs::read_symlink("/proc/self/exe", ignored).parent_path().parent_path();
  std::vector<program> more;
  for (const auto& [name, value] : line.given) {
    if (name == "only") {
      r.workloads = split(value);
    } else if (name == "threads") {
      r.threads = split(value);
      for (const std::string& n : r.threads)
        if (absl::StatusOr<int64_t> number = parse_number("--threads", n, 1, 1024); !number.ok())
          return number.status();
    } else if (name == "programs") {
      folder = value;
    } else if (name == "peer") {
      const std::size_t equals = value.find('=');
      if (equals == 0 || equals == value.npos || equals + 1 == value.size())
        return absl::InvalidArgumentError("--peer is '" + value + "'; it takes NAME=PROGRAM");
      more.push_back({value.substr(0, equals), value.substr(equals + 1)});
    } else {
      return absl::InvalidArgumentError("peers has no option '--" + name +
                                        "'; it has --only --threads --peer --programs");
    }
  }
  const fs::path own = folder / "weft_workloads";
  if (!fs::exists(own, ignored))
    return absl::InvalidArgumentError("there is no " + own.string() +
                                      "; build the target weft_workloads, or say --programs=FOLDER");
  r.programs.push_back({"weft", own.string()});
  for (const char* name : {"go", "tokio", "tokio_current", "tbb", "boost_fiber"}) {
    const fs::path path = folder / "peers" / (std::string("peer_") + name);
    if (fs::exists(path, ignored)) r.programs.push_back({name, path.string()});
  }
  r.programs.insert(r.programs.end(), more.begin(), more.end());
  return r;
}

// What `PROG WORKLOAD THREADS` printed: WORKLOAD THREADS VALUE UNIT.
struct printed {
  double value = 0;
  std::string unit;
};

absl::StatusOr<printed> run_program(const program& p, const std::string& workload, const std::string& threads,
                                    const lab_options& lab) {
  absl::StatusOr<std::string> text = output_of("'" + p.path + "' '" + workload + "' " + threads, lab.patience);
  if (!text.ok()) return text.status();
  std::istringstream in(*text);
  std::string name;
  std::string count;
  printed out;
  if (!(in >> name >> count >> out.value >> out.unit) || name != workload)
    return absl::InternalError(p.path + " printed '" + *text + "', not WORKLOAD THREADS VALUE UNIT");
  return out;
}

class peer_runs final : public source {
 public:
  peer_runs(std::vector<program> programs, std::string workload, std::string threads, const lab_options& lab)
      : programs_(std::move(programs)), workload_(std::move(workload)), threads_(std::move(threads)), lab_(lab) {}

  absl::StatusOr<record> run(std::size_t side, uint64_t) override {
    absl::StatusOr<printed> p = run_program(programs_[side], workload_, threads_, lab_);
    if (!p.ok()) return p.status();
    unit = p->unit;
    record r;
    r.values["value"] = p->value;
    return r;
  }
  std::chrono::nanoseconds now() override { return std::chrono::steady_clock::now().time_since_epoch(); }
  bool interrupted() override { return weft_lab::interrupted(); }

  std::string unit;

 private:
  std::vector<program> programs_;
  std::string workload_;
  std::string threads_;
  const lab_options& lab_;
};

// One cell: the peer's median, and weft's part of it.
std::string cell(const std::vector<double>& weft, const std::vector<double>& peer, const criteria& c, uint64_t seed) {
  const comparison found = compare(weft, peer, c, seed);
  char text[120];
  std::snprintf(text, sizeof text, "%.4g (%.2fx%s)", found.b, found.ratio,
                found.found == verdict::none      ? ", no measurable difference"
                : found.found == verdict::unknown ? ", too few rounds"
                                                  : "");
  return text;
}

// A table's line for one workload on one number of threads; empty: weft has no such workload.
absl::StatusOr<std::string> line_of(const request& r, const std::string& workload, const std::string& threads,
                                    const lab_options& lab) {
  // The first run of each says whether it has the workload, and warms its files up.
  std::vector<program> present;
  std::vector<bool> has;
  for (const program& p : r.programs) {
    has.push_back(run_program(p, workload, threads, lab).ok());
    if (interrupted()) return absl::CancelledError("interrupted");
    if (has.back()) present.push_back(p);
  }
  if (!has[0])
    return absl::InvalidArgumentError("weft_workloads cannot run '" + workload + "' on " + threads +
                                      "; without --only these are compared:" + listed(request{}.workloads));
  peer_runs runs(present, workload, threads, lab);
  plan p;
  p.precision = lab.precision;
  p.time = lab.time;
  p.seed = lab.seed;
  if (lab.rounds != 0) p.least_rounds = p.most_rounds = lab.rounds;
  const session_result s = run_session(runs, present.size(), std::vector<std::string>(present.size(), "value"), p);
  if (s.ended == ending::failed) return s.failure;
  const std::vector<double> weft = series(s.runs[0], "value");
  char first[120];
  std::snprintf(first, sizeof first, "%.4g", median(weft));
  std::string line =
      "| " + workload + " | " + threads + " | " + runs.unit + " | " + std::to_string(weft.size()) + " | " + first;
  std::size_t side = 1;
  for (std::size_t i = 1; i < r.programs.size(); ++i)
    line += " | " + (has[i] ? cell(weft, series(s.runs[side++], "value"), {}, lab.seed) : "-");
  return line + " |\n";
}

}  // namespace

absl::StatusOr<std::string> compare_peers(const command_line& line) {
  absl::StatusOr<request> r = read_request(line);
  if (!r.ok()) return r.status();
  std::string table;
  for (const std::string& m : describe_machine()) table += "- " + m + "\n";
  table += "\n| workload | threads | unit | rounds | weft";
  std::string rule = "\n|---|---|---|---|---";
  for (std::size_t i = 1; i < r->programs.size(); ++i) {
    table += " | " + r->programs[i].name;
    rule += "|---";
  }
  table += " |" + rule + "|\n";
  for (const std::string& workload : r->workloads)
    for (const std::string& threads : r->threads) {
      absl::StatusOr<std::string> one = line_of(*r, workload, threads, line.lab);
      if (one.status().code() == absl::StatusCode::kCancelled) return table;
      if (!one.ok()) return one.status();
      table += *one;
    }
  return table +
         "\nA peer's figure is its median; the factor is how many times as long as weft it takes, the median of the "
         "rounds.\n";
}

}  // namespace weft_lab
