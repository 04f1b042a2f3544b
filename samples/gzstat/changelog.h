// Reads texts piece by piece: lines, words, and the entries of Debian changelogs.
//
//   package (version) distribution; urgency=medium          begins an entry
//     * A change.
//    -- Name of the maintainer <mail@address>  Mon, 01 Jan 2024 12:00:00 +0000
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "tally.h"

namespace gzstat {

/// One text at a time; lines and words may lie across the borders of its pieces. Memory: one line, of which no more
/// than 4096 bytes are kept. Not thread safe.
class text_reader {
 public:
  /// A new text begins.
  void begin() noexcept;
  /// Its next piece.
  void read(std::span<const char> piece, tally& into);
  /// It ends; a last line without a newline is looked at, though not counted.
  void end(tally& into);

 private:
  static constexpr std::size_t line_bytes_max = 4096;

  void keep(std::string_view part);

  std::string unfinished_;  // the beginning of a line whose end is in the next piece
  bool in_word_ = false;
};

}  // namespace gzstat
