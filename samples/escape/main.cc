// Reduced, or only moved? Three ways to split lines into fields, and what each asks of the heap.
//
//   build/release/samples/escape [LINES]
//
// `returns` gives every line's fields back in a new vector of strings. `hands_over` keeps one vector for splitting and
// looks thrifty, but copies the fields for the task that counts them: most of the allocations are only elsewhere.
// `callers_buffer` splits into a buffer of the caller's and returns nothing that owns memory. docs/escape.md shows a
// run.
#include <weft/counting_allocator.h>
#include <weft/weft.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view line =
    "2026-01-31T12:00:00.000001,a field of more than fifteen,another such, and the last one of them";

using fields = std::vector<std::string>;

// 1. Every line makes a vector and a string for each field.
weft::task<fields> split(std::string_view text) {
  fields out;
  while (!text.empty()) {
    const std::size_t n = std::min(text.find(','), text.size());
    out.emplace_back(text.substr(0, n));
    text.remove_prefix(std::min(n + 1, text.size()));
  }
  co_return out;
}

weft::task<std::size_t> returns(int lines) {
  std::size_t bytes = 0;
  for (int i = 0; i < lines; ++i)
    for (const std::string& field : co_await split(line)) bytes += field.size();
  co_return bytes;
}

// 2. The splitter's vector is reused, but whoever counts gets a copy.
weft::task<std::size_t> count(weft::channel<fields> in) {
  std::size_t bytes = 0;
  while (std::optional<fields> f = co_await in.receive())
    for (const std::string& field : *f) bytes += field.size();
  co_return bytes;
}

weft::task<> split_into(std::string_view text, fields& out) {
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t n = std::min(text.find(','), text.size());
    if (used == out.size()) out.emplace_back();
    out[used++].assign(text.substr(0, n));
    text.remove_prefix(std::min(n + 1, text.size()));
  }
  out.resize(used);
  co_return;
}

weft::task<std::size_t> hands_over(int lines) {
  weft::channel<fields> out(16);
  weft::join_handle<std::size_t> counted = weft::spawn(count, out);
  fields mine;
  for (int i = 0; i < lines; ++i) {
    co_await split_into(line, mine);
    const bool sent = co_await out.send(mine);
    if (!sent) break;
  }
  out.close();
  co_return co_await counted;
}

// 3. The caller's buffer holds views into the line.
struct views {
  std::string_view field[8];
  int count = 0;
};

weft::task<> split_views(std::string_view text, views& out) {
  out.count = 0;
  while (!text.empty() && out.count < 8) {
    const std::size_t n = std::min(text.find(','), text.size());
    out.field[out.count++] = text.substr(0, n);
    text.remove_prefix(std::min(n + 1, text.size()));
  }
  co_return;
}

weft::task<std::size_t> callers_buffer(int lines) {
  std::size_t bytes = 0;
  views v;
  for (int i = 0; i < lines; ++i) {
    co_await split_views(line, v);
    for (int k = 0; k < v.count; ++k) bytes += v.field[k].size();
  }
  co_return bytes;
}

// What one way does to the heap, in a table.
template <class F>
std::size_t measure(weft::runtime& rt, const char* name, F way, int lines) {
  const weft::heap::snapshot before = weft::heap::take_snapshot();
  const std::size_t bytes = rt.run(way, lines);
  const std::string text = weft::heap::take_snapshot().since(before).text(6);
  std::printf("== %s\n%s\n", name, text.c_str());
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  int lines = 10'000;
  if (argc > 1) {
    const char* end = argv[1] + std::strlen(argv[1]);
    const auto [stopped, error] = std::from_chars(argv[1], end, lines);
    if (argc > 2 || error != std::errc() || stopped != end || lines < 1) {
      std::fprintf(stderr, "usage: %s [LINES]   (a number from 1)\n", argv[0]);
      return 2;
    }
  }
  weft::options opts;
  opts.processors = 1;
  const std::unique_ptr<weft::runtime> rt = weft::runtime::create(opts).value();
  const std::size_t expected = measure(*rt, "returns", returns, lines);
  const bool same = measure(*rt, "hands_over", hands_over, lines) == expected &&
                    measure(*rt, "callers_buffer", callers_buffer, lines) == expected;
  std::printf("== memory_report\n%s", weft::memory_report(*rt).text().c_str());
  return same ? 0 : 1;
}
