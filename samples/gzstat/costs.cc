// The ways to do the work, from a plain loop to a pipeline with idle stages in it, and the table of what they took.
//
// The ways take turns: each round runs all of them, every other round backwards, so that whatever else the machine does
// meets all alike. A step from one way to the next is judged by the differences within the rounds.
#include "costs.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/task.h>
#include <weft/task_group.h>

#include "changelog.h"
#include "common/format.h"
#include "figures.h"
#include "inflater.h"
#include "input.h"
#include "pipeline.h"
#include "stages.h"
#include "walk.h"
#include "workers.h"

namespace gzstat {

using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

// The work as plain calls ---------------------------------------------------------------------------------------------

// Inflates and parses in one place, without handing text on.
class inflate_and_parse {
 public:
  explicit inflate_and_parse(run_state& run) : text_(run.text.take()) {}

  void begin() {
    z_.begin();
    reader_.begin();
  }

  absl::Status take(const block& compressed, tally& found) {
    z_.feed(compressed);
    for (;;) {
      text_->clear();
      const absl::StatusOr<inflater::progress> p = z_.step(*text_);
      if (!p.ok()) return p.status();
      reader_.read(text_->bytes(), found);
      if (*p == inflater::progress::hungry) return absl::OkStatus();
      if (*p == inflater::progress::full) continue;
      reader_.end(found);
      return absl::OkStatus();
    }
  }

  [[nodiscard]] uint64_t members() const { return z_.members(); }

 private:
  inflater z_;
  text_reader reader_;
  block_ptr text_;
};

// Everything in one place.
class whole_work {
 public:
  explicit whole_work(run_state& run) : compressed_(run.compressed.take()), rest_(run) {}

  absl::Status do_file(file& f, tally& found) {
    absl::StatusOr<input> in = input::open(f.path());
    if (!in.ok()) return in.status();
    f.compressed_bytes = in->size();
    rest_.begin();
    do {
      compressed_->clear();
      if (absl::Status s = in->fill(*compressed_); !s.ok()) return s;
      if (absl::Status s = rest_.take(*compressed_, found); !s.ok()) return s;
    } while (!compressed_->last());
    f.members = rest_.members();
    return absl::OkStatus();
  }

 private:
  block_ptr compressed_;
  inflate_and_parse rest_;
};

// Adds a file that is done, as reduce() does.
void add_file(file& f, const tally& found, tally& total) {
  total.add(found);
  total.files += 1;
  total.members += f.members;
  total.compressed_bytes += f.compressed_bytes;
  f.reach(place::done);
}

// The files were all well when they were found; one that has become bad ends the measurement.
void must_be_well(const file& f, const absl::Status& status) {
  if (!status.ok()) throw input_error({f.path(), std::string(status.message())});
}

void do_and_add(run_state& run, whole_work& work, const std::string& path, tally& total) {
  file f(run.files, path);
  tally found;
  must_be_well(f, work.do_file(f, found));
  add_file(f, found, total);
}

// The ways ------------------------------------------------------------------------------------------------------------

void plain_loop(run_state& run) {
  whole_work work(run);
  for (const std::string& path : run.args.paths) do_and_add(run, work, path, run.total);
}

// Hands out the paths by their numbers, without a channel.
class shared_list {
 public:
  explicit shared_list(const std::vector<std::string>& paths) : paths_(paths) {}

  const std::string* next() {
    // relaxed: the numbers alone are shared.
    const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed);
    return i < paths_.size() ? &paths_[i] : nullptr;
  }

 private:
  const std::vector<std::string>& paths_;
  std::atomic<std::size_t> next_{0};
};

// Each worker's total in a place of its own.
struct totals {
  std::vector<tally> of;
  std::atomic<std::size_t> taken{0};
};

weft::task<> work_alone(run_state& run, shared_list& list, totals& sums) {
  whole_work work(run);
  tally mine;
  while (const std::string* path = list.next()) do_and_add(run, work, *path, mine);
  // relaxed: the numbers alone are shared; the group orders the rest.
  sums.of[sums.taken.fetch_add(1, std::memory_order_relaxed)] = std::move(mine);
  co_return;
}

