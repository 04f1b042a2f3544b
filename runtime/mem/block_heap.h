// Memory for coroutine stacks: blocks of a few sizes, cut from slabs, cached per processor, counted exactly, and given
// back to the kernel by epochs.
//
// *Strand blocks* begin with a strand (a task's control block, or a fork strand) and hold the first segment of its
// stack; *segments* are what stacks grow by. A slab holds blocks of one kind and one size. It keeps both for ever: a
// strand block's memory is never given to anything else while the heap lives, which the registry of live tasks (it
// walks the slabs) and [stop] in detail/wait.h rely on.
//
//   processor: block_cache, per size a list and a second one behind it; whole lists go to or come from the depot
//   runtime:   block_heap (the depot): per size the slabs that have free blocks, under one spin lock
//   kernel:    os::system::map, in chunks of 1 MiB
//
// A batch that comes to the depot stays as it is, and is the first to leave again. Batches that nobody wanted for a
// whole epoch are sorted to their slabs, in steps; what the heap knows of a slab lies apart from it (slab.h). Beside
// batches the depot hands out blocks of the fullest slabs first, so that others become empty. An empty slab whose
// blocks lay idle for a whole epoch may go back to the kernel.
//
// Protocol [slab-release]. The lock is the heap's; a late reader is whoever looks at a strand block that may be dead:
//   Holder:   H1 takes a block: under the lock, its slab is no longer empty. H2 makes it a live strand. H3 ends it, so
//             that it reads as dead (kind, id, task, waiting). H4 gives it back: under the lock, in the end.
//   Releaser: R1 under the lock: a slab that is empty leaves all lists. R2 without the lock: its memory is dropped.
//             R3 under the lock: it can be cut anew, as if it had never been used.
//   Walker:   V1 under the lock: the slabs that are not empty, with the shape of their blocks. V2 without the lock:
//             looks at the blocks.
//   Between R1 and R3 nobody holds a block of the slab, since there is none to be taken; so R2 drops dead strands only.
//   A late reader finds in each word what H3 left, or zero (and strand_kind::unused is zero): a dead strand either way,
//   also if it finds one in one word and the other in another. What is not in the strand is read by holders only: the
//   slab's head (its owner), and V2 takes the blocks' shape from V1. A strand that was made live (H2) before V1 is
//   found, since H1 came before.
//
// The figures. A processor counts the blocks that it takes and gives, two numbers per size, with plain stores; all else
// is known under the lock. A figure is a difference of two counts, so the subtrahend is read first: frees (acquire,
// pairs with the release in give()), then allocs, then what the depot handed out. Each part of the mapped memory
// is what remains of a known whole after the others, so the parts always add up.
//
// Cost: a block from or to the cache is a list push or pop and a count; no malloc. Thread safety: block_cache belongs
// to one processor; block_heap may be used by any thread.
//
// Where there is no batch a processor takes spans of blocks (a word of the bitmap), and links a few at a time.
//
// Rejected: free lists through the blocks, per slab. To move blocks means as many cache misses, each waiting for the
// one before it; with a bitmap the addresses are known at once. Rejected: sorting batches as they come. A burst of
// 1,000,000 tasks that uses the memory of the one before it took 80 instead of 55 ns per task.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

#include "mem/slab.h"
#include "os/system.h"

