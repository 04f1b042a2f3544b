// See target.h.
#include "target.h"

#include <algorithm>

#include "text.h"

namespace httpd {

namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// "http://host/path" -> "/path"; other targets as they are.
std::string_view without_host(std::string_view target) noexcept {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!begins_but_for_case(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t slash = target.find_first_of("/?#");
    if (slash == std::string_view::npos || target[slash] != '/') return "/";
    return target.substr(slash);
  }
  return target;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high << 4 | low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

}  // namespace

std::optional<std::string> path_of(std::string_view target) {
  target = without_host(target);
  target = target.substr(0, target.find_first_of("?#"));
  if (target.empty() || target[0] != '/') return std::nullopt;
  const std::optional<std::string> text = decoded(target);
  if (!text) return std::nullopt;
  std::string path;
  for (std::size_t begin = 1; begin <= text->size();) {
    const std::size_t end = std::min(text->find('/', begin), text->size());
    const std::string_view segment = std::string_view(*text).substr(begin, end - begin);
    if (segment == "..") return std::nullopt;
    if (!segment.empty() && segment != ".") path.append(segment).append(end < text->size() ? "/" : "");
    begin = end + 1;
  }
  return path;
}

bool has_hidden_segment(std::string_view path) noexcept {
  constexpr std::string_view well_known = ".well-known";
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (path[at] == '.' && path.substr(at, end - at) != well_known) return true;
    at = end + 1;
  }
  return false;
}

std::string percent_encoded(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyz0123456789-._~/";
  std::string out;
  for (const char c : path) {
    if (plain.find(lower(c)) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
  }
  return out;
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace httpd
