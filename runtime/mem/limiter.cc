// Filling and draining the bucket; see limiter.h.
#include "mem/limiter.h"

#include <algorithm>

namespace weft::mem {

bool cpu_limiter::set_limits(bool on) noexcept {
  // relaxed: written by one thread at a time.
  const bool was = limits_.load(std::memory_order_relaxed);
  // relaxed: see limits().
  limits_.store(on, std::memory_order_relaxed);
  return on && !was;
}

bool cpu_limiter::update(int64_t now_ns, int64_t epochs_ns, int64_t idle_ns) noexcept {
  const int64_t all_ns = std::max<int64_t>(now_ns - last_update_ns_, 0) * processors_;
  last_update_ns_ = std::max(now_ns, last_update_ns_);
  // Idle time that is measured a little late must not look like work of the program.
  const int64_t program_ns = std::max<int64_t>(all_ns - epochs_ns - std::max<int64_t>(idle_ns, 0), 0);
  const int64_t level = fill_ns_ + epochs_ns - program_ns;
  if (level > capacity_ns_) overflow_ns_ += static_cast<uint64_t>(level - capacity_ns_);
  fill_ns_ = std::clamp<int64_t>(level, 0, capacity_ns_);
  return set_limits(fill_ns_ == capacity_ns_);
}

void cpu_limiter::resize(int64_t now_ns, int64_t epochs_ns, int64_t idle_ns, uint32_t processors) noexcept {
  update(now_ns, epochs_ns, idle_ns);
  processors_ = processors;
  capacity_ns_ = capacity_per_processor_ns * processors;
  fill_ns_ = std::min(fill_ns_, capacity_ns_);
  set_limits(fill_ns_ == capacity_ns_);
}

}  // namespace weft::mem
