// Locks for semaphores, mutexes, wait groups and the like, found by the object's address.
//
// Those objects live wherever the user puts them, and may be gone while a stopper still holds a pointer to "the lock
// under which the task may wait" ([stop] in detail/wait.h); so the lock is in this table, which lives for ever.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <weft/detail/biased_lock.h>
#include <weft/detail/config.h>

namespace weft::detail {

struct alignas(64) padded_lock {
  biased_lock lock;
};

inline constexpr int lock_table_bits = 10;

extern constinit std::array<padded_lock, std::size_t{1} << lock_table_bits> lock_table;

/// The lock for the object at this address. Several objects may share one.
WEFT_INLINE biased_lock& lock_for(const void* object) noexcept {
  // Fibonacci hashing: objects lie at multiples of their size, so the low bits tell little.
  const uint64_t h = reinterpret_cast<uintptr_t>(object) * 0x9e3779b97f4a7c15ull;
  return lock_table[h >> (64 - lock_table_bits)].lock;
}

}  // namespace weft::detail
