// See dates.h.
#include "dates.h"

#include <time.h>

#include <array>
#include <cstdio>

namespace httpd {

namespace {

constexpr std::size_t date_bytes = 29;
using date_text = std::array<char, 64>;

void write_date(int64_t seconds, date_text& out) noexcept {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t t = seconds;
  tm parts{};
  ::gmtime_r(&t, &parts);
  std::snprintf(out.data(), out.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                parts.tm_sec);
}

}  // namespace

std::string http_date(int64_t seconds) {
  date_text text;
  write_date(seconds, text);
  return text.data();
}

std::string_view http_date_now() noexcept {
  // A thread's own; nothing here waits, so the caller is still on that thread when it copies the text.
  thread_local time_t made_at = -1;
  thread_local date_text text;
  const time_t now = ::time(nullptr);
  if (now != made_at) {
    write_date(now, text);
    made_at = now;
  }
  return {text.data(), date_bytes};
}

std::optional<int64_t> parse_http_date(const std::string& text) noexcept {
  tm parts{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

}  // namespace httpd
