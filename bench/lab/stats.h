// What may be said of figures that vary from run to run.
//
// Rounds are paired: in each, every side runs once, one right after the other, so a disturbance that lasts falls on
// all of them. The effect is the median of the rounds' ratios B / A: neither a drift of the machine nor an outlier
// moves it, nor a side that is fast in one half of its runs and slow in the other. Its interval is the percentile
// bootstrap's over rounds, with a seed, so that a report can be computed again.
//
// Difference is claimed only where the interval excludes "equal" and the effect is at least `least_effect`: the layout
// of code and memory alone moves figures by a percent. The interval is one of 99.5%, not 95%, because the rounds end
// when it is narrow enough, which favours intervals that are narrow by accident, and because the bootstrap's are a
// little narrow where rounds are few; tests/lab/stats_test.cc measures how often equal sides are called different.
//
// Rejected: the ratio of the sides' medians. Where a machine changes its clock in the middle, the medians may fall into
// different halves; the rounds' ratios do not care.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace weft_lab {

/// The middle one, or the mean of the two in the middle. NaN of none.
double median(std::span<const double> values);

/// Half of the width that the middle half of the values has, in relation to their median; 0 of fewer than two.
double spread(std::span<const double> values);

struct interval {
  double low = 0;
  double high = 0;
};

/// Of the median, by the percentile bootstrap with so many resamples.
interval bootstrap_median(std::span<const double> values, double level, uint64_t seed, int resamples = 4000);

/// Bounds on what is called a difference.
struct criteria {
  double level = 0.995;        ///< of the interval
  double least_effect = 0.01;  ///< in relation to the larger side; smaller ones are no difference
  double least_amount = 0;     ///< in the figure's unit, likewise
};

enum class verdict : uint8_t {
  none,     ///< no measurable difference
  less,     ///< B is less than A
  more,     ///< B is more than A
  unknown,  ///< not measured, or in too few rounds to say
};

std::string_view to_string(verdict v);

struct comparison {
  double a = 0;  ///< the sides' medians
  double b = 0;
  bool has_ratio = false;  ///< no A is zero
  double ratio = 1;        ///< the median of the rounds' B / A
  interval ratio_interval{1, 1};
  verdict found = verdict::unknown;
};

/// Fewest rounds for a verdict: with fewer the bootstrap's interval is narrower than it says.
inline constexpr std::size_t least_rounds = 10;

/// a[i] and b[i] are one round's. Where an A is zero, differences take the place of ratios. A round that lacks one
/// side's figure (NaN) says nothing and is left out, also of the medians: a short run may have no sample of a latency.
comparison compare(std::span<const double> a, std::span<const double> b, const criteria& c, uint64_t seed);

}  // namespace weft_lab
