// When the next epoch is due: pure formulas over figures that the caller measured. No clock, no atomics.
//
// Memory is seen in two parts. *Paced* memory is what an epoch may reduce or what the program holds through weft:
// pooled objects, cached stacks, channels, and the program's heap where it is counted. *Roots* is what epochs cannot
// touch: stacks in use and the runtime's own data. The percentage lets paced memory grow by so much of both, as Go's
// does of heap and stacks, and the limit takes the roots off first.
//
//   goal     = live + (live + roots) * percent / 100, at least 4 MiB * percent / 100
//   by limit = limit - roots - what exceeds the limit - headroom; headroom = max(3% of that, 1 MiB)
//              never under live; the smaller goal counts
//   trigger  = goal - runway, not before 0.70 and not after 0.95 of the way from live to goal
//   runway   = what memory is expected to grow by while an epoch runs: growth rate times duration, each the average of
//              the last four epochs; at least 64 KiB, and an eighth of the limit where that sets the goal
//
// Source: the formulas and constants are Go's (src/runtime/mgcpacer.go). There the runway comes from the ratio of the
// allocation rate to the marking rate at 25% of the processors. An epoch marks nothing, and how long it lasts depends
// on when the last processor comes round, so here it comes from two measured averages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace weft::mem {

inline constexpr uint64_t no_goal = std::numeric_limits<uint64_t>::max();
inline constexpr int64_t no_memory_limit = std::numeric_limits<int64_t>::max();
inline constexpr int gc_percent_off = -1;

/// An epoch is begun when none was for so long, if there is something it could clear.
inline constexpr int64_t forced_epoch_period_ns = 120'000'000'000;

struct pacer_settings {
  int gc_percent = 100;                          ///< gc_percent_off: no goal from growth
  int64_t memory_limit_bytes = no_memory_limit;  ///< soft
};

/// Bytes after an epoch.
struct held_after {
  uint64_t live = 0;   ///< paced memory
  uint64_t roots = 0;  ///< the rest of what counts against the limit
};

/// The goal from the percentage; no_goal when it is off.
uint64_t growth_goal(const held_after& held, int gc_percent) noexcept;

/// The goal from the memory limit; no_goal when there is none.
uint64_t limit_goal(const held_after& held, int64_t memory_limit_bytes) noexcept;

/// What was measured of one epoch.
struct epoch_measure {
  held_after held;           ///< at its end
  uint64_t begin_bytes = 0;  ///< paced memory when it began
  int64_t apart_ns = 0;      ///< from the end of the last one to its beginning; 0: begin_bytes is not known
  int64_t lasted_ns = 0;
};

class pacer {
 public:
  explicit pacer(const pacer_settings& s) noexcept : settings_(s) { pace(); }

  /// Sets the next goal.
  void epoch_ended(const epoch_measure& m) noexcept;

  /// What the last epoch set aside is gone by now: sets the goal anew from what is held. More than at the epoch's end
  /// is growth since then, which the percentage is to bound: it is not live memory.
  void settled(const held_after& held) noexcept;

  /// Sets the goal anew from what the last epoch left.
  void change(const pacer_settings& s) noexcept;

  const pacer_settings& settings() const noexcept { return settings_; }
  uint64_t live_bytes() const noexcept { return held_.live; }
  uint64_t goal_bytes() const noexcept { return goal_; }

  /// An epoch is due when paced memory is above it. no_goal: never.
  uint64_t trigger_bytes() const noexcept { return trigger_; }

  /// The limit, not the percentage, set the goal.
  bool by_limit() const noexcept { return by_limit_; }

  /// Paced memory's expected growth while an epoch runs.
  uint64_t runway_bytes() const noexcept;

 private:
  // The average of the last four values.
  class recent {
   public:
    void add(double v) noexcept {
      values_[next_++ % values_.size()] = v;
      if (count_ < values_.size()) ++count_;
    }
    double average() const noexcept {
      double sum = 0;
      for (std::size_t i = 0; i < count_; ++i) sum += values_[i];
      return count_ == 0 ? 0 : sum / static_cast<double>(count_);
    }

   private:
    std::array<double, 4> values_{};
    std::size_t next_ = 0, count_ = 0;
  };

  void pace() noexcept;

  pacer_settings settings_;
  held_after held_;
  recent growth_;    // bytes per ns, between epochs
  recent duration_;  // ns
  uint64_t goal_ = no_goal;
  uint64_t trigger_ = no_goal;
  bool by_limit_ = false;
};

}  // namespace weft::mem
