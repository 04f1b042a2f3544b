// An open file, read block by block. Plain calls that block their thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "block.h"
#include "common/descriptor.h"

namespace gzstat {

class input {
 public:
  /// Opens a regular file; a link is followed. Errors: why not, in words.
  [[nodiscard]] static absl::StatusOr<input> open(const std::string& path);

  /// Fills the block, and marks it as the last one when the file ends in it. Errors: as above.
  [[nodiscard]] absl::Status fill(block& into);

  [[nodiscard]] uint64_t size() const noexcept { return size_; }

 private:
  input(samples::descriptor fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

  samples::descriptor fd_;
  uint64_t size_;
  uint64_t total_ = 0;
};

}  // namespace gzstat
