// Replaces operator new by one that counts and calls malloc.
#include "allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GZSTAT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GZSTAT_SANITIZED 1
#endif
#endif

namespace gzstat {
namespace {

std::atomic<uint64_t> allocations{0};

}  // namespace

uint64_t allocation_count() noexcept {
  // relaxed: a count.
  return allocations.load(std::memory_order_relaxed);
}

#ifndef GZSTAT_SANITIZED
namespace {

void* count_and_allocate(std::size_t bytes, std::size_t alignment) {
  // relaxed: a count.
  allocations.fetch_add(1, std::memory_order_relaxed);
  bytes = bytes == 0 ? 1 : bytes;
  const bool plain = alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
  // aligned_alloc() takes whole multiples of the alignment.
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* p = plain ? std::malloc(bytes) : std::aligned_alloc(alignment, rounded);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace
#endif

}  // namespace gzstat

#ifndef GZSTAT_SANITIZED
// The other forms (arrays, nothrow, sized) call these.
void* operator new(std::size_t bytes) { return gzstat::count_and_allocate(bytes, 1); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return gzstat::count_and_allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif
