// Counts the calls of operator new in this program.
#pragma once

#include <cstdint>

namespace gzstat {

/// Since the program's start. 0 for ever when it was built with a sanitizer, which has an operator new of its own.
[[nodiscard]] uint64_t allocation_count() noexcept;

}  // namespace gzstat
