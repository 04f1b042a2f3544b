// The commands of weft-lab: checks what was asked for, measures, prints and writes the reports.
//
// What can be refused is refused before anything is measured: names, ranges, traces, paths that cannot be written.
#include "commands.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "command_line.h"
#include "document.h"
#include "expectations.h"
#include "launch.h"
#include "machine.h"
#include "peers.h"
#include "self_check.h"
#include "show.h"
#include "text_file.h"
#include "trace.h"
#include "values.h"

namespace weft_lab {

namespace {

constexpr int status_of_interrupt = 130;

int fail(const absl::Status& s) {
  std::fprintf(stderr, "weft-lab: %s\n", std::string(s.message()).c_str());
  return s.code() == absl::StatusCode::kInternal ? 1 : 2;
}

absl::Status misuse(const std::string& message) { return absl::InvalidArgumentError(message); }

constexpr std::string_view usage = R"(weft-lab: what a choice of the scheduler, or a change to a program, really does

usage: weft-lab COMMAND ...

  list [WORKLOAD | CHOICE]         what there is: workloads, their parameters, choices, with ranges and defaults
  run WORKLOAD [--NAME=VALUE...]   one variant, until its median is known
  compare WORKLOAD [--NAME=VALUE...] vs [WORKLOAD] [--NAME=VALUE...]
                                   two variants, interleaved, until their difference is known; ends with the four
                                   questions of the practical check. Side B is side A with what follows `vs` changed.
  compare --program 'COMMAND' vs --program 'COMMAND'
                                   the same for two programs of yours. If they link weft and write its metrics to
                                   the file that $WEFT_LAB_SNAPSHOT names, the check has their figures (docs/lab.md)
  sweep WORKLOAD --NAME=V,V,...    one choice or parameter at several values; --NAME alone: those worth a look
  record FILE [--NAME=VALUE...]    a trace of what the workload `mixed` does: arrivals and how long each task worked
  replay FILE [--volume=2] [--NAME=VALUE...] [vs --NAME=VALUE...]
                                   a trace again, at a chosen volume; with `vs`, compared
  report FILE.json --html=FILE     reports from the figures of an earlier command
  peers [--only=WORKLOAD,...]      weft_workloads beside the programs of bench/peers that are built
  self-check [--only=WORKLOAD,...] [--sessions=2]
                                   whether this machine's answers can be believed: workloads against themselves, and
                                   against themselves with a tenth more work; --seconds and --rounds are those of each
  expectations [CHOICE...] [--docs=FILE]
                                   whether choices do what their list says: each expectation as a comparison; --docs
                                   keeps what was measured in a page like docs/choices.md
  help                             this text

examples
  weft-lab compare ping-pong --processors=2 vs --run-next=off
  weft-lab compare fan-out vs --capacity=0 --html=fan-out.html
  weft-lab sweep ping-pong --run-next-in-a-row=1,3,16,61

NAME is a choice (`weft-lab list`) or a parameter of the workload (`weft-lab list WORKLOAD`); and
)";

void print_usage(std::FILE* to) {
  std::fwrite(usage.data(), 1, usage.size(), to);
  for (const lab_option& o : lab_option_list()) {
    const std::string name = "--" + std::string(o.name) + (o.value.empty() ? "" : "=" + std::string(o.value));
    std::fprintf(to, "  %-18s %s\n", name.c_str(), std::string(o.meaning).c_str());
  }
  std::fputs(
      "\nstatus: 0; 1 when a run failed; 2 for a wrong command line; 130 after Ctrl-C, which ends the rounds and\n"
      "writes the reports of what there is\n",
      to);
}

// Measuring --------------------------------------------------------------------------------------------------------

// Processes and the system's clock, with a progress bar on terminals.
class processes final : public source {
 public:
  processes(const std::vector<variant>& sides, const lab_options& lab)
      : sides_(sides), lab_(lab), shows_(!lab.quiet && isatty(STDERR_FILENO) != 0) {}
  ~processes() { clear(); }
  processes(const processes&) = delete;
  processes& operator=(const processes&) = delete;

