// The files below the root, and for a short time what is known of them.
//
// A path is opened with openat2(2), which itself refuses to leave the root: by "..", by an absolute link, or by a link
// that leads out. There is nothing to check first and to race with. Links that stay inside are followed.
//
// What was opened is kept for `cache_time`: small files with their content, larger ones open. After that the next
// request looks whether the file is still the same, and takes the new one if it is not; those that come meanwhile still
// get the old one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/file.h>
#include <weft/task.h>

#include "arguments.h"

namespace httpd {

/// Something that was opened. Immutable, except that several may read from `handle` at positions of their own.
struct node {
  bool directory = false;
  bool held = false;  ///< `content` has all of it, and `handle` is closed
  weft::file handle;
  std::string content;
  uint64_t bytes = 0;
  int64_t modified = 0;       ///< seconds
  std::string modified_text;  ///< the same as a date
  std::string tag;            ///< for ETag, with quotes
  std::string fields;         ///< the header fields that go with every answer about it

  // What tells a file from the one that was there before.
  uint64_t device = 0, inode = 0;
  int64_t modified_ns = 0, changed_ns = 0;
};
using node_ref = std::shared_ptr<node>;

class file_store {
 public:
  static absl::StatusOr<std::unique_ptr<file_store>> create(const arguments& args);
  ~file_store();
  file_store(const file_store&) = delete;
  file_store& operator=(const file_store&) = delete;

  /// What is at a path below the root ("" is the root). Parks the task when it is not known yet. Errors: NOT_FOUND,
  /// PERMISSION_DENIED, RESOURCE_EXHAUSTED (no descriptors left), CANCELLED after a stop, else the kernel's.
  weft::task<absl::StatusOr<node_ref>> find(const std::string& path);

  /// The names in a directory, sorted, a "/" behind those of directories; without hidden ones.
  static weft::task<absl::StatusOr<std::vector<std::string>>> names_in(const node& directory);

 private:
  struct entry {
    node_ref what;
    int64_t good_until_ns;
  };

  file_store(const arguments& args, int root) noexcept;
  node_ref known(const std::string& path, node_ref& old);
  void keep(const std::string& path, const node_ref& what, const node_ref& old);
  [[nodiscard]] weft::task<absl::StatusOr<node_ref>> open(const std::string& path, const node_ref& old) const;

  const int root_;
  const int64_t cache_ns_;
  const std::size_t most_bytes_;
  std::mutex lock_;                                  // held for a look or a change, never while a task waits
  absl::flat_hash_map<std::string, entry> entries_;  // guarded by lock_
  std::size_t bytes_ = 0;                            // of their content; guarded by lock_
};

/// The monotonic clock to a few milliseconds, for next to nothing.
int64_t coarse_now_ns() noexcept;

}  // namespace httpd
