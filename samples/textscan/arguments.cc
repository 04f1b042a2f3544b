// Reads the command line, one word after the other.
#include "arguments.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"

#include "common/command_line.h"

namespace textscan {

using samples::bad;
using samples::quoted;
using samples::word_reader;

namespace {

constexpr std::string_view help = R"(textscan: scans text files through a pipeline of tasks

usage: textscan [OPTIONS] DIR_OR_FILE...

what to find (one of these)
      --words              count words and print the most frequent ones (the default); a word is a run of letters,
                           digits, underscores and bytes above 127; 255 bytes of it are looked at
      --lines              count lines; the end of a file ends its last line
      --search TEXT        count the lines of each file that contain TEXT, like grep -rc --fixed-strings, and print
                           PATH:COUNT for the files that have any

where to look
      --files-from FILE    also take paths from FILE, one a line; - is standard input; empty lines are skipped
  -0, --null               paths in that list end with a NUL byte, as find -print0 writes them
      --binary             do not skip binary files (those with a NUL byte at their beginning)

how
  -j, --jobs N             files to read at once, 1 to 256 (default: one per processor, see WEFT_PROCS)
      --top N              words to print, 0 to 1000000 (default: 20)
      --block BYTES        how much to read and scan at a time, 64 to 67108864 (default: 65536)
  -q, --quiet              print results and errors only, no progress and no report
  -h, --help               show this text

Results go to standard output; progress, errors and the report to standard error. Directories are walked; symbolic links
in them are not followed, and neither they nor pipes, sockets and devices are read. A file that cannot be read, or that
vanishes on the way, is reported, and the others are scanned all the same.

exit status, as grep's
  0    all is well; --search found a line
  1    --search found none
  2    a bad argument, or something could not be read or written

environment
  WEFT_PROCS    processors to run on (default: those this process may use)
  WEFT_IO       uring or epoll: how files are read (default: uring, where the kernel allows it)
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
    if (args_.paths.empty() && !args_.files_from)
      return bad("nothing to scan: name a directory or a file, or --files-from");
    if (args_.separator == '\0' && !args_.files_from)
      return bad("--null says how --files-from is written, which is not given");
    return std::move(args_);
  }

 private:
  absl::Status read_word() {
    if (!words_.is_option()) return read_path();
    if (words_.is("--search")) return read_search();
    if (words_.is("--files-from")) return read_files_from();
    if (words_.is("--jobs", "-j")) return read_number(args_.jobs, 1, 256);
    if (words_.is("--top")) return read_number(args_.top, 0, 1'000'000);
    if (words_.is("--block")) return read_number(args_.block_bytes, 64, 64 * 1024 * 1024);
    return read_flag();
  }

  absl::Status read_flag() {
    const std::string name(words_.word());
    if (words_.is("--words")) return no_value(set_mode(scan_mode::words));
    if (words_.is("--lines")) return no_value(set_mode(scan_mode::lines));
    if (words_.is("--binary")) return set(args_.binary);
    if (words_.is("--quiet", "-q")) return set(args_.quiet);
    if (words_.is("--help", "-h")) return set(args_.help);
    if (words_.is("--null", "-0")) {
      args_.separator = '\0';
      return no_value(absl::OkStatus());
    }
    if (words_.is("--") && !words_.has_value()) {
      words_.end_options();
      return absl::OkStatus();
    }
    return bad("there is no option " + quoted(name));
  }

  absl::Status read_path() {
    if (words_.word().empty()) return bad("a path is empty: ''");
    args_.paths.emplace_back(words_.word());
    return absl::OkStatus();
  }

  absl::Status read_search() {
    absl::StatusOr<std::string_view> text = words_.value("the text to look for");
    if (!text.ok()) return text.status();
    if (text->empty()) return bad("--search '': the text is empty; --lines counts all lines");
    if (text->find('\n') != std::string_view::npos) return bad("--search: the text must be within one line");
    args_.text = *text;
    return set_mode(scan_mode::search);
  }

  absl::Status read_files_from() {
    absl::StatusOr<std::string_view> file = words_.value("a file, or - for standard input");
    if (!file.ok()) return file.status();
    if (file->empty()) return bad("--files-from '': expected a file, or - for standard input");
    args_.files_from = *file;
    return absl::OkStatus();
  }

  template <class Number>
  absl::Status read_number(Number& into, int64_t least, int64_t most) {
    const absl::StatusOr<int64_t> n = words_.number(least, most);
    if (n.ok()) into = static_cast<int>(*n);
    return n.status();
  }

  absl::Status set_mode(scan_mode mode) {
    if (mode_given_ && args_.mode != mode) return bad("--words, --lines and --search exclude each other");
    mode_given_ = true;
    args_.mode = mode;
    return absl::OkStatus();
  }

  absl::Status set(bool& flag) {
    flag = true;
    return no_value(absl::OkStatus());
  }

  absl::Status no_value(absl::Status so_far) {
    if (words_.has_value()) return bad(std::string(words_.word()) + " takes no value");
    return so_far;
  }

  word_reader words_;
  arguments args_;
  bool mode_given_ = false;
};

}  // namespace

absl::StatusOr<arguments> parse_arguments(std::span<char* const> words) { return parser(words).run(); }

std::string_view help_text() noexcept { return help; }

}  // namespace textscan
