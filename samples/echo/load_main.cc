// echo_load: sends messages to an echo server, and says how many came back and how fast.
//
//   echo_load --connections 100 127.0.0.1:7007
//   echo_load --connections 10 --bytes 1024 --depth 16 --duration 10s
//   echo_load --connections 0 --idle 10000 --duration 5s
//
// What it shows: many connections from a few processors, each a plain loop (load.cc), and an end by time or by a signal.
// `echo_load --help` says the rest.
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
#include "load.h"
#include "load_arguments.h"

namespace echo {
namespace {

using samples::counted;
using samples::fixed;
using samples::with_commas;

constexpr int interrupted = 130;

void write(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

int fail(int status, std::string_view message) {
  write(stderr, "echo_load: " + std::string(message) + "\n");
  return status;
}

int fail(int status, const absl::Status& why) { return fail(status, std::string(why.message())); }

std::string us(uint64_t ns) { return fixed(static_cast<double>(ns) / 1e3, 1); }

double per_second(const load_result& result) {
  return static_cast<double>(result.times.count()) / result.measured.count();
}

std::string brief_text(const load_result& result) {
  const latencies& t = result.times;
  return fixed(per_second(result), 0) + " " + us(t.percentile(0.5)) + " " + us(t.percentile(0.99)) + " " +
         us(t.percentile(0.999)) + " " + std::to_string(result.requests) + " " + std::to_string(result.errors) + "\n";
}

std::string report(const load_arguments& args, const load_result& result) {
  const latencies& t = result.times;
  std::string text = counted(static_cast<uint64_t>(args.connections), "connection");
  if (args.idle != 0) text += " and " + with_commas(static_cast<uint64_t>(args.idle)) + " idle";
  text += ", messages of " + counted(static_cast<uint64_t>(args.bytes), "byte") + ", " +
          with_commas(static_cast<uint64_t>(args.depth)) + " at a time, " + fixed(result.measured.count(), 2) + " s\n";
  text += "  requests     " + with_commas(t.count()) + ", " +
          with_commas(static_cast<uint64_t>(per_second(result))) + " per second\n";
  text += "  time, us     p50 " + us(t.percentile(0.5)) + ", p99 " + us(t.percentile(0.99)) + ", p99.9 " +
          us(t.percentile(0.999)) + ", most " + us(t.most_ns()) + "\n";
  text += "  errors       " + with_commas(result.errors) + "\n";
  return text;
}

weft::task<absl::Status> put_load_until_signal(const load_arguments& args, load_result& result) {
  absl::StatusOr<weft::signal_set> signals = weft::signal_set::create({SIGINT, SIGTERM});
  if (!signals.ok()) co_return signals.status();
  absl::Status put = co_await put_load(args, *signals, result);
  co_return put;
}

int run(std::span<char* const> words) {
  const absl::StatusOr<load_arguments> args = parse_load_arguments(words);
  if (!args.ok()) return fail(2, std::string(args.status().message()) + "\necho_load --help says what there is");
  if (args->help) {
    write(stdout, load_help());
    return 0;
  }
  absl::StatusOr<weft::options> options = weft::options::from_env();
  if (!options.ok()) return fail(2, options.status());
  if (args->processors != weft::options::automatic) options->processors = args->processors;
  raise_descriptor_limit();
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = weft::runtime::create(*options);
  if (!rt.ok()) return fail(2, rt.status());

  load_result result;
  const figures before = figures::read(**rt);
  const absl::Status put = (*rt)->run(put_load_until_signal, std::cref(*args), std::ref(result));
  if (!put.ok() && !(result.interrupted && absl::IsCancelled(put))) return fail(2, put);
  write(stdout, args->brief ? brief_text(result) : report(*args, result));
  if (!args->quiet && !args->brief)
    write(stderr, figures_text(figures::read(**rt).since(before), result.requests));
  if (result.errors != 0) return fail(1, counted(result.errors, "connection") + " failed: " + result.first_error);
  return result.interrupted ? interrupted : 0;
}

}  // namespace
}  // namespace echo

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  return echo::run(words.empty() ? words : words.subspan(1));
}
