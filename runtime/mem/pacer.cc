// The pacer's formulas; see pacer.h.
#include "mem/pacer.h"

#include <algorithm>

namespace weft::mem {

namespace {

constexpr uint64_t least_goal_bytes = uint64_t{4} << 20;  // at 100 percent
constexpr uint64_t least_headroom_bytes = uint64_t{1} << 20;
constexpr uint64_t headroom_percent = 3;
constexpr uint64_t least_runway_bytes = uint64_t{64} << 10;

// Go has 45/64 and 61/64, for a divider that is a shift.
constexpr double earliest_trigger = 0.70;
constexpr double latest_trigger = 0.95;
// Near a large goal the last twentieth would be more than is needed.
constexpr uint64_t most_slack_bytes = least_goal_bytes;

uint64_t percent_of(uint64_t bytes, int percent) noexcept {
  const double part = static_cast<double>(bytes) * percent / 100;
  return part >= 9e18 ? no_goal / 2 : static_cast<uint64_t>(part);
}

uint64_t less(uint64_t a, uint64_t b) noexcept { return a > b ? a - b : 0; }

}  // namespace

uint64_t growth_goal(const held_after& held, int gc_percent) noexcept {
  if (gc_percent < 0) return no_goal;
  return std::max(held.live + percent_of(held.live + held.roots, gc_percent), percent_of(least_goal_bytes, gc_percent));
}

uint64_t limit_goal(const held_after& held, int64_t memory_limit_bytes) noexcept {
  if (memory_limit_bytes == no_memory_limit) return no_goal;
  const auto limit = static_cast<uint64_t>(memory_limit_bytes);
  const uint64_t excess = less(held.live + held.roots, limit);
  const uint64_t room = less(limit, held.roots + excess);
  const uint64_t headroom = std::max(room * headroom_percent / 100, least_headroom_bytes);
  return std::max(less(room, headroom), held.live);
}

void pacer::epoch_ended(const epoch_measure& m) noexcept {
  if (m.apart_ns > 0)
    growth_.add(static_cast<double>(less(m.begin_bytes, held_.live)) / static_cast<double>(m.apart_ns));
  duration_.add(static_cast<double>(std::max<int64_t>(m.lasted_ns, 0)));
  held_ = m.held;
  pace();
}

void pacer::settled(const held_after& held) noexcept {
  held_ = {.live = std::min(held_.live, held.live), .roots = held.roots};
  pace();
}

void pacer::change(const pacer_settings& s) noexcept {
  settings_ = s;
  pace();
}

uint64_t pacer::runway_bytes() const noexcept {
  return std::max(static_cast<uint64_t>(growth_.average() * duration_.average()), least_runway_bytes);
}

void pacer::pace() noexcept {
  const uint64_t by_growth = growth_goal(held_, settings_.gc_percent);
  const uint64_t by_limit = limit_goal(held_, settings_.memory_limit_bytes);
  goal_ = std::min(by_growth, by_limit);
  by_limit_ = by_limit < by_growth;
  if (goal_ == no_goal) {
    trigger_ = no_goal;
    return;
  }
  const uint64_t way = goal_ - held_.live;
  const uint64_t earliest = held_.live + static_cast<uint64_t>(static_cast<double>(way) * earliest_trigger);
  const uint64_t latest = std::max(held_.live + static_cast<uint64_t>(static_cast<double>(way) * latest_trigger),
                                   less(goal_, most_slack_bytes));
  // Only the second epoch clears what a pool holds, and memory goes on growing until that is destroyed.
  const uint64_t runway =
      by_limit_ ? std::max(runway_bytes(), static_cast<uint64_t>(settings_.memory_limit_bytes) / 8) : runway_bytes();
  trigger_ = std::clamp(less(goal_, runway), earliest, std::max(earliest, latest));
}

}  // namespace weft::mem