weft::task<> fused_tasks(run_state& run) {
  shared_list list(run.args.paths);
  totals sums;
  sums.of.resize(static_cast<std::size_t>(run.inflate));
  co_await run_workers(run.inflate, work_alone, std::ref(run), std::ref(list), std::ref(sums));
  for (const tally& t : sums.of) run.total.add(t);
}

using spare_work = weft::channel<std::unique_ptr<whole_work>>;

weft::task<> do_one(run_state& run, const std::string& path, weft::channel<result> results, spare_work spare) {
  std::unique_ptr<whole_work> work;
  if (auto idle = spare.try_receive())
    work = std::move(*idle);
  else
    work = std::make_unique<whole_work>(run);
  const auto f = std::make_shared<file>(run.files, path);
  tally found;
  must_be_well(*f, work->do_file(*f, found));
  f->reach(place::reducing);
  (void)spare.try_send(std::move(work));
  (void)co_await results.send(result(f, std::move(found)));
}

weft::task<> start_one_each(run_state& run, weft::channel<result> results) {
  const spare_work spare(static_cast<std::size_t>(run.inflate));
  weft::task_group running({.limit = run.inflate});
  for (const std::string& path : run.args.paths) {
    const bool started = co_await running.go(do_one, std::ref(run), std::cref(path), results, spare);
    if (!started) break;
  }
  co_await running.wait();
  // relaxed: a count, read after the tasks have been waited for.
  run.handed.fetch_add(run.args.paths.size(), std::memory_order_relaxed);
  results.close();
}

