// Reads the command line, one word after the other.
#include "load_arguments.h"

#include <string>

#include "absl/time/time.h"

#include "common/command_line.h"

namespace echo {

using samples::bad;
using samples::quoted;
using samples::word_reader;

namespace {

constexpr int most_in_flight = 64 * 1024;

constexpr std::string_view help =
    R"(echo_load: sends messages to an echo server, and says how many came back and how fast

usage: echo_load [OPTIONS] [ADDRESS]          for instance: echo_load --connections 100 127.0.0.1:7007

      --connections N   connections that send, 0 to 100000 (default: 100)
      --bytes N         length of a message, 1 to 65536 (default: 64)
      --depth N         messages that are under way on a connection at a time, 1 to 1024 (default: 1); together they
                        may have 65536 bytes
      --duration TIME   how long to measure, 1ms to 24h (default: 2s)
      --warm-up TIME    how long to send before that, 0 to 24h (default: 200ms)
      --idle N          more connections, which send one message and then only stay open, 0 to 100000 (default: 0)
      --processors N    processors to run on, 1 to 1024 (default: WEFT_PROCS, or those this process may use)
      --brief           print one line: requests per second, p50, p99 and p99.9 in us, requests with those
                        of the warm-up, errors
  -q, --quiet           no figures of the runtime
  -h, --help            show this text

ADDRESS is 127.0.0.1:7007 unless given. Each message is compared with what was sent. A request's time goes from the
moment its message is handed to the runtime to the moment its last byte was read. SIGINT or SIGTERM ends it early.

exit status
  0    everything came back as it was sent
  1    a connection broke, or something else came back
  2    a bad argument, or no connection to the server
  130  interrupted

environment
  WEFT_PROCS    processors to run on
  WEFT_IO       uring or epoll (default: uring, epoll where the kernel refuses)
)";

class parser {
 public:
  explicit parser(std::span<char* const> words) : words_(words) {}

  absl::StatusOr<load_arguments> run() {
    while (!args_.help && words_.next())
      if (absl::Status s = read_word(); !s.ok()) return s;
    if (args_.bytes * args_.depth > most_in_flight)
      return bad("--bytes " + std::to_string(args_.bytes) + " --depth " + std::to_string(args_.depth) +
                 ": together at most " + std::to_string(most_in_flight) + " bytes may be under way on a connection");
    if (args_.connections == 0 && args_.idle == 0) return bad("--connections 0 without --idle leaves nothing to do");
    return args_;
  }

 private:
  absl::Status read_word() {
    if (!words_.is_option()) return read_address();
    if (words_.is("--connections")) return read_number(args_.connections, 0, 100'000);
    if (words_.is("--idle")) return read_number(args_.idle, 0, 100'000);
    if (words_.is("--bytes")) return read_number(args_.bytes, 1, most_in_flight);
    if (words_.is("--depth")) return read_number(args_.depth, 1, 1024);
    if (words_.is("--processors")) return read_number(args_.processors, 1, 1024);
    if (words_.is("--duration")) return read_time(args_.duration, "1ms", absl::Milliseconds(1));
    if (words_.is("--warm-up")) return read_time(args_.warm_up, "0", absl::ZeroDuration());
    if (words_.is("--brief")) return set(args_.brief);
    if (words_.is("--quiet", "-q")) return set(args_.quiet);
    if (words_.is("--help", "-h")) return set(args_.help);
    return bad("there is no option " + quoted(words_.word()));
  }

  absl::Status read_address() {
    if (address_given_) return bad(quoted(words_.word()) + ": there is an address already");
    address_given_ = true;
    const absl::StatusOr<weft::socket_address> address = weft::socket_address::parse(words_.word());
    if (!address.ok()) return bad(std::string(address.status().message()));
    if (address->kind() == weft::socket_address::family::local || address->port() == 0)
      return bad(quoted(words_.word()) + ": expected an address and a port from 1 on, such as 127.0.0.1:7007");
    args_.server = *address;
    return absl::OkStatus();
  }

  absl::Status read_time(std::chrono::nanoseconds& into, std::string_view least_text, absl::Duration least) {
    const std::string allowed = "a time from " + std::string(least_text) + " to 24h, such as 500ms, 2s or 1m30s";
    const absl::StatusOr<std::string_view> text = words_.value(allowed);
    if (!text.ok()) return text.status();
    absl::Duration time;
    if (!absl::ParseDuration({text->data(), text->size()}, &time) || time < least || time > absl::Hours(24))
      return bad(std::string(words_.word()) + " " + quoted(*text) + ": expected " + allowed);
    into = absl::ToChronoNanoseconds(time);
    return absl::OkStatus();
  }

  absl::Status read_number(int& into, int64_t least, int64_t most) {
    const absl::StatusOr<int64_t> n = words_.number(least, most);
    if (n.ok()) into = static_cast<int>(*n);
    return n.status();
  }

  absl::Status set(bool& flag) {
    flag = true;
    return words_.has_value() ? bad(std::string(words_.word()) + " takes no value") : absl::OkStatus();
  }

  word_reader words_;
  load_arguments args_;
  bool address_given_ = false;
};

}  // namespace

absl::StatusOr<load_arguments> parse_load_arguments(std::span<char* const> words) { return parser(words).run(); }

std::string_view load_help() noexcept { return help; }

}  // namespace echo
