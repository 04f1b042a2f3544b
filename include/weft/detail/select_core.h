// The part of a select that knows nothing of its arms' types: who wins, waiting on all of them, leaving the losers.
//
// Protocol [select]. A waiter of each arm stands in that arm's queue, and all of them share one word, `winner`.
//   By the strand that selects:
//     X1 look at all arms without their locks. Try those that look ready, in random order, each under its own lock;
//        the first that can be done is the choice.
//     X2 lock all arms, in the order of the locks' addresses. If the task was asked to stop: none. Look once more,
//        and do one of those that are ready.
//     X3 detach; queue a waiter on every arm; strand.waiting = the core, with the first lock as wait_lock ([stop]).
//     X4 unlock all. Take the next strand.
//   By whoever could serve one of the waiters, holding that arm's lock:
//     C1 take the waiter out of the queue; CAS winner: open -> its arm. If that fails, the select was served elsewhere:
//        the waiter is left alone, linked to itself, and the next one's turn comes.
//     C2 serve it, strand.waiting = nullptr, unlock, make the strand ready.
//   By a stopper, holding the first lock, with strand.waiting = the core: CAS winner: open -> stopped; unlock, ready.
//   By the strand when it goes on:
//     X5 for every other arm: lock, unlink, unlock. Nobody touches the core or the waiters afterwards.
//   Why the core is there while C1 or a stopper look at it: both hold the lock of an arm, and X5 takes the locks of
//   all arms but the winner's, whose holder has won, and lets go of the core before it makes the strand ready.
//   X2 and X3 hold all locks, so a select never meets its own waiters, and two selects cannot choose each other's arms
//   crosswise. The look of X1 may be wrong either way: who looks ready is tried under its lock, and who does not is
//   looked at again by X2.
//
// An arm is any awaiter with these members (A: the awaiter's lock is held):
//   biased_lock* arm_lock()                the lock of its queue; nullptr: it is never ready (a nil channel)
//   bool arm_look()                        A, or without the lock, and then a snapshot: whether it could be done at
//                                          once. May be left out; then it always looks ready
//   bool arm_try()                         does it if that is possible at once; takes and frees the lock itself
//   bool arm_poll(uintptr_t& woken)        A: the same; leaves there whom to wake
//   bool arm_enqueue()                     A: queues arm_waiter(); false: it was done after all
//   void arm_leave(waiter_chain& woken)    A: takes it out; others that may go on now are added
//   waiter& arm_waiter()
//   source_location arm_where()            where it is written
//   await_resume()                         what it came to
//
// Source: one claim word for all arms as in Concurrent ML; locking them all in the order of addresses is Go's,
// src/runtime/select.go.
//
// Rejected: trying each arm under its lock in random order before X2, as it was. A select that parks then locked every
// arm three times, and the branch on which arm comes first was wrong half of the time.
// Rejected: arms behind a table of function pointers, so that one function parks all selects. The calls cost more than
// what they do; with the first tries they were half of the time of a select that parks.
// Rejected: a plain store for C1 where all locks are biased to one processor. The compare-and-swap shows in a profile,
// but a round trip without it, sound or not, took as long.
#pragma once

#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <utility>

#include <weft/detail/wait.h>

namespace weft::detail {

/// The waiter by which a stop finds a select, and the word that the arms compete for.
struct select_core : waiter {
  static constexpr uint32_t open = UINT32_MAX;
  static constexpr uint32_t stopped = UINT32_MAX - 1;
  std::atomic<uint32_t> winner{open};
  bool queued = false;  ///< the arms have waiters in their queues
};

/// The locks of all arms, each once, in the order of their addresses.
template <std::size_t Most>
class select_locks {
 public:
  explicit select_locks(const std::array<biased_lock*, Most>& found) noexcept {
    for (biased_lock* lock : found)
      if (lock != nullptr) add(lock);
  }
  bool empty() const noexcept { return size_ == 0; }
  biased_lock& first() noexcept { return *locks_[0]; }
  void lock() noexcept {
    for (std::size_t i = 0; i < size_; ++i) locks_[i]->lock();
  }
  void unlock() noexcept {
    for (std::size_t i = size_; i-- > 0;) locks_[i]->unlock();
  }

 private:
  // There are few, and most often they come in order.
  void add(biased_lock* lock) noexcept {
    std::size_t at = size_;
    while (at > 0 && std::less<>()(lock, locks_[at - 1])) --at;
    if (at > 0 && locks_[at - 1] == lock) return;
    for (std::size_t i = size_++; i > at; --i) locks_[i] = locks_[i - 1];
    locks_[at] = lock;
  }

  std::array<biased_lock*, Most> locks_;
  std::size_t size_ = 0;
};

/// The same for two, which stay in registers. lock() and unlock() only if it is not empty.
template <>
class select_locks<2> {
 public:
  WEFT_INLINE explicit select_locks(const std::array<biased_lock*, 2>& found) noexcept
      : first_(found[0]), second_(found[1]) {
    if (std::less<>()(second_, first_)) std::swap(first_, second_);  // nullptr is less than all
    if (first_ == nullptr) std::swap(first_, second_);
    if (first_ == second_) second_ = nullptr;
  }
  WEFT_INLINE bool empty() const noexcept { return first_ == nullptr; }
  WEFT_INLINE biased_lock& first() noexcept { return *first_; }
  WEFT_INLINE void lock() noexcept {
    first_->lock();
    if (second_ != nullptr) [[likely]]
      second_->lock();
  }
  WEFT_INLINE void unlock() noexcept {
    if (second_ != nullptr) [[likely]]
      second_->unlock();
    first_->unlock();
  }

 private:
  biased_lock* first_;
  biased_lock* second_;  // nullptr: there is one
};

/// X3, but for the arms: saves the strand. All locks are held.
void begin_select_wait(select_core& core, std::coroutine_handle<> leaf, std::source_location where) noexcept;

/// A number in [0, n).
uint32_t select_random(uint32_t n) noexcept;

/// One of the bits, each with the same probability.
WEFT_NOINLINE uint64_t random_bit(uint64_t bits) noexcept;

}  // namespace weft::detail
