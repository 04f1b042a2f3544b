// The third stage: counts words or lines, or searches, in the blocks of one reader.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <weft/channel.h>
#include <weft/task.h>

#include "arguments.h"
#include "circuit.h"
#include "read.h"
#include "tally.h"
#include "word_table.h"

namespace textscan {

/// Scans pieces in the order in which they were read. A word, a line or a text that one piece begins and the next ones
/// go on with counts once, as if the file had come in one piece.
class scanner {
 public:
  explicit scanner(const arguments& args) : args_(args) {}
  scanner(const scanner&) = delete;
  scanner& operator=(const scanner&) = delete;

  void scan(const block& b);

  /// What was found since the last call, without the words.
  [[nodiscard]] tally take();
  /// The words.
  [[nodiscard]] tally finish();

 private:
  void scan(const file_piece& piece);
  void count_lines(const file_piece& piece);

  void search(const file_piece& piece);
  const char* search_open_line(const file_piece& piece);
  void keep_tail(const file_piece& piece);

  void count_words(const file_piece& piece);
  const char* count_open_word(const file_piece& piece);
  void leave_word_open(const char* begin, const char* end);
  void add_open_word();
  void add_word(const char* begin, const char* end);

  const arguments& args_;
  tally found_;
  word_table table_;
  word_queue word_queue_{table_};

  // Of the file whose pieces are coming:
  char last_byte_ = '\n';
  uint64_t matching_lines_ = 0;
  bool open_line_matches_ = false;  // the line that the last piece broke off contains the text
  std::string tail_;                // the end of that line, one byte shorter than the text at most
  std::array<char, word_table::word_bytes_max + word_table::slack_bytes> open_word_{};
  std::size_t open_word_bytes_ = 0;  // 0: the last piece did not break off within a word
};

/// Scans every block of a circuit, and sends what it finds block by block; the words come at the end.
weft::task<> scan_blocks(const arguments& args, circuit<block> blocks, weft::channel<tally> tallies);

}  // namespace textscan
