// http_probe: an HTTP client for what curl does not do, written with weft.
//
//   http_probe send HOST:PORT [PIECE...]                  sends the pieces, and prints all that comes back; a PIECE is
//                                                         text with \r, \n, \0 and \\, or +half (closes this direction),
//                                                         +wait (waits for something to come), +close (ends), or
//                                                         +trickle, after which each byte is sent by itself
//   http_probe load HOST:PORT PATH FILE CONNECTIONS REQUESTS   gets PATH again and again, each answer compared with FILE
//   http_probe hold HOST:PORT CONNECTIONS [PATH]          opens connections (and gets PATH on each), says so, keeps
//                                                         them until standard input ends, and says how many the server
//                                                         has closed
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/weft.h>

namespace {

using namespace std::chrono_literals;

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "http_probe: %s\n", what.c_str());
  std::exit(2);
}

weft::socket_address address_of(std::string_view text) {
  const absl::StatusOr<weft::socket_address> a = weft::socket_address::parse(text);
  if (!a.ok()) die(std::string(a.status().message()));
  return *a;
}

int number_of(std::string_view text) {
  int n = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), n).ec != std::errc()) die("no number");
  return n;
}

weft::task<weft::tcp_stream> connected(weft::socket_address to) {
  absl::StatusOr<weft::tcp_stream> socket = co_await weft::tcp_stream::connect(to);
  if (!socket.ok()) die(std::string(socket.status().message()));
  co_return *std::move(socket);
}

// send --------------------------------------------------------------------------------------------------------------

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 1 < text.size();
    if (!escape) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == '0' ? '\0' : c;
  }
  return out;
}

weft::task<> print_all(weft::tcp_stream& from, weft::channel<int> something_came) {
  std::array<std::byte, 65536> buffer;
  for (;;) {
    const absl::StatusOr<std::size_t> n = co_await from.read_some(buffer);
    if (!n.ok()) std::fprintf(stderr, "http_probe: %s\n", std::string(n.status().message()).c_str());
    if (!n.ok() || *n == 0) break;
    std::fwrite(buffer.data(), 1, *n, stdout);
    std::fflush(stdout);
    (void)something_came.try_send(1);
  }
  something_came.close();
}

weft::task<int> send(weft::socket_address to, std::vector<std::string> pieces) {
  weft::tcp_stream socket = co_await connected(to);
  weft::channel<int> something_came(1);
  weft::join_handle<void> printing = weft::spawn(print_all, std::ref(socket), something_came);
  bool trickle = false;
  for (const std::string& piece : pieces) {
    if (piece == "+half") {
      (void)socket.shutdown_write();
    } else if (piece == "+wait") {
      (void)co_await something_came.receive();
    } else if (piece == "+trickle") {
      trickle = true;
    } else if (piece == "+close") {
      socket.close();
    } else {
      const std::string text = unescaped(piece);
      const std::size_t step = trickle ? 1 : text.size();
      for (std::size_t at = 0; at < text.size(); at += step) {
        const absl::Status sent = co_await socket.write_all(std::string_view(text).substr(at, step));
        if (!sent.ok()) break;
        if (trickle) (void)co_await weft::sleep_for(1ms);
      }
    }
  }
  co_await printing;
  co_return 0;
}

// load --------------------------------------------------------------------------------------------------------------

// The body of one answer with status 200; nothing if that is not what came.
weft::task<std::optional<std::string>> read_answer(weft::buffered_reader<weft::tcp_stream>& from) {
  std::size_t bytes = 0;
  bool ok = false;
  for (int line = 0;; ++line) {
    const absl::StatusOr<std::string_view> text = co_await from.read_until('\n');
    if (!text.ok()) co_return std::nullopt;
    constexpr std::string_view length = "Content-Length: ";
    if (line == 0) ok = text->starts_with("HTTP/1.1 200 ");
    if (text->starts_with(length)) bytes = static_cast<std::size_t>(number_of(text->substr(length.size())));
    if (*text == "\r\n") break;
  }
  std::string body(bytes, 0);
  const absl::Status read = co_await from.read_exactly(std::as_writable_bytes(std::span(body)));
  if (!read.ok() || !ok) co_return std::nullopt;
  co_return body;
}

weft::task<int> load_one(weft::socket_address to, const std::string& head, const std::string& body, int requests) {
  weft::tcp_stream socket = co_await connected(to);
  weft::buffered_reader<weft::tcp_stream> reader(socket);
  int good = 0;
  for (int i = 0; i < requests; ++i) {
    const absl::Status sent = co_await socket.write_all(head);
    if (!sent.ok()) break;
    const std::optional<std::string> got = co_await read_answer(reader);
    if (!got || *got != body) break;
    ++good;
  }
  co_return good;
}

weft::task<int> load(weft::socket_address to, std::string path, std::string file, int connections, int requests) {
  const std::string head = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const absl::StatusOr<std::string> body = co_await weft::read_file(file);
  if (!body.ok()) die(std::string(body.status().message()));
  std::vector<weft::join_handle<int>> clients;
  for (int i = 0; i < connections; ++i)
    clients.push_back(weft::spawn(load_one, to, std::cref(head), std::cref(*body), requests / connections));
  int good = 0;
  for (weft::join_handle<int>& c : clients) good += co_await c;
  std::printf("%d good answers\n", good);
  co_return good == requests / connections* connections ? 0 : 1;
}

// hold --------------------------------------------------------------------------------------------------------------

weft::task<bool> until_closed(weft::tcp_stream& socket) {
  std::array<std::byte, 1> buffer;
  const absl::StatusOr<std::size_t> n = co_await socket.read_some(buffer);
  co_return !absl::IsCancelled(n.status());
}

weft::task<int> hold(weft::socket_address to, int connections, std::string path) {
  std::vector<std::unique_ptr<weft::tcp_stream>> sockets;
  std::vector<weft::join_handle<bool>> waiting;
  for (int i = 0; i < connections; ++i) {
    sockets.push_back(std::make_unique<weft::tcp_stream>(co_await connected(to)));
    if (!path.empty()) {
      const std::string head = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
      weft::buffered_reader<weft::tcp_stream> reader(*sockets.back());
      const absl::Status sent = co_await sockets.back()->write_all(head);
      const std::optional<std::string> got = co_await read_answer(reader);
      if (!sent.ok() || !got) die("no answer");
    }
    waiting.push_back(weft::spawn(until_closed, std::ref(*sockets.back())));
  }
  std::printf("%d connections\n", connections);
  std::fflush(stdout);
  auto wait_for_end = [] { return std::getchar(); };
  co_await weft::blocking(wait_for_end);
  int closed = 0;
  for (weft::join_handle<bool>& w : waiting) {
    w.request_stop();
    closed += co_await w ? 1 : 0;
  }
  std::printf("%d closed\n", closed);
  co_return 0;
}

weft::task<int> amain(std::vector<std::string> words) {
  const std::string what = words.empty() ? "" : words[0];
  if (what == "send" && words.size() >= 2)
    co_return co_await send(address_of(words[1]), {words.begin() + 2, words.end()});
  if (what == "load" && words.size() == 6)
    co_return co_await load(address_of(words[1]), words[2], words[3], number_of(words[4]), number_of(words[5]));
  if (what == "hold" && (words.size() == 3 || words.size() == 4))
    co_return co_await hold(address_of(words[1]), number_of(words[2]), words.size() == 4 ? words[3] : "");
  die("usage: see the top of http_probe.cc");
}

}  // namespace

int main(int argc, char** argv) { return weft::run(amain, std::vector<std::string>(argv + 1, argv + argc)); }
