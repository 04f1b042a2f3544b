// Reads the command line, one word after the other.
#include "arguments.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "common/command_line.h"

namespace gzstat {

using samples::bad;
using samples::quoted;
using samples::word_reader;

namespace {

constexpr std::string_view help =
    R"(gzstat: what is in the .gz files of some folders: lines, words, and the entries of Debian changelogs

usage: gzstat [OPTIONS] FOLDER_OR_FILE...          for instance: gzstat /usr/share/doc

The files go through a pipeline: walk, read, inflate, parse, reduce. In folders, files that are named *.gz are taken,
and symbolic links are not followed; a file that is named itself is taken whatever it is called.

how many at once
      --read N         files that are read at once, 1 to 256 (default: one per processor, see WEFT_PROCS)
      --inflate N      files that are decompressed at once, likewise
      --parse N        files that are parsed at once, likewise
      --queue N        files that may wait between two stages, 0 to 4096 (default: 16)
      --block BYTES    how much to hand on at a time, 64 to 16777216 (default: 65536)
      --read-threads   read on threads beside the processors, for disks that are slow

when it goes wrong
      --deadline TIME  stop when the time is up (500ms, 2s, 1m30s; 0 to 24h), and report what was done until then
      --keep-going     list files that are damaged or cannot be read, and go on; without it the first one stops the rest

what to print
      --top N          maintainers to print, 0 to 1000000 (default: 10)
  -q, --quiet          print results and errors only, no report
      --costs          do the same work without tasks, without channels, and with more and more stages, and print what
                       each extra stage and each extra hop cost
      --rounds N       how often to measure each of these, 1 to 1000 (default: 7)
  -h, --help           show this text
      --pass N         put N stages that only hand on between inflate and parse, 0 to 64 (default: 0)

Results go to standard output, errors and the report to standard error. When the run ends early, the results are those
of the files that were done, and the report says how many were done, in flight and not begun. Ctrl-C ends a run early.

exit status
  0    all is well
  1    a file or folder was damaged or could not be read
  2    a bad argument, or the results could not be written
  3    the deadline passed before everything was done
  130  interrupted

environment
  WEFT_PROCS    processors to run on (default: those this process may use)
  WEFT_DEBUG    schedtrace=1000 prints a line about the scheduler every second
)";

class parser {
 public:
  explicit parser(std::span<char* const> words) : words_(words) {}

  absl::StatusOr<arguments> run() {
    while (words_.next()) {
      if (absl::Status s = read_word(); !s.ok()) return s;
      if (args_.help) return args_;
    }
    if (args_.paths.empty()) return bad("nothing to read: name a folder or a file");
    if (args_.costs && args_.deadline) return bad("--costs and --deadline exclude each other");
    if (args_.costs && args_.pass != 0) return bad("--costs and --pass exclude each other: it adds such stages itself");
    if (rounds_given_ && !args_.costs) return bad("--rounds says how often --costs measures, which is not given");
    return std::move(args_);
  }

 private:
  absl::Status read_word() {
    if (!words_.is_option()) return read_path();
    if (words_.is("--read")) return read_number(args_.read, 1, 256);
    if (words_.is("--inflate")) return read_number(args_.inflate, 1, 256);
    if (words_.is("--parse")) return read_number(args_.parse, 1, 256);
    if (words_.is("--queue")) return read_number(args_.queue, 0, 4096);
    if (words_.is("--block")) return read_number(args_.block_bytes, 64, 16 * 1024 * 1024);
    if (words_.is("--pass")) return read_number(args_.pass, 0, 64);
    if (words_.is("--top")) return read_number(args_.top, 0, 1'000'000);
    if (words_.is("--deadline")) return read_deadline();
    if (words_.is("--rounds")) {
      rounds_given_ = true;
      return read_number(args_.rounds, 1, 1000);
    }
    return read_flag();
  }

  absl::Status read_flag() {
    if (words_.is("--read-threads")) return set(args_.read_threads);
    if (words_.is("--keep-going")) return set(args_.keep_going);
    if (words_.is("--costs")) return set(args_.costs);
    if (words_.is("--quiet", "-q")) return set(args_.quiet);
    if (words_.is("--help", "-h")) return set(args_.help);
    if (words_.is("--") && !words_.has_value()) {
      words_.end_options();
      return absl::OkStatus();
    }
    return bad("there is no option " + quoted(words_.word()));
  }

  absl::Status read_path() {
    if (words_.word().empty()) return bad("a path is empty: ''");
    args_.paths.emplace_back(words_.word());
    return absl::OkStatus();
  }

  absl::Status read_deadline() {
    constexpr std::string_view allowed = "a time from 0 to 24h, such as 500ms, 2s or 1m30s";
    const absl::StatusOr<std::string_view> text = words_.value(allowed);
    if (!text.ok()) return text.status();
    absl::Duration time;
    if (!absl::ParseDuration({text->data(), text->size()}, &time) || time < absl::ZeroDuration() ||
        time > absl::Hours(24))
      return bad("--deadline " + quoted(*text) + ": expected " + std::string(allowed));
    args_.deadline = absl::ToChronoNanoseconds(time);
    return absl::OkStatus();
  }

  template <class Number>
  absl::Status read_number(Number& into, int64_t least, int64_t most) {
    const absl::StatusOr<int64_t> n = words_.number(least, most);
    if (n.ok()) into = static_cast<int>(*n);
    return n.status();
  }

  absl::Status set(bool& flag) {
    flag = true;
    if (words_.has_value()) return bad(std::string(words_.word()) + " takes no value");
    return absl::OkStatus();
  }

  word_reader words_;
  arguments args_;
  bool rounds_given_ = false;
};

}  // namespace

absl::StatusOr<arguments> parse_arguments(std::span<char* const> words) { return parser(words).run(); }

std::string_view help_text() noexcept { return help; }

}  // namespace gzstat
