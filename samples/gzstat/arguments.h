// What the command line of gzstat asks for.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gzstat {

struct arguments {
  std::optional<int> read;  // workers of each stage; without it, one per processor
  std::optional<int> inflate;
  std::optional<int> parse;
  std::size_t queue = 16;               // values that may wait between two stages
  std::size_t block_bytes = 64 * 1024;  // what is handed on at a time
  int pass = 0;                         // stages between inflate and parse that only hand on
  bool read_threads = false;            // read on the blocking pool
  std::optional<std::chrono::nanoseconds> deadline;
  bool keep_going = false;
  bool costs = false;    // measure what stages and hops cost
  int rounds = 7;        // how often each way is measured
  std::size_t top = 10;  // maintainers to print
  bool quiet = false;    // results and errors only
  bool help = false;     // print help_text() and do nothing else
  std::vector<std::string> paths;
};

/// Reads the words after the program's name. Error: INVALID_ARGUMENT that names the word, and what is allowed.
[[nodiscard]] absl::StatusOr<arguments> parse_arguments(std::span<char* const> words);

[[nodiscard]] std::string_view help_text() noexcept;

}  // namespace gzstat
