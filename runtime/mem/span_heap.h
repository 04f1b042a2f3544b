// Memory for pooled buffers: nodes of one size, cut from spans of 1 MiB, so that what epochs clear serves other sizes
// at once, or goes back to the kernel, whoever took it and whoever gives it.
//
//   span_cut:   one per size: the spans that have free nodes, under a lock
//   span_store: one per process: empty spans that are still backed by memory, under a lock; release_some() unmaps them
//   kernel:     os::system::map
//
// A span belongs to a cut from the taking of its first node to the return of its last one. Nodes of which a span does
// not hold at least seven are mapped one by one.
//
// Invariants:
//   Only [span, span + touched) was ever written, so only that takes memory; touched <= span_bytes.
//   held_bytes() is the sum of touched over all spans, and of what is mapped one by one; empty_bytes() is the part of
//   it that lies in empty spans.
//   Order of locks: a cut's, then the store's.
//
// With AddressSanitizer free nodes are poisoned, but for the word that links them.
//
// Thread safety: all of it, any thread. Cost of a node: one lock, a list push or pop.
//
// Rejected: the C library's heap. Its arenas belong to threads, so what is free in one does not serve another, and
// trimming it for a limit took longer than the program's own work.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <weft/detail/spin_lock.h>

#include "os/system.h"

namespace weft::mem {

inline constexpr std::size_t span_bytes = std::size_t{1} << 20;

/// Nodes up to this size come from spans.
inline constexpr std::size_t most_in_span = span_bytes / 8 + 4096;

class span_cut;

/// The head of a span; nodes follow. Guarded by the lock of the cut or the store that has it; `cut` is also read by who
/// holds one of its nodes.
struct alignas(64) span {
  span* next = nullptr;
  span* prev = nullptr;
  span_cut* cut = nullptr;
  void* free = nullptr;    // nodes that were given back, linked by their first word
  uint32_t used = 0;       // nodes that are taken
  uint32_t fresh = 0;      // offset of the first node that was not cut yet
  uint32_t touched = 0;    // the most that `fresh` ever was
  bool is_listed = false;  // by its cut, since it has room
};
static_assert(sizeof(span) == 64);

/// A list of spans. Guarded by who has it.
class span_list {
 public:
  span* first() const noexcept { return first_; }
  span* last() const noexcept { return last_; }

  void push_front(span& s) noexcept {
    s.prev = nullptr;
    s.next = first_;
    (first_ != nullptr ? first_->prev : last_) = &s;
    first_ = &s;
  }
  void remove(span& s) noexcept {
    (s.prev != nullptr ? s.prev->next : first_) = s.next;
    (s.next != nullptr ? s.next->prev : last_) = s.prev;
  }

 private:
  span* first_ = nullptr;
  span* last_ = nullptr;
};

/// Empty spans. The one that came last is the first to leave, and the one that came first goes back to the kernel.
class span_store {
 public:
  explicit span_store(os::system& sys) noexcept : sys_(sys) {}
  /// Unmaps what is here; nothing may be anywhere else.
  ~span_store();
  span_store(const span_store&) = delete;
  span_store& operator=(const span_store&) = delete;

  /// The process's, on the real system; never destroyed.
  static span_store& get() noexcept;

  /// nullptr when the kernel refuses.
  span* take() noexcept;
  void give(span& s) noexcept;

  /// For nodes that do not come from spans; nullptr when the kernel refuses.
  void* map_one(std::size_t bytes) noexcept;
  void unmap_one(void* node, std::size_t bytes) noexcept;

  /// An epoch's end: spans that nobody needed for a whole epoch may go back to the kernel.
  void end_epoch() noexcept;

  /// Lets so many bytes of empty spans go back, if there are as many. True: some may go.
  bool offer(uint64_t bytes) noexcept;

  /// Unmaps a span that may go back. False: there was none.
  bool release_some() noexcept;

  /// Whether release_some() may find something; a hint, no lock.
  bool has_returnable() const noexcept {
    // relaxed: a hint.
    return returnable_.load(std::memory_order_relaxed) != 0;
  }

  /// Counts bytes of a span that are written for the first time.
  void touch(std::size_t bytes) noexcept {
    // relaxed: a figure, here and below.
    held_.fetch_add(bytes, std::memory_order_relaxed);
  }
  uint64_t held_bytes() const noexcept {
    // relaxed: as above.
    return held_.load(std::memory_order_relaxed);
  }
  uint64_t empty_bytes() const noexcept {
    // relaxed: as above.
    return empty_.load(std::memory_order_relaxed);
  }
  /// Of what is held, what is not empty; the two are read one after the other.
  uint64_t used_bytes() const noexcept {
    const uint64_t empty = empty_bytes(), held = held_bytes();
    return held > empty ? held - empty : 0;
  }

 private:
  span* pop_last_returnable() noexcept;
  void left(const span& s) noexcept;
  void unmap(span& s) noexcept;

  os::system& sys_;
  std::atomic<uint64_t> held_{0};
  std::atomic<uint64_t> empty_{0};
  detail::spin_lock lock_;
  // Guarded by lock_.
  span_list spans_;
  std::size_t count_ = 0;
  std::size_t least_ = 0;                   // of count_ since the last epoch
  std::atomic<std::size_t> returnable_{0};  // may go back; read without the lock
};

/// The nodes of one size. All must have come back before it is destroyed.
class span_cut {
 public:
  span_cut(span_store& store, std::size_t node_bytes) noexcept
      : store_(store), node_bytes_((node_bytes + 15) / 16 * 16) {}
  ~span_cut();
  span_cut(const span_cut&) = delete;
  span_cut& operator=(const span_cut&) = delete;

  /// Aligned to 16; nullptr when the kernel refuses.
  void* take() noexcept;

  /// Aborts if the node is not one of this cut that is taken, as far as its span tells.
  void give(void* node) noexcept;

 private:
  bool is_full(const span& s) const noexcept { return s.free == nullptr && s.fresh + node_bytes_ > span_bytes; }
  void begin(span& s) noexcept;
  void* take_from(span& s) noexcept;

  span_store& store_;
  const std::size_t node_bytes_;
  detail::spin_lock lock_;
  // Guarded by lock_.
  span_list with_room_;
  std::size_t span_count_ = 0;  // with room or full
};

}  // namespace weft::mem
