// See connection.h.
#include "connection.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "target.h"
#include "text.h"

namespace httpd {

namespace {

constexpr std::size_t part_bytes = 64 * 1024;  // of a file that is not held in memory
constexpr std::chrono::milliseconds linger_time{1000};
constexpr std::size_t most_linger_bytes = 256 * 1024;

constexpr int bad_request = 400, forbidden = 403, not_found = 404, internal_error = 500, unavailable = 503;

int status_of(const absl::Status& s) noexcept {
  switch (s.code()) {
    case absl::StatusCode::kNotFound: return not_found;
    case absl::StatusCode::kPermissionDenied: return forbidden;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled: return unavailable;
    default: return internal_error;
  }
}

std::string list_page(const std::string& path, const std::vector<std::string>& names) {
  const std::string title = html_escaped(cat("/", path));
  std::string html = cat("<!doctype html><title>", title, "</title><h1>", title, "</h1>\n<ul>\n");
  if (!path.empty()) html += "<li><a href=\"../\">../</a>\n";
  for (const std::string& name : names)
    append(html, "<li><a href=\"./", percent_encoded(name), "\">", html_escaped(name), "</a>\n");
  return html += "</ul>\n";
}

weft::const_buffer bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

connection::connection(const arguments& args, file_store& files, connection_list& list, weft::tcp_stream socket)
    : args_(args), files_(files), list_(list), socket_(std::move(socket)), parser_(args) {
  list_.add(*this);
}

connection::~connection() { list_.remove(*this); }

weft::task<> connection::run() {
  for (bool keep_alive = true; keep_alive; served_ = true) {
    const received what = co_await read_request();
    if (what == received::nothing) co_return;
    if (what == received::refused) {
      const int status = parser_.status();
      const answer a = answer_with_error(status, status == 405 ? "Allow: GET, HEAD\r\n" : "");
      const bool sent = co_await send(a, true, false, false);
      if (sent) co_await linger();
      co_return;
    }
    const request& r = parser_.get();
    const answer a = co_await find_answer(r);
    const bool ending = list_.ending_now() != connection_list::ending::no;
    keep_alive = r.keep_alive && !ending;
    const bool sent = co_await send(a, !r.head, keep_alive, r.old);
    if (!sent) co_return;
    if (ending && r.keep_alive) co_await linger();
  }
}

// Waits for a request and reads its head.
weft::task<connection::received> connection::read_request() {
  parser_.reset();
  bool begun = false;
  if (held_.empty() && !wait_for_request()) co_return received::nothing;
  for (;;) {
    if (!held_.empty()) {
      if (!begun && !renew(args_.head_timeout)) co_return received::nothing;
      begun = true;
      const request_parser::progress p = parser_.take(held_);
      if (p == request_parser::progress::complete) co_return received::request;
      if (p == request_parser::progress::refused) co_return received::refused;
    }
    const absl::StatusOr<std::size_t> n = co_await socket_.read_some(buffer_);
    if (!n.ok() || *n == 0) co_return received::nothing;
    held_ = {reinterpret_cast<const char*>(buffer_.data()), *n};
  }
}

// False: nobody waits any more, the server ends.
bool connection::wait_for_request() noexcept {
  const std::chrono::milliseconds time = served_ ? args_.idle_timeout : args_.head_timeout;
  const int64_t until = coarse_now_ns() + std::chrono::nanoseconds(time).count();
  if (!lease_.renew(until, served_ ? lease::state::idle : lease::state::fresh)) return false;
  const connection_list::ending now = list_.ending_now();
  return now == connection_list::ending::no || (now == connection_list::ending::drain && !served_);
}

weft::task<answer> connection::find_answer(const request& r) {
  const std::optional<std::string> path = path_of(r.target);
  if (!path) co_return answer_with_error(bad_request);
  if (has_hidden_segment(*path)) co_return answer_with_error(not_found);
  const absl::StatusOr<node_ref> found = co_await files_.find(*path);
  if (!found.ok()) co_return answer_with_error(status_of(found.status()));
  const bool slash = path->empty() || path->back() == '/';
  if ((*found)->directory) {
    if (!slash) co_return answer_with_redirect(*path);
    co_return co_await answer_with_index(*path, *found, r);
  }
  // "file/" is not there, which the kernel says itself; "" is the root.
  co_return answer_with_file(r, *found);
}

weft::task<answer> connection::answer_with_index(const std::string& path, const node_ref& directory, const request& r) {
  const absl::StatusOr<node_ref> index = co_await files_.find(path + "index.html");
  if (index.ok() && !(*index)->directory) co_return answer_with_file(r, *index);
  if (!index.ok() && !absl::IsNotFound(index.status())) co_return answer_with_error(status_of(index.status()));
  const absl::StatusOr<std::vector<std::string>> names = co_await file_store::names_in(*directory);
  if (!names.ok()) co_return answer_with_error(status_of(names.status()));
  co_return answer_with_page(list_page(path, *names));
}

// False: the connection is of no more use.
weft::task<bool> connection::send(const answer& a, bool with_body, bool keep_alive, bool old_client) {
  write_head(a, keep_alive, old_client, head_);
  if (!renew(args_.write_timeout)) co_return false;
  const bool body = with_body && a.bytes != 0 && a.status != 304;
  done_.count(a.status, body ? a.bytes : 0);
  absl::Status sent;
  if (!body) {
    sent = co_await socket_.write_all(head_);
  } else if (a.file != nullptr && !a.file->held) {
    sent = co_await send_file(a);
  } else {
    const std::string_view all = a.file != nullptr ? a.file->content : a.page;
    const std::array both{bytes_of(head_), bytes_of(all.substr(a.first, a.bytes))};
    sent = co_await socket_.write_all(both);
  }
  co_return sent.ok();
}

// Part after part, the first one together with the head.
weft::task<absl::Status> connection::send_file(const answer& a) {
  const std::unique_ptr<std::byte[]> part(new std::byte[std::min<uint64_t>(part_bytes, a.bytes)]);
  for (uint64_t done = 0; done < a.bytes;) {
    const std::span<std::byte> room(part.get(), std::min<uint64_t>(part_bytes, a.bytes - done));
    const absl::StatusOr<std::size_t> n = co_await a.file->handle.read_at(room, a.first + done);
    if (!n.ok()) co_return n.status();
    if (*n == 0) co_return absl::DataLossError("the file has become shorter");
    const std::array both{done == 0 ? bytes_of(head_) : weft::const_buffer(), weft::const_buffer(room.first(*n))};
    done += *n;
    if (!renew(args_.write_timeout)) co_return absl::FailedPreconditionError("closed");
    const absl::Status sent = co_await socket_.write_all(both);
    if (!sent.ok()) co_return sent;
  }
  co_return absl::OkStatus();
}

// Reads on for a moment after the last answer: closing with something unread would reset the connection, and the answer
// with it.
weft::task<> connection::linger() {
  if (!renew(linger_time) || !socket_.shutdown_write().ok()) co_return;
  for (std::size_t read = 0; read < most_linger_bytes;) {
    const absl::StatusOr<std::size_t> n = co_await socket_.read_some(buffer_);
    if (!n.ok() || *n == 0) co_return;
    read += *n;
  }
}

}  // namespace httpd
