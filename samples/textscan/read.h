// The second stage: reads the files of the batches into blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weft/channel.h>
#include <weft/task.h>

#include "arguments.h"
#include "circuit.h"
#include "tally.h"
#include "walk.h"

namespace textscan {

/// A piece of one file. The pieces of a file come one behind the other, from block to block of one circuit.
struct file_piece {
  const char* data = nullptr;
  std::size_t bytes = 0;
  std::string_view path;
  bool first = false;  // the file begins here
  bool last = false;   // and ends here
};

/// A fixed number of bytes, read from one file or several, and which of them are whose.
class block {
 public:
  explicit block(std::size_t bytes);

  [[nodiscard]] bool empty() const { return pieces_.empty(); }
  [[nodiscard]] std::size_t pieces() const { return pieces_.size(); }
  [[nodiscard]] file_piece piece(std::size_t index) const;
  /// Where the next bytes are to be read to.
  [[nodiscard]] std::span<char> room() { return std::span(bytes_).first(capacity_).subspan(used_); }
  /// The first `bytes` of room() are the next piece of the file.
  void add(std::string_view folder, std::string_view name, std::size_t bytes, bool first, bool last);
  void clear();

  /// Bytes behind a piece that may be looked at, though they mean nothing.
  static constexpr std::size_t slack_bytes = 64;

 private:
  struct entry {
    std::size_t bytes;
    std::size_t path_bytes;
    std::size_t begin;
    std::size_t path_begin;
    bool first;
    bool last;
  };

  std::vector<char> bytes_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  std::vector<entry> pieces_;
  std::string paths_;
};

/// Reads the files of every batch, and closes blocks.filled at its end.
///
/// Opening a file blocks the processor meanwhile; reading it parks the task.
weft::task<> read_files(const arguments& args, circuit<file_batch> files, circuit<block> blocks,
                        weft::channel<tally> tallies);

}  // namespace textscan
