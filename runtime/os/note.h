// A one-shot sleep and wake for one OS thread, on a futex word.
//
// Protocol [note], the word holding clear, sleeping or signalled:
//   1. wait(): CAS clear -> sleeping (acquire); if it finds signalled, it returns at once.
//   2. wait(): futex_wait while the word is sleeping; on time-out CAS sleeping -> clear and return false, unless the
//      CAS finds signalled.
//   3. signal(): exchange signalled (release); only if the old value was sleeping does it call futex_wake.
// The exchange of 3 and the CAS of 1 are ordered on the one word, so no wake is lost and no needless call is made.
//
// Invariants:
//   At most one thread waits at a time. signal() may come from any thread, before, during or after wait(), any number
//   of times; the note stays signalled until reset(), which only the waiter calls, outside wait().
//   After its exchange signal() touches the note's address only, never its contents, so the waiter may destroy the
//   note as soon as wait() returns true.
//
// Source: the idea is Go's note (src/runtime/lock_futex.go); the sleeping state, which spares the call, is ours.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/system.h"

namespace weft::os {

class note {
 public:
  explicit note(system& sys) noexcept : sys_(&sys) {}
  note(const note&) = delete;
  note& operator=(const note&) = delete;

  /// Wakes the waiter, or lets the next wait() return at once.
  ///
  /// Thread safety: any thread. Order: happens before the wait() that returns true for it.
  void signal() noexcept;

  /// Sleeps until signalled; false when `timeout_ns` of real time (negative: no limit) passed first.
  ///
  /// Thread safety: one waiter at a time. Blocks: the calling OS thread.
  bool wait(int64_t timeout_ns = -1) noexcept;

  /// Makes the note clear again. Only the waiter, outside wait().
  void reset() noexcept;

  /// True when signalled and not yet reset; ordered like a wait() that returns true.
  [[nodiscard]] bool signalled() const noexcept;

 private:
  system* const sys_;              // immutable after construction
  std::atomic<uint32_t> word_{0};  // atomic: see [note]
};

}  // namespace weft::os
