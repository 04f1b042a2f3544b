// httpd: a small HTTP/1.1 server for the files of a directory.
//
//   httpd /usr/share/doc                     on 127.0.0.1:8080, until Ctrl-C
//   httpd --listen '[::]:80' /srv/www
//   curl -r 0-99 http://127.0.0.1:8080/README.md
//
// What it shows: tasks that wait for sockets, files, signals and time as plain loops (connection.cc, server.cc); limits
// of every kind (request.cc, and the permit before each accept); times of thousands of connections without a timer for
// each (lease.h); blocking system calls where there is no other way (file_store.cc); and how a server ends: it accepts
// no more, finishes what is under way until a deadline, and says what it cut (server.cc). `httpd --help` says the rest.
#include <csignal>
#include <cstdio>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/options.h>
#include <weft/runtime.h>
#include <weft/signal_set.h>
#include <weft/socket_address.h>
#include <weft/tcp.h>

#include "arguments.h"
#include "file_store.h"
#include "report.h"
#include "server.h"

namespace httpd {
namespace {

constexpr int cut = 1;
constexpr int failed = 2;

bool write(std::FILE* to, std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), to) == text.size() && std::fflush(to) == 0;
}

int fail(const std::string& message) {
  write(stderr, "httpd: " + message + "\n");
  return failed;
}

int fail(const absl::Status& s) { return fail(std::string(s.message())); }

absl::StatusOr<weft::tcp_listener> listen(const arguments& args) {
  const absl::StatusOr<weft::socket_address> address = weft::socket_address::parse(args.listen);
  if (!address.ok()) return address.status();
  return weft::tcp_listener::bind(*address);
}

int serve(const arguments& args) {
  const absl::StatusOr<weft::options> options = weft::options::from_env();
  if (!options.ok()) return fail(options.status());
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = weft::runtime::create(*options);
  if (!rt.ok()) return fail(rt.status());
  const absl::StatusOr<std::unique_ptr<file_store>> files = file_store::create(args);
  if (!files.ok()) return fail(files.status());
  absl::StatusOr<weft::tcp_listener> listener = listen(args);
  if (!listener.ok()) return fail(listener.status());
  absl::StatusOr<weft::signal_set> signals = weft::signal_set::create({SIGTERM, SIGINT, SIGUSR1});
  if (!signals.ok()) return fail(signals.status());

  const std::string where = listener->local_address().to_string();
  if (!write(stdout, "httpd: serving " + args.root + " on http://" + where + "/\n"))
    return fail("standard output cannot be written");
  const auto start = std::chrono::steady_clock::now();
  server s(args, **files, *std::move(listener));
  auto print = [&] { write(stderr, report(s.figures(), std::chrono::steady_clock::now() - start, **rt)); };
  const bool finished = (*rt)->run(&server::run, &s, std::ref(*signals), std::function<void()>(print));
  if (!args.quiet) print();
  if (!finished) fail("connections were cut");
  return finished ? 0 : cut;
}

int run(std::span<char* const> words) {
  const absl::StatusOr<arguments> args = parse_arguments(words);
  if (!args.ok()) return fail(std::string(args.status().message()) + "\nhttpd --help says what there is");
  if (args->help) return write(stdout, help_text()) ? 0 : failed;
  return serve(*args);
}

}  // namespace
}  // namespace httpd

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  return httpd::run(words.empty() ? words : words.subspan(1));
}
