// Walks folders. A tree's depth lies on the task's stack; of each folder on the way the names are in memory.
#include "walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/this_task.h>

namespace gzstat {
namespace {

absl::Status error_of(int error) { return absl::UnavailableError(std::strerror(error)); }

struct folder_entry {
  std::string path;
  bool is_folder;
};

struct close_folder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

// The type of a name in a folder, without following it; 0 when there is no telling because it has vanished.
mode_t type_of(DIR* folder, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return DTTOIF(entry.d_type);
  struct stat st;
  return ::fstatat(::dirfd(folder), entry.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & S_IFMT : 0;
}

class walker {
 public:
  walker(run_state& run, weft::channel<file_ptr> out, weft::channel<result> results)
      : run_(run), out_(std::move(out)), results_(std::move(results)) {}

  walker(const walker&) = delete;
  walker& operator=(const walker&) = delete;
  ~walker() {
    // relaxed: a count, read after the tasks have been waited for.
    run_.handed.fetch_add(sent_, std::memory_order_relaxed);
  }

  // False: asked to stop.
  weft::task<bool> visit(const std::string& path) {
    struct stat st;
    const bool is_folder = ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
    // What a named file is, and whether it is there, is for the reader to find out.
    if (!is_folder) co_return co_await add_file(path);
    co_return co_await walk_folder(path);
  }

 private:
  weft::task<bool> add_file(const std::string& path) {
    ++sent_;
    co_return co_await out_.send(std::make_shared<file>(run_.files, path));
  }

  weft::task<bool> walk_folder(const std::string& path) {
    std::vector<folder_entry> entries;
    const int error = list(path, entries);
    if (error != 0) {
      co_await complain(run_, path, error_of(error), results_);
    } else {
      ++run_.folders;
    }
    for (const folder_entry& e : entries) {
      if (weft::this_task::stop_requested()) co_return false;  // there may be no file, and so no send, for long
      bool going;
      if (e.is_folder)
        going = co_await walk_folder(e.path);
      else
        going = co_await add_file(e.path);
      if (!going) co_return false;
    }
    co_return true;
  }

  // Leaves in `entries` what is to be visited. An errno, or 0.
  int list(const std::string& path, std::vector<folder_entry>& entries) {
    const std::unique_ptr<DIR, close_folder> folder(::opendir(path.c_str()));
    if (folder == nullptr) return errno;
    const std::string prefix = path.back() == '/' ? path : path + '/';
    errno = 0;  // readdir() tells its end from an error by this alone
    while (const dirent* e = ::readdir(folder.get())) {
      const std::string_view name = e->d_name;
      if (name == "." || name == "..") continue;
      const mode_t type = type_of(folder.get(), *e);
      const bool named_gz = name.ends_with(".gz");
      if (type == S_IFDIR || (type == S_IFREG && named_gz))
        entries.push_back({prefix + std::string(name), type == S_IFDIR});
      if (type == S_IFLNK && named_gz) ++run_.symlinks;
      errno = 0;
    }
    const int error = errno;
    std::ranges::sort(entries, {}, &folder_entry::path);
    return error;
  }

  run_state& run_;
  weft::channel<file_ptr> out_;
  weft::channel<result> results_;
  uint64_t sent_ = 0;
};

}  // namespace

weft::task<> walk(run_state& run, weft::channel<file_ptr> out, weft::channel<result> results) {
  walker w(run, out, std::move(results));
  for (const std::string& path : run.args.paths) {
    const bool going = co_await w.visit(path);
    if (!going) co_return;
  }
  run.walked_all = true;
  out.close();
}

}  // namespace gzstat
