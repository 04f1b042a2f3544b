// Reads the command line, one word after the other.
#include "server_arguments.h"

#include <string>

#include "common/command_line.h"

namespace echo {

using samples::bad;
using samples::quoted;
using samples::word_reader;

namespace {

constexpr std::string_view help =
    R"(echo_server: sends back whatever comes, on as many connections as there are

usage: echo_server [OPTIONS]          for instance: echo_server --listen 127.0.0.1:7007

      --listen ADDRESS   where: 127.0.0.1:7007 (the default), [::1]:7007; port 0 takes a free one
      --processors N     processors to run on, 1 to 1024 (default: WEFT_PROCS, or those this process may use)
  -q, --quiet            no report at the end
  -h, --help             show this text

It prints the address it listens on, serves until SIGINT or SIGTERM, and then ends every connection and prints what it
did. A second signal does not hurry it.

exit status
  0  stopped by a signal
  1  connections could not be accepted any more
  2  a bad argument, or the address cannot be listened on

environment
  WEFT_PROCS    processors to run on
  WEFT_IO       uring or epoll (default: uring, epoll where the kernel refuses)
)";

absl::Status read_word(word_reader& words, server_arguments& args) {
  if (words.is("--listen")) {
    const absl::StatusOr<std::string_view> text = words.value("an address such as 127.0.0.1:7007");
    if (!text.ok()) return text.status();
    const absl::StatusOr<weft::socket_address> address = weft::socket_address::parse(*text);
    if (!address.ok()) return bad("--listen: " + std::string(address.status().message()));
    if (address->kind() == weft::socket_address::family::local)
      return bad("--listen " + quoted(*text) + ": expected an address and a port, such as 127.0.0.1:7007");
    args.listen = *address;
    return absl::OkStatus();
  }
  if (words.is("--processors")) {
    const absl::StatusOr<int64_t> n = words.number(1, 1024);
    if (n.ok()) args.processors = static_cast<int>(*n);
    return n.status();
  }
  if (words.has_value()) return bad("there is no option " + quoted(words.word()) + " that takes a value");
  if (words.is("--quiet", "-q")) {
    args.quiet = true;
  } else if (words.is("--help", "-h")) {
    args.help = true;
  } else {
    return bad(words.is_option() ? "there is no option " + quoted(words.word())
                                 : quoted(words.word()) + " is no option, and nothing else is expected");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<server_arguments> parse_server_arguments(std::span<char* const> words) {
  server_arguments args;
  word_reader reader(words);
  while (!args.help && reader.next())
    if (absl::Status s = read_word(reader, args); !s.ok()) return s;
  return args;
}

std::string_view server_help() noexcept { return help; }

}  // namespace echo
