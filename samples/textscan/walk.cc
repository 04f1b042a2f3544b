// Walks directories with a bounded number of tasks.
//
// A walker needs a scratch: a buffer for directory entries. There are as many as there may be walkers, so whoever has
// one may walk. Where a directory holds others, each goes to a task of its own as long as a scratch is to be had, and
// is walked by a plain call when not: the depth of the tree then lies on this task's stack, and nothing grows with its
// width.
#include "walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weft/file.h>
#include <weft/join_handle.h>
#include <weft/this_task.h>

namespace textscan {
namespace {

constexpr std::size_t list_path_bytes_max = 4096;  // PATH_MAX: the kernel takes no longer ones

struct scratch {
  alignas(dirent64) char entries[32 * 1024];
  tally found;
};
using scratch_ptr = std::unique_ptr<scratch>;

/// The type of a name in a directory, without following it; 0 when there is no telling because it has vanished.
mode_t type_of(int directory_fd, const dirent64& entry) {
  if (entry.d_type != DT_UNKNOWN) return DTTOIF(entry.d_type);
  struct stat st;
  return ::fstatat(directory_fd, entry.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mode & S_IFMT : 0;
}

bool is_dot_or_dots(const char* name) { return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0)); }

class walker {
 public:
  walker(const arguments& args, int walkers, circuit<file_batch> files)
      : args_(args),
        files_(std::move(files)),
        walkers_(walkers),
        idle_(static_cast<std::size_t>(walkers)),
        named_(std::make_shared<directory>(directory{"", descriptor(AT_FDCWD)})) {
    while (walkers-- > 0) (void)idle_.try_send(std::make_unique<scratch>());
  }

  weft::task<> run(weft::channel<tally> tallies) {
    std::optional<scratch_ptr> mine = co_await idle_.receive();
    if (!mine) co_return;
    for (const std::string& path : args_.paths) co_await visit(**mine, path);
    if (args_.files_from) co_await visit_list(**mine, *args_.files_from);
    co_await hand_on(named_files_);
    if (!co_await idle_.send(std::move(*mine))) co_return;
    files_.filled.close();

    for (int i = 0; i < walkers_; ++i) {
      std::optional<scratch_ptr> s = co_await idle_.receive();
      if (!s) co_return;
      if (!co_await tallies.send(std::move((*s)->found))) co_return;
    }
  }

 private:
  using batch_ptr = circuit<file_batch>::buffer;

  // A path that was named, by the command line or in a list.
  weft::task<> visit(scratch& mine, const std::string& path) {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0)
      mine.found.add_trouble(path, errno);
    else if (S_ISDIR(st.st_mode))
      co_await walk_directory(mine, path);
    else if (S_ISREG(st.st_mode))
      co_await add_file(named_files_, named_, path);
    else
      ++mine.found.special_files;
  }

  // Reads a list of paths piece by piece, so that it may be of any length and come from a pipe.
  weft::task<> visit_list(scratch& mine, const std::string& list) {
    weft::file opened(list == "-" ? ::dup(STDIN_FILENO) : ::open(list.c_str(), O_RDONLY | O_CLOEXEC));
    const std::string name = list == "-" ? "standard input" : list;
    if (!opened.is_open()) {
      mine.found.add_trouble(name, errno);
      co_return;
    }
    std::string path;
    std::vector<char> piece(32 * 1024);  // not the scratch's: walking a listed directory needs that
    for (;;) {
      const absl::StatusOr<std::size_t> got = co_await opened.read_some(std::as_writable_bytes(std::span(piece)));
      if (absl::IsCancelled(got.status())) break;
      if (!got.ok()) mine.found.add_trouble(name, got.status());
      if (got.value_or(0) == 0) break;
      for (const char* at = piece.data(); at != piece.data() + *got; ++at) {
        if (*at != args_.separator) {
          if (path.size() < list_path_bytes_max) path.push_back(*at);
          continue;
        }
        co_await visit_entry(mine, path);
        path.clear();
      }
    }
    if (!path.empty()) co_await visit_entry(mine, path);
  }

