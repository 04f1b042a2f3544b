// operator new and delete in all their forms. Each notes its own return address, so none is written by another.
#include <cstdlib>
#include <new>

#include <weft/detail/config.h>

#include "counting/heap_counts.h"

namespace {

using weft::heap::count_allocation;
using weft::heap::count_free;

WEFT_INLINE void* try_allocate(std::size_t bytes) noexcept { return std::malloc(bytes == 0 ? 1 : bytes); }

WEFT_INLINE void* try_allocate(std::size_t bytes, std::align_val_t alignment) noexcept {
  // aligned_alloc wants a multiple of the alignment.
  const auto align = static_cast<std::size_t>(alignment);
  const std::size_t whole = (bytes + align - 1) & ~(align - 1);
  if (whole < bytes) return nullptr;
  return std::aligned_alloc(align, whole == 0 ? align : whole);
}

// What the standard asks for when there is no memory: the new-handler may free some, or throw.
template <class... Alignment>
[[gnu::noinline, gnu::cold]] void* allocate_slow(std::size_t bytes, Alignment... alignment) {
  for (;;) {
    if (void* block = try_allocate(bytes, alignment...)) return block;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

template <class... Alignment>
WEFT_INLINE void* allocate(const void* place, std::size_t bytes, Alignment... alignment) {
  void* block = try_allocate(bytes, alignment...);
  if (block == nullptr) [[unlikely]]
    block = allocate_slow(bytes, alignment...);
  count_allocation(block, place);
  return block;
}

template <class... Alignment>
WEFT_INLINE void* allocate_or_null(const void* place, std::size_t bytes, Alignment... alignment) noexcept {
  try {
    return allocate(place, bytes, alignment...);
  } catch (...) {
    return nullptr;
  }
}

WEFT_INLINE void release(void* block) noexcept {
  count_free(block);
  std::free(block);
}

}  // namespace

#define WEFT_PLACE __builtin_return_address(0)

void* operator new(std::size_t n) { return allocate(WEFT_PLACE, n); }
void* operator new[](std::size_t n) { return allocate(WEFT_PLACE, n); }
void* operator new(std::size_t n, std::align_val_t a) { return allocate(WEFT_PLACE, n, a); }
void* operator new[](std::size_t n, std::align_val_t a) { return allocate(WEFT_PLACE, n, a); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return allocate_or_null(WEFT_PLACE, n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return allocate_or_null(WEFT_PLACE, n); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_or_null(WEFT_PLACE, n, a);
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return allocate_or_null(WEFT_PLACE, n, a);
}

void operator delete(void* p) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { release(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { release(p); }
