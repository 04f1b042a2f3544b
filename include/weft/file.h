// Files of the file system.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/descriptor.h>
#include <weft/detail/file_awaiter.h>
#include <weft/detail/path_argument.h>
#include <weft/task.h>

namespace weft {

namespace detail {
absl::StatusOr<std::size_t> finish_file_read(const descriptor& on, int32_t result);
absl::StatusOr<std::size_t> finish_file_write(const descriptor& on, int32_t result);
absl::Status finish_sync(const descriptor& on, int32_t result);
}  // namespace detail

/// How a file is opened: combine with |.
enum class open_mode : uint32_t {
  read = 1,
  write = 2,
  append = 4,     ///< every write goes to the end
  create = 8,     ///< make it if it is not there (mode 0666 less the umask)
  truncate = 16,  ///< empty it
  exclusive = 32  ///< with create: ALREADY_EXISTS if it is there
};
constexpr open_mode operator|(open_mode a, open_mode b) noexcept {
  return static_cast<open_mode>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b));
}

enum class file_kind : uint8_t { regular, directory, symbolic_link, other };

struct file_figures {
  file_kind kind = file_kind::other;
  uint64_t bytes = 0;
  uint32_t permissions = 0;  ///< the lowest twelve bits of the mode
  std::chrono::system_clock::time_point modified;
};

/// An open file. Positional operations may run at the same time; those that move the position must not.
///
/// Opening a file and reading from it goes on at once where everything needed is in the kernel's caches, and lets
/// others run whenever the task's budget is spent; everything else parks the task. Where the ring is not available it
/// runs on the blocking pool then, and a stop does not cut it short.
///
/// As an arm of a select, a read or a sync that loses has taken nothing, and its buffer is the caller's again at once,
/// with undefined contents; one that is not done at once costs a task, a duplicate of the descriptor and memory as
/// large as the buffer, and ends by itself after a close(). In try_select it is ready if it is in the caches. A write
/// as an arm is done at once, by the processor's own thread.
class file : public descriptor {
 public:
  using descriptor::descriptor;
  using read_awaiter = detail::file_awaiter<absl::StatusOr<std::size_t>, &detail::finish_file_read>;
  using write_awaiter = detail::file_awaiter<absl::StatusOr<std::size_t>, &detail::finish_file_write>;
  using sync_awaiter = detail::file_awaiter<absl::Status, &detail::finish_sync>;

  /// Opens `path`: a string, a literal or a std::filesystem::path, of which the task has a copy. Does not wait for the
  /// other end of a FIFO; one without a reader is not opened for writing: NOT_FOUND ("No such device or address").
  /// Errors: NOT_FOUND, PERMISSION_DENIED, ... with the path; CANCELLED after a stop.
  static task<absl::StatusOr<file>> open(detail::path_argument path, open_mode mode = open_mode::read);

  /// Reads at an offset in bytes: at most `buffer`, less only near the end; 0: at or behind the end. Selectable.
  read_awaiter read_at(std::span<std::byte> buffer, uint64_t offset,
                       std::source_location where = std::source_location::current()) noexcept;

  /// Writes at an offset; returns how many bytes. Selectable.
  write_awaiter write_at(std::span<const std::byte> data, uint64_t offset,
                         std::source_location where = std::source_location::current()) noexcept;

  /// The same where the file stands, which moves on by what was read or written. What has no position, as FIFOs and
  /// terminals, is read and written as pipes are: it is waited for, also for a FIFO's first writer.
  read_awaiter read_some(std::span<std::byte> buffer,
                         std::source_location where = std::source_location::current()) noexcept;
  write_awaiter write_some(std::span<const std::byte> data,
                           std::source_location where = std::source_location::current()) noexcept;

  /// Fills the buffer from an offset. OUT_OF_RANGE: the file ends before.
  task<absl::Status> read_exactly_at(std::span<std::byte> buffer, uint64_t offset);

  /// Writes everything, or says why not.
  task<absl::Status> write_all_at(std::span<const std::byte> data, uint64_t offset);
  task<absl::Status> write_all(std::span<const std::byte> data);
  task<absl::Status> write_all(std::string_view text);

  /// Reads into, or writes from, several buffers in order, at an offset. At most 1024 of them.
  task<absl::StatusOr<std::size_t>> read_at(std::span<const mutable_buffer> buffers, uint64_t offset);
  task<absl::StatusOr<std::size_t>> write_at(std::span<const const_buffer> buffers, uint64_t offset);

  /// The same with a buffer of the operation's own, so that the task may leave at once when it is asked to stop: the
  /// operation then ends by itself, and its buffer with it. Reading gives the buffer back, as long as what was read;
  /// after an error it is gone. close() does not end them. Not selectable; a time limit is set with with_timeout().
  /// Cost, where the data is not in the page cache: a task, and a duplicate of the descriptor.
  task<absl::StatusOr<std::vector<std::byte>>> read_owned_at(std::vector<std::byte> buffer, uint64_t offset);
  task<absl::StatusOr<std::size_t>> write_owned_at(std::vector<std::byte> data, uint64_t offset);

  /// Waits until what was written is on the disk; sync_data() leaves out what is not needed to read it back.
  sync_awaiter sync(std::source_location where = std::source_location::current()) noexcept;
  sync_awaiter sync_data(std::source_location where = std::source_location::current()) noexcept;

  /// Size, kind, times. Parks the task.
  task<absl::StatusOr<file_figures>> stat();
};

/// Size, kind, times of what is at `path`; symbolic links are followed. Errors: as for file::open().
task<absl::StatusOr<file_figures>> stat_file(std::string path);

/// The whole file. RESOURCE_EXHAUSTED: longer than `most_bytes`.
task<absl::StatusOr<std::string>> read_file(std::string path, std::size_t most_bytes = std::size_t{1} << 30);

/// Makes or replaces a file with this content.
task<absl::Status> write_file(std::string path, std::string_view content);

struct directory_entry {
  std::string path;
  file_kind kind = file_kind::other;
};

/// What is in a directory, in the order of the names; with `recursive`, in those below it too (links to directories are
/// not followed). On the blocking pool. Errors: NOT_FOUND, PERMISSION_DENIED, ... with the path.
task<absl::StatusOr<std::vector<directory_entry>>> list_directory(std::string path, bool recursive = false);

}  // namespace weft
