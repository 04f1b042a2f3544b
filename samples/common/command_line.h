// The words of a command line, and errors that name the word and what is allowed.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace samples {

/// A complaint about the command line, as INVALID_ARGUMENT.
inline absl::Status bad(const std::string& text) { return absl::InvalidArgumentError(text); }

inline std::string quoted(std::string_view word) { return std::string("'").append(word).append("'"); }

// The words of a command line; an option's value is the rest of its word ("--jobs=4") or the next word ("--jobs 4").
class word_reader {
 public:
  explicit word_reader(std::span<char* const> words) : rest_(words) {}

  bool next() {
    if (rest_.empty()) return false;
    word_ = take();
    value_.reset();
    const auto equals = word_.find('=');
    if (!options_ended_ && word_.starts_with("--") && equals != std::string_view::npos) {
      value_ = word_.substr(equals + 1);
      word_ = word_.substr(0, equals);
    }
    return true;
  }

  [[nodiscard]] std::string_view word() const { return word_; }
  [[nodiscard]] bool is(std::string_view name) const { return word_ == name; }
  [[nodiscard]] bool is(std::string_view name, std::string_view brief) const { return is(name) || is(brief); }
  // "-" alone is no option; after "--" nothing is.
  [[nodiscard]] bool is_option() const { return !options_ended_ && word_.size() > 1 && word_[0] == '-'; }
  [[nodiscard]] bool has_value() const { return value_.has_value(); }
  void end_options() { options_ended_ = true; }

  absl::StatusOr<std::string_view> value(std::string_view what) {
    if (value_) return *value_;
    if (rest_.empty()) return bad(std::string(word_) + " needs " + std::string(what) + " after it");
    return take();
  }

  absl::StatusOr<int64_t> number(int64_t least, int64_t most) {
    const std::string range = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    absl::StatusOr<std::string_view> digits = value(range);
    if (!digits.ok()) return digits.status();
    int64_t n = 0;
    const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), n);
    if (error != std::errc() || end != digits->data() + digits->size() || n < least || n > most)
      return bad(std::string(word_) + " " + quoted(*digits) + ": expected " + range);
    return n;
  }

 private:
  std::string_view take() {
    const std::string_view word = rest_.front();
    rest_ = rest_.subspan(1);
    return word;
  }

  std::span<char* const> rest_;
  std::string_view word_;
  std::optional<std::string_view> value_;
  bool options_ended_ = false;
};

}  // namespace samples
