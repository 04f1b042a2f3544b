// A processor's queue of ready strands, first in first out.
//
// The owner pushes at the tail; it and thieves take from the head. push() fails when full; the caller then moves half
// to the global queue with take_half(). Capacity is a parameter so that tests can use 4.
//
// Protocol [ring]:
//   Q1 push: head (acquire); if there is room write the slot, then tail (release).
//   Q2 pop: read tail (own), head (acquire), slot; CAS head -> head + 1. Where the owner is alone, a store does.
//   Q3 steal: head (acquire), tail (acquire), copy up to half (rounded up) of the slots, CAS head -> head + n
//   (acq_rel). A copied slot is used only if the CAS wins, and the owner reuses a slot only after it saw `head` pass
//   it.
//
// Invariants:
//   Only the owner writes tail_. 0 <= tail_ - head_ <= Capacity; slots in [head_, tail_) hold strands.
//   Indices are 32 bits and only grow; a thief would have to sleep through 2^32 pushes to be fooled.
//
// Rejected: Chase-Lev. Growth needs reclamation; Go's fixed ring does not.
//
// Source: the idea is Go's, src/runtime/proc.go, runqput, runqget and runqgrab.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <weft/detail/atomics.h>

namespace weft::sched {

template <class T, uint32_t Capacity, class Atomics = detail::std_atomics>
class run_queue {
  static_assert((Capacity & (Capacity - 1)) == 0);

 public:
  /// One that is not open takes nothing and counts as full. `shared`: others than the owner take from it.
  explicit run_queue(bool open = true, bool shared = true) noexcept : room_(open ? Capacity : 0), shared_(shared) {}

  /// Adds at the tail. Owner only. False: full.
  bool push(T* item) noexcept {
    // acquire: Q1; pairs with the CAS in pop() and steal(): the taker is done with the slot.
    const uint32_t head = head_.load(std::memory_order_acquire);
    // relaxed: only the owner writes tail_.
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head >= room_) return false;
    // relaxed: published by the release store of tail_.
    slots_[tail % Capacity].store(item, std::memory_order_relaxed);
    // release: publishes the slot; pairs with the acquire load in steal().
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Takes from the head. Owner only. nullptr: empty.
  T* pop() noexcept {
    // relaxed: only the owner writes tail_.
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    // acquire: pairs with the CAS of a thief.
    uint32_t head = head_.load(std::memory_order_acquire);
    while (head != tail) {
      // relaxed: the owner wrote the slot itself.
      T* item = slots_[head % Capacity].load(std::memory_order_relaxed);
      if (!shared_)
        // relaxed: Q2, nobody else takes; for figures.
        head_.store(head + 1, std::memory_order_relaxed);
      // acq_rel: Q2; thieves see the take. acquire on failure: another round needs the new head.
      else if (!head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      // A control block and frame that is wanted soon and may be cold.
      // relaxed: a hint.
      const auto soon = reinterpret_cast<uintptr_t>(slots_[(head + 3) % Capacity].load(std::memory_order_relaxed));
      for (uintptr_t line = 0; line < 3; ++line) __builtin_prefetch(reinterpret_cast<const char*>(soon + 64 * line));
      return item;
    }
    return nullptr;
  }

  /// Takes one part in `divisor`, rounded up, into `out` (room for Capacity / 2 + 1; the divisor is 2 or more). Any
  /// thread, of a shared one. Returns how many; 0: empty or lost a race.
  uint32_t steal(T** out, uint32_t divisor = 2) noexcept {
    return take(out, [divisor](uint32_t n) { return (n + divisor - 1) / divisor; });
  }

  /// Takes half, rounded down, to make room. Owner only.
  uint32_t take_half(T** out) noexcept {
    return take(out, [](uint32_t n) { return n / 2; });
  }

  /// Takes everything. Any thread, of a shared one.
  uint32_t take_all(T** out) noexcept {
    return take(out, [](uint32_t n) { return n; });
  }

  /// A snapshot; exact for the owner as far as growth goes.
  uint32_t size() const noexcept {
    // acquire: head first, so that the difference is never negative by more than what was taken in between.
    const uint32_t head = head_.load(std::memory_order_acquire);
    // acquire: pairs with the release store in push(), for a re-scan before sleeping.
    const uint32_t tail = tail_.load(std::memory_order_acquire);
    const auto n = static_cast<int32_t>(tail - head);
    return n > 0 ? static_cast<uint32_t>(n) : 0;
  }

  /// Owner only: thieves may empty it at any moment, but nobody else fills it.
  bool empty() const noexcept {
    // relaxed: the owner's own tail; a late head only makes it look fuller.
    return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_relaxed);
  }

  /// The position behind the newest item. Any thread; a snapshot.
  uint32_t end() const noexcept {
    // relaxed: a figure.
    return tail_.load(std::memory_order_relaxed);
  }

  /// Whether an item from before that position is still here, so that it was not reached since. Any thread; a snapshot.
  bool reaches(uint32_t position) const noexcept {
    // relaxed: a figure.
    return static_cast<int32_t>(position - head_.load(std::memory_order_relaxed)) > 0;
  }

  bool is_open() const noexcept { return room_ != 0; }

  static constexpr uint32_t capacity = Capacity;

 private:
  template <class Share>
  uint32_t take(T** out, Share share) noexcept {
    for (;;) {
      // acquire: Q3; pairs with other takers' CAS.
      uint32_t head = head_.load(std::memory_order_acquire);
      // acquire: pairs with the release store in push(): the slots are visible.
      const uint32_t tail = tail_.load(std::memory_order_acquire);
      if (tail - head > Capacity) continue;  // from different moments; more than `out` has room for
      const uint32_t n = share(tail - head);
      if (n == 0) return 0;
      // relaxed: ordered by the acquire of tail_ above; a stale copy is thrown away when the CAS fails.
      for (uint32_t i = 0; i < n; ++i) out[i] = slots_[(head + i) % Capacity].load(std::memory_order_relaxed);
      // acq_rel: our reads of the slots come before the owner's reuse. relaxed on failure: nothing was used.
      if (head_.compare_exchange_strong(head, head + n, std::memory_order_acq_rel, std::memory_order_relaxed)) return n;
    }
  }

  alignas(64) typename Atomics::template atomic<uint32_t> head_{0};
  alignas(64) typename Atomics::template atomic<uint32_t> tail_{0};
  const uint32_t room_;
  const bool shared_;
  std::array<typename Atomics::template atomic<T*>, Capacity> slots_{};
};

}  // namespace weft::sched
