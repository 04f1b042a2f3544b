// Decompresses .gz files in pieces, with zlib.
//
// A file is one member or several, one behind the other, as `cat a.gz b.gz` makes them. Zero bytes behind the last one
// are padding; anything else there is an error, and so is a file that ends within a member, or without any.
#pragma once

#include <cstdint>

#include <zlib.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "block.h"

namespace gzstat {

/// One file at a time. Memory: zlib's window and tables, about 40 KiB, kept from file to file. Not thread safe.
class inflater {
 public:
  inflater();
  ~inflater();
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;

  /// A new file begins.
  void begin() noexcept;

  /// Its next bytes, which must stay until step() has said `hungry` or `end`.
  void feed(const block& compressed) noexcept;

  enum class progress : uint8_t {
    full,    // the block is full; there may be more
    hungry,  // the bytes that were fed are used up
    end,     // the file is complete, and its checksums are right
  };

  /// Inflates into the block. Errors: what is wrong with the file, in words.
  [[nodiscard]] absl::StatusOr<progress> step(block& text);

  /// Members that have ended.
  [[nodiscard]] uint64_t members() const noexcept { return members_; }

 private:
  absl::StatusOr<progress> skip_padding() noexcept;
  absl::Status problem(int result) const;

  z_stream z_{};
  uint64_t members_ = 0;
  bool between_members_ = true;
  bool padded_ = false;
  bool last_ = false;  // what was fed is the end of the file
};

}  // namespace gzstat
