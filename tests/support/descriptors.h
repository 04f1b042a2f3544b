// How many descriptors the process has.
#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace weft::test {

/// Without the one that looks.
inline std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()) - 1;
}

}  // namespace weft::test
