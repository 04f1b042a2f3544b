// What a request's target names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace httpd {

/// The path below the root that a target ("/a/b%20c?x", "http://host/a") names: decoded, without empty and "." segments,
/// "" for the root, with a "/" at its end if the target has one. Nothing if the target is malformed, or has a ".."
/// segment, a NUL, or anything after decoding that a path cannot have.
std::optional<std::string> path_of(std::string_view target);

/// Whether a segment is hidden: it begins with a dot and is not ".well-known".
bool has_hidden_segment(std::string_view path) noexcept;

/// The other way: for a link.
std::string percent_encoded(std::string_view path);

/// For text within HTML.
std::string html_escaped(std::string_view text);

}  // namespace httpd
