// Medians, the bootstrap, verdicts.
#include "stats.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>

namespace weft_lab {

namespace {

// The median of values that may be reordered.
double median_in_place(std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// Linear between the two nearest of sorted values.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double part = at - static_cast<double>(below);
  return sorted[below] * (1 - part) + sorted[below + 1] * part;
}

}  // namespace

double median(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  return median_in_place(copy);
}

double spread(std::span<const double> values) {
  if (values.size() < 2) return 0;
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  const double middle = median(values);
  if (middle == 0) return 0;
  return (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 2 / std::abs(middle);
}

interval bootstrap_median(std::span<const double> values, double level, uint64_t seed, int resamples) {
  if (values.empty()) return {};
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::size_t> pick(0, values.size() - 1);
  std::vector<double> medians;
  medians.reserve(static_cast<std::size_t>(resamples));
  std::vector<double> drawn(values.size());
  for (int i = 0; i < resamples; ++i) {
    for (double& d : drawn) d = values[pick(random)];
    medians.push_back(median_in_place(drawn));
  }
  std::ranges::sort(medians);
  return {quantile(medians, (1 - level) / 2), quantile(medians, (1 + level) / 2)};
}

std::string_view to_string(verdict v) {
  switch (v) {
    case verdict::none: return "no measurable difference";
    case verdict::less: return "less";
    case verdict::more: return "more";
    case verdict::unknown: break;
  }
  return "not measured";
}

comparison compare(std::span<const double> a, std::span<const double> b, const criteria& c, uint64_t seed) {
  comparison out;
  std::vector<double> measured_a;
  std::vector<double> measured_b;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (!std::isfinite(a[i]) || !std::isfinite(b[i])) continue;
    measured_a.push_back(a[i]);
    measured_b.push_back(b[i]);
  }
  a = measured_a;
  b = measured_b;
  const std::size_t rounds = a.size();
  out.a = median(a);
  out.b = median(b);
  if (rounds == 0) return out;

  out.has_ratio = std::ranges::all_of(a, [](double v) { return v > 0; });
  std::vector<double> effects;
  for (std::size_t i = 0; i < rounds; ++i) effects.push_back(out.has_ratio ? b[i] / a[i] : b[i] - a[i]);
  const double equal = out.has_ratio ? 1 : 0;
  const double effect = median(effects);
  const interval range = bootstrap_median(effects, c.level, seed);
  if (out.has_ratio) {
    out.ratio = effect;
    out.ratio_interval = range;
  }
  if (rounds < least_rounds) return out;

  const bool excludes_equal = range.low > equal || range.high < equal;
  const double larger = std::max(std::abs(out.a), std::abs(out.b));
  const double relative = out.has_ratio ? std::abs(effect - 1) : larger == 0 ? 0 : std::abs(effect) / larger;
  const double amount = out.has_ratio ? std::abs(effect - 1) * std::abs(out.a) : std::abs(effect);
  const bool counts = excludes_equal && relative >= c.least_effect && amount >= c.least_amount;
  out.found = !counts ? verdict::none : effect > equal ? verdict::more : verdict::less;
  return out;
}

}  // namespace weft_lab
