// Walks folders. A tree's depth lies on the task's stack; of each folder on the way the names are in memory.
#include "walk.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <weft/this_task.h>

namespace gzstat {
namespace {

namespace fs = std::filesystem;

absl::Status error_of(std::error_code error) { return absl::UnavailableError(std::strerror(error.value())); }

struct folder_entry {
  std::string path;
  bool is_folder;
};

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
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    // What a named file is, and whether it is there, is for the reader to find out.
    if (!fs::is_directory(status)) co_return co_await add_file(path);
    co_return co_await walk_folder(path);
  }

 private:
  weft::task<bool> add_file(const std::string& path) {
    ++sent_;
    co_return co_await out_.send(std::make_shared<file>(run_.files, path));
  }

  weft::task<bool> walk_folder(const std::string& path) {
    std::vector<folder_entry> entries;
    const std::error_code error = list(path, entries);
    if (error) {
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

  std::error_code list(const std::string& path, std::vector<folder_entry>& entries) {
    std::error_code error;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
      const fs::directory_entry& e = *at;
      const bool named_gz = e.path().extension() == ".gz";
      std::error_code vanished;
      const fs::file_type type = e.symlink_status(vanished).type();
      if (type == fs::file_type::directory) entries.push_back({e.path().string(), true});
      if (type == fs::file_type::regular && named_gz) entries.push_back({e.path().string(), false});
      if (type == fs::file_type::symlink && named_gz) ++run_.symlinks;
    }
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
