// What tests of metrics share: every wait measured, a runtime whose clock the test moves, and reading one metric.
#pragma once

#include <weft/metrics.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string_view>
#include <utility>

#include "sched/processor.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft::test {

/// Measures every wait in this program, not one in some. A file that includes this has one before its first runtime.
struct measure_everything {
  measure_everything() noexcept {
    // relaxed: there is no other thread yet.
    detail::sampling::waits.store(1, std::memory_order_relaxed);
    detail::sampling::locks.store(1, std::memory_order_relaxed);
  }
};
inline const measure_everything every_wait_is_measured;

/// A runtime that the test drives, thread and clock.
class driven_runtime {
 public:
  explicit driven_runtime(int processors = 0) {
    options opts;
    opts.processors = processors;
    os::seams seams = os::seams::real();
    seams.time = &clock;
    auto made = runtime_access::create(opts, seams, processors == 0 ? detail::drive::host : detail::drive::test);
    if (!made.ok()) std::abort();
    rt_ = *std::move(made);
  }

  runtime& operator*() noexcept { return *rt_; }
  runtime* operator->() noexcept { return rt_.get(); }
  detail::scheduler& sched() noexcept { return runtime_access::sched(*rt_); }

  /// Starts a task whose end nobody waits for.
  template <class F, class... Args>
  void start(F&& f, Args&&... args) {
    static_cast<void>(rt_->spawn(std::forward<F>(f), std::forward<Args>(args)...));
  }

  /// Runs all that is ready.
  void settle() {
    std::size_t some = 1;
    while (some != 0) {
      some = 0;
      for (const auto& p : sched().processors()) some += sched().drive_some(p->index, 4096);
    }
  }

  /// Moves the clock on, and runs what that makes ready.
  void pass(std::chrono::nanoseconds time) {
    clock.advance(time.count());
    settle();
  }

  manual_clock clock{1'000'000'000};

 private:
  std::unique_ptr<runtime> rt_;
};

inline metrics::value read_value(const runtime& rt, std::string_view name) {
  std::array samples{metrics::sample{name}};
  metrics::read(rt, samples);
  return std::move(samples[0].value);
}
inline uint64_t read_count(const runtime& rt, std::string_view name) { return read_value(rt, name).as_uint64(); }
inline double read_seconds(const runtime& rt, std::string_view name) { return read_value(rt, name).as_float64(); }

inline uint64_t values_in(const metrics::histogram& h) {
  return std::accumulate(h.counts.begin(), h.counts.end(), uint64_t{0});
}

}  // namespace weft::test
