// The clock seam: monotonic time in nanoseconds, real or moved by hand.
//
// Whoever sleeps until a moment computes it with now_ns(). A real clock moves by itself and the kernel's timeout ends
// the sleep; a manual clock only moves when told to, so a sleeper subscribes and is called after each move.
//
// Invariants: now_ns() never falls, seen from all threads together.
//
// Thread safety: every member may be called from every thread.
#pragma once

#include <cstdint>

namespace weft::os {

class clock {
 public:
  clock() noexcept = default;
  virtual ~clock() = default;
  clock(const clock&) = delete;
  clock& operator=(const clock&) = delete;

  /// Nanoseconds since an arbitrary moment that stays fixed for the process.
  [[nodiscard]] virtual int64_t now_ns() noexcept = 0;

  /// Asks a manual clock to call on_change(argument) after each advance, on the advancing thread.
  ///
  /// A clock that moves by itself ignores the request: its sleepers rely on kernel timeouts.
  virtual void subscribe(void (*on_change)(void*), void* argument) {
    static_cast<void>(on_change);
    static_cast<void>(argument);
  }

  /// Ends every subscription with this argument. No call for it runs once this has returned.
  ///
  /// Must not be called from inside on_change.
  virtual void unsubscribe(void* argument) { static_cast<void>(argument); }

  /// True when time stands still between explicit advances.
  [[nodiscard]] virtual bool manual() const noexcept { return false; }

  /// The kernel's monotonic clock (CLOCK_MONOTONIC, read without a system call).
  [[nodiscard]] static clock& real() noexcept;
};

}  // namespace weft::os
