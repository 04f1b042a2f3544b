// Settings are read strictly, and a refusal names the variable, the value and what is allowed.
#include "base/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace weft::base {
namespace {

using ::testing::HasSubstr;

constexpr int64_t smallest = std::numeric_limits<int64_t>::min();
constexpr int64_t largest = std::numeric_limits<int64_t>::max();

absl::StatusCode code_of(std::string_view text, int64_t min, int64_t max) {
  return parse_integer("WEFT_PROCESSORS", text, min, max).status().code();
}

TEST(ParseIntegerTest, ReadsNumbersInRange) {
  EXPECT_EQ(parse_integer("X", "0", 0, 9).value(), 0);
  EXPECT_EQ(parse_integer("X", "9", 0, 9).value(), 9);
  EXPECT_EQ(parse_integer("X", "007", 0, 9).value(), 7);
  EXPECT_EQ(parse_integer("X", "-3", -5, 5).value(), -3);
  EXPECT_EQ(parse_integer("X", "9223372036854775807", smallest, largest).value(), largest);
  EXPECT_EQ(parse_integer("X", "-9223372036854775808", smallest, largest).value(), smallest);
}

TEST(ParseIntegerTest, RefusesWhatIsNoInteger) {
  for (const std::string_view text :
       {"", " ", " 1", "1 ", "1\n", "+1", "-1", "--1", "-", "1x", "0x10", "1.0", "1e3", "one", "1,000", "\xd9\xa1"}) {
    EXPECT_EQ(code_of(text, 0, 100), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_EQ(code_of(std::string_view("1\0", 2), 0, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("--1", -100, 100), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of("-", -100, 100), absl::StatusCode::kInvalidArgument);
}

TEST(ParseIntegerTest, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(code_of("0", 1, 1024), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code_of("1025", 1, 1024), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code_of("99999999999", 1, 1024), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code_of("-6", -5, 5), absl::StatusCode::kOutOfRange);
}

TEST(ParseIntegerTest, RefusesWhatDoesNotFit64Bits) {
  EXPECT_EQ(code_of("9223372036854775808", smallest, largest), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code_of("-9223372036854775809", smallest, largest), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(code_of("99999999999999999999999999999999999999", smallest, largest), absl::StatusCode::kOutOfRange);
  // 2^64 + 5 would be 5 in arithmetic that wraps.
  EXPECT_EQ(code_of("18446744073709551621", 0, 10), absl::StatusCode::kOutOfRange);
}

TEST(ParseIntegerTest, TheMessageNamesVariableValueAndRange) {
  const std::string message(parse_integer("WEFT_PROCESSORS", "many", 1, 1024).status().message());
  EXPECT_EQ(message, "WEFT_PROCESSORS=\"many\": expected an integer from 1 to 1024");
}

TEST(ParseIntegerTest, TheMessageStaysOnOneShortLine) {
  const std::string message(parse_integer("X", std::string(1000, '\n'), 0, 1).status().message());
  EXPECT_LT(message.size(), 400u);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(ParseBytesTest, ReadsEverySuffix) {
  EXPECT_EQ(parse_bytes("X", "17", 0, largest).value(), 17);
  EXPECT_EQ(parse_bytes("X", "17B", 0, largest).value(), 17);
  EXPECT_EQ(parse_bytes("X", "3KiB", 0, largest).value(), 3 << 10);
  EXPECT_EQ(parse_bytes("X", "3MiB", 0, largest).value(), 3 << 20);
  EXPECT_EQ(parse_bytes("X", "3GiB", 0, largest).value(), int64_t{3} << 30);
  EXPECT_EQ(parse_bytes("X", "3TiB", 0, largest).value(), int64_t{3} << 40);
}

TEST(ParseBytesTest, OffIsNoLimitWhateverTheRange) { EXPECT_EQ(parse_bytes("X", "off", 0, 10).value(), no_byte_limit); }

TEST(ParseBytesTest, RefusesWhatIsNoNumberOfBytes) {
  for (const std::string_view text :
       {"", "B", "KiB", "1KB", "1K", "1kib", "1 KiB", "-1", "+1KiB", "1.5GiB", "OFF", "1KiBB", "1BB", "1MiBKiB"}) {
    EXPECT_EQ(parse_bytes("X", text, 0, largest).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseBytesTest, RefusesOverflowThroughTheSuffix) {
  EXPECT_EQ(parse_bytes("X", "8388607TiB", 0, largest).value(), int64_t{8388607} << 40);
  EXPECT_EQ(parse_bytes("X", "8388608TiB", 0, largest).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(parse_bytes("X", "99999999999999999999B", 0, largest).status().code(), absl::StatusCode::kOutOfRange);
}

TEST(ParseBytesTest, TheMessageSaysWhatIsAllowed) {
  EXPECT_THAT(std::string(parse_bytes("WEFT_MEMORY_LIMIT", "lots", 0, 10).status().message()),
              HasSubstr("WEFT_MEMORY_LIMIT=\"lots\": expected a number of bytes such as"));
  EXPECT_THAT(std::string(parse_bytes("WEFT_MEMORY_LIMIT", "1KiB", 0, 10).status().message()),
              HasSubstr("WEFT_MEMORY_LIMIT=\"1KiB\": expected from 0 to 10 bytes"));
}

}  // namespace
}  // namespace weft::base
