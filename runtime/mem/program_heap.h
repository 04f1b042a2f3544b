// The heap of the program, where something counts it: the optional counting allocator registers here when it is linked.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft::mem {

/// Live bytes of the program's heap; called by any thread, may not allocate.
using program_heap_function = uint64_t (*)() noexcept;

/// Null when nothing counts. Written once, before main().
extern constinit std::atomic<program_heap_function> program_heap;

/// 0 when nothing counts.
inline uint64_t program_heap_bytes() noexcept {
  // acquire: pairs with the release store of the allocator, which may live in a library that was loaded later.
  const program_heap_function live = program_heap.load(std::memory_order_acquire);
  return live != nullptr ? live() : 0;
}

}  // namespace weft::mem
