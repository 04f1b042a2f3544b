// Reads small files many to a block and large ones over many blocks; no file is ever held as a whole.
//
// What is not in the page cache parks the task until the kernel has read it, and other tasks run meanwhile. Files are
// opened and looked at by plain calls, relative to their directory and without following links.
#include "read.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <weft/file.h>

namespace textscan {

// block -------------------------------------------------------------------------------------------------------------

block::block(std::size_t bytes) : bytes_(bytes + slack_bytes), capacity_(bytes) {}

file_piece block::piece(std::size_t index) const {
  const entry& e = pieces_[index];
  const auto path = std::string_view(paths_).substr(e.path_begin, e.path_bytes);
  return {bytes_.data() + e.begin, e.bytes, path, e.first, e.last};
}

void block::add(std::string_view folder, std::string_view name, std::size_t bytes, bool first, bool last) {
  pieces_.push_back({bytes, folder.size() + name.size(), used_, paths_.size(), first, last});
  paths_.append(folder).append(name);
  used_ += bytes;
}

void block::clear() {
  used_ = 0;
  pieces_.clear();
  paths_.clear();
}

namespace {

// A NUL byte among so many first bytes makes a file binary.
constexpr std::size_t first_look_bytes = 32 * 1024;

bool has_nul(std::span<const char> bytes) {
  return std::memchr(bytes.data(), 0, std::min(bytes.size(), first_look_bytes)) != nullptr;
}

class reader {
 public:
  reader(const arguments& args, circuit<block> blocks) : args_(args), blocks_(std::move(blocks)) {}

  // False: asked to stop.
  weft::task<bool> read_batch(const file_batch& batch) {
    const std::string& names = batch.names();
    for (std::size_t at = 0; at < names.size();) {
      const char* name = names.data() + at;
      at += std::strlen(name) + 1;
      weft::file opened = open_file(batch.from(), name);
      if (!opened.is_open()) continue;
      if (!co_await read_file(opened, batch.from().path, name)) co_return false;
    }
    co_return true;
  }

  weft::task<> finish(weft::channel<tally> tallies) {
    (void)co_await hand_on();
    blocks_.filled.close();
    (void)co_await tallies.send(std::move(found_));
  }

 private:
  // Opens a file unless it has become something else since it was listed. A pipe must not make us wait for its writer.
  weft::file open_file(const directory& from, const char* name) {
    const int follow = from.path.empty() ? 0 : O_NOFOLLOW;
    const int fd = ::openat(from.fd.get(), name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | follow);
    if (fd >= 0) return weft::file(fd);
    if (errno == ELOOP && follow != 0)
      ++found_.symlinks;
    else if (errno == ENXIO)
      ++found_.special_files;
    else
      found_.add_trouble(from.path + name, errno);
    return weft::file();
  }

  weft::task<bool> read_file(weft::file& from, std::string_view folder, std::string_view name) {
    struct stat st;
    if (::fstat(from.fd(), &st) != 0 || !S_ISREG(st.st_mode)) {
      ++found_.special_files;
      co_return true;
    }
    const auto size = static_cast<uint64_t>(st.st_size);
    if (!co_await make_room(std::min<uint64_t>(size, first_look_bytes))) co_return false;
    uint64_t total = 0;
    bool first = true;
    bool last = false;
    while (!last) {
      if (!co_await make_room(1)) co_return false;
      const std::span<char> room = block_->room();
      const absl::StatusOr<std::size_t> got = co_await from.read_some(std::as_writable_bytes(room));
      if (absl::IsCancelled(got.status())) co_return false;
      if (!got.ok()) found_.add_trouble(std::string(folder).append(name), got.status());
      if (!got.ok() && first) break;
      const std::size_t bytes = got.value_or(0);
      if (first && !args_.binary && has_nul(room.first(bytes))) {
        ++found_.binary_files;
        break;
      }
      total += bytes;
      // A file that came to its size ends there, which spares a read; others (in /proc, say) end when nothing comes.
      last = bytes == 0 || (bytes < room.size() && total == size);
      block_->add(folder, name, bytes, first, last);
      first = false;
    }
    co_return true;
  }

  // Makes sure of a block with room for so many bytes, or of an empty one. False: asked to stop.
  weft::task<bool> make_room(std::size_t bytes) {
    if (block_ != nullptr && block_->room().size() >= bytes) co_return true;
    if (block_ != nullptr && block_->empty()) co_return true;
    if (!co_await hand_on()) co_return false;
    std::optional<circuit<block>::buffer> empty = co_await blocks_.empty.receive();
    if (!empty) co_return false;
    block_ = std::move(*empty);
    co_return true;
  }

  weft::task<bool> hand_on() {
    if (block_ == nullptr) co_return true;
    const bool sent = co_await blocks_.filled.send(std::move(block_));
    block_ = nullptr;
    co_return sent;
  }

  const arguments& args_;
  circuit<block> blocks_;
  circuit<block>::buffer block_;  // the one that is being filled
  tally found_;
};

}  // namespace

weft::task<> read_files(const arguments& args, circuit<file_batch> files, circuit<block> blocks,
                        weft::channel<tally> tallies) {
  reader r(args, std::move(blocks));
  while (std::optional<circuit<file_batch>::buffer> batch = co_await files.filled.receive()) {
    if (!co_await r.read_batch(**batch)) co_return;
    (*batch)->clear();
    if (!co_await files.empty.send(std::move(*batch))) co_return;
  }
  co_await r.finish(std::move(tallies));
}

}  // namespace textscan
