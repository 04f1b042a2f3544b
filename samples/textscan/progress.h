// A line that tells how far the scan is, for whoever watches a terminal.
#pragma once

#include <chrono>

#include "tally.h"

namespace textscan {

/// Writes to standard error, where that is a terminal; ten times a second at most, and not at all in a short run.
class progress_line {
 public:
  explicit progress_line(bool wanted);

  void show(const tally& so_far);
  /// Takes the line away again.
  void clear();

 private:
  using clock = std::chrono::steady_clock;

  bool enabled_;
  bool shown_ = false;
  clock::time_point started_ = clock::now();
  clock::time_point next_;
};

}  // namespace textscan
