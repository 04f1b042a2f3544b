// Opens and reads files.
#include "input.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

namespace gzstat {
namespace {

absl::Status error_of(int error) { return absl::UnavailableError(std::strerror(error)); }

}  // namespace

absl::StatusOr<input> input::open(const std::string& path) {
  // A pipe must not make us wait for its writer.
  samples::descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return error_of(errno);
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return error_of(errno);
  if (!S_ISREG(st.st_mode)) return absl::UnavailableError("not a regular file");
  return input(std::move(fd), static_cast<uint64_t>(st.st_size));
}

absl::Status input::fill(block& into) {
  while (!into.room().empty()) {
    const std::span<char> room = into.room();
    const ssize_t got = ::read(fd_.get(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_of(errno);
    into.add(static_cast<std::size_t>(got));
    total_ += static_cast<uint64_t>(got);
    // A file that came to its size ends there, which spares a read; others (in /proc, say) end when nothing comes.
    if (got == 0 || total_ == size_) {
      into.set_last();
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace gzstat
