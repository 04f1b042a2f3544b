// Numbers as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace samples {

/// 1234567 as "1,234,567".
[[nodiscard]] std::string with_commas(uint64_t n);

/// Bytes as megabytes (of a million bytes): "251.9 MB".
[[nodiscard]] std::string in_mb(uint64_t bytes);

/// With so many digits behind the point.
[[nodiscard]] std::string fixed(double value, int digits);

/// "1 file", "2 files": the plural has an s unless given.
[[nodiscard]] std::string counted(uint64_t n, const std::string& one, const std::string& many = "");

}  // namespace samples
