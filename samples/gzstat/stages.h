// The stages, each a plain loop over what it receives, and what is handed from one to the next.
//
//         file               stream               stream               result
//   walk ------> read_files --------> inflate_files ----> parse_texts --------> reduce
//
// A stage is several workers that receive from one channel. A worker loops until its input gives nothing more, because
// it was closed or because the worker was asked to stop: no stage knows, or needs to know, why the run ends. A bad file
// is an exception that leaves its worker: the group stops the others with that, and rethrows it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include <weft/channel.h>
#include <weft/task.h>

#include "arguments.h"
#include "block.h"
#include "ledger.h"
#include "tally.h"

namespace gzstat {

/// What is wrong with a file or a folder.
struct problem {
  problem() = default;
  problem(std::string where, std::string what) : path(std::move(where)), why(std::move(what)) {}

  std::string path;
  std::string why;
};

/// Ends the run, unless it is to keep going.
class input_error : public std::runtime_error {
 public:
  explicit input_error(problem what) : std::runtime_error(what.path + ": " + what.why), what_(std::move(what)) {}
  [[nodiscard]] const problem& about() const noexcept { return what_; }

 private:
  problem what_;
};

/// What all stages of a run share. The plain members belong to one stage, which is named, until the run has ended.
struct run_state {
  run_state(const arguments& arguments, int processors);

  const arguments& args;
  int read;  // workers
  int inflate;
  int parse;
  ledger files;
  block_store compressed;
  block_store text;

  // walk
  uint64_t folders = 0;
  uint64_t symlinks = 0;
  bool walked_all = false;
  // reduce
  tally total;
  uint64_t bad = 0;
  std::vector<problem> problems;  // the first few

  /// Files, streams, blocks and results that were handed from stage to stage.
  std::atomic<uint64_t> handed{0};

  static constexpr std::size_t problems_named_max = 10;
  void add_problem(problem what);
};

/// A file on its way to the next stage: its first block, and where the others come from. Most files need no other.
class stream {
 public:
  stream(file_ptr f, block_ptr first, weft::channel<block_ptr> rest)
      : file_(std::move(f)), first_(std::move(first)), rest_(std::move(rest)) {}
  stream(stream&&) noexcept = default;
  stream& operator=(stream&&) = delete;
  /// Whoever drops a stream before its end tells the sender that no more is wanted.
  ~stream() {
    if (rest_) rest_.close();
  }

  [[nodiscard]] const file_ptr& source() const { return file_; }
  /// The next block. Null: the sender broke off, or this task was asked to stop. Not to be called after the last.
  weft::task<block_ptr> next();

 private:
  file_ptr file_;
  block_ptr first_;
  weft::channel<block_ptr> rest_;
};

/// The sending side of a stream.
class stream_writer {
 public:
  stream_writer(run_state& run, file_ptr f, const weft::channel<stream>& to)
      : run_(run), file_(std::move(f)), to_(to) {}
  stream_writer(const stream_writer&) = delete;
  stream_writer& operator=(const stream_writer&) = delete;
  /// Breaks the stream off unless its last block was sent.
  ~stream_writer();

  /// Hands on the next block. False: the next stage wants no more of this file, or this task was asked to stop.
  weft::task<bool> send(block_ptr b);

 private:
  static constexpr std::size_t blocks_ahead = 4;

  run_state& run_;
  file_ptr file_;
  const weft::channel<stream>& to_;
  weft::channel<block_ptr> rest_;
  uint64_t sent_ = 0;
};

/// A file that is done, or a problem.
class result {
 public:
  result(file_ptr f, tally&& found) : file_(std::move(f)), found_(std::move(found)) {}
  explicit result(problem&& what) : problem_(std::move(what)) {}

  [[nodiscard]] const file_ptr& source() const { return file_; }  // null: a problem
  [[nodiscard]] const tally& found() const { return found_; }
  [[nodiscard]] problem& trouble() { return problem_; }

 private:
  file_ptr file_;
  tally found_;
  problem problem_;
};

/// Tells what is wrong: throws an input_error, or sends the problem when the run is to keep going.
weft::task<> complain(run_state& run, std::string path, absl::Status why, weft::channel<result> results);

// Workers ------------------------------------------------------------------------------------------------------------

weft::task<> read_files(run_state& run, weft::channel<file_ptr> in, weft::channel<stream> out,
                        weft::channel<result> results);
weft::task<> inflate_files(run_state& run, weft::channel<stream> in, weft::channel<stream> out,
                           weft::channel<result> results);
/// Does nothing but hand on, so that a hop can be measured.
weft::task<> pass_on(run_state& run, weft::channel<stream> in, weft::channel<stream> out);
weft::task<> parse_texts(run_state& run, weft::channel<stream> in, weft::channel<result> results);
/// Adds up into run.total. One task.
weft::task<> reduce(run_state& run, weft::channel<result> results);

}  // namespace gzstat
