// A lock of four bytes for a few instructions' worth of work.
//
// Taken by exchange, released by a plain store; a waiter spins briefly and then lets other threads run, so a holder
// that the kernel descheduled is not waited for with a burning core. Nothing may park, allocate or call out while it is
// held.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/config.h>

namespace weft::detail {

class spin_lock {
 public:
  constexpr spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  WEFT_INLINE void lock() noexcept {
    // seq_cst: acquires from the release store in unlock(), and is the full barrier between steps P1 and P3 of [stop].
    if (held_.exchange(1, std::memory_order_seq_cst) != 0) [[unlikely]]
      lock_slow();
  }

  WEFT_INLINE bool try_lock() noexcept {
    // acquire: pairs with the release store in unlock().
    return held_.exchange(1, std::memory_order_acquire) == 0;
  }

  WEFT_INLINE void unlock() noexcept {
    // release: publishes what the holder wrote; pairs with the acquire exchange in lock().
    held_.store(0, std::memory_order_release);
  }

 private:
  WEFT_NOINLINE void lock_slow() noexcept;

  std::atomic<uint32_t> held_{0};
};

/// Holds a spin_lock for a scope.
class [[nodiscard]] spin_guard {
 public:
  explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~spin_guard() { lock_.unlock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;

 private:
  spin_lock& lock_;
};

}  // namespace weft::detail
