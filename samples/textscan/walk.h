// The first stage: finds the files, and hands them on in batches.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <weft/channel.h>
#include <weft/task.h>

#include "arguments.h"
#include "circuit.h"
#include "common/descriptor.h"
#include "tally.h"

namespace textscan {

using samples::descriptor;

/// An open directory. Its files are opened relative to it, which spares the kernel the way there.
struct directory {
  std::string path;  // with a '/' at its end; empty for paths that are given as they are
  descriptor fd;
};

/// Files of one directory.
class file_batch {
 public:
  static constexpr std::size_t files_max = 256;

  [[nodiscard]] const directory& from() const { return *from_; }
  [[nodiscard]] bool full() const { return count_ == files_max; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

  void start(std::shared_ptr<const directory> from) { from_ = std::move(from); }
  void add(std::string_view name) {
    names_.append(name).push_back('\0');
    ++count_;
  }
  void clear() {
    from_.reset();
    names_.clear();
    count_ = 0;
  }

  /// The names, each ended by a NUL byte, one behind the other.
  [[nodiscard]] const std::string& names() const { return names_; }

 private:
  std::shared_ptr<const directory> from_;
  std::string names_;
  std::size_t count_ = 0;
};

/// Walks everything that the arguments name, with up to `walkers` tasks, and closes files.filled at its end. Symbolic
/// links below a directory are not followed; a path that is named itself may be one.
weft::task<> walk(const arguments& args, int walkers, circuit<file_batch> files, weft::channel<tally> tallies);

}  // namespace textscan