  weft::task<> visit_entry(scratch& mine, const std::string& path) {
    if (path.empty())
      ++mine.found.empty_entries;
    else
      co_await visit(mine, path);
  }

  weft::task<> walk_directory(scratch& mine, const std::string& path) {
    std::vector<std::string> below = {};
    co_await list_directory(mine, path, below);

    std::vector<weft::join_handle<void>> others;
    for (const std::string& name : below) {
      if (weft::this_task::stop_requested()) break;  // there may be no file, and so no send, for long
      std::string child = path.back() == '/' ? path + name : path + '/' + name;
      if (auto spare = idle_.try_receive())
        others.push_back(weft::spawn(walk_on_its_own, std::ref(*this), std::move(*spare), std::move(child)));
      else
        co_await walk_directory(mine, child);
    }
    for (weft::join_handle<void>& other : others) {
      if (other.valid()) co_await other;  // it is not when the runtime has begun to shut down
    }
  }

  static weft::task<> walk_on_its_own(walker& w, scratch_ptr mine, std::string path) {
    co_await w.walk_directory(*mine, path);
    (void)co_await w.idle_.send(std::move(mine));
  }

  // Sends the directory's files on their way, and leaves the names of the directories in it in `below`.
  weft::task<> list_directory(scratch& mine, const std::string& path, std::vector<std::string>& below) {
    descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) {
      mine.found.add_trouble(path, errno);
      co_return;
    }
    ++mine.found.directories;
    const auto dir =
        std::make_shared<const directory>(directory{path.back() == '/' ? path : path + '/', std::move(fd)});
    batch_ptr batch;
    for (;;) {
      const ssize_t got = ::getdents64(dir->fd.get(), mine.entries, sizeof mine.entries);
      if (got < 0) mine.found.add_trouble(path, errno);
      if (got <= 0) break;
      for (ssize_t at = 0; at < got;) {
        const auto& entry = *reinterpret_cast<const dirent64*>(mine.entries + at);
        at += entry.d_reclen;
        if (is_dot_or_dots(entry.d_name)) continue;
        switch (type_of(dir->fd.get(), entry)) {
          case S_IFREG:
            if (!co_await add_file(batch, dir, entry.d_name)) co_return;
            break;
          case S_IFDIR: below.emplace_back(entry.d_name); break;
          case S_IFLNK: ++mine.found.symlinks; break;
          case 0: mine.found.add_trouble(dir->path + entry.d_name, ENOENT); break;
          default: ++mine.found.special_files; break;
        }
      }
    }
    co_await hand_on(batch);
  }

  // False: asked to stop.
  weft::task<bool> add_file(batch_ptr& batch, const std::shared_ptr<const directory>& dir, std::string_view name) {
    if (batch == nullptr) {
      std::optional<batch_ptr> empty = co_await files_.empty.receive();
      if (!empty) co_return false;
      batch = std::move(*empty);
      batch->start(dir);
    }
    batch->add(name);
    if (batch->full()) co_await hand_on(batch);
    co_return true;
  }

  weft::task<> hand_on(batch_ptr& batch) {
    if (batch != nullptr) (void)co_await files_.filled.send(std::move(batch));
    batch = nullptr;
  }

  const arguments& args_;
  circuit<file_batch> files_;
  int walkers_;
  weft::channel<scratch_ptr> idle_;
  std::shared_ptr<const directory> named_;  // where paths that are given as they are start
  batch_ptr named_files_;                   // only the task of run() adds to it
};

}  // namespace

weft::task<> walk(const arguments& args, int walkers, circuit<file_batch> files, weft::channel<tally> tallies) {
  walker w(args, walkers, std::move(files));
  co_await w.run(std::move(tallies));
}

}  // namespace textscan