namespace weft::mem {

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

/// The head of a slab of strand blocks; the blocks follow. Written before a block of it is handed out, and constant
/// from then on; only who holds one of its blocks may look.
struct alignas(64) slab {
  void* owner;  // as given to the block_heap: the scheduler that the strands belong to
  slab_info* info;
  uint32_t block_bytes;
};

/// The slab of a strand block.
inline slab& slab_of_strand(const void* block) noexcept {
  return *reinterpret_cast<slab*>(reinterpret_cast<uintptr_t>(block) & ~(uintptr_t{slab_bytes} - 1));
}
inline constexpr std::size_t max_strand_block = 28 * 1024;

/// How a slab is cut.
struct slab_shape {
  uint32_t units;  // of slab_bytes
  uint32_t first;  // the offset of the first block
  uint32_t count;  // of blocks
};

constexpr slab_shape shape_of(block_kind kind, std::size_t size_class) noexcept {
  const std::size_t bytes = class_bytes(size_class);
  const std::size_t units = (bytes + slab_bytes - 1) / slab_bytes;
  const std::size_t first = kind == block_kind::strand ? sizeof(slab) : 0;
  return {static_cast<uint32_t>(units), static_cast<uint32_t>(first),
          static_cast<uint32_t>(std::min<std::size_t>(slab_info::most_blocks, (units * slab_bytes - first) / bytes))};
}

struct free_block {
  free_block* next;
  // Of a batch's first block, in the depot.
  free_block* next_batch;
  uint32_t batch_count;
};

/// Blocks of one size, or of all sizes above largest_block, since the heap was made.
struct size_figures {
  uint64_t allocs = 0;
  uint64_t frees = 0;  // never more than allocs
};

/// The blocks of one kind. The last six add up to what its slabs take.
struct kind_figures {
  std::array<size_figures, class_count> by_size{};
  size_figures all;  // the sums of by_size
  uint64_t allocated_bytes = 0, freed_bytes = 0;
  uint64_t in_use_bytes = 0;
  uint64_t cached_bytes = 0;    // by processors
  uint64_t free_bytes = 0;      // in the depot
  uint64_t fresh_bytes = 0;     // in the depot, and never used since the kernel gave it
  uint64_t rest_bytes = 0;      // heads of slabs, and ends that hold no block
  uint64_t released_bytes = 0;  // slabs given back to the kernel; mapped still
};

/// A snapshot. mapped_bytes == the slabs of all kinds + large_bytes + uncut_bytes + metadata_bytes.
struct heap_figures {
  uint64_t mapped_bytes = 0;        // from the kernel, not unmapped
  uint64_t strand_slab_bytes = 0;   // of which in slabs of strand blocks that were not given back
  uint64_t segment_slab_bytes = 0;  // and of segments, large ones too
  uint64_t peak_stack_bytes = 0;    // most that the two ever were together
  std::array<kind_figures, block_kinds> kinds;
  size_figures large;  // segments above largest_block: mapped and unmapped one by one
  uint64_t large_allocated_bytes = 0, large_freed_bytes = 0;
  uint64_t large_bytes = 0;       // in use
  uint64_t uncut_bytes = 0;       // never used: the ends of chunks
  uint64_t metadata_bytes = 0;    // what the heap knows of its slabs
  uint64_t given_back_bytes = 0;  // by release_some(), ever
  const kind_figures& of(block_kind kind) const noexcept { return kinds[static_cast<std::size_t>(kind)]; }
};

/// What an epoch lets go of.
enum class trim_level : uint8_t {
  unused,      ///< what was not needed for an epoch
  everything,  ///< all that is not in use
};

class block_cache;

class block_heap {
 public:
  block_heap(os::system& sys, void* owner) noexcept : sys_(sys), owner_(owner) {}
  ~block_heap();
  block_heap(const block_heap&) = delete;
  block_heap& operator=(const block_heap&) = delete;

  static constexpr uint32_t most_batch = 64;
  static constexpr std::size_t most_spans = 4;
  using span_array = std::array<block_span, most_spans>;
  static constexpr std::size_t batches_side_by_side = 8;

  /// Takes up to `want` blocks; returns the number of spans, 0 when the kernel gives no memory. They count as cached,
  /// not as allocated.
  uint32_t take_spans(block_kind kind, std::size_t size_class, uint32_t want, span_array& out) noexcept;
  void give_span(block_kind kind, std::size_t size_class, const block_span& span) noexcept;

  /// A list of blocks that was given back as one; nullptr when there is none.
  free_block* take_batch(block_kind kind, std::size_t size_class, uint32_t& count) noexcept;

  /// Gives a list of `count` blocks back.
  void give_batch(block_kind kind, std::size_t size_class, free_block* first, uint32_t count) noexcept;

  /// For threads without a block_cache: a block that counts as allocated; nullptr when the kernel gives no memory.
  void* take_one(block_kind kind, std::size_t size_class) noexcept;
  void give_one(block_kind kind, std::size_t size_class, void* block) noexcept;

