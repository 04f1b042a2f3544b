// See file_store.h.
#include "file_store.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <weft/blocking.h>

#include "content_type.h"
#include "dates.h"
#include "target.h"
#include "text.h"

namespace httpd {

namespace {

constexpr std::size_t most_held_bytes = 128 * 1024;
constexpr std::size_t most_entries = 512;  // each may hold a descriptor
constexpr int most_races = 10;

// Opens below the root; a descriptor or -errno. With `known_only` the kernel does not wait for a disk: -EAGAIN then.
int open_below(int root, const char* path, bool known_only) noexcept {
  open_how how{};
  // Without O_NONBLOCK a FIFO would wait for its writer.
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (known_only ? RESOLVE_CACHED : 0);
  const long fd = ::syscall(SYS_openat2, root, path, &how, sizeof how);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

// The same however long it takes, for the blocking pool. The kernel gives up with EAGAIN while directories are moved.
int open_below_slowly(int root, const char* path) noexcept {
  int fd = -EAGAIN;
  for (int i = 0; i < most_races && fd == -EAGAIN; ++i) fd = open_below(root, path, false);
  return fd;
}

absl::Status errno_status(int error, const std::string& what) {
  return {absl::ErrnoToStatusCode(error), cat(what, ": ", std::generic_category().message(error))};
}

absl::Status open_error(const std::string& path, int error) {
  // EXDEV, ELOOP: it leads out of the root, or in circles. For the client that is not there.
  if (error == EXDEV || error == ELOOP || error == ENOTDIR || error == ENAMETOOLONG) return absl::NotFoundError(path);
  return errno_status(error, cat("open ", path));
}

int64_t in_ns(const timespec& t) noexcept { return t.tv_sec * 1'000'000'000 + t.tv_nsec; }

bool is_same(const node& a, const node& b) noexcept {
  return a.device == b.device && a.inode == b.inode && a.bytes == b.bytes && a.modified_ns == b.modified_ns &&
         a.changed_ns == b.changed_ns && a.directory == b.directory;
}

// False: neither a file nor a directory.
bool describe(node& n, const std::string& path) {
  struct stat s{};
  if (::fstat(n.handle.fd(), &s) != 0) return false;
  if (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode)) return false;
  n.directory = S_ISDIR(s.st_mode);
  n.bytes = n.directory ? 0 : static_cast<uint64_t>(s.st_size);
  n.device = s.st_dev;
  n.inode = s.st_ino;
  n.modified_ns = in_ns(s.st_mtim);
  n.changed_ns = in_ns(s.st_ctim);
  n.modified = s.st_mtim.tv_sec;
  n.modified_text = http_date(n.modified);
  n.tag = cat("\"", n.bytes, "-", n.modified_ns, "\"");
  n.fields = cat("Content-Type: ", content_type_of(path), "\r\nAccept-Ranges: bytes\r\nETag: ", n.tag,
                 "\r\nLast-Modified: ", n.modified_text, "\r\n");
  return true;
}

}  // namespace

int64_t coarse_now_ns() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return in_ns(t);
}

absl::StatusOr<std::unique_ptr<file_store>> file_store::create(const arguments& args) {
  const int root = ::open(args.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno_status(errno, args.root);
  std::unique_ptr<file_store> store(new file_store(args, root));
  const int probe = open_below_slowly(root, ".");
  if (probe == -ENOSYS || probe == -EPERM)
    return absl::UnimplementedError("this kernel, or sandbox, has no openat2(2), which keeps links inside the root");
  if (probe < 0) return errno_status(-probe, args.root);
  ::close(probe);
  return store;
}

file_store::file_store(const arguments& args, int root) noexcept
    : root_(root), cache_ns_(std::chrono::nanoseconds(args.cache_time).count()), most_bytes_(args.cache_bytes) {}

file_store::~file_store() { ::close(root_); }

weft::task<absl::StatusOr<node_ref>> file_store::find(const std::string& path) {
  node_ref old;
  node_ref there = known(path, old);
  if (there != nullptr) co_return there;
  absl::StatusOr<node_ref> found = co_await open(path, old);
  if (found.ok()) keep(path, *found, old);
  co_return found;
}

// What is known; or null, with what was known once in `old`.
node_ref file_store::known(const std::string& path, node_ref& old) {
  if (cache_ns_ == 0) return nullptr;
  const int64_t now = coarse_now_ns();
  const std::lock_guard guard(lock_);
  const auto at = entries_.find(path);
  if (at == entries_.end()) return nullptr;
  if (at->second.good_until_ns > now) return at->second.what;
  // This request looks; the others have the old one until then.
  at->second.good_until_ns = now + cache_ns_;
  old = at->second.what;
  return nullptr;
}

void file_store::keep(const std::string& path, const node_ref& what, const node_ref& old) {
  if (cache_ns_ == 0 || what == old) return;
  const int64_t now = coarse_now_ns();
  const std::lock_guard guard(lock_);
  auto drop = [&](auto at) {
    bytes_ -= at->second.what->content.size();
    entries_.erase(at);
  };
  if (const auto at = entries_.find(path); at != entries_.end()) drop(at);
  if (what->content.size() > most_bytes_) return;
  if (entries_.size() >= most_entries || bytes_ + what->content.size() > most_bytes_) {
    for (auto at = entries_.begin(); at != entries_.end();)
      if (const auto here = at++; here->second.good_until_ns <= now) drop(here);
    if (entries_.size() >= most_entries || bytes_ + what->content.size() > most_bytes_) {
      entries_.clear();
      bytes_ = 0;
    }
  }
  bytes_ += what->content.size();
  entries_[path] = {what, now + cache_ns_};
}

weft::task<absl::StatusOr<node_ref>> file_store::open(const std::string& path, const node_ref& old) const {
  const char* const name = path.empty() ? "." : path.c_str();
  int fd = open_below(root_, name, true);
  if (fd == -EAGAIN || fd == -EINVAL) {  // not in the kernel's memory, or a kernel that cannot say so
    auto slowly = [root = root_, name] { return open_below_slowly(root, name); };
    fd = co_await weft::blocking(slowly);
  }
  if (fd < 0) co_return open_error(path, -fd);
  auto n = std::make_shared<node>();
  n->handle = weft::file(fd);
  if (!describe(*n, path)) co_return absl::PermissionDeniedError(path);
  if (old != nullptr && is_same(*n, *old)) co_return old;
  if (n->directory || n->bytes > most_held_bytes || cache_ns_ == 0) co_return n;
  n->content.resize(n->bytes);
  const absl::Status read = co_await n->handle.read_exactly_at(std::as_writable_bytes(std::span(n->content)), 0);
  if (!read.ok()) co_return read;
  n->handle.close();
  n->held = true;
  co_return n;
}

weft::task<absl::StatusOr<std::vector<std::string>>> file_store::names_in(const node& directory) {
  // By the open descriptor, so it is the directory that was found to be below the root.
  const std::string path = cat("/proc/self/fd/", directory.handle.fd());
  absl::StatusOr<std::vector<weft::directory_entry>> entries = co_await weft::list_directory(path);
  if (!entries.ok()) co_return entries.status();
  std::vector<std::string> names;
  for (const weft::directory_entry& e : *entries) {
    std::string name = e.path.substr(e.path.rfind('/') + 1);
    if (has_hidden_segment(name)) continue;
    if (e.kind == weft::file_kind::directory) name += '/';
    names.push_back(std::move(name));
  }
  co_return names;
}

}  // namespace httpd
