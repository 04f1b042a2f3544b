// How often a program asks operator new, on any thread, while somebody counts.
//
// It replaces operator new and delete for the whole program, so one file of a program includes it, and only one. The
// sanitizers bring allocators of their own and report a mixture: there nothing is replaced and every count is zero.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <weft/detail/config.h>

namespace weft::test {

/// Counts from its construction on. One at a time.
class count_allocations {
 public:
  count_allocations() noexcept {
    made_ = 0;
    counting_ = true;
  }
  ~count_allocations() { counting_ = false; }
  count_allocations(const count_allocations&) = delete;
  count_allocations& operator=(const count_allocations&) = delete;

  uint64_t so_far() const noexcept { return made_; }

  /// What operator new does in such a program.
  [[maybe_unused]] static void* allocate(std::size_t bytes, std::size_t alignment) {
    if (counting_) ++made_;
    void* memory = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
  }

 private:
  // All seq_cst: a test's book-keeping.
  static inline std::atomic<bool> counting_{false};
  static inline std::atomic<uint64_t> made_{0};
};

}  // namespace weft::test

#if !WEFT_ASAN && !WEFT_TSAN
void* operator new(std::size_t bytes) {
  return weft::test::count_allocations::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return weft::test::count_allocations::allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif
