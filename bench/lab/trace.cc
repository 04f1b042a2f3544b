// Reading, writing and scaling of traces.
#include "trace.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>

#include "text_file.h"

namespace weft_lab {

namespace {

constexpr std::string_view heading = "weft-trace 1";

absl::Status broken(std::string_view name, std::size_t line, const std::string& what) {
  return absl::InvalidArgumentError(std::string(name) + ":" + std::to_string(line) + ": " + what);
}

// The line's numbers; false: it is not exactly `count` whole numbers from 0 on.
bool read_numbers(std::string_view line, int64_t* numbers, int count) {
  const char* at = line.data();
  const char* const end = at + line.size();
  for (int i = 0; i < count; ++i) {
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
    const auto [rest, error] = std::from_chars(at, end, numbers[i]);
    if (error != std::errc() || numbers[i] < 0) return false;
    at = rest;
  }
  return std::all_of(at, end, [](char c) { return c == ' ' || c == '\t' || c == '\r'; });
}

}  // namespace

absl::StatusOr<trace> parse_trace(std::string_view name, std::string_view text) {
  constexpr int64_t longest_ns = int64_t{3600} * 1'000'000'000;
  trace t;
  std::size_t number = 0;
  bool headed = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!headed) {
      if (line != heading) return broken(name, number, "a trace begins with the line '" + std::string(heading) + "'");
      headed = true;
      continue;
    }
    if (line.empty() || line.front() == '#') continue;
    int64_t fields[3];
    if (!read_numbers(line, fields, 3))
      return broken(name, number,
                    "expected three whole numbers, arrival ns, work ns and bytes, but got '" +
                        std::string(line.substr(0, 60)) + "'");
    const arrival a{fields[0], fields[1], fields[2]};
    if (a.at_ns > longest_ns || a.work_ns > longest_ns)
      return broken(name, number, "no arrival and no work is later or longer than an hour");
    if (!t.arrivals.empty() && a.at_ns < t.arrivals.back().at_ns)
      return broken(name, number, "arrives before the line above it");
    t.arrivals.push_back(a);
  }
  if (!headed) return broken(name, 1, "the file is empty; a trace begins with the line '" + std::string(heading) + "'");
  if (t.arrivals.empty()) return broken(name, number, "there is no task in it");
  return t;
}

absl::StatusOr<trace> read_trace(const std::string& path) {
  const absl::StatusOr<std::string> text = read_file(path);
  if (!text.ok()) return text.status();
  return parse_trace(path, *text);
}

std::string to_text(const trace& t) {
  std::string text(heading);
  text += "\n# arrival ns   work ns   bytes\n";
  for (const arrival& a : t.arrivals)
    text += std::to_string(a.at_ns) + " " + std::to_string(a.work_ns) + " " + std::to_string(a.bytes) + "\n";
  return text;
}

absl::Status write_trace(const trace& t, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  file << to_text(t);
  file.close();
  return file ? absl::OkStatus() : absl::PermissionDeniedError("cannot write '" + path + "'");
}

trace scaled(const trace& t, double volume) {
  if (volume == 1) return t;
  trace out;
  // Copies owed so far: a fraction adds up until it makes one more.
  double owed = 0;
  for (std::size_t i = 0; i < t.arrivals.size(); ++i) {
    const arrival& a = t.arrivals[i];
    const int64_t gap = i + 1 < t.arrivals.size() ? t.arrivals[i + 1].at_ns - a.at_ns : 0;
    owed += volume;
    const auto copies = static_cast<int64_t>(std::floor(owed + 1e-9));
    owed -= static_cast<double>(copies);
    for (int64_t k = 0; k < copies; ++k) {
      arrival copy = a;
      copy.at_ns +=
          static_cast<int64_t>(static_cast<double>(gap) * static_cast<double>(k) / static_cast<double>(copies));
      out.arrivals.push_back(copy);
    }
  }
  if (out.arrivals.empty()) out.arrivals.push_back(t.arrivals.front());
  return out;
}

}  // namespace weft_lab
