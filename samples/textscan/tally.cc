// Adding the tallies of several scanners up, and reading their totals.
#include "tally.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

namespace textscan {

void tally::add_trouble(std::string_view path, int error) {
  ++(error == ENOENT ? missing : unreadable);
  if (troubles.size() < troubles_named_max) troubles.push_back(trouble{std::string(path), std::strerror(error)});
}

// A status of weft says "<operation> <what>: <reason>"; which file it was is known better here.
void tally::add_trouble(std::string_view path, const absl::Status& error) {
  ++(absl::IsNotFound(error) ? missing : unreadable);
  if (troubles.size() >= troubles_named_max) return;
  const std::string text(error.message());
  const std::size_t colon = text.rfind(": ");
  troubles.push_back(trouble{std::string(path), colon == std::string::npos ? text : text.substr(colon + 2)});
}

void tally::add(tally&& other) {
  files += other.files;
  bytes += other.bytes;
  lines += other.lines;
  unended_lines += other.unended_lines;
  words += other.words;
  matching_lines += other.matching_lines;
  std::ranges::move(other.matches, std::back_inserter(matches));
  table.add(std::move(other.table));

  directories += other.directories;
  binary_files += other.binary_files;
  symlinks += other.symlinks;
  special_files += other.special_files;
  empty_entries += other.empty_entries;
  missing += other.missing;
  unreadable += other.unreadable;
  for (trouble& t : other.troubles) {
    if (troubles.size() < troubles_named_max) troubles.push_back(std::move(t));
  }
}

}  // namespace textscan
