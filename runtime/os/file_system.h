// What is asked of the file system besides reading and writing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weft::os {

enum class node_kind : uint8_t { regular, directory, symbolic_link, other };

/// Room for a struct statx.
using stat_buffer = std::array<std::byte, 256>;

struct stat_figures {
  node_kind kind;
  uint64_t bytes;
  uint32_t permissions;
  int64_t modified_ns;  ///< since 1970
};
stat_figures read_stat(const stat_buffer& buffer) noexcept;

struct node {
  std::string path;
  node_kind kind;
};

/// A file that is written from its beginning to its end, with blocking calls. Not for the threads of processors.
class output_file {
 public:
  /// Makes the file, or empties the one that is there. Error: why not, with the path.
  static absl::StatusOr<output_file> open(const std::string& path);

  output_file(output_file&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), error_(other.error_) {}
  output_file& operator=(output_file&&) = delete;
  ~output_file();

  /// Appends. An error is kept for close(), and nothing more is written.
  void write(std::string_view text) noexcept;

  /// Error: the first one that a write met, or the last close did, with the path.
  absl::Status close();

 private:
  output_file(std::string path, int fd) noexcept : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_;
  int error_ = 0;
};

extern const int this_directory;         ///< AT_FDCWD
extern const uint32_t do_not_wait_flag;  ///< O_NONBLOCK
extern const uint32_t empty_path_flag, no_sync_flag, basic_stats_mask, new_file_mode;

/// The flags of open() for these wishes. It does not wait for the other end of a FIFO, nor for a lease on a file that
/// another process has: that gives EAGAIN, and is waited for without do_not_wait_flag.
uint32_t open_flags(bool read, bool write, bool append, bool create, bool truncate, bool exclusive) noexcept;

}  // namespace weft::os