weft::task<> task_per_file(run_state& run) {
  const weft::channel<result> results(run.args.queue);
  weft::task_group stages;
  (void)co_await stages.go(start_one_each, std::ref(run), results);
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

weft::task<> send_result(run_state& run, whole_work& work, file_ptr f, weft::channel<result> results) {
  tally found;
  must_be_well(*f, work.do_file(*f, found));
  f->reach(place::reducing);
  // relaxed: a count, read after the tasks have been waited for.
  run.handed.fetch_add(1, std::memory_order_relaxed);
  (void)co_await results.send(result(f, std::move(found)));
}

weft::task<> work_and_send(run_state& run, shared_list& list, weft::channel<result> results) {
  whole_work work(run);
  while (const std::string* path = list.next())
    co_await send_result(run, work, std::make_shared<file>(run.files, *path), results);
}

weft::task<> work_and_send_stage(run_state& run, shared_list& list, weft::channel<result> results) {
  co_await run_workers(run.inflate, work_and_send, std::ref(run), std::ref(list), results);
  results.close();
}

weft::task<> fused_and_reduce(run_state& run) {
  shared_list list(run.args.paths);
  const weft::channel<result> results(run.args.queue);
  weft::task_group stages;
  (void)co_await stages.go(work_and_send_stage, std::ref(run), std::ref(list), results);
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

// The first stage of the measured pipelines: the files are known.
weft::task<> list_paths(run_state& run, weft::channel<file_ptr> out, weft::channel<result>) {
  for (const std::string& path : run.args.paths) {
    const bool sent = co_await out.send(std::make_shared<file>(run.files, path));
    if (!sent) co_return;
  }
  run.walked_all = true;
  // relaxed: a count, read after the tasks have been waited for.
  run.handed.fetch_add(run.args.paths.size(), std::memory_order_relaxed);
  out.close();
}

weft::task<> receive_and_work(run_state& run, weft::channel<file_ptr> in, weft::channel<result> results) {
  whole_work work(run);
  while (std::optional<file_ptr> f = co_await in.receive()) co_await send_result(run, work, std::move(*f), results);
}

weft::task<> receive_and_work_stage(run_state& run, weft::channel<file_ptr> in, weft::channel<result> results) {
  co_await run_workers(run.inflate, receive_and_work, std::ref(run), in, results);
  results.close();
}

weft::task<> list_fused_and_reduce(run_state& run) {
  const weft::channel<file_ptr> found(run.args.queue);
  const weft::channel<result> results(run.args.queue);
  weft::task_group stages;
  (void)co_await stages.go(list_paths, std::ref(run), found, results);
  (void)co_await stages.go(receive_and_work_stage, std::ref(run), found, results);
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

weft::task<> inflate_and_parse_files(run_state& run, weft::channel<stream> in, weft::channel<result> results) {
  inflate_and_parse work(run);
  while (std::optional<stream> compressed = co_await in.receive()) {
    const file_ptr f = compressed->source();
    tally found;
    work.begin();
    while (block_ptr b = co_await compressed->next()) {
      must_be_well(*f, work.take(*b, found));
      if (!b->last()) continue;
      f->members = work.members();
      f->reach(place::reducing);
      // relaxed: a count, read after the tasks have been waited for.
      run.handed.fetch_add(1, std::memory_order_relaxed);
      (void)co_await results.send(result(f, std::move(found)));
      break;
    }
  }
}

weft::task<> inflate_and_parse_stage(run_state& run, weft::channel<stream> in, weft::channel<result> results) {
  co_await run_workers(run.inflate, inflate_and_parse_files, std::ref(run), in, results);
  results.close();
}

weft::task<> read_stage(run_state& run, weft::channel<file_ptr> in, weft::channel<stream> out,
                        weft::channel<result> results) {
  co_await run_workers(run.read, read_files, std::ref(run), in, out, results);
  out.close();
}

weft::task<> read_apart(run_state& run) {
  const weft::channel<file_ptr> found(run.args.queue);
  const weft::channel<stream> opened(run.args.queue);
  const weft::channel<result> results(run.args.queue);
  weft::task_group stages;
  (void)co_await stages.go(list_paths, std::ref(run), found, results);
  (void)co_await stages.go(read_stage, std::ref(run), found, opened, results);
  (void)co_await stages.go(inflate_and_parse_stage, std::ref(run), opened, results);
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

weft::task<> full_pipeline(run_state& run) { co_await run_pipeline_from(list_paths, run); }

// What is measured ----------------------------------------------------------------------------------------------------

struct way {
  std::string_view what;
  weft::task<> (*run)(run_state& run);  // null: plain_loop()
  std::size_t compared_with;            // the way that it adds one thing to
  std::string_view step;                // that thing
  void (*adjust)(arguments& args) = nullptr;
};

constexpr std::size_t loop = 0;
constexpr std::size_t full = 5;

constexpr std::array ways{
    way{"plain calls in one loop, no task", nullptr, loop, ""},
    way{"tasks, no channel", fused_tasks, loop, "tasks instead of a loop"},
    way{"1 hop:  work > reduce", fused_and_reduce, 1, "a hop to a task that adds up"},
    way{"2 hops: list > work > reduce", list_fused_and_reduce, 2, "a hop from a task that lists"},
    way{"3 hops: list > read > inflate+parse > reduce", read_apart, 3, "reading as a stage of its own"},
    way{"4 hops: list > read > inflate > parse > reduce", full_pipeline, 4, "inflating as a stage of its own"},
    way{"5 hops: the same and 1 stage that hands on", full_pipeline, full, "1 stage that only hands on",
        [](arguments& a) { a.pass = 1; }},
    way{"6 hops: the same and 2 stages that hand on", full_pipeline, full, "2 stages that only hand on",
        [](arguments& a) { a.pass = 2; }},
    way{"8 hops: the same and 4 stages that hand on", full_pipeline, full, "4 stages that only hand on",
        [](arguments& a) { a.pass = 4; }},
    way{"4 hops, queues of 1", full_pipeline, full, "queues of 1", [](arguments& a) { a.queue = 1; }},
    way{"4 hops, read on threads", full_pipeline, full, "a thread and back for each read",
        [](arguments& a) { a.read_threads = true; }},
    way{"1 hop, and a task for each file", task_per_file, 2, "a task for each file"},
};

struct turn {
  figures used;
  uint64_t handed = 0;
  tally total;
};

turn take_turn(const way& w, const arguments& args, weft::runtime& rt) {
  arguments mine = args;
  if (w.adjust != nullptr) w.adjust(mine);
  run_state run(mine, rt.processors());
  const figures before = figures::read(rt);
  if (w.run == nullptr)
    plain_loop(run);
  else
    rt.run(w.run, std::ref(run));
  turn t;
  t.used = figures::read(rt).since(before);
  // relaxed: the tasks have been waited for.
  t.handed = run.handed.load(std::memory_order_relaxed);
  t.total = std::move(run.total);
  return t;
}

using turns = std::array<std::vector<turn>, ways.size()>;

turns measure(const arguments& args, weft::runtime& rt) {
  turns all;
  for (int round = 0; round <= args.rounds; ++round) {
    for (std::size_t i = 0; i < ways.size(); ++i) {
      const std::size_t which = round % 2 == 0 ? i : ways.size() - 1 - i;
      turn t = take_turn(ways[which], args, rt);
      if (round != 0) all[which].push_back(std::move(t));  // the first round warms the caches
    }
  }
  return all;
}

// The table -----------------------------------------------------------------------------------------------------------

struct spread {
  double low, median, high;
};

// The median, and the quartiles beside it.
spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (values[above] - values[below]) * (place - static_cast<double>(below));
  };
  return {at(0.25), at(0.5), at(0.75)};
}

template <class Get>
spread spread_of(const std::vector<turn>& of, Get get) {
  std::vector<double> values;
  for (const turn& t : of) values.push_back(static_cast<double>(get(t)));
  return spread_of(std::move(values));
}

template <class Get>
spread difference(const std::vector<turn>& more, const std::vector<turn>& less, Get get) {
  std::vector<double> values;
  for (std::size_t i = 0; i < more.size(); ++i) values.push_back(get(more[i]) - get(less[i]));
  return spread_of(std::move(values));
}

double wall(const turn& t) { return t.used.wall_ms; }
double cpu(const turn& t) { return t.used.cpu_ms; }

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

std::string row_of_way(std::size_t i, const std::vector<turn>& of) {
  const auto count = [&](auto get) {
    return with_commas(static_cast<uint64_t>(std::llround(spread_of(of, get).median)));
  };
  const spread w = spread_of(of, wall);
  const spread c = spread_of(of, cpu);
  return formatted("%3zu  %-47s %7.1f [%.0f-%.0f]", i + 1, std::string(ways[i].what).c_str(), w.median, w.low, w.high) +
         formatted("  %7.1f [%.0f-%.0f]", c.median, c.low, c.high) +
         formatted(" %9s %9s %9s", count([](const turn& t) { return t.used.parks; }).c_str(),
                   count([](const turn& t) { return t.used.hops; }).c_str(),
                   count([](const turn& t) { return t.used.wakes; }).c_str()) +
         formatted(" %7s %9s\n", count([](const turn& t) { return t.used.tasks; }).c_str(),
                   count([](const turn& t) { return t.used.allocations; }).c_str());
}

std::string row_of_step(std::size_t i, const turns& all) {
  const way& w = ways[i];
  const std::vector<turn>& more = all[i];
  const std::vector<turn>& less = all[w.compared_with];
  const spread c = difference(more, less, cpu);
  const spread e = difference(more, less, wall);
  const auto values = static_cast<int64_t>(more[0].handed) - static_cast<int64_t>(less[0].handed);
  std::string each = "-";
  if (values > 0) each = fixed(c.median * 1e6 / static_cast<double>(values), 0);
  return formatted("%3zu - %-2zu  %-34s %+8.1f [%+.1f .. %+.1f]", i + 1, w.compared_with + 1,
                   std::string(w.step).c_str(), c.median, c.low, c.high) +
         formatted("  %+8.1f [%+.1f .. %+.1f]", e.median, e.low, e.high) +
         formatted(" %9s %9s\n", values > 0 ? with_commas(static_cast<uint64_t>(values)).c_str() : "-", each.c_str());
}

std::string table_of(const arguments& args, const turns& all, weft::runtime& rt) {
  const run_state shape(args, rt.processors());
  const tally& total = all[loop][0].total;
  std::string text = with_commas(total.files) + " files, " + in_mb(total.compressed_bytes) + ", " + in_mb(total.bytes) +
                     " of text; " + std::to_string(rt.processors()) + " processors; read " +
                     std::to_string(shape.read) + ", inflate " + std::to_string(shape.inflate) + ", parse " +
                     std::to_string(shape.parse) + ", queues of " + std::to_string(args.queue) + ", blocks of " +
                     with_commas(args.block_bytes) + " bytes\nmedians of " + std::to_string(args.rounds) +
                     " rounds [from quartile to quartile]\n\n";
  text += formatted("%3s  %-47s %7s %-11s  %7s %-10s", "", "way", "wall ms", "", "cpu ms", "") +
          formatted(" %9s %9s %9s %7s %9s\n", "parks", "hops", "wakes", "tasks", "allocs");
  for (std::size_t i = 0; i < ways.size(); ++i) text += row_of_way(i, all[i]);
  text += formatted("\n%8s  %-34s %8s %17s  %8s %17s", "ways", "what is added", "cpu ms", "", "wall ms", "") +
          formatted(" %9s %9s\n", "values", "ns each");
  for (std::size_t i = 1; i < ways.size(); ++i) text += row_of_step(i, all);
  text +=
      "\nvalues: files, streams, blocks and results that are handed on more often. ns each: processor time for one of\n"
      "them, what it takes to wait for it and to wake the other side included.\n";
  return text;
}

bool agree(const tally& a, const tally& b) {
  return a.files == b.files && a.members == b.members && a.bytes == b.bytes && a.lines == b.lines &&
         a.words == b.words && a.entries == b.entries;
}

// Finding the files ---------------------------------------------------------------------------------------------------

weft::task<> collect(weft::channel<file_ptr> from, std::vector<std::string>& into) {
  std::vector<std::string> paths;
  while (std::optional<file_ptr> f = co_await from.receive()) paths.push_back((*f)->path());
  into = std::move(paths);
}

weft::task<> close_after_walk(run_state& run, weft::channel<file_ptr> out, weft::channel<result> results) {
  co_await walk(run, out, results);
  results.close();
}

weft::task<> find_files(run_state& run, std::vector<std::string>& into) {
  const weft::channel<file_ptr> found(run.args.queue);
  const weft::channel<result> results(run.args.queue);
  weft::task_group stages;
  (void)co_await stages.go(close_after_walk, std::ref(run), found, results);
  (void)co_await stages.go(collect, found, std::ref(into));
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

// The paths of all files that are well; the others are complained about.
std::vector<std::string> good_files(const arguments& args, weft::runtime& rt, std::string& complaints) {
  arguments mine = args;
  mine.keep_going = true;
  run_state run(mine, rt.processors());
  std::vector<std::string> found;
  rt.run(find_files, std::ref(run), std::ref(found));

  whole_work work(run);
  std::vector<std::string> good;
  for (std::string& path : found) {
    file f(run.files, path);
    tally ignored;
    const absl::Status status = work.do_file(f, ignored);
    if (status.ok())
      good.push_back(std::move(path));
    else
      run.add_problem({path, std::string(status.message())});
  }
  for (const problem& p : run.problems) complaints += "gzstat: left out: " + p.path + ": " + p.why + "\n";
  if (run.bad > run.problems.size())
    complaints += "gzstat: and " + with_commas(run.bad - run.problems.size()) + " more were left out\n";
  return good;
}

}  // namespace

cost_report measure_costs(const arguments& args, weft::runtime& rt) {
  cost_report report;
  arguments mine = args;
  mine.paths = good_files(args, rt, report.complaints);
  if (mine.paths.empty()) {
    report.complaints += "gzstat: there is no .gz file to measure with\n";
    return report;
  }
  try {
    const turns all = measure(mine, rt);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      if (!agree(all[i].back().total, all[loop].back().total))
        report.complaints += "gzstat: way " + std::to_string(i + 1) + " found something else than the loop did\n";
    }
    report.table = table_of(mine, all, rt);
  } catch (const input_error& e) {
    report.complaints += "gzstat: " + std::string(e.what()) + ": it changed while it was measured\n";
  }
  return report;
}

}  // namespace gzstat
