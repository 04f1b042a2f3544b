// echo_server: sends back whatever comes.
//
//   echo_server                                 on 127.0.0.1:7007, until Ctrl-C
//   echo_server --listen '[::]:9000' --processors 1
//
// What it shows: a task for each connection, written as a plain loop (server.cc); connections that hold no buffer while
// nothing comes; an end by a signal that ends every connection. echo_load is the other side. `echo_server --help` says
// the rest.
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include <weft/options.h>
#include <weft/runtime.h>

#include "common/format.h"
#include "descriptors.h"
#include "figures.h"
#include "server.h"
#include "server_arguments.h"

namespace echo {
namespace {

using samples::counted;
using samples::with_commas;

void write(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

int fail(int status, std::string_view message) {
  write(stderr, "echo_server: " + std::string(message) + "\n");
  return status;
}

int fail(int status, const absl::Status& why) { return fail(status, std::string(why.message())); }

std::string report(const server_counts& counts, const figures& used) {
  // relaxed: every task has ended.
  const auto of = [](const std::atomic<uint64_t>& n) { return n.load(std::memory_order_relaxed); };
  std::string text = "the run\n";
  text += "  connections  " + with_commas(of(counts.accepted)) + ", " + with_commas(of(counts.broken)) +
          " of them ended by an error\n";
  text += "  echoed       " + counted(of(counts.reads), "read") + ", " + counted(of(counts.bytes), "byte") + "\n";
  if (of(counts.refused) != 0)
    text += "  accepting    had to wait " + counted(of(counts.refused), "time") + ": no descriptors left\n";
  return text + figures_text(used, of(counts.reads));
}

weft::task<absl::Status> serve_until_signal(const server_arguments& args, server_counts& counts, std::string& refusal) {
  absl::StatusOr<weft::signal_set> signals = weft::signal_set::create({SIGINT, SIGTERM});
  if (!signals.ok()) {
    refusal = std::string(signals.status().message());
    co_return signals.status();
  }
  absl::StatusOr<weft::tcp_listener> listener = weft::tcp_listener::bind(args.listen);
  if (!listener.ok()) {
    refusal = std::string(listener.status().message());
    co_return listener.status();
  }
  write(stdout, "listening on " + listener->local_address().to_string() + "\n");
  absl::Status served = co_await serve(*listener, *signals, counts);
  co_return served;
}

int run(std::span<char* const> words) {
  const absl::StatusOr<server_arguments> args = parse_server_arguments(words);
  if (!args.ok()) return fail(2, std::string(args.status().message()) + "\necho_server --help says what there is");
  if (args->help) {
    write(stdout, server_help());
    return 0;
  }
  absl::StatusOr<weft::options> options = weft::options::from_env();
  if (!options.ok()) return fail(2, options.status());
  if (args->processors != weft::options::automatic) options->processors = args->processors;
  raise_descriptor_limit();
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = weft::runtime::create(*options);
  if (!rt.ok()) return fail(2, rt.status());

  server_counts counts;
  std::string refusal;
  const figures before = figures::read(**rt);
  const absl::Status served = (*rt)->run(serve_until_signal, std::cref(*args), std::ref(counts), std::ref(refusal));
  if (!refusal.empty()) return fail(2, refusal);
  if (!args->quiet) write(stderr, report(counts, figures::read(**rt).since(before)));
  return served.ok() ? 0 : fail(1, served);
}

}  // namespace
}  // namespace echo

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  return echo::run(words.empty() ? words : words.subspan(1));
}
