// Traces: when tasks arrived and how much each had to do. What `record` writes and `replay` reads.
//
// A trace is a text file:
//
//   weft-trace 1
//   # arrival ns   work ns   bytes
//   0 1500 0
//   12000 900 4096
//
// The first line names the format and its version. A line that begins with # is a comment, an empty one is nothing.
// Every other line is a task: when it arrives, in nanoseconds since the first line's moment; how long it computes, in
// nanoseconds; and how many bytes of memory it takes and touches meanwhile. The arrivals never fall. A trace has at
// least one task.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weft_lab {

struct arrival {
  int64_t at_ns = 0;
  int64_t work_ns = 0;
  int64_t bytes = 0;

  friend bool operator==(const arrival&, const arrival&) = default;
};

class trace {
 public:
  std::vector<arrival> arrivals;
};

/// INVALID_ARGUMENT with `name:line: what is wrong`.
absl::StatusOr<trace> parse_trace(std::string_view name, std::string_view text);

/// The file's trace; or what read_file() or parse_trace() says.
absl::StatusOr<trace> read_trace(const std::string& path);

std::string to_text(const trace& t);

/// PERMISSION_DENIED with the path: it cannot be written.
absl::Status write_trace(const trace& t, const std::string& path);

/// The same stretch of time with `volume` times as many arrivals: each comes so often, a fraction by a fair share of
/// them. A copy comes at its original's moment plus a part of the way to the next one, so that no burst is made up.
trace scaled(const trace& t, double volume);

}  // namespace weft_lab
