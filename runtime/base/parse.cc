// The parsers of parse.h: one scan of the digits, one check of the range, one wording for every refusal.
#include "base/parse.h"

#include <array>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace weft::base {
namespace {

// What the digits of a text say. An overflowing number has the limit of its sign as its value.
struct scanned_integer {
  int64_t value;
  bool overflow;
};

constexpr int64_t largest = std::numeric_limits<int64_t>::max();
constexpr int64_t smallest = std::numeric_limits<int64_t>::min();

// Nullopt unless `digits` is one or more decimal digits and nothing else.
std::optional<scanned_integer> scan(std::string_view digits, bool negative) {
  if (digits.empty()) return std::nullopt;
  scanned_integer result{0, false};
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    const int64_t digit = negative ? -(c - '0') : c - '0';
    if (__builtin_mul_overflow(result.value, int64_t{10}, &result.value) ||
        __builtin_add_overflow(result.value, digit, &result.value)) {
      result.overflow = true;
      result.value = 0;
    }
  }
  if (result.overflow) result.value = negative ? smallest : largest;
  return result;
}

// The text of a setting as it can be shown on one terminal line.
std::string shown(std::string_view text) {
  constexpr size_t longest = 64;
  const std::string_view head = text.substr(0, longest);
  return absl::StrCat("\"", absl::CHexEscape({head.data(), head.size()}), head.size() < text.size() ? "..." : "", "\"");
}

template <class... Parts>
absl::Status refusal(absl::StatusCode code, std::string_view name, std::string_view text, const Parts&... expected) {
  return {code, absl::StrCat(std::string(name), "=", shown(text), ": expected ", expected...)};
}

struct byte_suffix {
  std::string_view text;
  int shift;
};

// The bare "B" is last: it ends all the others.
constexpr std::array<byte_suffix, 5> byte_suffixes = {{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"B", 0}}};

// Nullopt unless `text` is digits and a known suffix.
std::optional<scanned_integer> scan_bytes(std::string_view text) {
  int shift = 0;
  for (const byte_suffix& suffix : byte_suffixes) {
    if (!text.ends_with(suffix.text)) continue;
    text.remove_suffix(suffix.text.size());
    shift = suffix.shift;
    break;
  }
  std::optional<scanned_integer> number = scan(text, false);
  if (!number.has_value()) return std::nullopt;
  if (number->value > largest >> shift) return scanned_integer{largest, true};
  return scanned_integer{number->value << shift, number->overflow};
}

}  // namespace

absl::StatusOr<int64_t> parse_integer(std::string_view name, std::string_view text, int64_t min, int64_t max) {
  const bool negative = min < 0 && text.starts_with('-');
  const std::optional<scanned_integer> number = scan(text.substr(negative ? 1 : 0), negative);
  if (!number.has_value()) {
    return refusal(absl::StatusCode::kInvalidArgument, name, text, "an integer from ", min, " to ", max);
  }
  if (number->overflow || number->value < min || number->value > max) {
    return refusal(absl::StatusCode::kOutOfRange, name, text, "an integer from ", min, " to ", max);
  }
  return number->value;
}

absl::StatusOr<int64_t> parse_bytes(std::string_view name, std::string_view text, int64_t min, int64_t max) {
  if (text == "off") return no_byte_limit;
  const std::optional<scanned_integer> number = scan_bytes(text);
  if (!number.has_value()) {
    return refusal(absl::StatusCode::kInvalidArgument, name, text,
                   "a number of bytes such as 4096, 64KiB, 16MiB, 2GiB or 1TiB, or off");
  }
  if (number->overflow || number->value < min || number->value > max) {
    return refusal(absl::StatusCode::kOutOfRange, name, text, "from ", min, " to ", max, " bytes, or off");
  }
  return number->value;
}

}  // namespace weft::base
