// Memory for coroutine stacks: blocks of a few sizes, cut from slabs, cached per processor.
//
// Two kinds of block: *strand blocks* begin with a strand (a task's control block, or a fork strand) and hold the first
// segment of its stack; *segments* are what stacks grow by. A slab holds strand blocks of one size or segments of one
// size, never both: a strand block's memory is never given to anything else while the heap lives, which the registry of
// live tasks (it walks the slabs) and [stop] in detail/wait.h rely on.
//
//   processor: block_cache, a list per size; half goes to or comes from the depot when it is full or empty
//   runtime:   block_heap (the depot), full batches per size, under one spin lock; carves new slabs
//   kernel:    os::system::map, in chunks of 1 MiB
//
// Cost: a block from or to the cache is a list push or pop; no malloc. Thread safety: block_cache belongs to one
// processor; block_heap may be used by any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

#include "base/counter.h"
#include "os/system.h"

namespace weft::mem {

enum class block_kind : uint8_t { strand, segment };

inline constexpr std::size_t slab_bytes = 64 * 1024;
inline constexpr std::size_t largest_block = 256 * 1024;

/// Sizes in steps of 16 up to 512, then four per doubling up to 256 KiB.
inline constexpr std::size_t class_count = 32 + 4 * 9;

constexpr std::size_t compute_class_bytes(std::size_t index) noexcept {
  if (index < 32) return (index + 1) * 16;
  const std::size_t doubling = (index - 32) / 4;
  return (std::size_t{512} << doubling) / 4 * (4 + (index - 32) % 4 + 1);
}

inline constexpr auto class_sizes = [] {
  std::array<uint32_t, class_count> sizes{};
  for (std::size_t i = 0; i < class_count; ++i) sizes[i] = static_cast<uint32_t>(compute_class_bytes(i));
  return sizes;
}();

/// The bytes of a block of this class.
constexpr std::size_t class_bytes(std::size_t index) noexcept { return class_sizes[index]; }

/// The smallest class that holds `bytes`; bytes is at most largest_block.
constexpr std::size_t class_of(std::size_t bytes) noexcept {
  if (bytes <= 512) return bytes == 0 ? 0 : (bytes - 1) / 16;
  const std::size_t doubling = static_cast<std::size_t>(63 - __builtin_clzll(bytes - 1)) - 9;
  const std::size_t step = (std::size_t{512} << doubling) / 4;
  return 32 + doubling * 4 + (bytes - 1 - (std::size_t{512} << doubling)) / step;
}

/// The head of a slab of strand blocks; the blocks follow. Immutable after it was carved.
struct alignas(64) slab {
  void* owner;  // as given to the block_heap: the scheduler that the strands belong to
  slab* next;
  uint32_t block_bytes;
  uint32_t count;  // blocks in it
  char* block(uint32_t i) noexcept { return reinterpret_cast<char*>(this + 1) + std::size_t{i} * block_bytes; }
};

/// The slab of a strand block. Slabs are aligned to their size.
inline slab& slab_of_strand(const void* block) noexcept {
  return *reinterpret_cast<slab*>(reinterpret_cast<uintptr_t>(block) & ~(uintptr_t{slab_bytes} - 1));
}
inline constexpr std::size_t max_strand_block = 28 * 1024;

struct free_block {
  free_block* next;
  free_block* next_batch;  // in the depot: the head of the next batch
  uint32_t batch_count;
};

struct heap_figures {
  uint64_t mapped_bytes;        // from the kernel, not given back
  uint64_t strand_slab_bytes;   // of which in slabs of strand blocks
  uint64_t segment_slab_bytes;  // and of segments
  uint64_t peak_stack_bytes;    // most that the two ever were together
};

class block_heap {
 public:
  block_heap(os::system& sys, void* owner) noexcept : sys_(sys), owner_(owner) {}
  ~block_heap();
  block_heap(const block_heap&) = delete;
  block_heap& operator=(const block_heap&) = delete;

  /// Takes up to `want` blocks, linked through free_block::next; nullptr when the kernel gives no memory.
  free_block* take_batch(block_kind kind, std::size_t size_class, uint32_t want, uint32_t& count) noexcept;

  /// Gives a list of `count` blocks back.
  void give_batch(block_kind kind, std::size_t size_class, free_block* first, uint32_t count) noexcept;

  /// A segment larger than largest_block, straight from the kernel; nullptr when it refuses.
  void* take_large(std::size_t bytes) noexcept;
  void give_large(void* block, std::size_t bytes) noexcept;

