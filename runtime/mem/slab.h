// What the heap knows of a slab: which of its blocks are free, and on which of the heap's lists it is.
//
// It lies apart from the slab, so that a slab whose blocks are all free can be given back to the kernel whole, and
// finding out that it is free, or cutting it anew, touches none of its memory.
//
// Invariants:
//   A set bit is a free block; free == the number of set bits.
//   Blocks are taken lowest first, so those from `high` on were never used since the slab was last given back.
//   A slab keeps its place, kind and size class for ever.
//
// Thread safety: none; the heap's lock guards it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <weft/detail/check.h>

namespace weft::mem {

enum class block_kind : uint8_t {
  strand,   ///< begins with a strand
  segment,  ///< what stacks grow by
  queue,    ///< of the queue of ready strands; not cached by processors
};

inline constexpr std::size_t block_kinds = 3;

/// Addresses of slabs are multiples of it.
inline constexpr std::size_t slab_bytes = 64 * 1024;

/// Up to 64 blocks of one slab, in equal distances: a set bit is a block.
struct block_span {
  char* first = nullptr;  // the block of the lowest bit, whether it is set or not
  uint64_t mask = 0;
  uint32_t count() const noexcept { return static_cast<uint32_t>(std::popcount(mask)); }
};

enum class slab_state : uint8_t {
  none,       ///< not cut yet, or the continuation of a larger slab
  used,       ///< its memory is there
  releasing,  ///< wholly free, on no list; its memory is being given back
  released,   ///< its memory was given back, and reads as zero
};

struct alignas(64) slab_info {
  static constexpr uint32_t most_blocks = 512;

  slab_info* previous = nullptr;  // in the slab_list
  slab_info* next = nullptr;
  char* base = nullptr;
  uint32_t block_bytes = 0;
  uint32_t inverse = 0;  // 2^32 / block_bytes, rounded up
  uint16_t count = 0;    // blocks in it
  uint16_t free = 0;
  uint16_t high = 0;
  uint16_t first = 0;  // offset of the first block
  uint8_t units = 0;   // its size, in slab_bytes
  uint8_t size_class = 0;
  block_kind kind = block_kind::strand;
  slab_state state = slab_state::none;
  uint64_t empty_since = 0;  // the epoch in which its last block came back
  std::array<uint64_t, most_blocks / 64> bits{};

  std::size_t bytes() const noexcept { return units * slab_bytes; }
  char* end() const noexcept { return base + bytes(); }
  char* block(uint32_t i) const noexcept { return base + first + std::size_t{i} * block_bytes; }
  bool contains(const void* p) const noexcept {
    return static_cast<std::size_t>(static_cast<const char*>(p) - base) < bytes();
  }
  uint32_t index_of(const void* p) const noexcept {
    const auto offset = static_cast<uint64_t>(static_cast<const char*>(p) - block(0));
    const auto i = static_cast<uint32_t>(offset * inverse >> 32);
    WEFT_DCHECK(block(i) == p);
    return i;
  }
  bool is_empty() const noexcept { return free == count; }

  /// Its memory is as the kernel gave it: all blocks free, none ever used.
  void make_fresh() noexcept {
    free = count;
    high = 0;
    for (uint32_t word = 0; word < bits.size(); ++word) {
      const uint32_t left = count > word * 64 ? count - word * 64 : 0;
      bits[word] = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    }
  }

  /// Takes up to `want` blocks that lie close together, the lowest; there are some.
  block_span take(uint32_t want) noexcept {
    uint32_t word = 0;
    while (bits[word] == 0) ++word;
    uint64_t left = 0;
    if (static_cast<uint32_t>(std::popcount(bits[word])) > want) {
      left = bits[word];
      for (uint32_t i = 0; i < want; ++i) left &= left - 1;
    }
    const block_span taken{block(word * 64), bits[word] & ~left};
    bits[word] = left;
    free = static_cast<uint16_t>(free - taken.count());
    high = std::max(high, static_cast<uint16_t>(word * 64 + 64 - static_cast<uint32_t>(std::countl_zero(taken.mask))));
    return taken;
  }

  void put(const block_span& s) noexcept {
    const uint32_t word = index_of(s.first) / 64;
    WEFT_DCHECK((bits[word] & s.mask) == 0);
    bits[word] |= s.mask;
    free = static_cast<uint16_t>(free + s.count());
  }

  void put(const void* p) noexcept {
    const uint32_t i = index_of(p);
    WEFT_DCHECK((bits[i / 64] >> i % 64 & 1) == 0);
    bits[i / 64] |= uint64_t{1} << i % 64;
    ++free;
  }
};

/// Slabs linked through previous and next.
class slab_list {
 public:
  slab_info* front() const noexcept { return front_; }
  slab_info* back() const noexcept { return back_; }

  void push_front(slab_info& s) noexcept {
    s.previous = nullptr;
    s.next = front_;
    (front_ != nullptr ? front_->previous : back_) = &s;
    front_ = &s;
  }
  void push_back(slab_info& s) noexcept {
    s.next = nullptr;
    s.previous = back_;
    (back_ != nullptr ? back_->next : front_) = &s;
    back_ = &s;
  }
  void remove(slab_info& s) noexcept {
    (s.previous != nullptr ? s.previous->next : front_) = s.next;
    (s.next != nullptr ? s.next->previous : back_) = s.previous;
  }

 private:
  slab_info* front_ = nullptr;
  slab_info* back_ = nullptr;
};

}  // namespace weft::mem
