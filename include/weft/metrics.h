// Metrics that mirror Go's runtime/metrics: the same shape, and the same name where the meaning is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

class runtime;

namespace metrics {

/// What a value is.
enum class value_kind : uint8_t {
  bad,  ///< the name is not known
  uint64,
  float64,
  histogram,
};

/// One metric that read() knows.
struct description {
  std::string_view name;  ///< "/path:unit"
  std::string_view text;  ///< what it means, in a sentence or two
  value_kind kind;
  bool cumulative;  ///< never falls
};

/// A distribution: counts[i] is the number of values in [buckets[i], buckets[i + 1]).
struct histogram {
  std::vector<uint64_t> counts;
  std::span<const double> buckets;  ///< static; the first may be -infinity, the last +infinity
};

/// A metric's value. The accessors abort when the kind is another.
class value {
 public:
  value() noexcept = default;
  explicit value(uint64_t v) noexcept : kind_(value_kind::uint64), uint_(v) {}
  explicit value(double v) noexcept : kind_(value_kind::float64), float_(v) {}
  explicit value(std::shared_ptr<const histogram> v) noexcept
      : kind_(value_kind::histogram), histogram_(std::move(v)) {}

  value_kind kind() const noexcept { return kind_; }
  uint64_t as_uint64() const noexcept;
  double as_float64() const noexcept;
  const histogram& as_histogram() const noexcept;

 private:
  value_kind kind_ = value_kind::bad;
  uint64_t uint_ = 0;
  double float_ = 0;
  std::shared_ptr<const histogram> histogram_;
};

/// A name to read, and the value once read.
struct sample {
  std::string_view name;
  metrics::value value{};
};

/// Every metric, sorted by name. Static.
std::span<const description> all() noexcept;

/// Fills each sample's value; an unknown name reads as value_kind::bad. Any thread; pauses nothing. Values of one call
/// are approximately, not exactly, of one moment.
void read(const runtime& rt, std::span<sample> samples);

}  // namespace metrics
}  // namespace weft
