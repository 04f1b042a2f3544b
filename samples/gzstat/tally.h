// What was found in texts, and sums of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gzstat {

/// How often each name was met.
class name_counts {
 public:
  void add(std::string_view name, uint64_t n = 1);
  void add(const name_counts& other);

  struct entry {
    std::string_view name;
    uint64_t count;
  };
  /// The most frequent ones, most frequent first, equally frequent ones by name.
  [[nodiscard]] std::vector<entry> top(std::size_t most) const;
  [[nodiscard]] const std::map<std::string, uint64_t, std::less<>>& by_name() const { return counts_; }
  [[nodiscard]] std::size_t size() const noexcept { return counts_.size(); }

 private:
  std::map<std::string, uint64_t, std::less<>> counts_;
};

/// Of one file, or of many. Movable; one task owns it at a time.
struct tally {
  uint64_t files = 0;
  uint64_t members = 0;
  uint64_t compressed_bytes = 0;

  uint64_t bytes = 0;
  uint64_t lines = 0;  // newlines
  uint64_t words = 0;  // runs of bytes that are not white space

  // Entries of Debian changelogs, and of NEWS files, which are written alike.
  uint64_t entries = 0;
  uint64_t changes = 0;     // "  * "
  name_counts packages;     // entries by package
  name_counts urgencies;    // entries by urgency
  name_counts maintainers;  // entries by who signed them
  name_counts years;        // entries by year

  void add(const tally& other);
};

}  // namespace gzstat
