// The table itself. See lock_table.h.
#include "sched/lock_table.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

namespace {
struct alignas(64) padded_lock {
  spin_lock lock;
};
constinit std::array<padded_lock, 256> table;
}  // namespace

spin_lock& lock_for(const void* object) noexcept {
  // Fibonacci hashing: objects lie at multiples of their size, so the low bits tell little.
  const uint64_t h = reinterpret_cast<uintptr_t>(object) * 0x9e3779b97f4a7c15ull;
  return table[h >> 56].lock;
}

}  // namespace weft::detail