  /// A segment larger than largest_block, straight from the kernel; nullptr when it refuses.
  void* take_large(std::size_t bytes) noexcept;
  void give_large(void* block, std::size_t bytes) noexcept;

  /// The heap's part of an epoch's end, after the caches were trimmed: what has lain in the depot for a whole epoch (or
  /// all that lies there) may go back to the kernel from now on. Cost: a look at each size.
  void end_epoch(trim_level level) noexcept;

  /// A step of giving such memory back: sorts at most `most_bytes` of blocks that lay idle to their slabs, then gives
  /// empty slabs back to the kernel, neighbours together, until that is `most_bytes` or there are no more. Returns how
  /// many bytes went back, which may be a slab's more. To give all back: while has_returnable().
  ///
  /// Thread safety: any thread. Cost: without the lock, the kernel's work; with it, a batch or a chunk's slabs at once.
  uint64_t release_some(uint64_t most_bytes) noexcept;

  /// Whether release_some() may find something to do; a hint, no lock.
  bool has_returnable() const noexcept {
    // relaxed: a hint.
    return has_returnable_.load(std::memory_order_relaxed);
  }

  /// Calls `f(strand*)` for every strand block that was handed out and not given back to the depot, and for some that
  /// were, dead ones included (look at their state).
  template <class F>
  void for_each_strand(F&& f) {
    for (const strand_span& s : strand_spans())
      for (uint32_t i = 0; i < s.count; ++i)
        f(reinterpret_cast<detail::strand*>(s.first + std::size_t{i} * s.block_bytes));
  }

  /// Thread safety: any thread, at any time.
  heap_figures figures() noexcept;

 private:
  friend class block_cache;

  static constexpr std::size_t chunk_bytes = 1024 * 1024;
  static constexpr uint32_t chunk_units = chunk_bytes / slab_bytes;

  // Batches, linked through next_batch; the newest first.
  struct batch_list {
    free_block* first = nullptr;
    free_block* last = nullptr;
    void push(free_block* b) noexcept;
    free_block* pop() noexcept;
    void append(batch_list& other) noexcept;  // which is empty afterwards
  };

  // The blocks and slabs of one kind and size.
  struct depot {
    // Batches as they came: in this epoch, in the one before it, and such as have lain here for a whole epoch.
    batch_list recent;
    batch_list older;
    batch_list idle;
    std::array<slab_list, 4> partial;  // with some free blocks: at most a quarter, half, three quarters, more
    slab_list empty;                   // whose blocks are all free, the newest first
    slab_list released;                // given back to the kernel
    uint64_t slabs = 0;
    uint64_t released_slabs = 0;
    uint64_t free_blocks = 0;   // here, in batches or in their slabs; fresh ones are not among them
    uint64_t fresh_blocks = 0;  // never used since the kernel gave their slab
    // By threads without a cache. Atomic: written under the lock.
    std::atomic<uint64_t> allocs{0};
    std::atomic<uint64_t> frees{0};
  };

  // A mapping of chunk_bytes, and its slabs. A slab's info is that of its first unit.
  struct chunk {
    char* base = nullptr;
    chunk* next_in_bucket = nullptr;
    chunk* next = nullptr;       // all chunks
    chunk* next_open = nullptr;  // those with units left
    uint32_t used_units = 0;
    std::array<slab_info, chunk_units> slabs{};
  };

  struct strand_span {
    char* first;
    uint32_t block_bytes;
    uint32_t count;
  };

  // Memory for chunks' infos; mapped in pieces.
  struct alignas(64) piece {
    piece* next;
    uint32_t used;
  };
  static constexpr std::size_t piece_bytes = 64 * 1024;
  static constexpr uint32_t chunks_per_piece = (piece_bytes - sizeof(piece)) / sizeof(chunk);

  static constexpr std::size_t buckets = 1024;
  static std::size_t bucket_of(const void* p) noexcept {
    return reinterpret_cast<uintptr_t>(p) / chunk_bytes % buckets;
  }

