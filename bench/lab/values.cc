// Parsing and printing of values on the command line.
#include "values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace weft_lab {

namespace {

struct unit {
  std::string_view suffix;
  int64_t factor;
};

constexpr std::array<unit, 4> times{{{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}}};
constexpr std::array<unit, 4> sizes{
    {{"B", 1}, {"KiB", int64_t{1} << 10}, {"MiB", int64_t{1} << 20}, {"GiB", int64_t{1} << 30}}};
constexpr std::array<unit, 3> multiples{{{"", 1}, {"k", 1'000}, {"M", 1'000'000}}};

absl::Status refuse(std::string_view what, std::string_view text, const std::string& allowed) {
  return absl::InvalidArgumentError(std::string(what) + " is '" + std::string(text) + "'; allowed are " + allowed);
}

// A whole number with one of the units behind it; nullopt: no such thing, or too large.
template <std::size_t N>
std::optional<int64_t> read_quantity(std::string_view text, const std::array<unit, N>& units,
                                     std::string_view default_suffix) {
  int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view suffix(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
  if (suffix.empty()) suffix = default_suffix;
  for (const unit& u : units) {
    if (u.suffix != suffix) continue;
    int64_t product = 0;
    if (__builtin_mul_overflow(number, u.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string write_quantity(int64_t value, const std::array<unit, N>& units) {
  if (value == 0) return "0" + std::string(units[0].suffix);
  std::size_t largest = 0;
  for (std::size_t i = 0; i < N; ++i)
    if (value % units[i].factor == 0) largest = i;
  return std::to_string(value / units[largest].factor) + std::string(units[largest].suffix);
}

}  // namespace

absl::StatusOr<int64_t> parse_number(std::string_view what, std::string_view text, int64_t least, int64_t most) {
  const std::optional<int64_t> value = read_quantity(text, multiples, "");
  if (!value || *value < least || *value > most)
    return refuse(what, text, "whole numbers from " + std::to_string(least) + " to " + std::to_string(most));
  return *value;
}

absl::StatusOr<double> parse_fraction(std::string_view what, std::string_view text, double least, double most) {
  double value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && rest == text.data() + text.size();
  if (!whole || !std::isfinite(value) || value < least || value > most) {
    char bounds[80];
    std::snprintf(bounds, sizeof bounds, "numbers from %g to %g", least, most);
    return refuse(what, text, bounds);
  }
  return value;
}

absl::StatusOr<std::chrono::nanoseconds> parse_time(std::string_view what, std::string_view text,
                                                    std::chrono::nanoseconds least, std::chrono::nanoseconds most) {
  // Zero is the same in every unit; other numbers must say theirs.
  const std::optional<int64_t> value = read_quantity(text, times, text == "0" ? "ns" : "");
  if (!value || *value < least.count() || *value > most.count())
    return refuse(what, text,
                  "times from " + format_time(least) + " to " + format_time(most) + ", with a unit: ns, us, ms, s");
  return std::chrono::nanoseconds(*value);
}

absl::StatusOr<int64_t> parse_size(std::string_view what, std::string_view text, int64_t least, int64_t most) {
  const std::optional<int64_t> value = read_quantity(text, sizes, "B");
  if (!value || *value < least || *value > most)
    return refuse(what, text,
                  "sizes from " + format_size(least) + " to " + format_size(most) + ", in bytes, KiB, MiB, GiB");
  return *value;
}

absl::StatusOr<bool> parse_switch(std::string_view what, std::string_view text) {
  if (text == "on") return true;
  if (text == "off") return false;
  return refuse(what, text, "on and off");
}

std::string format_time(std::chrono::nanoseconds t) { return write_quantity(t.count(), times); }

std::string format_size(int64_t bytes) { return write_quantity(bytes, sizes); }

}  // namespace weft_lab
