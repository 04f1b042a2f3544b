// What the stages found out; reduce() adds it all up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "word_table.h"

namespace textscan {

/// A file with lines that contain the text.
struct match {
  std::string path;
  uint64_t lines = 0;
};

/// Something that could not be read, and why.
struct trouble {
  std::string path;
  std::string reason;
};

/// Sums, and the few things that are reported by name. Movable; one task owns it at a time.
struct tally {
  static constexpr std::size_t troubles_named_max = 10;

  // What was scanned.
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t lines = 0;
  uint64_t unended_lines = 0;  // those of `lines` that end with their file, not with a newline
  uint64_t words = 0;
  uint64_t matching_lines = 0;
  std::vector<match> matches;
  word_table table;

  // What was met on the way.
  uint64_t directories = 0;
  uint64_t binary_files = 0;   // skipped
  uint64_t symlinks = 0;       // not followed
  uint64_t special_files = 0;  // pipes, sockets, devices
  uint64_t empty_entries = 0;  // of a list of files
  uint64_t missing = 0;        // listed but not there: vanished, or never existed
  uint64_t unreadable = 0;
  std::vector<trouble> troubles;  // the first few of the two kinds above

  [[nodiscard]] uint64_t failed() const noexcept { return missing + unreadable; }

  void add_trouble(std::string_view path, int error);                 // an errno
  void add_trouble(std::string_view path, const absl::Status& error);  // what weft said of it
  void add(tally&& other);
};

}  // namespace textscan
