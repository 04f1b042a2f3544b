// Small things with text.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <string_view>

namespace httpd {

/// Appends texts and whole numbers.
template <class... Parts>
void append(std::string& to, const Parts&... parts) {
  auto one = [&to](const auto& part) {
    if constexpr (std::integral<std::remove_cvref_t<decltype(part)>>)
      to += std::to_string(part);
    else
      to += std::string_view(part);
  };
  (one(parts), ...);
}

/// The same as a new string.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string text;
  append(text, parts...);
  return text;
}

/// ASCII letters alone change.
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

constexpr bool equal_but_for_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::ranges::equal(a, b, {}, lower, lower);
}

constexpr bool begins_but_for_case(std::string_view text, std::string_view with) noexcept {
  return equal_but_for_case(text.substr(0, with.size()), with);
}

/// Without blanks at both ends.
constexpr std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t";
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

}  // namespace httpd
