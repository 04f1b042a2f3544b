// Points in time as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace httpd {

std::string http_date(int64_t seconds);

/// Now; made once a second.
std::string_view http_date_now() noexcept;

/// Nothing if the text is no such date.
std::optional<int64_t> parse_http_date(const std::string& text) noexcept;

}  // namespace httpd
