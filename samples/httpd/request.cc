// See request.h.
#include "request.h"

#include <limits>

#include "text.h"

namespace httpd {

namespace {

constexpr std::size_t most_value_bytes = 1024;  // of a field that is looked at; a longer one is as good as none

constexpr int bad_request = 400, method_not_allowed = 405, length_required = 411, too_large = 413,
              target_too_long = 414, head_too_large = 431, not_implemented = 501, version_not_supported = 505;

}  // namespace

const http_parser_settings& request_parser::callbacks() noexcept {
  static const http_parser_settings settings = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_url = [](http_parser* p, const char* at, std::size_t n) { return self(p).add_target({at, n}); };
    s.on_header_field = [](http_parser* p, const char* at, std::size_t n) { return self(p).add_name({at, n}); };
    s.on_header_value = [](http_parser* p, const char* at, std::size_t n) { return self(p).add_value({at, n}); };
    s.on_headers_complete = [](http_parser* p) { return self(p).end_head(); };
    // Stops there: what follows is the next request.
    s.on_message_complete = [](http_parser* p) {
      self(p).complete_ = true;
      http_parser_pause(p, 1);
      return 0;
    };
    return s;
  }();
  return settings;
}

void request_parser::reset() noexcept {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
  request_.target.clear();
  request_.range.clear();
  request_.if_range.clear();
  request_.if_modified_since.clear();
  request_.if_none_match.clear();
  status_ = 0;
  head_bytes_ = 0;
  name_bytes_ = 0;
  in_value_ = false;
  value_ = nullptr;
  fields_ = 0;
  hosts_ = 0;
  complete_ = false;
}

request_parser::progress request_parser::take(std::string_view& bytes) {
  const std::size_t room = limits_.head_bytes_most - head_bytes_;
  const std::string_view part = bytes.substr(0, room);
  const std::size_t taken = http_parser_execute(&parser_, &callbacks(), part.data(), part.size());
  head_bytes_ += taken;
  bytes.remove_prefix(taken);
  if (complete_) return progress::complete;
  const http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (error != HPE_OK || parser_.upgrade != 0) {
    if (status_ == 0) status_ = status_of_error();
    return progress::refused;
  }
  if (head_bytes_ == limits_.head_bytes_most) {
    status_ = head_too_large;
    return progress::refused;
  }
  return progress::needs_more;
}

int request_parser::status_of_error() const noexcept {
  switch (HTTP_PARSER_ERRNO(&parser_)) {
    case HPE_INVALID_METHOD: return not_implemented;
    case HPE_HEADER_OVERFLOW: return head_too_large;
    default: return bad_request;
  }
}

int request_parser::add_target(std::string_view part) {
  if (request_.target.size() + part.size() > limits_.line_bytes_most) return refuse(target_too_long);
  request_.target += part;
  return 0;
}

int request_parser::add_name(std::string_view part) noexcept {
  if (in_value_ || fields_ == 0) {
    if (++fields_ > limits_.fields_most) return refuse(head_too_large);
    name_bytes_ = 0;
    in_value_ = false;
  }
  for (const char c : part)
    if (name_bytes_++ < name_.size()) name_[name_bytes_ - 1] = c;
  return 0;
}

int request_parser::add_value(std::string_view part) {
  if (!in_value_) {
    in_value_ = true;
    value_ = name_bytes_ <= name_.size() ? place_of({name_.data(), name_bytes_}) : nullptr;
    // A field that comes again goes on in the same list.
    if (value_ != nullptr && !value_->empty()) *value_ += ',';
  }
  if (value_ != nullptr && value_->size() + part.size() <= most_value_bytes) value_->append(part);
  return 0;
}

std::string* request_parser::place_of(std::string_view name) noexcept {
  // Most fields are none of these, and their first letter says so.
  switch (name.empty() ? '\0' : name[0] | 0x20) {
    case 'h': hosts_ += equal_but_for_case(name, "host") ? 1 : 0; return nullptr;
    case 'r': return equal_but_for_case(name, "range") ? &request_.range : nullptr;
    case 'i':
      if (equal_but_for_case(name, "if-range")) return &request_.if_range;
      if (equal_but_for_case(name, "if-modified-since")) return &request_.if_modified_since;
      if (equal_but_for_case(name, "if-none-match")) return &request_.if_none_match;
      return nullptr;
    default: return nullptr;
  }
}

int request_parser::end_head() {
  if (parser_.http_major != 1 || parser_.http_minor > 1) return refuse(version_not_supported);
  request_.old = parser_.http_minor == 0;
  // Whoever stands in between may have understood something else.
  if (hosts_ > 1 || (hosts_ == 0 && !request_.old)) return refuse(bad_request);
  if (parser_.method != HTTP_GET && parser_.method != HTTP_HEAD) return refuse(method_not_allowed);
  if (parser_.uses_transfer_encoding != 0) return refuse(length_required);
  if (parser_.content_length != 0 && parser_.content_length != std::numeric_limits<uint64_t>::max())
    return refuse(too_large);
  request_.head = parser_.method == HTTP_HEAD;
  request_.keep_alive = http_should_keep_alive(&parser_) != 0;
  for (std::string* s : {&request_.range, &request_.if_range, &request_.if_modified_since, &request_.if_none_match})
    if (!s->empty() && s->back() == ' ') *s = trimmed(std::string(*s));
  return 0;
}

}  // namespace httpd
