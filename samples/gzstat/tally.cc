// Adds up what was found.
#include "tally.h"

#include <algorithm>

namespace gzstat {

void name_counts::add(std::string_view name, uint64_t n) {
  const auto at = counts_.find(name);
  if (at != counts_.end())
    at->second += n;
  else
    counts_.emplace(name, n);
}

void name_counts::add(const name_counts& other) {
  for (const auto& [name, n] : other.counts_) add(name, n);
}

std::vector<name_counts::entry> name_counts::top(std::size_t most) const {
  std::vector<entry> all;
  all.reserve(counts_.size());
  for (const auto& [name, n] : counts_) all.push_back({name, n});
  std::ranges::sort(
      all, [](const entry& a, const entry& b) { return a.count != b.count ? a.count > b.count : a.name < b.name; });
  all.resize(std::min(most, all.size()));
  return all;
}

void tally::add(const tally& other) {
  files += other.files;
  members += other.members;
  compressed_bytes += other.compressed_bytes;
  bytes += other.bytes;
  lines += other.lines;
  words += other.words;
  entries += other.entries;
  changes += other.changes;
  packages.add(other.packages);
  urgencies.add(other.urgencies);
  maintainers.add(other.maintainers);
  years.add(other.years);
}

}  // namespace gzstat
