// Numbers for people.
#pragma once

#include <string>
#include <string_view>

namespace weft_lab {

/// With three digits and a prefix that fits: 26.1 ns, 3.2 MiB, 0.012 /op, 1.2 M/s.
std::string show(double value, std::string_view unit);

/// "+12.3%" of a ratio; from five on "x5.2".
std::string show_change(double ratio);

/// Padded to a width in characters, not bytes; longer ones stay as they are.
std::string pad_right(std::string text, std::size_t width);
std::string pad_left(std::string text, std::size_t width);

}  // namespace weft_lab
