// What a file is, by the ending of its name.
#pragma once

#include <string_view>

namespace httpd {

std::string_view content_type_of(std::string_view path) noexcept;

}  // namespace httpd