  absl::StatusOr<record> run(std::size_t side, uint64_t seed) override {
    return launch(sides_[side], seed, lab_.patience);
  }
  std::chrono::nanoseconds now() override { return std::chrono::steady_clock::now().time_since_epoch(); }
  bool interrupted() override { return weft_lab::interrupted(); }

  void progress(std::size_t round, std::size_t side, double done, double width) override {
    if (!shows_) return;
    constexpr int cells = 30;
    const int full = std::clamp(static_cast<int>(done * cells), 0, cells);
    std::string bar(static_cast<std::size_t>(full), '#');
    bar.resize(cells, '.');
    char interval[60] = "";
    if (width < 10)
      std::snprintf(interval, sizeof interval, ", interval %.1f%% of %.1f%%", width * 100, lab_.precision * 100);
    std::fprintf(stderr, "\r\033[K[%s] round %zu, side %c%s", bar.c_str(), round + 1,
                 static_cast<char>('A' + side % 26), interval);
    std::fflush(stderr);
  }

  void clear() const {
    if (shows_) std::fputs("\r\033[K", stderr);
  }

 private:
  const std::vector<variant>& sides_;
  const lab_options& lab_;
  bool shows_;
};

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

side make_side(const variant& v) {
  side s;
  s.text = v.text();
  s.judged = judged_figure(v);
  s.unit = v.work == nullptr ? "run" : std::string(v.work->unit);
  if (v.work == nullptr) return s;
  const context::parameter_values values = parameters_of(v);
  for (std::size_t i = 0; i < values.size(); ++i)
    s.settings.emplace_back(values[i].first, text_of(v.work->parameters[i], values[i].second));
  const settings in_force = settings_of(v);
  for (const choice& c : all_choices()) s.settings.emplace_back(c.name, c.get(in_force));
  return s;
}

plan plan_of(const lab_options& lab) {
  plan p;
  p.precision = lab.precision;
  p.time = lab.time;
  p.seed = lab.seed;
  if (lab.rounds != 0) p.least_rounds = p.most_rounds = lab.rounds;
  return p;
}

void measure(document& d, const std::vector<variant>& variants, const lab_options& lab) {
  std::vector<std::string> judged;
  for (const variant& v : variants) {
    d.sides.push_back(make_side(v));
    judged.push_back(d.sides.back().judged);
  }
  d.started = utc_now();
  d.machine = describe_machine();
  d.seed = lab.seed;
  catch_interrupts();
  const processor_time before = read_processor_time();
  session_result s;
  {
    processes from(variants, lab);
    s = run_session(from, variants.size(), judged, plan_of(lab));
  }
  d.warnings = noise_warnings(before, read_processor_time(), s, judged);
  d.ended = to_string(s.ended);
  if (s.ended == ending::failed) d.failure = std::string(s.failure.message());
  for (std::size_t i = 0; i < variants.size(); ++i) {
    // A program may say how many operations a run is.
    const auto has_more = [](const record& r) { return figure(r, "operations") != 1; };
    if (variants[i].work == nullptr && std::ranges::any_of(s.runs[i], has_more)) d.sides[i].unit = "operation";
    d.sides[i].runs = std::move(s.runs[i]);
  }
}

// Files --------------------------------------------------------------------------------------------------------------

absl::Status write_file(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if ((file != nullptr && std::fclose(file) != 0) || !written)
    return absl::InternalError("cannot write '" + path + "': " + std::strerror(errno));
  return absl::OkStatus();
}

// Whether the reports can be written, before anything is measured.
absl::Status try_paths(const lab_options& lab) {
  for (const std::string* path : {&lab.json, &lab.csv, &lab.html}) {
    if (path->empty()) continue;
    const bool existed = access(path->c_str(), F_OK) == 0;
    std::FILE* file = std::fopen(path->c_str(), "ab");
    if (file == nullptr) return misuse("cannot write '" + *path + "': " + std::strerror(errno));
    std::fclose(file);
    if (!existed) std::remove(path->c_str());
  }
  return absl::OkStatus();
}

absl::Status write_reports(const document& d, const lab_options& lab) {
  if (!lab.json.empty())
    if (absl::Status s = write_file(lab.json, to_json(d).dump(1) + "\n"); !s.ok()) return s;
  if (!lab.csv.empty())
    if (absl::Status s = write_file(lab.csv, to_csv(d)); !s.ok()) return s;
  if (!lab.html.empty())
    if (absl::Status s = write_file(lab.html, to_html(d)); !s.ok()) return s;
  return absl::OkStatus();
}

// Measures, prints, writes; the exit status.
int finish(document d, const std::vector<variant>& variants, const lab_options& lab) {
  if (lab.dry_run) {
    for (const variant& v : variants) std::printf("%s\n", v.text().c_str());
    return 0;
  }
  measure(d, variants, lab);
  // The files first: whoever reads the terminal's tables may be gone, `head` for one.
  if (absl::Status s = write_reports(d, lab); !s.ok()) return fail(s);
  std::fputs(to_text(d).c_str(), stdout);
  std::fflush(stdout);
  if (!d.failure.empty()) return fail(absl::InternalError(d.failure));
  return interrupted() ? status_of_interrupt : 0;
}

// Commands ---------------------------------------------------------------------------------------------------------

using words = std::vector<std::string>;

document begin(const char* kind, const words& all) {
  document d;
  d.kind = kind;
  d.command = "weft-lab";
  for (const std::string& word : all) d.command += " " + (word.find(' ') == word.npos ? word : "'" + word + "'");
  return d;
}

void print_choice(const choice& c) {
  std::printf("  --%-22s %s\n  %26s%s; default %s\n", c.name.c_str(), c.meaning.c_str(), "", c.allowed.c_str(),
              c.get(settings{}).c_str());
}

std::string allowed_text(const parameter& p) {
  if (p.names.empty()) return std::to_string(p.least) + " to " + std::to_string(p.most);
  std::string text;
  for (const std::string_view name : p.names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

void print_workload(const workload& w) {
  std::printf("%s: %s\n  shows: %s\n  an operation is a %s; judged by %s\n", std::string(w.name).c_str(),
              std::string(w.summary).c_str(), std::string(w.shows).c_str(), std::string(w.unit).c_str(),
              w.judged == judged_by::time  ? "the time per operation"
              : w.judged == judged_by::p50 ? "the median latency"
                                           : "the 99th percentile of the latency");
  for (const parameter& p : w.parameters)
    std::printf("  --%-22s %s\n  %26s%s; default %s\n", std::string(p.name).c_str(), std::string(p.meaning).c_str(), "",
                allowed_text(p).c_str(), text_of(p, p.preset).c_str());
}

int list(const command_line& line, const words&) {
  if (!line.given.empty()) return fail(misuse("list takes a workload's or a choice's name, no options"));
  if (line.words.empty()) {
    std::puts("workloads (weft-lab list WORKLOAD: its parameters)");
    for (const workload* w : all_workloads())
      std::printf("  %-22s %s\n", std::string(w->name).c_str(), std::string(w->summary).c_str());
    std::puts("\nchoices");
    for (const choice& c : all_choices()) print_choice(c);
    return 0;
  }
  for (const std::string& name : line.words) {
    const workload* w = find_workload(name);
    const choice* c = find_choice(name.starts_with("--") ? name.substr(2) : name);
    if (w == nullptr && c == nullptr) {
      std::string message(variant_of(name).status().message());
      message += "; the choices are:";
      for (const choice& known : all_choices()) message += " " + known.name;
      return fail(misuse(message));
    }
    if (w != nullptr) print_workload(*w);
    if (c != nullptr) {
      print_choice(*c);
      for (const expectation& e : c->expectations)
        std::printf("  expected of compare %s\n    %s, because %s\n", std::string(e.command).c_str(),
                    expected_of(e).c_str(), std::string(e.because).c_str());
    }
  }
  return 0;
}

absl::Status check_words(const std::string& command, const words& given, std::size_t wanted, const char* what) {
  if (given.size() == wanted) return absl::OkStatus();
  if (given.size() < wanted) return misuse(command + " needs " + what + " (weft-lab help)");
  return misuse(command + " does not know what to do with '" + given[wanted] + "' (weft-lab help)");
}

absl::Status check_trace(variant& v) {
  if (v.work == nullptr || v.work->name != "replay") return absl::OkStatus();
  if (v.trace.empty()) return misuse("replay needs a trace: weft-lab replay FILE, or --trace=FILE");
  absl::StatusOr<trace> t = read_trace(v.trace);
  return t.ok() ? absl::OkStatus() : misuse(std::string(t.status().message()));
}

int run(const command_line& line, const words& all) {
  if (line.has_vs) return fail(misuse("run has one side; weft-lab compare has two"));
  if (absl::Status s = check_words("run", line.words, 1, "a workload"); !s.ok()) return fail(s);
  absl::StatusOr<variant> v = make_variant(line.words[0], line.given);
  if (!v.ok()) return fail(v.status());
  if (absl::Status s = check_trace(*v); !s.ok()) return fail(s);
  return finish(begin("run", all), {*v}, line.lab);
}

absl::StatusOr<variant> program_of(const command_line& line, bool b) {
  const auto& given = b ? line.given_b : line.given;
  variant v;
  for (const auto& [name, value] : given) {
    if (name != "program") return misuse("a comparison of programs has no option '--" + name + "'");
    v.program = value;
  }
  if (v.program.empty())
    return misuse("two programs are compared like this: --program 'COMMAND' vs --program 'COMMAND'");
  return v;
}

int compare_programs(const command_line& line, const words& all) {
  if (!line.words.empty() || !line.words_b.empty())
    return fail(misuse("a program cannot be compared with a workload; both sides need --program"));
  absl::StatusOr<variant> a = program_of(line, false);
  if (!a.ok()) return fail(a.status());
  absl::StatusOr<variant> b = program_of(line, true);
  if (!b.ok()) return fail(b.status());
  return finish(begin("compare", all), {*a, *b}, line.lab);
}

bool names_program(const std::vector<std::pair<std::string, std::string>>& given) {
  return std::ranges::any_of(given, [](const auto& one) { return one.first == "program"; });
}

// Side B: side A, changed. Another workload takes over A's options as far as it has them.
absl::StatusOr<variant> changed_variant(const variant& a, const command_line& line) {
  variant b = a;
  if (!line.words_b.empty() && line.words_b[0] != a.work->name) {
    absl::StatusOr<variant> other = variant_of(line.words_b[0]);
    if (!other.ok()) return other;
    for (const auto& [name, value] : a.given)
      if (find_choice(name) != nullptr)
        if (absl::Status s = assign(*other, name, value); !s.ok()) return s;
    b = *other;
  }
  for (const auto& [name, value] : line.given_b)
    if (absl::Status s = set_option(b, name, value); !s.ok()) return s;
  return b;
}

int compare_variants(const variant& a, const command_line& line, const words& all) {
  absl::StatusOr<variant> b = changed_variant(a, line);
  if (!b.ok()) return fail(b.status());
  variant first = a;
  if (absl::Status s = check_trace(first); !s.ok()) return fail(s);
  if (absl::Status s = check_trace(*b); !s.ok()) return fail(s);
  return finish(begin("compare", all), {first, *b}, line.lab);
}

int compare(const command_line& line, const words& all) {
  if (!line.has_vs)
    return fail(
        misuse("compare needs two sides with 'vs' between them, as in: weft-lab compare ping-pong vs --run-next=off"));
  if (names_program(line.given) || names_program(line.given_b)) return compare_programs(line, all);
  if (absl::Status s = check_words("compare", line.words, 1, "a workload"); !s.ok()) return fail(s);
  if (line.words_b.size() > 1) return fail(check_words("compare", line.words_b, 1, ""));
  absl::StatusOr<variant> a = make_variant(line.words[0], line.given);
  if (!a.ok()) return fail(a.status());
  return compare_variants(*a, line, all);
}

words split(const std::string& text) {
  words list;
  std::size_t at = 0;
  for (;;) {
    const std::size_t comma = text.find(',', at);
    list.push_back(text.substr(at, comma == text.npos ? text.npos : comma - at));
    if (comma == text.npos) return list;
    at = comma + 1;
  }
}

// Of a parameter whose values have names: those.
words names_of(const std::string& workload_name, const std::string& parameter_name) {
  if (const workload* w = find_workload(workload_name))
    for (const parameter& p : w->parameters)
      if (p.name == parameter_name) return words(p.names.begin(), p.names.end());
  return {};
}

int sweep(const command_line& line, const words& all) {
  if (line.has_vs) return fail(misuse("sweep has no 'vs': it compares every value with the first"));
  if (absl::Status s = check_words("sweep", line.words, 1, "a workload"); !s.ok()) return fail(s);
  document d = begin("sweep", all);
  std::vector<std::pair<std::string, std::string>> fixed;
  for (const auto& [name, value] : line.given) {
    if (!value.empty() && value.find(',') == value.npos) {
      fixed.emplace_back(name, value);
      continue;
    }
    if (!d.swept.empty())
      return fail(misuse("sweep changes one option; '--" + d.swept + "' and '--" + name + "' are two"));
    d.swept = name;
    const choice* c = find_choice(name);
    d.swept_values = !value.empty() ? split(value) : c != nullptr ? c->swept : names_of(line.words[0], name);
    if (d.swept_values.empty()) return fail(misuse("sweep needs the values of --" + name + ": --" + name + "=1,2,4"));
  }
  if (d.swept.empty())
    return fail(misuse("sweep needs one option with several values: --NAME=V,V,... (weft-lab help)"));
  std::vector<variant> variants;
  for (const std::string& value : d.swept_values) {
    absl::StatusOr<variant> v = make_variant(line.words[0], fixed);
    if (!v.ok()) return fail(v.status());
    if (absl::Status s = set_option(*v, d.swept, value); !s.ok()) return fail(s);
    if (absl::Status s = check_trace(*v); !s.ok()) return fail(s);
    variants.push_back(*v);
  }
  return finish(std::move(d), variants, line.lab);
}

int record_trace(const command_line& line, const words&) {
  if (line.has_vs) return fail(misuse("record has one side"));
  if (absl::Status s = check_words("record", line.words, 1, "the file to write"); !s.ok()) return fail(s);
  absl::StatusOr<variant> v = make_variant("mixed", line.given);
  if (!v.ok()) return fail(v.status());
  lab_options paths;
  paths.json = line.words[0];
  if (absl::Status s = try_paths(paths); !s.ok()) return fail(s);
  catch_interrupts();
  v->trace_out = line.words[0];
  absl::StatusOr<record> r = launch(*v, line.lab.seed, line.lab.patience);
  if (!r.ok()) return fail(r.status());
  std::printf("%s: %.0f tasks\n", line.words[0].c_str(), figure(*r, "operations"));
  return 0;
}

int replay(const command_line& line, const words& all) {
  if (absl::Status s = check_words("replay", line.words, 1, "a trace's file"); !s.ok()) return fail(s);
  absl::StatusOr<variant> a = variant_of("replay");
  if (!a.ok()) return fail(a.status());
  a->trace = line.words[0];
  for (const auto& [name, value] : line.given)
    if (absl::Status s = set_option(*a, name, value); !s.ok()) return fail(s);
  if (line.has_vs) {
    if (!line.words_b.empty())
      return fail(misuse("what follows 'vs' in replay are options; '" + line.words_b[0] + "' is none"));
    return compare_variants(*a, line, all);
  }
  if (absl::Status s = check_trace(*a); !s.ok()) return fail(s);
  return finish(begin("run", all), {*a}, line.lab);
}

int report(const command_line& line, const words&) {
  if (absl::Status s = check_words("report", line.words, 1, "a JSON file that weft-lab wrote"); !s.ok()) return fail(s);
  if (!line.given.empty()) return fail(misuse("report has no option '--" + line.given[0].first + "'"));
  absl::StatusOr<std::string> text = read_file(line.words[0]);
  if (!text.ok()) return fail(text.status());
  const nlohmann::json j = nlohmann::json::parse(*text, nullptr, false);
  if (j.is_discarded()) return fail(misuse("'" + line.words[0] + "' is no JSON"));
  absl::StatusOr<document> d = document_from_json(j);
  if (!d.ok())
    return fail(
        misuse("'" + line.words[0] + "' was not written by weft-lab --json: " + std::string(d.status().message())));
  std::fputs(to_text(*d).c_str(), stdout);
  if (absl::Status s = write_reports(*d, line.lab); !s.ok()) return fail(s);
  return 0;
}

int peers(const command_line& line, const words&) {
  catch_interrupts();
  absl::StatusOr<std::string> table = compare_peers(line);
  if (!table.ok()) return fail(table.status());
  std::fputs(table->c_str(), stdout);
  return interrupted() ? status_of_interrupt : 0;
}

// Measures sides as `compare` would, each time with the next seed.
measurer comparisons(lab_options& next, const words& all) {
  return [&](const std::vector<variant>& sides) {
    document d = begin("compare", all);
    measure(d, sides, next);
    ++next.seed;
    return d;
  };
}

// What self-check and expectations do not take.
absl::Status check_prints_only(std::string_view command, const command_line& line) {
  const lab_options& lab = line.lab;
  if (line.has_vs) return misuse(std::string(command) + " has no sides; it brings its own comparisons");
  if (!lab.json.empty() || !lab.csv.empty() || !lab.html.empty())
    return misuse(std::string(command) + " prints a table only; --json, --csv and --html are for single comparisons");
  return absl::OkStatus();
}

int check_itself(const command_line& line, const words& all) {
  if (absl::Status s = check_prints_only("self-check", line); !s.ok()) return fail(s);
  if (absl::Status s = check_words("self-check", line.words, 0, ""); !s.ok()) return fail(s);
  lab_options next = line.lab;
  absl::StatusOr<int> status = self_check(line, comparisons(next, all));
  return status.ok() ? *status : fail(status.status());
}

int expectations(const command_line& line, const words& all) {
  if (absl::Status s = check_prints_only("expectations", line); !s.ok()) return fail(s);
  lab_options next = line.lab;
  absl::StatusOr<int> status = check_expectations(line, comparisons(next, all));
  return status.ok() ? *status : fail(status.status());
}

struct command {
  const char* name;
  int (*run)(const command_line& line, const words& all);
};

constexpr command commands[] = {{"list", list},
                                {"run", run},
                                {"compare", compare},
                                {"sweep", sweep},
                                {"record", record_trace},
                                {"replay", replay},
                                {"report", report},
                                {"peers", peers},
                                {"self-check", check_itself},
                                {"expectations", expectations}};

}  // namespace

int run_command(int argc, char** argv) {
  const words all(argv + 1, argv + argc);
  if (all.empty()) {
    print_usage(stderr);
    return 2;
  }
  if (all[0] == "help" || all[0] == "--help" || all[0] == "-h") {
    print_usage(stdout);
    return 0;
  }
  if (all[0] == "exec") return serve_launch(argc, argv);
  for (const command& c : commands) {
    if (all[0] != c.name) continue;
    absl::StatusOr<command_line> line = parse_command_line(words(all.begin() + 1, all.end()));
    if (!line.ok()) return fail(line.status());
    if (line->lab.help) {
      print_usage(stdout);
      return 0;
    }
    if (absl::Status s = try_paths(line->lab); !s.ok()) return fail(s);
    return c.run(*line, all);
  }
  std::string message = "there is no command '" + all[0] + "'; there are:";
  for (const command& c : commands) message += std::string(" ") + c.name;
  return fail(misuse(message + " help"));
}

}  // namespace weft_lab
