// Numbers as people read them.
#include "format.h"

#include <array>
#include <cstdio>

namespace samples {

std::string with_commas(uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

std::string in_mb(uint64_t bytes) { return fixed(static_cast<double>(bytes) / 1e6, 1) + " MB"; }

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

std::string counted(uint64_t n, const std::string& one, const std::string& many) {
  const std::string word = n == 1 ? one : many.empty() ? one + "s" : many;
  return with_commas(n) + " " + word;
}

}  // namespace samples
