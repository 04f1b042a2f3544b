// What is answered to a request: the head, and where the body comes from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "file_store.h"
#include "request.h"

namespace httpd {

struct answer {
  int status = 200;
  std::string fields;  ///< header fields beyond those of every answer, each with its line end
  node_ref file;       ///< the body is a part of this file,
  uint64_t first = 0;  ///< from here on,
  std::string page;    ///< or this
  uint64_t bytes = 0;  ///< length of the body; not sent to HEAD, and none with 304
};

/// The file, a part of it, or that the client has it already.
answer answer_with_file(const request& r, node_ref file);

/// A page that says what is wrong.
answer answer_with_error(int status, std::string_view extra_fields = {});

answer answer_with_page(std::string html);

/// To the same path with a "/" at its end.
answer answer_with_redirect(std::string_view path);

/// The head that goes before it.
void write_head(const answer& a, bool keep_alive, bool old_client, std::string& out);

}  // namespace httpd
