// What became of every file: nothing that was found gets lost, however the run ends.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace gzstat {

/// How far a file came. `bad` is beside the others: it could not be read, or is not what it should be.
enum class place : uint8_t { found, reading, inflating, parsing, reducing, done, bad };

/// Counts files by the place where they ended. Must outlive them.
class ledger {
 public:
  static constexpr std::size_t places = 7;

  /// Files that ended there.
  [[nodiscard]] uint64_t ended(place p) const noexcept;
  /// Files that were begun, and neither done nor bad when everything ended.
  [[nodiscard]] uint64_t in_flight() const noexcept;
  /// Files that were found; the sum of all the others once none is left.
  [[nodiscard]] uint64_t found() const noexcept;

 private:
  friend class file;
  std::atomic<uint64_t> found_{0};
  std::array<std::atomic<uint64_t>, places> ended_{};
};

/// A file on its way. Its last holder's dropping it is what the ledger counts, so a stage that is stopped need not
/// remember anything.
///
/// A large file is in several stages at once. The members without an atomic are written by the stage that has just got
/// the file and read by later ones: the channels between them put that in order.
class file {
 public:
  file(ledger& book, std::string path);
  ~file();
  file(const file&) = delete;
  file& operator=(const file&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The next stage has it.
  void reach(place p) noexcept { place_ = p; }
  /// It counts as bad, wherever it came.
  void fail() noexcept;

  uint64_t compressed_bytes = 0;  // set by reading
  uint64_t members = 0;           // set by inflating, before its last block is handed on

 private:
  ledger& book_;
  std::string path_;
  place place_ = place::found;
  std::atomic<bool> failed_{false};
};

using file_ptr = std::shared_ptr<file>;

}  // namespace gzstat