  depot& depot_of(block_kind kind, std::size_t size_class) noexcept {
    return depots_[static_cast<std::size_t>(kind) * class_count + size_class];
  }
  depot& depot_of(const slab_info& s) noexcept { return depot_of(s.kind, s.size_class); }

  // All of these: lock_ held.
  block_span claim(block_kind kind, std::size_t size_class, uint32_t want, bool fresh) noexcept;
  slab_info* find_slab(depot& d) noexcept;
  slab_info* fresh_slab(block_kind kind, std::size_t size_class) noexcept;
  slab_info* cut_slab(block_kind kind, std::size_t size_class) noexcept;
  void begin_slab(slab_info& s) noexcept;
  void put(block_kind kind, std::size_t size_class, char* const* blocks, uint32_t count, bool idle) noexcept;
  void list(depot& d, slab_info& s, bool idle = false) noexcept;
  void unlist(depot& d, slab_info& s) noexcept;
  slab_info* carve(uint32_t units) noexcept;
  chunk* add_chunk() noexcept;
  chunk* new_chunk_info() noexcept;
  chunk& chunk_of(const void* p) noexcept;
  slab_info& slab_of(block_kind kind, const void* block) noexcept;
  void count_stack_bytes(block_kind kind, int64_t bytes) noexcept;
  bool is_returnable(const slab_info& s) const noexcept {
    return s.state == slab_state::used && s.is_empty() && s.empty_since < returnable_before_;
  }
  uint32_t begin_release(uint64_t most_bytes, std::array<slab_info*, chunk_units>& out) noexcept;
  void end_release(slab_info& s) noexcept;

  bool sort_batches(uint64_t& bytes) noexcept;  // lock_ not held

  void enter(block_cache& cache) noexcept;
  void leave(block_cache& cache) noexcept;
  std::vector<strand_span> strand_spans();
  void read_tallies(heap_figures& out) noexcept;
  void read_depots(heap_figures& out) noexcept;

  os::system& sys_;
  void* owner_;

  detail::spin_lock lock_;
  // Guarded by lock_.
  std::array<depot, block_kinds * class_count> depots_;
  std::array<chunk*, buckets> by_address_{};
  chunk* chunks_ = nullptr;
  chunk* open_ = nullptr;
  piece* pieces_ = nullptr;
  uint64_t epoch_ = 1;
  uint64_t returnable_before_ = 0;  // epochs; see slab_info::empty_since
  std::size_t release_cursor_ = 0;  // the depots in which release_some() looks first
  std::size_t sort_cursor_ = 0;
  std::size_t strand_slabs_ = 0;
  heap_figures figures_;  // what no depot and no cache knows

  std::atomic<bool> has_returnable_{false};

  detail::spin_lock caches_lock_;  // taken before lock_
  // Guarded by caches_lock_.
  block_cache* caches_ = nullptr;
  std::array<std::array<size_figures, class_count>, 2> ended_{};  // of caches that are no more
};

/// A processor's own blocks: strand blocks and segments.
class block_cache {
 public:
  explicit block_cache(block_heap& heap) noexcept;
  ~block_cache();
  block_cache(const block_cache&) = delete;
  block_cache& operator=(const block_cache&) = delete;

  /// nullptr when the kernel gives no memory.
  void* take(block_kind kind, std::size_t size_class) noexcept {
    list& l = list_of(kind, size_class);
    if (l.head == nullptr && !refill(l, kind, size_class)) [[unlikely]]
      return nullptr;
    return take_cached(kind, size_class);
  }

