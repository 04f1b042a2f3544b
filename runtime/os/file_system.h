// What is asked of the file system besides reading and writing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

extern const int this_directory;  ///< AT_FDCWD
extern const uint32_t empty_path_flag, no_sync_flag, basic_stats_mask, new_file_mode;

/// The flags of open() for these wishes.
uint32_t open_flags(bool read, bool write, bool append, bool create, bool truncate, bool exclusive) noexcept;

}  // namespace weft::os
