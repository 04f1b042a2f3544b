// Puts the results and the report into words.
#include "report.h"

#include <algorithm>
#include <string_view>

#include "absl/time/time.h"

#include "common/format.h"

namespace gzstat {

using samples::counted;
using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

// "  label        text\n"
void add_row(std::string& to, std::string_view label, std::string_view text) {
  constexpr std::size_t label_columns = 12;
  to.append("  ").append(label);
  to.append(label.size() < label_columns ? label_columns - label.size() : 1, ' ');
  to.append(text).append("\n");
}

// "        123 lines\n"
void add_count(std::string& to, uint64_t n, std::string_view what) {
  constexpr std::size_t columns = 12;
  const std::string digits = std::to_string(n);
  to.append(digits.size() < columns ? columns - digits.size() : 0, ' ').append(digits);
  to.append(" ").append(what).append("\n");
}

void add_names(std::string& to, std::string_view title, const std::vector<name_counts::entry>& names) {
  if (names.empty()) return;
  to.append(title).append("\n");
  for (const auto& [name, n] : names) add_count(to, n, name);
}

// Adds ", <n> <what>" for each count that is not zero.
void add_part(std::string& to, uint64_t n, std::string_view what) {
  if (n != 0) to.append(to.empty() ? "" : ", ").append(with_commas(n)).append(" ").append(what);
}

std::string files_row(const run_state& run) {
  const ledger& book = run.files;
  std::string where;
  add_part(where, book.ended(place::reading), "being read");
  add_part(where, book.ended(place::inflating), "being inflated");
  add_part(where, book.ended(place::parsing), "being parsed");
  add_part(where, book.ended(place::reducing), "being added up");
  std::string text = with_commas(book.found()) + " found: " + with_commas(book.ended(place::done)) + " done, " +
                     with_commas(book.ended(place::bad)) + " bad, " + with_commas(book.in_flight()) + " in flight" +
                     (where.empty() ? "" : " (" + where + ")") + ", " + with_commas(book.ended(place::found)) +
                     " not begun";
  if (!run.walked_all) text += "; the folders were not walked to their end, so there may be more";
  return text;
}

std::string stages_row(const run_state& run) {
  std::string text = "read " + std::to_string(run.read) + ", inflate " + std::to_string(run.inflate);
  if (run.args.pass != 0) text += ", " + counted(static_cast<uint64_t>(run.args.pass), "stage") + " that only hands on";
  return text + ", parse " + std::to_string(run.parse) + "; queues of " + std::to_string(run.args.queue);
}

std::string buffers_row(const run_state& run) {
  const auto of = [](const block_store& s) { return static_cast<uint64_t>(s.peak()); };
  const uint64_t blocks = of(run.compressed) + of(run.text);
  return "at most " + counted(blocks, "block") + ", " + in_mb(blocks * run.args.block_bytes) + ": " +
         with_commas(of(run.compressed)) + " compressed, " + with_commas(of(run.text)) + " of text";
}

}  // namespace

std::string results(const arguments& args, const tally& total) {
  std::string text;
  add_count(text, total.files, "files");
  add_count(text, total.members, "members of them");
  add_count(text, total.compressed_bytes, "compressed bytes");
  add_count(text, total.bytes, "bytes");
  add_count(text, total.lines, "lines");
  add_count(text, total.words, "words");
  add_count(text, total.entries, "changelog entries");
  add_count(text, total.changes, "changes in them");
  add_count(text, total.packages.size(), "packages");
  add_names(text, "urgencies", total.urgencies.top(1'000'000));
  add_names(text, "years", [&] {
    std::vector<name_counts::entry> years;
    for (const auto& [name, n] : total.years.by_name()) years.push_back({name, n});
    return years;
  }());
  add_names(text, "maintainers", total.maintainers.top(args.top));
  return text;
}

std::string problems(const run_state& run) {
  std::string text;
  for (const problem& p : run.problems) text += "gzstat: " + p.path + ": " + p.why + "\n";
  if (run.bad > run.problems.size())
    text +=
        "gzstat: and " + with_commas(run.bad - run.problems.size()) + " more that are damaged or could not be read\n";
  return text;
}

std::string early_end(const arguments& args, ending how) {
  switch (how) {
    case ending::complete: return {};
    case ending::bad_input:
      return args.keep_going ? "" : "gzstat: that stopped the rest; --keep-going lists such files and goes on\n";
    case ending::deadline:
      return "gzstat: the deadline of " +
             absl::FormatDuration(absl::FromChrono(args.deadline.value_or(std::chrono::nanoseconds(0)))) + " passed\n";
    case ending::stopped: return "gzstat: interrupted\n";
  }
  return {};
}

std::string report(const run_state& run, int processors, const figures& used) {
  const tally& total = run.total;
  const double seconds = std::max(used.wall_ms / 1e3, 1e-6);
  std::string text = "the run\n";
  add_row(text, "files", files_row(run));
  add_row(text, "folders",
          with_commas(run.folders) + " walked, " + counted(run.symlinks, "symbolic link") + " not followed");
  add_row(text, "text", in_mb(total.bytes) + " from " + in_mb(total.compressed_bytes));
  add_row(text, "time",
          fixed(seconds, 3) + " s, " + fixed(static_cast<double>(total.bytes) / 1e6 / seconds, 0) + " MB/s; " +
              fixed(used.cpu_ms / 1e3, 3) + " s on " + counted(static_cast<uint64_t>(processors), "processor"));
  add_row(text, "stages", stages_row(run));
  // relaxed: the tasks have been waited for.
  add_row(text, "handed on",
          with_commas(run.handed.load(std::memory_order_relaxed)) + " files, streams, blocks and results");
  add_row(text, "buffers", buffers_row(run));
  text += "the runtime\n";
  add_row(text, "tasks", with_commas(used.tasks) + " started, " + with_commas(used.parks) + " parks");
  add_row(text, "hand-offs",
          with_commas(used.hops) + " hops from one task straight to the next, " + with_commas(used.wakes) +
              " workers woken, " + with_commas(used.steals) + " tasks stolen");
  if (used.blocking != 0) add_row(text, "threads", with_commas(used.blocking) + " calls on the blocking pool");
  return text;
}

}  // namespace gzstat
