// The files that the file workloads read, for weft and for the C++ peers; peers/go/file.go makes and reads the same.
//
// They lie in $WEFT_BENCH_FILES (default /tmp/weft_bench_files), are made by whoever needs them first, and stay there:
// `sequential`, of $WEFT_BENCH_FILE_MIB (default 1024) MiB, and small/00/00 to small/99/99, of 512 to 8,703 bytes.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "peer.h"

namespace peer {

constexpr std::size_t sequential_piece = 256 * 1024;
constexpr std::uint64_t small_files = 10'000;

inline std::string file_root() {
  const char* named = std::getenv("WEFT_BENCH_FILES");
  return named != nullptr ? named : "/tmp/weft_bench_files";
}

inline std::uint64_t sequential_bytes() {
  const char* mib = std::getenv("WEFT_BENCH_FILE_MIB");
  return (mib != nullptr ? std::strtoull(mib, nullptr, 10) : 1024) << 20;
}

inline std::uint64_t small_bytes(std::uint64_t i) { return 512 + i * 2'654'435'761 % 8'192; }

inline std::uint64_t all_small_bytes() {
  std::uint64_t all = 0;
  for (std::uint64_t i = 0; i < small_files; ++i) all += small_bytes(i);
  return all;
}

inline std::string two_digits(std::uint64_t n) {
  return {static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)};
}

inline std::string small_path(std::uint64_t i) {
  return file_root() + "/small/" + two_digits(i / 100) + "/" + two_digits(i % 100);
}

inline void make_file(const std::string& path, std::uint64_t bytes) {
  std::error_code ignored;
  if (std::filesystem::file_size(path, ignored) == bytes) return;
  std::ofstream out(path, std::ios::binary);
  const std::string piece(1 << 20, 'x');
  for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, piece.size()))
    out.write(piece.data(), static_cast<std::streamsize>(std::min<std::uint64_t>(bytes, piece.size())));
  check(out.flush().good(), "files: a file could not be written");
}

/// Makes the large file, and says where it is.
inline std::string make_sequential() {
  std::filesystem::create_directories(file_root());
  make_file(file_root() + "/sequential", sequential_bytes());
  return file_root() + "/sequential";
}

inline std::vector<std::string> make_small() {
  std::vector<std::string> paths;
  for (std::uint64_t i = 0; i < small_files; ++i) {
    paths.push_back(small_path(i));
    if (i % 100 == 0) std::filesystem::create_directories(std::filesystem::path(paths.back()).parent_path());
    make_file(paths.back(), small_bytes(i));
  }
  return paths;
}

/// Writes the file to the disk and takes it out of the page cache, as far as the kernel goes along.
inline void forget(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(fd >= 0, "files: a file could not be opened");
  ::fdatasync(fd);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

/// Reads the small files by small(paths), which returns how many bytes it has read, and reports ns per file: the median
/// of three passes, or of one if their contents are to be taken out of the page cache before.
template <class Small>
void run_small(const arguments& args, bool cold, Small small) {
  const std::vector<std::string> paths = make_small();
  const std::uint64_t wanted = all_small_bytes();
  const auto pass = [&] { check(small(paths) == wanted, "files10k: wrong length"); };
  double ns = 0;
  if (cold) {
    for (const std::string& path : paths) forget(path);
    ns = elapsed_ns(pass);
  } else {
    pass();
    ns = median_of_three_ns(pass);
  }
  report(args, ns / static_cast<double>(small_files), "ns/file");
}

/// The four workloads by way of two functions of a peer: sequential(path) and small(paths), which return how many bytes
/// they have read. False: the workload is none of them.
///
///   fileseq       the large file in order, 256 KiB at a time, taken out of the page cache before; ms
///   fileseqwarm   the same from the page cache; ms
///   files10k      every small file as a whole, from the page cache; ns per file
///   files10kcold  the same, their contents taken out of the page cache before (inodes and directories stay)
template <class Sequential, class Small>
bool run_file_workload(const arguments& args, Sequential sequential, Small small) {
  if (args.workload == "files10k" || args.workload == "files10kcold") {
    run_small(args, args.workload == "files10kcold", small);
    return true;
  }
  if (args.workload != "fileseq" && args.workload != "fileseqwarm") return false;
  const std::string path = make_sequential();
  std::uint64_t bytes = 0;
  if (args.workload == "fileseq")
    forget(path);
  else
    sequential(path);
  const double ns = elapsed_ns([&] { bytes = sequential(path); });
  check(bytes == sequential_bytes(), "fileseq: wrong length");
  report(args, ns / 1e6, "ms");
  return true;
}

}  // namespace peer
