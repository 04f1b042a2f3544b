// Formatting of numbers.
#include "show.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

namespace weft_lab {

namespace {

std::string three_digits(double value) {
  char text[64];
  const double size = std::abs(value);
  if (value == 0)
    return "0";
  else if (size >= 1e7 || size < 1e-3)
    std::snprintf(text, sizeof text, "%.2e", value);
  else if (size >= 100)
    std::snprintf(text, sizeof text, "%.0f", value);
  else if (size >= 10)
    std::snprintf(text, sizeof text, "%.1f", value);
  else if (size >= 1)
    std::snprintf(text, sizeof text, "%.2f", value);
  else
    std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string show_seconds(double seconds, std::string_view behind) {
  constexpr std::array<std::pair<double, const char*>, 4> units{{{1, "s"}, {1e-3, "ms"}, {1e-6, "us"}, {1e-9, "ns"}}};
  for (const auto& [size, name] : units)
    if (std::abs(seconds) >= size || size == 1e-9)
      return three_digits(seconds / size) + " " + name + std::string(behind);
  return "";
}

std::string show_bytes(double bytes, std::string_view behind) {
  constexpr std::array<std::pair<double, const char*>, 4> units{
      {{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "B"}}};
  for (const auto& [size, name] : units)
    if (std::abs(bytes) >= size || size == 1) return three_digits(bytes / size) + " " + name + std::string(behind);
  return "";
}

}  // namespace

std::string show(double value, std::string_view unit) {
  if (std::isnan(value)) return "-";
  if (unit == "ns") return show_seconds(value * 1e-9, "");
  if (unit == "s") return show_seconds(value, "");
  if (unit == "s/op") return show_seconds(value, "/op");
  if (unit == "B") return show_bytes(value, "");
  if (unit == "B/op") return show_bytes(value, "/op");
  if (unit == "/s") {
    if (std::abs(value) >= 1e6) return three_digits(value / 1e6) + " M/s";
    if (std::abs(value) >= 1e3) return three_digits(value / 1e3) + " k/s";
    return three_digits(value) + " /s";
  }
  if (unit.empty()) return three_digits(value);
  return three_digits(value) + " " + std::string(unit);
}

std::string show_change(double ratio) {
  char text[64];
  // Beyond that a factor reads better.
  if (ratio >= 5) return "x" + three_digits(ratio);
  std::snprintf(text, sizeof text, "%+.1f%%", (ratio - 1) * 100);
  return text;
}

std::string pad_right(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

std::string pad_left(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

}  // namespace weft_lab
