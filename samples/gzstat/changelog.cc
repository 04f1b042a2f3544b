// Counts lines and words, and takes changelog entries apart.
#include "changelog.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

namespace gzstat {
namespace {

bool is_space(char c) { return c == ' ' || static_cast<unsigned char>(c - '\t') < 5; }
bool is_alpha(char c) { return static_cast<unsigned char>((c | 0x20) - 'a') < 26; }
bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

// Words that begin in a piece, when the byte before it is part of a word or not.
uint64_t count_words(std::span<const char> piece, bool in_word) {
  if (piece.empty()) return 0;
  uint64_t words = !in_word && !is_space(piece[0]) ? 1 : 0;
  // Numbers rather than conditions, so that the compiler does several bytes at a time.
  const auto space = [&](std::size_t i) { return static_cast<uint32_t>(is_space(piece[i])); };
  for (std::size_t i = 1; i < piece.size(); ++i) words += space(i - 1) & ~space(i);
  return words;
}

// What stands before the first character that `belongs` does not accept.
template <class Belongs>
std::string_view leading(std::string_view text, Belongs belongs) {
  const auto end = std::ranges::find_if_not(text, belongs);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

// "package (version) distribution; urgency=medium"
void read_heading(std::string_view line, tally& into) {
  const std::string_view package =
      leading(line, [](char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '.' || c == '-'; });
  line.remove_prefix(package.size());
  if (!line.starts_with(" (")) return;
  line.remove_prefix(2);
  const std::string_view version = leading(line, [](char c) { return c != '(' && c != ')' && c != ' '; });
  line.remove_prefix(version.size());
  if (version.empty() || !line.starts_with(')')) return;
  const auto options = line.find(';');
  if (options == std::string_view::npos) return;
  constexpr std::string_view label = "urgency=";
  const auto at = line.find(label, options);
  if (at == std::string_view::npos) return;
  std::string urgency(leading(line.substr(at + label.size()), is_alpha));
  if (urgency.empty()) return;
  std::ranges::transform(urgency, urgency.begin(), [](char c) { return static_cast<char>(c | 0x20); });
  ++into.entries;
  into.packages.add(package);
  into.urgencies.add(urgency);
}

// The first word of four digits.
std::string_view year_in(std::string_view date) {
  while (!date.empty()) {
    const std::string_view word = leading(date, [](char c) { return !is_space(c); });
    if (word.size() == 4 && std::ranges::all_of(word, is_digit)) return word;
    date.remove_prefix(std::min(word.size() + 1, date.size()));
  }
  return {};
}

// " -- Name <mail@address>  date"
void read_signature(std::string_view line, tally& into) {
  constexpr std::string_view mark = " -- ";
  line.remove_prefix(mark.size());
  const auto mail = line.find(" <");
  if (mail == 0 || mail == std::string_view::npos) return;
  into.maintainers.add(line.substr(0, mail));
  const auto date = line.find("> ", mail);
  if (date == std::string_view::npos) return;
  if (const std::string_view year = year_in(line.substr(date + 2)); !year.empty()) into.years.add(year);
}

void read_line(std::string_view line, tally& into) {
  if (line.empty()) return;
  if (line[0] != ' ') {
    if (is_alpha(line[0]) || is_digit(line[0])) read_heading(line, into);
  } else if (line.starts_with("  * ")) {
    ++into.changes;
  } else if (line.starts_with(" -- ")) {
    read_signature(line, into);
  }
}

}  // namespace

void text_reader::begin() noexcept {
  unfinished_.clear();
  in_word_ = false;
}

void text_reader::read(std::span<const char> piece, tally& into) {
  if (piece.empty()) return;
  into.bytes += piece.size();
  into.words += count_words(piece, in_word_);
  in_word_ = !is_space(piece.back());

  std::string_view text(piece.data(), piece.size());
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    ++into.lines;
    if (unfinished_.empty()) {
      read_line(text.substr(0, std::min(end, line_bytes_max)), into);
    } else {
      keep(text.substr(0, end));
      read_line(unfinished_, into);
      unfinished_.clear();
    }
    text.remove_prefix(end + 1);
  }
  keep(text);
}

void text_reader::end(tally& into) {
  read_line(unfinished_, into);
  begin();
}

void text_reader::keep(std::string_view part) {
  unfinished_.append(part.substr(0, line_bytes_max - unfinished_.size()));
}

}  // namespace gzstat