  /// nullptr when the list is empty; take() may still have one.
  void* take_cached(block_kind kind, std::size_t size_class) noexcept {
    list& l = list_of(kind, size_class);
    free_block* b = l.head;
    if (b == nullptr) [[unlikely]]
      return nullptr;
    detail::mark_used(b, class_bytes(size_class));
    l.head = b->next;
    // relaxed: only the owner writes; a reader that sees the block's free sees this too (see figures()).
    l.taken.store(l.taken.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return b;
  }

  void give(block_kind kind, std::size_t size_class, void* block) noexcept {
    list& l = list_of(kind, size_class);
    auto* b = static_cast<free_block*>(block);
    b->next = l.head;
    l.head = b;
    poison(kind, b, class_bytes(size_class));
    // relaxed: only the owner writes, here and below.
    const uint64_t given = l.given.load(std::memory_order_relaxed) + 1;
    // release: pairs with the acquire in figures(); who sees the free sees the alloc, on whatever processor it was.
    l.given.store(given, std::memory_order_release);
    // relaxed: as above.
    if (static_cast<int64_t>(given - l.taken.load(std::memory_order_relaxed)) > l.full_at) [[unlikely]]
      spill(l, kind, size_class);
  }

  /// The processor's part of an epoch. Owner only. Keeps of each size what one epoch needed: at most as many blocks as
  /// were taken since the last trim, and the second list only if it was needed. So a steady user refills nothing.
  ///
  /// Cost: a look at each size, and the blocks that go to the depot (at most 2 batches of a size).
  void trim(trim_level level) noexcept;

  /// Gives everything to the depot. Owner only.
  void flush() noexcept { trim(trim_level::everything); }

  /// Blocks that move between cache and depot at a time: 32 KiB worth, 2 to 64.
  static constexpr uint32_t batch_size(std::size_t size_class) noexcept { return batch_sizes[size_class]; }

 private:
  friend class block_heap;
  static constexpr std::size_t kinds = 2;

  // The number of blocks at `head` is given - taken + batch_size - full_at: one word says when it is full, and the
  // other two only ever grow.
  struct alignas(64) list {
    free_block* head = nullptr;
    std::atomic<uint64_t> taken{0};  // atomic: written by the owner
    std::atomic<uint64_t> given{0};  // atomic: written by the owner
    int64_t full_at = 0;
    free_block* second = nullptr;  // another list, one batch or less
    uint32_t second_count = 0;
    bool second_needed = false;  // since the last trim
    uint8_t span_count = 0;
    uint64_t taken_before = 0;     // at the last trim
    block_heap::span_array spans;  // from the depot, not linked yet
  };

  static constexpr auto batch_sizes = [] {
    std::array<uint8_t, class_count> sizes{};
    for (std::size_t i = 0; i < class_count; ++i) {
      const std::size_t n = 32 * 1024 / class_bytes(i);
      sizes[i] = static_cast<uint8_t>(n < 2 ? 2 : n > 64 ? 64 : n);
    }
    return sizes;
  }();
  static_assert(*std::max_element(batch_sizes.begin(), batch_sizes.end()) <= block_heap::most_batch);

  list& list_of(block_kind kind, std::size_t size_class) noexcept {
    return lists_[static_cast<std::size_t>(kind)][size_class];
  }

  static uint64_t head_count(const list& l, std::size_t size_class) noexcept {
    // relaxed: the owner's own.
    return l.given.load(std::memory_order_relaxed) - l.taken.load(std::memory_order_relaxed) + batch_size(size_class) -
           static_cast<uint64_t>(l.full_at);
  }

  // A free strand block keeps its head readable, the strand and the words behind it that say whether it is in use
  // (task_control::id and join_word, fork_strand::task): the registry and [stop] may look at it.
  static void poison(block_kind kind, free_block* b, std::size_t bytes) noexcept {
    const std::size_t keep = kind == block_kind::strand ? sizeof(detail::strand) + 64 : sizeof(free_block);
    if (bytes > keep) detail::mark_unused(reinterpret_cast<char*>(b) + keep, bytes - keep);
  }

  // So many of a span are linked at a time, while the memory of the next ones is fetched: to link many at once means to
  // wait for as many cache misses.
  static constexpr uint32_t link_step = 8;

  void link_some(list& l, std::size_t size_class) noexcept;
  WEFT_RARE bool refill(list& l, block_kind kind, std::size_t size_class) noexcept;
  WEFT_RARE void spill(list& l, block_kind kind, std::size_t size_class) noexcept;
  void trim(list& l, block_kind kind, std::size_t size_class, trim_level level) noexcept;

  block_heap& heap_;
  block_cache* next_ = nullptr;  // guarded by the heap's caches_lock_
  std::array<std::array<list, class_count>, kinds> lists_;
};

}  // namespace weft::mem
