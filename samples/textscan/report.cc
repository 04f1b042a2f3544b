// Puts the results, the report and the runtime's figures into words.
#include "report.h"

#include <algorithm>
#include <array>

#include "common/format.h"
#include "common/rows.h"

namespace textscan {

using samples::add_row;
using samples::counted;
using samples::figure;
using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

using std::chrono::duration;

// Adds "…, <n> <what>" for each count that is not zero.
class enumeration {
 public:
  void add(uint64_t n, const std::string& one, const std::string& many = "") {
    if (n != 0) text_ += (text_.empty() ? "" : ", ") + counted(n, one, many);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Results -----------------------------------------------------------------------------------------------------------

std::string word_results(const arguments& args, const tally& total) {
  std::string text;
  for (const word_count& w : total.table.top(args.top)) {
    std::string count = std::to_string(w.count);
    if (count.size() < 10) count.insert(0, 10 - count.size(), ' ');
    text += count + " " + w.word + "\n";
  }
  return text;
}

std::string search_results(tally& total) {
  std::ranges::sort(total.matches, {}, &match::path);
  std::string text;
  for (const match& m : total.matches) text += m.path + ":" + std::to_string(m.lines) + "\n";
  return text;
}

// The report --------------------------------------------------------------------------------------------------------

std::string found(const arguments& args, const tally& total) {
  switch (args.mode) {
    case scan_mode::words:
      return counted(total.words, "word") + ", " + with_commas(total.table.size()) + " of them different";
    case scan_mode::lines:
      return counted(total.lines, "line") + (total.unended_lines == 0 ? ""
                                                                      : ", " + with_commas(total.unended_lines) +
                                                                            " of them without a newline at its end");
    case scan_mode::search:
      return counted(total.matching_lines, "line") + " with '" + args.text + "' in " +
             counted(total.matches.size(), "file");
  }
  return {};
}

std::string left_out(const tally& total) {
  enumeration e;
  e.add(total.binary_files, "binary file");
  e.add(total.symlinks, "symbolic link");
  e.add(total.special_files, "special file");
  e.add(total.empty_entries, "empty entry of the list", "empty entries of the list");
  return e.text().empty() ? "nothing" : e.text();
}

std::string failed(const tally& total) {
  enumeration e;
  e.add(total.missing, "missing", "missing");
  e.add(total.unreadable, "unreadable", "unreadable");
  return e.text();
}

// The runtime's figures ---------------------------------------------------------------------------------------------

constexpr std::array figures{
    figure{"processors", "/sched/gomaxprocs:threads", ""},
    figure{"tasks", "/sched/goroutines-created:goroutines", "created"},
    figure{"tasks", "/weft/sched/parks:parks", "parks"},
    figure{"tasks", "/weft/sched/hops:hops", "hops from one straight to the next"},
    figure{"balance", "/weft/sched/steals:steals", "steals"},
    figure{"balance", "/weft/sched/stolen-strands:strands", "tasks stolen"},
    figure{"balance", "/weft/sched/overflows:strands", "overflowed"},
    figure{"balance", "/weft/sched/wakes:wakes", "workers woken"},
    figure{"files", "/weft/io/from-caches:operations", "reads from the page cache"},
    figure{"files", "/weft/io/operations:operations", "by the ring or epoll"},
    figure{"files", "/cgo/go-to-c-calls:calls", "by the pool"},
    figure{"kernel", "/weft/io/completions:completions", "completions"},
    figure{"kernel", "/weft/io/enters:calls", "entries for them"},
    figure{"kernel", "/weft/io/completions:completions", "per entry", false, "/weft/io/enters:calls"},
    figure{"kernel", "/weft/io/uring:processors", "rings"},
    figure{"kernel", "/weft/io/epoll:processors", "epolls"},
    figure{"stacks", "/weft/memory/stacks-peak:bytes", "at the peak", true},
    figure{"stacks", "/weft/memory/stacks:bytes", "at the end", true},
    figure{"stacks", "/weft/stack/growths:segments", "growths"},
    figure{"stacks", "/weft/stack/hot-splits:segments", "hot splits"},
};

}  // namespace

std::string results(const arguments& args, tally& total) {
  switch (args.mode) {
    case scan_mode::words: return word_results(args, total);
    case scan_mode::lines: return std::to_string(total.lines) + "\n";
    case scan_mode::search: return search_results(total);
  }
  return {};
}

std::string troubles(const tally& total) {
  std::string text;
  for (const trouble& t : total.troubles) text += "textscan: " + t.path + ": " + t.reason + "\n";
  const uint64_t unnamed = total.failed() - total.troubles.size();
  if (unnamed != 0) text += "textscan: and " + with_commas(unnamed) + " more that could not be read\n";
  return text;
}

std::string report(const arguments& args, const tally& total, duration<double> elapsed, const weft::runtime& rt) {
  const double seconds = std::max(elapsed.count(), 1e-6);
  std::string text = "the scan\n";
  add_row(text, "found", found(args, total));
  add_row(text, "scanned",
          counted(total.files, "file") + ", " + with_commas(total.bytes) + " bytes in " +
              counted(total.directories, "directory", "directories"));
  add_row(text, "left out", left_out(total));
  if (total.failed() != 0) add_row(text, "not read", failed(total));
  add_row(text, "time",
          fixed(seconds, 3) + " s, " + fixed(static_cast<double>(total.bytes) / 1e6 / seconds, 0) + " MB/s, " +
              with_commas(static_cast<uint64_t>(static_cast<double>(total.files) / seconds)) + " files/s");
  return text + "the runtime\n" + samples::figure_rows(rt, figures);
}

}  // namespace textscan
