// The three ways to scan a piece, each with what it must remember from the piece before.
#include "scan.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "bytes.h"

namespace textscan {
namespace {

const char* find_newline(const char* from, const char* end) {
  return static_cast<const char*>(std::memchr(from, '\n', static_cast<std::size_t>(end - from)));
}

}  // namespace

void scanner::scan(const block& b) {
  for (std::size_t i = 0; i < b.pieces(); ++i) scan(b.piece(i));
  word_queue_.flush();  // the block will be filled with other words
}

tally scanner::take() { return std::exchange(found_, tally()); }

tally scanner::finish() {
  found_.table = std::move(table_);
  return take();
}

void scanner::scan(const file_piece& piece) {
  if (piece.first) ++found_.files;
  found_.bytes += piece.bytes;
  switch (args_.mode) {
    case scan_mode::lines: return count_lines(piece);
    case scan_mode::search: return search(piece);
    case scan_mode::words: return count_words(piece);
  }
}

// Lines -------------------------------------------------------------------------------------------------------------

void scanner::count_lines(const file_piece& piece) {
  if (piece.first) last_byte_ = '\n';
  found_.lines += count_newlines(piece.data, piece.data + piece.bytes);
  if (piece.bytes != 0) last_byte_ = piece.data[piece.bytes - 1];
  if (piece.last && last_byte_ != '\n') {
    ++found_.lines;
    ++found_.unended_lines;
  }
}

// Search ------------------------------------------------------------------------------------------------------------

void scanner::search(const file_piece& piece) {
  if (piece.first) {
    matching_lines_ = 0;
    open_line_matches_ = false;
    tail_.clear();
  }
  const char* end = piece.data + piece.bytes;
  const char* at = piece.first ? piece.data : search_open_line(piece);
  while (const char* hit = find_text(args_.text, at, end)) {
    ++matching_lines_;
    const char* newline = find_newline(hit + args_.text.size(), end);
    open_line_matches_ = newline == nullptr;
    at = newline == nullptr ? end : newline + 1;
  }
  if (!piece.last) return keep_tail(piece);
  if (matching_lines_ == 0) return;
  found_.matching_lines += matching_lines_;
  found_.matches.push_back({std::string(piece.path), matching_lines_});
}

// Looks for a text that begins in the line that was broken off. Returns where to search on.
const char* scanner::search_open_line(const file_piece& piece) {
  const char* end = piece.data + piece.bytes;
  if (!open_line_matches_ && !tail_.empty()) {
    const char* join_end = piece.data + std::min(piece.bytes, args_.text.size() - 1);
    tail_.append(piece.data, join_end);
    open_line_matches_ = find_text(args_.text, tail_.data(), tail_.data() + tail_.size()) != nullptr;
    tail_.resize(tail_.size() - static_cast<std::size_t>(join_end - piece.data));
    if (open_line_matches_) ++matching_lines_;
  }
  if (!open_line_matches_) return piece.data;
  const char* newline = find_newline(piece.data, end);
  open_line_matches_ = newline == nullptr;
  return newline == nullptr ? end : newline + 1;
}

void scanner::keep_tail(const file_piece& piece) {
  const std::size_t wanted = args_.text.size() - 1;
  const std::size_t fresh = std::min(piece.bytes, wanted);
  tail_.append(piece.data + piece.bytes - fresh, fresh);
  if (tail_.size() > wanted) tail_.erase(0, tail_.size() - wanted);
}

// Words -------------------------------------------------------------------------------------------------------------

void scanner::count_words(const file_piece& piece) {
  if (piece.first) open_word_bytes_ = 0;
  const char* end = piece.data + piece.bytes;
  const char* word = nullptr;  // the beginning of the word that we are in
  for (const char* at = count_open_word(piece); at < end; at += 64) {
    const uint64_t bits = word_bytes_of_64(at);
    // Words begin and end where a bit differs from the one before it; what lies behind the piece is slack.
    uint64_t edges = bits ^ (bits << 1 | uint64_t{word != nullptr});
    if (end - at < 64) edges &= (uint64_t{1} << (end - at)) - 1;
    for (; edges != 0; edges &= edges - 1) {
      const char* edge = at + __builtin_ctzll(edges);
      if (word == nullptr) {
        word = edge;
      } else {
        add_word(word, edge);
        word = nullptr;
      }
    }
  }
  if (word != nullptr) leave_word_open(word, end);
  if (piece.last && open_word_bytes_ != 0) add_open_word();
}

// Goes on with the word that was broken off, and counts it if it ends here. Returns where to go on.
const char* scanner::count_open_word(const file_piece& piece) {
  const char* end = piece.data + piece.bytes;
  if (open_word_bytes_ == 0 || piece.bytes == 0) return piece.data;
  const char* word_end = std::find_if_not(piece.data, end, is_word_byte);
  leave_word_open(piece.data, word_end);
  if (word_end == end) return end;
  add_open_word();
  return word_end;
}

void scanner::leave_word_open(const char* begin, const char* end) {
  const std::size_t bytes =
      std::min(static_cast<std::size_t>(end - begin), word_table::word_bytes_max - open_word_bytes_);
  std::copy_n(begin, bytes, open_word_.data() + open_word_bytes_);
  open_word_bytes_ += bytes;
}

void scanner::add_open_word() {
  add_word(open_word_.data(), open_word_.data() + open_word_bytes_);
  word_queue_.flush();  // the next open word will come to lie in the same place
  open_word_bytes_ = 0;
}

void scanner::add_word(const char* begin, const char* end) {
  ++found_.words;
  word_queue_.add(begin, static_cast<std::size_t>(end - begin));
}

// The stage ---------------------------------------------------------------------------------------------------------

weft::task<> scan_blocks(const arguments& args, circuit<block> blocks, weft::channel<tally> tallies) {
  scanner s(args);
  while (std::optional<circuit<block>::buffer> b = co_await blocks.filled.receive()) {
    s.scan(**b);
    (*b)->clear();
    if (!co_await blocks.empty.send(std::move(*b))) co_return;
    if (!co_await tallies.send(s.take())) co_return;
  }
  (void)co_await tallies.send(s.finish());
}

}  // namespace textscan
