// What one metrics::read() gathers, each part once and only if a row asks for it.
//
// Rows of one call see one and the same picture of each part, so that those which are defined as sums of others add up.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weft/metrics.h>
#include <weft/pool.h>

#include "io/figures.h"
#include "sched/epoch.h"
#include "sched/scheduler.h"
#include "sync/pool_core.h"

namespace weft::metrics {

/// Times in seconds, summed over the processors. total = idle + gc + scavenge + user.
struct cpu_times {
  double total = 0;
  double idle = 0;
  double user = 0;
  double gc = 0;        // all of: assist, dedicated, in idle workers
  double scavenge = 0;  // all of: assist, background
};

/// In bytes. Beside `other` the classes are parts of what the heap of stacks has mapped, and of the runtime itself.
struct memory_classes {
  uint64_t objects = 0;
  uint64_t unused = 0;
  uint64_t free = 0;
  uint64_t released = 0;
  uint64_t stacks = 0;
  uint64_t slabs = 0;
  uint64_t caches = 0;
  uint64_t metadata = 0;
  uint64_t other = 0;

  uint64_t total() const noexcept {
    return objects + unused + free + released + stacks + slabs + caches + metadata + other;
  }
};

/// Tasks' blocks since the runtime's start. allocs - frees = what is live, for each size and in sum.
struct object_counts {
  struct counts {
    uint64_t objects = 0;
    uint64_t bytes = 0;
  };
  counts allocs;
  counts frees;
  counts live() const noexcept { return {allocs.objects - frees.objects, allocs.bytes - frees.bytes}; }
};

/// The pools of the process, those of one name summed up.
struct pools_by_name {
  std::shared_ptr<const std::vector<std::string>> names;  // in order
  std::vector<pool_stats> stats;
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

  const detail::epoch_figures& epochs() {
    if (!epochs_) epochs_ = sched.epochs().figures(heap());
    return *epochs_;
  }
  int64_t epoch_cpu_ns(detail::epoch_work kind) { return epochs().cpu_ns[static_cast<std::size_t>(kind)]; }
  const memory_classes& memory() {
    if (!memory_) memory_ = read_memory();
    return *memory_;
  }
  const object_counts& objects() {
    if (!objects_) objects_ = read_objects();
    return *objects_;
  }
  const pools_by_name& pools() {
    if (!pools_) pools_ = read_pools();
    return *pools_;
  }
  const detail::io_figures& io() {
    if (!io_) io_ = detail::io_figures_of(sched);
    return *io_;
  }
  const detail::pool_cleanup_counts& cleanups() {
    if (!cleanups_) cleanups_ = detail::pool_cleanups();
    return *cleanups_;
  }

  uint64_t running();
  uint64_t runnable();

 private:
  cpu_times read_cpu();
  memory_classes read_memory();
  object_counts read_objects();
  static pools_by_name read_pools();

  std::optional<cpu_times> cpu_;
  std::optional<mem::heap_figures> heap_;
  std::optional<detail::blocking_pool::figures> blocking_;
  std::optional<detail::epoch_figures> epochs_;
  std::optional<memory_classes> memory_;
  std::optional<object_counts> objects_;
  std::optional<pools_by_name> pools_;
  std::optional<detail::io_figures> io_;
  std::optional<detail::pool_cleanup_counts> cleanups_;
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

  /// A zero for each name.
  std::span<uint64_t> per_pool(const std::shared_ptr<const std::vector<std::string>>& names) {
    set(value_kind::per_pool).list_.assign(names->size(), 0);
    value_.names_ = names;
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
