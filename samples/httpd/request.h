// Reads the heads of requests from the bytes that come, however they are cut.
//
// http_parser (Debian's libhttp-parser-dev) knows the grammar; here are the limits, the few fields that a file server
// looks at, and what is refused: everything but GET and HEAD, and bodies. Whoever sends something that is refused gets
// an answer and a closed connection, so nothing of it is ever taken for the next request.
#pragma once

#include <http_parser.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "arguments.h"

namespace httpd {

struct request {
  std::string target;  ///< as it was sent
  std::string range, if_range, if_modified_since, if_none_match;
  bool head = false;  ///< HEAD, else GET
  bool old = false;   ///< HTTP/1.0
  bool keep_alive = false;
};

class request_parser {
 public:
  enum class progress : uint8_t { needs_more, complete, refused };

  explicit request_parser(const arguments& limits) noexcept : limits_(limits) { reset(); }
  request_parser(const request_parser&) = delete;
  request_parser& operator=(const request_parser&) = delete;

  /// Makes ready for the next request.
  void reset() noexcept;

  /// Takes what belongs to this request from the front of `bytes`.
  progress take(std::string_view& bytes);

  [[nodiscard]] const request& get() const noexcept { return request_; }

  /// Of a request that is refused: the answer's.
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  static const http_parser_settings& callbacks() noexcept;
  static request_parser& self(http_parser* p) noexcept { return *static_cast<request_parser*>(p->data); }

  int add_target(std::string_view part);
  int add_name(std::string_view part) noexcept;
  int add_value(std::string_view part);
  int end_head();
  int refuse(int status) noexcept {
    status_ = status;
    return -1;  // from the end of a head, 1 would only mean that no body follows
  }
  [[nodiscard]] std::string* place_of(std::string_view name) noexcept;
  [[nodiscard]] int status_of_error() const noexcept;

  const arguments& limits_;
  http_parser parser_;
  request request_;
  int status_ = 0;
  std::size_t head_bytes_ = 0;
  // The field that is being read.
  std::array<char, 24> name_;
  std::size_t name_bytes_ = 0;  // may be more than fit
  bool in_value_ = false;
  std::string* value_ = nullptr;  // where it goes; null: nobody wants it
  int fields_ = 0;
  int hosts_ = 0;
  bool complete_ = false;
};

}  // namespace httpd
