// The boundaries and the reading side of time_histogram.
#include "base/histogram.h"

#include <limits>

namespace weft::base {
namespace {

using boundary_array = std::array<double, time_histogram::boundary_count>;

constexpr boundary_array make_boundaries() {
  constexpr double ns_per_second = 1e9;
  boundary_array bounds{};
  size_t next = 0;
  bounds[next++] = -std::numeric_limits<double>::infinity();
  for (size_t group = 0; group < time_histogram::groups; ++group) {
    const int lower_bit = time_histogram::min_bits - 1 + static_cast<int>(group);
    const uint64_t lower_ns = group > 0 ? uint64_t{1} << lower_bit : 0;
    const int width_bit = (group > 0 ? lower_bit : time_histogram::min_bits) - time_histogram::sub_bucket_bits;
    for (uint64_t sub = 0; sub < time_histogram::sub_buckets; ++sub) {
      bounds[next++] = static_cast<double>(lower_ns + (sub << width_bit)) / ns_per_second;
    }
  }
  bounds[next++] = static_cast<double>(uint64_t{1} << time_histogram::max_bits) / ns_per_second;
  bounds[next++] = std::numeric_limits<double>::infinity();
  return bounds;
}

constexpr boundary_array all_boundaries = make_boundaries();

}  // namespace

std::span<const double, time_histogram::boundary_count> time_histogram::boundaries() noexcept { return all_boundaries; }

void time_histogram::add_to(std::span<uint64_t> total) const noexcept {
  for (size_t i = 0; i < bucket_count; ++i) {
    // relaxed: a statistic, ordered with nothing.
    total[i] += counts_[i].load(std::memory_order_relaxed);
  }
}

time_histogram::counts time_histogram::snapshot() const noexcept {
  counts copy{};
  add_to(copy);
  return copy;
}

}  // namespace weft::base
