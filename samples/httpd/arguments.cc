// Reads the command line, one word after the other.
#include "arguments.h"

#include <utility>

#include "absl/status/status.h"

#include "common/command_line.h"

namespace httpd {

using samples::bad;
using samples::quoted;
using samples::word_reader;

namespace {

constexpr std::string_view help = R"(httpd: serves the files of a directory over HTTP/1.1

usage: httpd [OPTIONS] DIRECTORY

where
  -l, --listen ADDRESS       address and port: 127.0.0.1:8080 (the default), [::]:80, ...; port 0 takes a free one.
                             The first line on standard output says where it listens

limits
      --max-connections N    connections at the same time, 1 to 100000 (default 1024); further ones wait until one
                             of these ends
      --max-line BYTES       longest target of a request, 64 to 65536 (default 4096); beyond: 414
      --max-head BYTES       longest request line and header fields together, 256 to 65536 (default 8192); beyond: 431
      --max-fields N         most header fields, 1 to 1000 (default 100); beyond: 431

times, in milliseconds from 1 to 86400000; a connection that takes longer is closed
      --idle-timeout MS      until a request begins (default 15000)
      --head-timeout MS      from a request's first byte to the end of its head (default 10000)
      --write-timeout MS     for the client to take the next part, of 64 KiB at least, of an answer (default 30000)
      --drain MS             at the end: for the answers that are under way (default 10000)

files
      --cache-time MS        how long it may go unnoticed that a file has changed (default 1000); 0 looks each time
      --cache-bytes BYTES    small files held in memory meanwhile, 0 to 1099511627776 (default 67108864)

  -q, --quiet                no report at the end
  -h, --help                 show this text

GET and HEAD of files, with ranges and conditions; index.html, or else a list, for a directory. Links out of the
directory, and names that begin with a dot (except .well-known), are not served.

signals
  SIGTERM, SIGINT    stop accepting, finish the answers that are under way, print a report, end; again: end at once
  SIGUSR1            print a report and go on

exit status
  0    ended by a signal, every answer finished
  1    ended by a signal, and connections had to be cut
  2    a bad argument, or it cannot listen or read the directory

environment
  WEFT_PROCS    processors to run on (default: those this process may use)
  WEFT_IO       uring or epoll (default: uring, epoll if the kernel refuses)
)";

constexpr int64_t most_milliseconds = 86'400'000;

class parser {
 public:
  explicit parser(std::span<char* const> words) : words_(words) {}

  absl::StatusOr<arguments> run() {
    while (words_.next()) {
      if (absl::Status s = words_.is_option() ? read_option() : read_root(); !s.ok()) return s;
      if (args_.help) return args_;
    }
    if (args_.root.empty()) return bad("nothing to serve: name a directory");
    return std::move(args_);
  }

 private:
  absl::Status read_root() {
    if (words_.word().empty()) return bad("the directory's path is empty: ''");
    if (!args_.root.empty())
      return bad("one directory only, but there are " + quoted(args_.root) + " and " + quoted(words_.word()));
    args_.root = words_.word();
    return absl::OkStatus();
  }

  absl::Status read_option() {
    if (words_.is("--listen", "-l")) return read_listen();
    if (words_.is("--max-connections")) return read_number(args_.connections_most, 1, 100'000);
    if (words_.is("--max-line")) return read_number(args_.line_bytes_most, 64, 65'536);
    if (words_.is("--max-head")) return read_number(args_.head_bytes_most, 256, 65'536);
    if (words_.is("--max-fields")) return read_number(args_.fields_most, 1, 1000);
    if (words_.is("--idle-timeout")) return read_time(args_.idle_timeout, 1);
    if (words_.is("--head-timeout")) return read_time(args_.head_timeout, 1);
    if (words_.is("--write-timeout")) return read_time(args_.write_timeout, 1);
    if (words_.is("--drain")) return read_time(args_.drain_time, 1);
    if (words_.is("--cache-time")) return read_time(args_.cache_time, 0);
    if (words_.is("--cache-bytes")) return read_number(args_.cache_bytes, 0, int64_t{1} << 40);
    if (words_.is("--quiet", "-q")) return set(args_.quiet);
    if (words_.is("--help", "-h")) return set(args_.help);
    if (words_.is("--") && !words_.has_value()) {
      words_.end_options();
      return absl::OkStatus();
    }
    return bad("there is no option " + quoted(words_.word()));
  }

  absl::Status read_listen() {
    absl::StatusOr<std::string_view> address = words_.value("an address and port");
    if (address.ok()) args_.listen = *address;
    return address.status();
  }

  template <class Number>
  absl::Status read_number(Number& into, int64_t least, int64_t most) {
    const absl::StatusOr<int64_t> n = words_.number(least, most);
    if (n.ok()) into = static_cast<Number>(*n);
    return n.status();
  }

  absl::Status read_time(std::chrono::milliseconds& into, int64_t least) {
    const absl::StatusOr<int64_t> n = words_.number(least, most_milliseconds);
    if (n.ok()) into = std::chrono::milliseconds(*n);
    return n.status();
  }

  absl::Status set(bool& flag) {
    flag = true;
    return words_.has_value() ? bad(std::string(words_.word()) + " takes no value") : absl::OkStatus();
  }

  word_reader words_;
  arguments args_;
};

}  // namespace

absl::StatusOr<arguments> parse_arguments(std::span<char* const> words) { return parser(words).run(); }

std::string_view help_text() noexcept { return help; }

}  // namespace httpd
