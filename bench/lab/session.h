// The order of runs, and when there have been enough of them.
//
// Round r runs every side once, in order when r is even and backwards when it is odd (A B B A), so that whoever comes
// first has no advantage. Rounds go on until the interval of every side's effect is narrow enough, or time or rounds
// run out, or somebody interrupts, or a run fails. What stops the rounds is the interval's width alone, never where it
// lies: stopping when a difference shows would find differences that are none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "record.h"
#include "stats.h"

namespace weft_lab {

struct plan {
  double precision = 0.02;  ///< width of the interval, from its low end to its high end, that is narrow enough
  std::chrono::nanoseconds time = std::chrono::seconds(30);  ///< no further round begins after it
  std::size_t most_rounds = 1000;
  std::size_t least_rounds = weft_lab::least_rounds;
  double level = criteria{}.level;
  uint64_t seed = 1;
};

/// Where records and the time come from: processes and the system's clock, or a test's.
class source {
 public:
  virtual absl::StatusOr<record> run(std::size_t side, uint64_t seed) = 0;
  virtual std::chrono::nanoseconds now() = 0;
  virtual bool interrupted() { return false; }
  /// Before each run; `done` is the share of the time, or of the way to the precision, that has passed.
  virtual void progress(std::size_t round, std::size_t side, double done, double width) {
    (void)round, (void)side, (void)done, (void)width;
  }

 protected:
  ~source() = default;
};

enum class ending : uint8_t { precise, out_of_time, out_of_rounds, interrupted, failed };

std::string_view to_string(ending e);

struct session_result {
  std::vector<std::vector<record>> runs;  ///< runs[side][round]: whole rounds only
  ending ended = ending::failed;
  absl::Status failure;  ///< of the run that failed
};

/// The values of a figure in each round. NaN where a run has none.
std::vector<double> series(const std::vector<record>& runs, std::string_view name);

/// Runs `sides` sides; `judged[i]` names the figure that decides for side i when its interval is narrow enough. With
/// one side the interval is that of its median.
session_result run_session(source& from, std::size_t sides, const std::vector<std::string>& judged, const plan& p);

}  // namespace weft_lab