  /// Calls `f(strand*)` for every strand block ever handed out, dead ones included (look at their state).
  template <class F>
  void for_each_strand(F&& f) {
    std::vector<slab*> slabs;
    {
      detail::spin_guard guard(lock_);
      for (slab* s = strand_slabs_; s != nullptr; s = s->next) slabs.push_back(s);
    }
    for (slab* s : slabs)
      for (uint32_t i = 0; i < s->count; ++i) f(reinterpret_cast<detail::strand*>(s->block(i)));
  }

  heap_figures figures() noexcept;

 private:
  struct depot {
    free_block* batches = nullptr;  // linked through next_batch
    // The rest of the newest slab, not yet cut.
    char* fresh = nullptr;
    char* fresh_end = nullptr;
  };

  bool add_fresh(block_kind kind, std::size_t size_class) noexcept;
  char* carve(std::size_t bytes) noexcept;
  void count_stack_bytes(uint64_t& part, uint64_t bytes) noexcept;

  os::system& sys_;
  void* owner_;
  detail::spin_lock lock_;
  // Guarded by lock_.
  std::array<std::array<depot, class_count>, 2> depots_;
  slab* strand_slabs_ = nullptr;
  char* chunk_ = nullptr;
  char* chunk_end_ = nullptr;
  std::vector<std::pair<void*, std::size_t>> chunks_;
  heap_figures figures_{};
};

/// A processor's own blocks.
class block_cache {
 public:
  explicit block_cache(block_heap& heap) noexcept : heap_(heap) {}
  ~block_cache() { flush(); }
  block_cache(const block_cache&) = delete;
  block_cache& operator=(const block_cache&) = delete;

  /// nullptr when the kernel gives no memory.
  void* take(block_kind kind, std::size_t size_class) noexcept {
    list& l = lists_[static_cast<std::size_t>(kind)][size_class];
    if (l.head == nullptr && !refill(l, kind, size_class)) [[unlikely]]
      return nullptr;
    return take_cached(kind, size_class);
  }

  /// nullptr when the list is empty.
  void* take_cached(block_kind kind, std::size_t size_class) noexcept {
    list& l = lists_[static_cast<std::size_t>(kind)][size_class];
    free_block* b = l.head;
    if (b == nullptr) [[unlikely]]
      return nullptr;
    detail::mark_used(b, class_bytes(size_class));
    l.head = b->next;
    --l.count;
    return b;
  }

  void give(block_kind kind, std::size_t size_class, void* block) noexcept {
    list& l = lists_[static_cast<std::size_t>(kind)][size_class];
    auto* b = static_cast<free_block*>(block);
    b->next = l.head;
    l.head = b;
    poison(kind, b, class_bytes(size_class));
    if (++l.count > 2u * batch_size(size_class)) [[unlikely]]
      spill(l, kind, size_class);
  }

  /// Gives everything to the depot.
  void flush() noexcept;

  /// Blocks that move between cache and depot at a time: 32 KiB worth, 2 to 64.
  static constexpr uint32_t batch_size(std::size_t size_class) noexcept { return batch_sizes[size_class]; }

 private:
  struct list {
    free_block* head = nullptr;
    uint32_t count = 0;
  };

  static constexpr auto batch_sizes = [] {
    std::array<uint8_t, class_count> sizes{};
    for (std::size_t i = 0; i < class_count; ++i) {
      const std::size_t n = 32 * 1024 / class_bytes(i);
      sizes[i] = static_cast<uint8_t>(n < 2 ? 2 : n > 64 ? 64 : n);
    }
    return sizes;
  }();

  // A free strand block keeps its head readable, the strand and the words behind it that say whether it is in use
  // (task_control::id and join_word, fork_strand::task): the registry and [stop] may look at it.
  static void poison(block_kind kind, free_block* b, std::size_t bytes) noexcept {
    const std::size_t keep = kind == block_kind::strand ? sizeof(detail::strand) + 64 : sizeof(free_block);
    if (bytes > keep) detail::mark_unused(reinterpret_cast<char*>(b) + keep, bytes - keep);
  }

  WEFT_RARE bool refill(list& l, block_kind kind, std::size_t size_class) noexcept;
  WEFT_RARE void spill(list& l, block_kind kind, std::size_t size_class) noexcept;

  block_heap& heap_;
  std::array<std::array<list, class_count>, 2> lists_{};
};

}  // namespace weft::mem
