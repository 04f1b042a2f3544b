// What one metrics::read() gathers, each part once and only if a row asks for it.
//
// Rows of one call see one and the same picture of each part, so that those which are defined as sums of others add up.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <weft/metrics.h>

#include "sched/scheduler.h"

namespace weft::metrics {

/// Times in seconds, summed over the processors. total = idle + user.
struct cpu_times {
  double total = 0;
  double idle = 0;
  double user = 0;
};

class reading {
 public:
  explicit reading(detail::scheduler& s) noexcept : sched(s) {}

  detail::scheduler& sched;

  const cpu_times& cpu() {
    if (!cpu_) cpu_ = read_cpu();
    return *cpu_;
  }
  const mem::heap_figures& heap() {
    if (!heap_) heap_ = sched.heap().figures();
    return *heap_;
  }
  const detail::blocking_pool::figures& blocking() {
    if (!blocking_) blocking_ = sched.blocking().read();
    return *blocking_;
  }

  uint64_t running();
  uint64_t runnable();

 private:
  cpu_times read_cpu();

  std::optional<cpu_times> cpu_;
  std::optional<mem::heap_figures> heap_;
  std::optional<detail::blocking_pool::figures> blocking_;
  std::optional<uint64_t> running_, runnable_;
};

/// Writes a sample's value, into the memory that it has if it is of the same kind already.
class writer {
 public:
  explicit writer(value& v) noexcept : value_(v) {}

  void uint64(uint64_t v) noexcept { set(value_kind::uint64).uint_ = v; }
  void float64(double v) noexcept { set(value_kind::float64).float_ = v; }
  void bad() noexcept { set(value_kind::bad); }

  /// Counts that are all zero, to be added to.
  metrics::histogram& histogram(std::span<const double> buckets) {
    set(value_kind::histogram);
    // Another value may share it.
    if (value_.histogram_ == nullptr || value_.histogram_.use_count() != 1)
      value_.histogram_ = std::make_shared<metrics::histogram>();
    auto& h = const_cast<metrics::histogram&>(*value_.histogram_);
    h.buckets = buckets;
    h.counts.assign(buckets.size() - 1, 0);
    h.sum.reset();
    return h;
  }

  /// A zero for each processor.
  std::span<uint64_t> per_processor(std::size_t processors) {
    set(value_kind::per_processor).list_.assign(processors, 0);
    return value_.list_;
  }

 private:
  value& set(value_kind kind) noexcept {
    value_.kind_ = kind;
    return value_;
  }

  value& value_;
};

}  // namespace weft::metrics
