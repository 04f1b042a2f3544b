// The part of a select that knows nothing of its arms' types: who wins, waiting on all of them, leaving the losers.
//
// Protocol [select]. A waiter of each arm stands in that arm's queue, and all of them share one word, `winner`.
//   By the strand that selects:
//     X1 try the arms one by one, each under its own lock; the first that can be done is the choice.
//     X2 lock all arms, in the order of the locks' addresses. If the task was asked to stop: none. Try once more.
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
//   crosswise.
//
// An arm is any awaiter with these members (A: the awaiter's lock is held):
//   biased_lock* arm_lock()                the lock of its queue; nullptr: it is never ready (a nil channel)
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
#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <weft/detail/wait.h>

namespace weft::detail {

/// An arm without its type.
struct select_arm {
  struct operations {
    biased_lock* (*lock)(void*) noexcept;
    bool (*attempt)(void*) noexcept;
    bool (*poll)(void*, uintptr_t& woken) noexcept;
    bool (*enqueue)(void*) noexcept;
    void (*leave)(void*, waiter_chain& woken) noexcept;
    waiter& (*node)(void*) noexcept;
  };
  void* object;
  const operations* does;
  biased_lock* lock;  ///< once it is queued
};

/// The waiter by which a stop finds a select, and the word that the arms compete for.
struct select_core : waiter {
  static constexpr uint32_t open = UINT32_MAX;
  static constexpr uint32_t stopped = UINT32_MAX - 1;
  std::atomic<uint32_t> winner{open};
  bool queued = false;  ///< the arms have waiters in their queues
};

/// X2 to X4; or goes on at once, with the winner set.
std::coroutine_handle<> park_in_select(select_core& core, select_arm* arms, uint32_t count, const uint8_t* order,
                                       std::coroutine_handle<> leaf, std::source_location where) noexcept;

/// For a try: looks at all arms at one moment, and does the first in order that can be done. open: none could.
///
/// Arms that are tried one by one may each be not ready at its turn although at every moment one of them was.
uint32_t try_together(select_arm* arms, uint32_t count, const uint8_t* order) noexcept;

/// X5.
void leave_select(select_core& core, select_arm* arms, uint32_t count) noexcept;

/// A number in [0, n).
uint32_t select_random(uint32_t n) noexcept;

}  // namespace weft::detail
