// See answer.h.
#include "answer.h"

#include <http_parser.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "dates.h"
#include "target.h"
#include "text.h"

namespace httpd {

namespace {

constexpr int ok = 200, partial = 206, moved = 301, not_modified = 304, not_satisfiable = 416;

std::string_view reason_of(int status) noexcept {
  return status == not_satisfiable ? "Range Not Satisfiable" : http_status_str(static_cast<http_status>(status));
}

std::optional<uint64_t> number(std::string_view digits) noexcept {
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return n;
}

struct byte_range {
  enum class kind : uint8_t { none, valid, not_satisfiable } is = kind::none;
  uint64_t first = 0;
  uint64_t bytes = 0;
};

// "bytes=0-99", "bytes=100-", "bytes=-50". Several ranges, or what is none, count as if nothing had been said.
byte_range parse_range(std::string_view text, uint64_t size) noexcept {
  constexpr std::string_view unit = "bytes=";
  if (!begins_but_for_case(text, unit)) return {};
  text.remove_prefix(unit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return {};
  const std::string_view from = trimmed(text.substr(0, dash));
  const std::string_view to = trimmed(text.substr(dash + 1));
  const std::optional<uint64_t> first = number(from);
  const std::optional<uint64_t> last = number(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (!first && !last)) return {};
  if (!first) {
    if (*last == 0 || size == 0) return {.is = byte_range::kind::not_satisfiable};
    const uint64_t bytes = std::min(*last, size);
    return {byte_range::kind::valid, size - bytes, bytes};
  }
  if (last && *last < *first) return {};
  if (*first >= size) return {.is = byte_range::kind::not_satisfiable};
  return {byte_range::kind::valid, *first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

bool tag_is_among(const std::string& list, const std::string& tag) {
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    std::string_view one = trimmed(std::string_view(list).substr(begin, end - begin));
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == tag || one == "*") return true;
    begin = end + 1;
  }
  return false;
}

bool client_has_it(const request& r, const node& n) {
  if (!r.if_none_match.empty()) return tag_is_among(r.if_none_match, n.tag);
  if (r.if_modified_since.empty()) return false;
  if (r.if_modified_since == n.modified_text) return true;
  const std::optional<int64_t> since = parse_http_date(r.if_modified_since);
  return since && n.modified <= *since;
}

}  // namespace

answer answer_with_file(const request& r, node_ref file) {
  answer a;
  const node& n = *file;
  a.bytes = n.bytes;
  if (client_has_it(r, n)) {
    a.status = not_modified;
  } else if (!r.range.empty() && (r.if_range.empty() || r.if_range == n.tag || r.if_range == n.modified_text)) {
    const byte_range range = parse_range(r.range, n.bytes);
    if (range.is == byte_range::kind::not_satisfiable)
      return answer_with_error(not_satisfiable, cat("Content-Range: bytes */", n.bytes, "\r\n"));
    if (range.is == byte_range::kind::valid) {
      a.status = partial;
      a.first = range.first;
      a.bytes = range.bytes;
      a.fields = cat("Content-Range: bytes ", range.first, "-", range.first + range.bytes - 1, "/", n.bytes, "\r\n");
    }
  }
  a.file = std::move(file);
  return a;
}

answer answer_with_error(int status, std::string_view extra_fields) {
  const std::string title = cat(status, " ", reason_of(status));
  answer a = answer_with_page(cat("<!doctype html><title>", title, "</title><h1>", title, "</h1>\n"));
  a.status = status;
  a.fields.append(extra_fields);
  return a;
}

answer answer_with_page(std::string html) {
  answer a;
  a.fields = "Content-Type: text/html; charset=utf-8\r\n";
  a.bytes = html.size();
  a.page = std::move(html);
  return a;
}

answer answer_with_redirect(std::string_view path) {
  return answer_with_error(moved, cat("Location: /", percent_encoded(path), "/\r\n"));
}

void write_head(const answer& a, bool keep_alive, bool old_client, std::string& out) {
  out.clear();
  if (a.status == ok)
    out += "HTTP/1.1 200 OK\r\nServer: weft-httpd\r\nDate: ";
  else
    append(out, "HTTP/1.1 ", a.status, " ", reason_of(a.status), "\r\nServer: weft-httpd\r\nDate: ");
  out += http_date_now();
  out += "\r\n";
  if (a.file != nullptr) out += a.file->fields;
  out += a.fields;
  if (a.status != not_modified) append(out, "Content-Length: ", a.bytes, "\r\n");
  if (!keep_alive)
    out += "Connection: close\r\n";
  else if (old_client)
    out += "Connection: keep-alive\r\n";
  out += "\r\n";
}

}  // namespace httpd
