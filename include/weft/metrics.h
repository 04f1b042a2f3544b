// Metrics that mirror Go's runtime/metrics: the same shape, and the same name where the meaning is the same.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
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
  per_processor,  ///< a uint64 for each processor
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
  std::optional<double> sum{};      ///< of the values, where it is known
};

/// A metric's value. The accessors abort when the kind is another.
class value {
 public:
  value() noexcept = default;
  explicit value(uint64_t v) noexcept : kind_(value_kind::uint64), uint_(v) {}
  explicit value(double v) noexcept : kind_(value_kind::float64), float_(v) {}
  explicit value(std::shared_ptr<const histogram> v) noexcept
      : kind_(value_kind::histogram), histogram_(std::move(v)) {}
  explicit value(std::vector<uint64_t> v) noexcept : kind_(value_kind::per_processor), list_(std::move(v)) {}

  value_kind kind() const noexcept { return kind_; }
  uint64_t as_uint64() const noexcept;
  double as_float64() const noexcept;
  const histogram& as_histogram() const noexcept;
  std::span<const uint64_t> as_per_processor() const noexcept;  ///< the i-th is processor i's

 private:
  friend class writer;
  value_kind kind_ = value_kind::bad;
  uint64_t uint_ = 0;
  double float_ = 0;
  std::shared_ptr<const histogram> histogram_;
  std::vector<uint64_t> list_;
};

/// A name to read, and the value once read.
struct sample {
  std::string_view name;
  metrics::value value{};
};

/// Every metric, sorted by name. Static.
std::span<const description> all() noexcept;

/// Fills each sample's value; an unknown name reads as value_kind::bad. Any thread; pauses nothing. Values of one call
/// are approximately, not exactly, of one moment. Samples that are read again keep their memory.
void read(const runtime& rt, std::span<sample> samples);

/// All metrics of a runtime at one moment, or what happened between two moments.
class snapshot {
 public:
  /// Reads every metric.
  explicit snapshot(const runtime& rt);

  /// What happened since `earlier`, a snapshot of the same runtime: of cumulative metrics the difference, of the others
  /// what they were in this one.
  snapshot since(const snapshot& earlier) const;

  /// The value of a metric, or nullptr for an unknown name.
  const value* find(std::string_view name) const noexcept;

  /// In the order of all().
  std::span<const sample> samples() const noexcept { return samples_; }

 private:
  std::vector<sample> samples_;
};

}  // namespace metrics
}  // namespace weft
