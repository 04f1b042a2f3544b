// See file_system.h.
#include "os/file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "os/system.h"

namespace weft::os {

const int this_directory = AT_FDCWD;
const uint32_t do_not_wait_flag = O_NONBLOCK;
const uint32_t empty_path_flag = AT_EMPTY_PATH, no_sync_flag = AT_STATX_DONT_SYNC;
const uint32_t basic_stats_mask = STATX_BASIC_STATS, new_file_mode = 0666;

namespace {

node_kind kind_of_mode(uint32_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return node_kind::regular;
    case S_IFDIR: return node_kind::directory;
    case S_IFLNK: return node_kind::symbolic_link;
    default: return node_kind::other;
  }
}

// Some file systems do not say it in the directory.
node_kind kind_of_entry(const dirent& entry, const std::string& path) noexcept {
  switch (entry.d_type) {
    case DT_REG: return node_kind::regular;
    case DT_DIR: return node_kind::directory;
    case DT_LNK: return node_kind::symbolic_link;
    case DT_UNKNOWN: break;
    default: return node_kind::other;
  }
  struct stat figures{};
  return ::lstat(path.c_str(), &figures) == 0 ? kind_of_mode(figures.st_mode) : node_kind::other;
}

absl::Status cannot_write(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, "cannot write \"" + path + "\"");
}

}  // namespace

stat_figures read_stat(const stat_buffer& buffer) noexcept {
  static_assert(sizeof(struct statx) <= sizeof buffer);
  struct statx s{};
  std::memcpy(&s, buffer.data(), sizeof s);
  return {kind_of_mode(s.stx_mode), s.stx_size, static_cast<uint32_t>(s.stx_mode & 07777u),
          s.stx_mtime.tv_sec * 1'000'000'000 + s.stx_mtime.tv_nsec};
}

int system::list_nodes(const std::string& directory, std::vector<node>& out) {
  DIR* const opened = ::opendir(directory.c_str());
  if (opened == nullptr) return -errno;
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  const std::string prefix = directory.ends_with('/') ? directory : directory + "/";
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(opened);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    std::string path = prefix + std::string(name);
    const node_kind kind = kind_of_entry(*entry, path);
    out.push_back({std::move(path), kind});
  }
  ::closedir(opened);
  std::sort(out.begin() + first, out.end(), [](const node& a, const node& b) { return a.path < b.path; });
  return -error;
}

uint32_t open_flags(bool read, bool write, bool append, bool create, bool truncate, bool exclusive) noexcept {
  uint32_t flags = O_CLOEXEC | O_NONBLOCK;
  if (write || append)
    flags |= read ? O_RDWR : O_WRONLY;
  else
    flags |= O_RDONLY;
  if (append) flags |= O_APPEND;
  if (create) flags |= O_CREAT;
  if (truncate) flags |= O_TRUNC;
  if (exclusive) flags |= O_EXCL;
  return flags;
}

absl::StatusOr<output_file> output_file::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, new_file_mode);
  if (fd < 0) return cannot_write(path, errno);
  return output_file(path, fd);
}

output_file::~output_file() {
  if (fd_ >= 0) ::close(fd_);
}

void output_file::write(std::string_view text) noexcept {
  while (!text.empty() && error_ == 0) {
    const ssize_t n = ::write(fd_, text.data(), text.size());
    if (n >= 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno != EINTR)
      error_ = errno;
  }
}

absl::Status output_file::close() {
  if (::close(std::exchange(fd_, -1)) != 0 && error_ == 0) error_ = errno;
  return error_ == 0 ? absl::OkStatus() : cannot_write(path_, error_);
}

}  // namespace weft::os
