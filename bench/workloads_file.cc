// Workloads of weft_workloads: files; peers/file_work.h says what they measure.
//
// The large file is read by weft::file::read_at in one task, small files by the same in 32 tasks for each processor,
// as many as the peers have under way, each with a buffer of its own; and
//
//   files10kwhole  files10k with weft::read_file, which makes a string for each file; ns per file
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <weft/file.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/task.h>

#include "peers/file_work.h"
#include "workloads.h"

namespace weft_bench {

namespace {

weft::task<std::uint64_t> read_sequential(const std::string& path) {
  auto opened = co_await weft::file::open(path);
  peer::check(opened.ok(), "fileseq: not opened");
  std::vector<std::byte> buffer(peer::sequential_piece);
  std::uint64_t all = 0;
  for (;;) {
    const absl::StatusOr<std::size_t> n = co_await opened->read_at(buffer, all);
    peer::check(n.ok(), "fileseq: a read failed");
    if (*n == 0) co_return all;
    all += *n;
  }
}

struct small_work {
  const std::vector<std::string>& paths;
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> bytes{0};
};

// A read that fills the buffer is followed by another; a shorter one ends at the end of the file.
weft::task<> read_some_files(small_work& work) {
  std::vector<std::byte> buffer(16 * 1024);
  std::uint64_t bytes = 0;
  // relaxed: each index is taken once; the sums are read after the tasks were joined.
  for (std::size_t i; (i = work.next.fetch_add(1, std::memory_order_relaxed)) < work.paths.size();) {
    auto opened = co_await weft::file::open(work.paths[i]);
    peer::check(opened.ok(), "files10k: not opened");
    for (std::size_t got = buffer.size(), at = 0; got == buffer.size(); at += got) {
      const absl::StatusOr<std::size_t> n = co_await opened->read_at(buffer, at);
      peer::check(n.ok(), "files10k: a read failed");
      got = *n;
      bytes += got;
    }
  }
  // relaxed: as above.
  work.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

weft::task<> read_some_files_whole(small_work& work) {
  std::uint64_t bytes = 0;
  // relaxed: as above.
  for (std::size_t i; (i = work.next.fetch_add(1, std::memory_order_relaxed)) < work.paths.size();) {
    const absl::StatusOr<std::string> content = co_await weft::read_file(work.paths[i]);
    peer::check(content.ok(), "files10k: a read failed");
    bytes += content->size();
  }
  // relaxed: as above.
  work.bytes.fetch_add(bytes, std::memory_order_relaxed);
}

weft::task<std::uint64_t> read_small(const std::vector<std::string>& paths, int processors, bool whole) {
  small_work work{paths};
  std::vector<weft::join_handle<void>> tasks;
  for (int i = 0; i < 32 * processors; ++i)
    tasks.push_back(weft::spawn(whole ? read_some_files_whole : read_some_files, std::ref(work)));
  for (weft::join_handle<void>& t : tasks) co_await t;
  // relaxed: as above.
  co_return work.bytes.load(std::memory_order_relaxed);
}

}  // namespace

bool run_file_workload(const peer::arguments& args, weft::runtime& rt) {
  const auto sequential = [&](const std::string& path) { return rt.run(read_sequential, std::cref(path)); };
  const auto small_by = [&](bool whole) {
    return [&rt, &args, whole](const std::vector<std::string>& paths) {
      return rt.run(read_small, std::cref(paths), args.threads, whole);
    };
  };
  if (args.workload == "files10kwhole") {
    peer::run_small(args, false, small_by(true));
    return true;
  }
  return peer::run_file_workload(args, sequential, small_by(false));
}

}  // namespace weft_bench
