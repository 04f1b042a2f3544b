// All metrics at one moment, and the difference of two.
#include <algorithm>

#include <weft/detail/check.h>

#include "metrics/reading.h"

namespace weft::metrics {

namespace {

// Values that never fall may seem to, by the bits that floating point has too few of.
double fallen_by_none(double later, double earlier) noexcept { return std::max(later - earlier, 0.0); }

uint64_t fallen_by_none(uint64_t later, uint64_t earlier) noexcept { return later > earlier ? later - earlier : 0; }

void subtract(const histogram& later, const histogram& earlier, writer out) {
  histogram& h = out.histogram(later.buckets);
  for (std::size_t i = 0; i < h.counts.size(); ++i) h.counts[i] = fallen_by_none(later.counts[i], earlier.counts[i]);
  if (later.sum && earlier.sum) h.sum = fallen_by_none(*later.sum, *earlier.sum);
}

void subtract(std::span<const uint64_t> later, std::span<const uint64_t> earlier, writer out) {
  WEFT_CHECK(later.size() == earlier.size(), "metrics::snapshot::since a snapshot of another runtime");
  const std::span<uint64_t> values = out.per_processor(later.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = fallen_by_none(later[i], earlier[i]);
}

value difference(const value& later, const value& earlier) {
  value result;
  writer out(result);
  switch (later.kind()) {
    case value_kind::bad: break;
    case value_kind::uint64: out.uint64(fallen_by_none(later.as_uint64(), earlier.as_uint64())); break;
    case value_kind::float64: out.float64(fallen_by_none(later.as_float64(), earlier.as_float64())); break;
    case value_kind::histogram: subtract(later.as_histogram(), earlier.as_histogram(), out); break;
    case value_kind::per_processor: subtract(later.as_per_processor(), earlier.as_per_processor(), out); break;
  }
  return result;
}

}  // namespace

snapshot::snapshot(const runtime& rt) {
  samples_.reserve(all().size());
  for (const description& d : all()) samples_.push_back({d.name});
  read(rt, samples_);
}

snapshot snapshot::since(const snapshot& earlier) const {
  snapshot result(*this);
  for (std::size_t i = 0; i < samples_.size(); ++i)
    if (all()[i].cumulative) result.samples_[i].value = difference(samples_[i].value, earlier.samples_[i].value);
  return result;
}

const value* snapshot::find(std::string_view name) const noexcept {
  const auto at = std::lower_bound(samples_.begin(), samples_.end(), name,
                                   [](const sample& s, std::string_view wanted) { return s.name < wanted; });
  return at != samples_.end() && at->name == name ? &at->value : nullptr;
}

}  // namespace weft::metrics
