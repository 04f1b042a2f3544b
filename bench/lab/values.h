// Values on the command line: numbers, times, sizes, switches; and back again.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weft_lab {

// Each names `what` in its error, which is INVALID_ARGUMENT and says what is allowed.

/// "12", "-1", "4k", "2M".
absl::StatusOr<int64_t> parse_number(std::string_view what, std::string_view text, int64_t least, int64_t most);

/// "1.5", "0.02".
absl::StatusOr<double> parse_fraction(std::string_view what, std::string_view text, double least, double most);

/// "3us", "20ms", "1s", "500ns", "0".
absl::StatusOr<std::chrono::nanoseconds> parse_time(std::string_view what, std::string_view text,
                                                    std::chrono::nanoseconds least, std::chrono::nanoseconds most);

/// "64KiB", "1GiB", "4096".
absl::StatusOr<int64_t> parse_size(std::string_view what, std::string_view text, int64_t least, int64_t most);

/// "on", "off".
absl::StatusOr<bool> parse_switch(std::string_view what, std::string_view text);

/// The shortest exact form: "3us", "1500ns".
std::string format_time(std::chrono::nanoseconds t);

/// The shortest exact form: "64KiB".
std::string format_size(int64_t bytes);

}  // namespace weft_lab
