// Shows and clears the line.
#include "progress.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "common/format.h"

namespace textscan {

using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

constexpr auto period = std::chrono::milliseconds(100);
constexpr const char* start_of_line = "\r\x1b[K";  // and everything behind it is erased

}  // namespace

progress_line::progress_line(bool wanted)
    : enabled_(wanted && ::isatty(STDERR_FILENO) == 1), next_(started_ + period) {}

void progress_line::show(const tally& so_far) {
  if (!enabled_) return;
  const clock::time_point now = clock::now();
  if (now < next_) return;
  next_ = now + period;
  shown_ = true;
  const std::chrono::duration<double> elapsed = now - started_;
  const std::string line = start_of_line + with_commas(so_far.files) + " files, " + in_mb(so_far.bytes) + ", " +
                           fixed(static_cast<double>(so_far.bytes) / 1e6 / elapsed.count(), 0) + " MB/s ";
  std::fputs(line.c_str(), stderr);
}

void progress_line::clear() {
  if (shown_) std::fputs(start_of_line, stderr);
  shown_ = false;
}

}  // namespace textscan
