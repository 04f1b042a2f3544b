// textscan: scans text files through a pipeline of tasks and bounded channels.
//
//   textscan /usr/include                      the most frequent words
//   textscan --lines src docs                  how many lines
//   textscan --search error src                files with "error", and on how many lines
//   find . -name '*.h' -print0 | textscan -0 --files-from - --lines
//
// What it shows: stages that run concurrently and are written as plain loops (pipeline.cc puts them together), buffers
// that go round between stages (circuit.h), a walk of directories by a bounded number of tasks (walk.cc), and how to
// embed a runtime and ask it for its figures (here, and report.cc). `textscan --help` says the rest.
#include <chrono>
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
#include "pipeline.h"
#include "progress.h"
#include "report.h"
#include "tally.h"

namespace textscan {
namespace {

constexpr int nothing_found = 1;
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

int scan(const arguments& args, weft::runtime& rt) {
  progress_line progress(!args.quiet);
  const auto start = std::chrono::steady_clock::now();
  tally total = rt.run(scan_all, std::cref(args), args.jobs.value_or(rt.processors()), std::ref(progress));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;

  const bool written = write_results(results(args, total));
  write(stderr, troubles(total));
  if (!args.quiet) write(stderr, report(args, total, elapsed, rt));
  if (!written) return fail("textscan: the results could not be written");
  if (total.failed() != 0) return failed;
  return args.mode == scan_mode::search && total.matching_lines == 0 ? nothing_found : 0;
}

int run(std::span<char* const> words) {
  const absl::StatusOr<arguments> args = parse_arguments(words);
  if (!args.ok())
    return fail("textscan: " + std::string(args.status().message()) + "\ntextscan --help says what there is");
  if (args->help) return write_results(help_text()) ? 0 : failed;
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = make_runtime();
  if (!rt.ok()) return fail(std::string(rt.status().message()));
  return scan(*args, **rt);
}

}  // namespace
}  // namespace textscan

int main(int argc, char** argv) {
  const std::span<char* const> words(argv, static_cast<std::size_t>(argc));
  return textscan::run(words.empty() ? words : words.subspan(1));
}
