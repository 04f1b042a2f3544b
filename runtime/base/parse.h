// Strict parsing of settings that come as text, from the environment above all.
//
// A setting that is almost right is wrong: the whole text must be one number in range, and the message names the
// variable, what it held and what it may hold, so that the person who set it can mend it without the manual.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "absl/status/statusor.h"

namespace weft::base {

/// What parse_bytes() returns for "off".
inline constexpr int64_t no_byte_limit = std::numeric_limits<int64_t>::max();

/// Reads `text` as a decimal integer in [min, max]; `name` is the setting, for the message.
///
/// A minus sign is accepted only where `min` is negative; a plus sign, blanks, other characters and an empty text
/// never are. Errors: INVALID_ARGUMENT (not an integer), OUT_OF_RANGE (one, but outside the range or 64 bits).
[[nodiscard]] absl::StatusOr<int64_t> parse_integer(std::string_view name, std::string_view text, int64_t min,
                                                    int64_t max);

/// Reads `text` as a number of bytes in [min, max]: digits and one of the suffixes B, KiB, MiB, GiB, TiB or none.
///
/// "off" means no_byte_limit, whatever `max` is. Same errors as parse_integer().
[[nodiscard]] absl::StatusOr<int64_t> parse_bytes(std::string_view name, std::string_view text, int64_t min,
                                                  int64_t max);

}  // namespace weft::base
