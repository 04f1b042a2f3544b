// What the command line of textscan asks for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace textscan {

enum class scan_mode { words, lines, search };

struct arguments {
  scan_mode mode = scan_mode::words;
  std::string text;                       // what --search looks for; not empty, no newline
  std::optional<int> jobs;                // files read at once; without it, one per processor
  std::size_t top = 20;                   // words to print
  std::size_t block_bytes = 64 * 1024;    // what is read and scanned at a time
  bool binary = false;                    // scan binary files too
  bool quiet = false;                     // results only, no report
  bool help = false;                      // print help_text() and do nothing else
  std::optional<std::string> files_from;  // a file that lists paths; "-" is standard input
  char separator = '\n';                  // what ends each path in that list
  std::vector<std::string> paths;
};

/// Reads the words after the program's name. Error: INVALID_ARGUMENT that names the word, and what is allowed.
[[nodiscard]] absl::StatusOr<arguments> parse_arguments(std::span<char* const> words);

[[nodiscard]] std::string_view help_text() noexcept;

}  // namespace textscan
