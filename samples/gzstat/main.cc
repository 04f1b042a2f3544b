// gzstat: what is in the .gz files of some folders, found out by a pipeline of bounded stages.
//
//   gzstat /usr/share/doc                      lines, words, and the entries of Debian changelogs
//   gzstat --deadline 500ms /usr/share/doc     as much of it as can be done until then
//   gzstat --keep-going /usr/share             lists damaged files, and goes on
//   gzstat --costs /usr/share/doc              what each stage and each hop between stages costs
//
// What it shows: stages of several workers between bounded channels, each a plain loop (stages.cc); groups, a deadline
// and an error in the middle that end all of them (pipeline.cc); buffers that give themselves back (block.h); a count
// of the files that nothing can get past, however the run ends (ledger.h); and what stages and hops cost (costs.cc).
// `gzstat --help` says the rest.
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/options.h>
#include <weft/runtime.h>

#include "arguments.h"
#include "costs.h"
#include "figures.h"
#include "interrupt.h"
#include "pipeline.h"
#include "report.h"

namespace gzstat {
namespace {

constexpr int failed = 2;

void write(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

int fail(std::string_view message) {
  write(stderr, std::string(message) + "\n");
  return failed;
}

// Writes the results. False: not everything could be written, say because the disk is full.
bool write_results(std::string_view text) {
  write(stdout, text);
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

absl::StatusOr<std::unique_ptr<weft::runtime>> make_runtime() {
  absl::StatusOr<weft::options> options = weft::options::from_env();
  if (!options.ok()) return options.status();
  options->detect_deadlock = true;
  return weft::runtime::create(*options);
}

int status_of(ending how) {
  switch (how) {
    case ending::complete: return 0;
    case ending::bad_input: return 1;
    case ending::deadline: return 3;
    case ending::stopped: return 130;
  }
  return failed;
}

int run_once(const arguments& args, weft::runtime& rt) {
  run_state run(args, rt.processors());
  const figures before = figures::read(rt);
  const interrupt_watch watch;
  const ending how = rt.run(run_until_interrupted, std::ref(run), watch.signals());
  const figures used = figures::read(rt).since(before);

  const bool written = write_results(results(args, run.total));
  write(stderr, problems(run) + early_end(args, how));
  if (!args.quiet) write(stderr, report(run, rt.processors(), used));
  if (!written) return fail("gzstat: the results could not be written");
  return status_of(how);
}

int run_costs(const arguments& args, weft::runtime& rt) {
  const cost_report costs = measure_costs(args, rt);
  write(stderr, costs.complaints);
  if (!write_results(costs.table)) return fail("gzstat: the results could not be written");
  return costs.complaints.empty() ? 0 : 1;
}

int run(std::span<char* const> words) {
  const absl::StatusOr<arguments> args = parse_arguments(words);
  if (!args.ok()) return fail("gzstat: " + std::string(args.status().message()) + "\ngzstat --help says what there is");
  if (args->help) return write_results(help_text()) ? 0 : failed;
  if (!args->costs) interrupt_watch::block_signals();
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = make_runtime();
  if (!rt.ok()) return fail(std::string(rt.status().message()));
  return args->costs ? run_costs(*args, **rt) : run_once(*args, **rt);
}

}  // namespace
}  // namespace gzstat

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  return gzstat::run(words.empty() ? words : words.subspan(1));
}
