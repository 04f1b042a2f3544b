// Sizes for keeping data of different owners apart.
//
// Fixed numbers, not std::hardware_destructive_interference_size: that one changes with compiler flags, and these
// decide the layout of types in installed headers.
#pragma once

#include <cstddef>

namespace weft::base {

/// The unit in which cores exchange memory: 64 bytes on x86-64 and on the ARM server cores.
inline constexpr size_t cache_line_bytes = 64;

/// Alignment for data that two cores write: a pair of lines.
///
/// The level-2 spatial prefetcher of Intel cores fetches the other line of an aligned 128-byte pair ("Intel 64 and
/// IA-32 Architectures Optimization Reference Manual", data prefetching to the L2 cache), so neighbours one line apart
/// can still disturb each other. Use it for the few hot words per processor, not for arrays.
inline constexpr size_t destructive_bytes = 128;

}  // namespace weft::base
