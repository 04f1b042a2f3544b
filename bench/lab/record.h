// What one run measured.
//
// Everything that is compared is a figure: a number with a name. The lab's own names end in their unit
// (time_per_operation_ns); those of weft's metrics are weft's (/weft/sched/steals:steals), with #p50, #p99 and #count
// behind that of a histogram. Figures of the user's own program are weft's metrics too, so both are compared alike.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace weft_lab {

/// Figures by name.
using figures = std::map<std::string, double, std::less<>>;

/// A bucket of a latency histogram: so many values in [from_ns, to_ns).
struct latency_bucket {
  double from_ns = 0;
  double to_ns = 0;
  uint64_t count = 0;
};

struct record {
  figures values;
  std::vector<latency_bucket> latencies;  ///< ascending, without empty buckets; empty when nothing was timed singly
  std::vector<std::string> stragglers;    ///< what shutdown had to end, one line each
  std::vector<std::string> places;        ///< where the program's heap was asked, the most first
};

/// What was found, or NaN.
double figure(const record& r, std::string_view name);

/// Buckets of an eighth of their lower bound's power of two, so that two runs' buckets are the same ones.
std::vector<latency_bucket> make_buckets(const std::vector<uint64_t>& latencies_ns);

/// Adds latency_p50_ns, _p90_, _p99_, _p999_, _max_ and latency_count. Sorts the latencies.
void add_percentiles(std::vector<uint64_t>& latencies_ns, figures& out);

/// Adds the figures of an object that weft::metrics::to_json() wrote, or a program in its manner. INVALID_ARGUMENT: it
/// is no such object.
absl::Status add_metrics(const nlohmann::json& metrics, figures& out);

nlohmann::json to_json(const record& r);

/// INVALID_ARGUMENT with what is wrong.
absl::StatusOr<record> record_from_json(const nlohmann::json& j);

}  // namespace weft_lab
