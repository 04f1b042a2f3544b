// The lock of things that tasks wait in: channels, mutexes, semaphores, timers. Biased to the processor that uses it.
//
// What tasks of one processor share is locked by that processor alone, again and again. So a lock that the same
// processor took many times in a row becomes its own: taking it is a store and a load, without a locked instruction
// (measured: 0.5 ns for lock and unlock instead of 5.1). Whoever else wants it takes the bias away first, which costs a
// process-wide barrier, so each time that happens the lock asks for more before it is biased again.
//
// Protocol [bias], an asymmetric Dekker handshake. A *tag* is the number of a processor, unique in the process.
//   Owner:   B1 if bias == own tag: B2 inside = 1. B3 compiler barrier. B4 if bias == own tag still, the lock is held.
//            Else inside = 0 (release) and the long way. B5 unlock: inside = 0 (release).
//   Others:  L1 word: free -> {own tag, held}. L2 if bias is set: bias = 0; heavy barrier; wait until inside == 0
//            (acquire). Now the lock is held. L3 if word had the own tag before, often enough: bias = own tag.
//            L4 unlock: word = {own tag, free} (release).
//   Either B4 sees L2, or the barrier makes B2 visible to L2's look. Bias is changed only by who holds `word`, and a
//   new bias holds from the unlock on. The unlock tells B5 from L4 by `word`: held with the own tag means L4, since an
//   owner that is inside did not take the word, and others take it only when it is free.
//
// It is no full barrier; see S2 of [stop] in wait.h. Nothing may park, allocate or call out while it is held, and the
// thread that locks unlocks.
//
// Rejected: a lock word without bias, an exchange each: two of them were 10 of the 14 ns that an item took through a
// channel. Rejected: revoking by a signal or by waiting for the owner's next visit, which a computing owner delays.
//
// Source: biased locking as in Kawachiya et al., "Lock Reservation" (OOPSLA 2002), with membarrier(2) as the revoker's
// half, as in Dice et al., "Asymmetric Dekker Synchronization" (2001).
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/atomics.h>
#include <weft/detail/config.h>
#include <weft/detail/context.h>

namespace weft::detail {

/// The protocol; `me` is the caller's tag, from first_tag on, or no_tag for a thread without a processor.
template <class Atomics = std_atomics>
class bias_protocol {
 public:
  static constexpr uint32_t no_tag = 1;
  static constexpr uint32_t first_tag = 2;

  /// How often in a row a processor takes the lock before it is its own: at first, and once it was lost. Then it has to
  /// have cost about as much as taking the bias away does (8 us against 5 ns), which keeps the loss below a factor of
  /// 2.
  static constexpr uint32_t first_streak = 64;
  static constexpr uint32_t streak_growth = 8;
  static constexpr uint32_t most_streak = 4096;

  constexpr bias_protocol() noexcept = default;
  explicit bias_protocol(uint32_t streak) noexcept : needed_(streak) {}
  bias_protocol(const bias_protocol&) = delete;
  bias_protocol& operator=(const bias_protocol&) = delete;

  /// B1 to B4. False: take() it.
  WEFT_INLINE bool enter(uint32_t me) noexcept {
    // relaxed: B1.
    if (bias_.load(std::memory_order_relaxed) != me) [[unlikely]]
      return false;
    // relaxed: B2; the heavy barrier of L2 orders it before B4.
    inside_.store(1, std::memory_order_relaxed);
    Atomics::compiler_barrier();  // B3
    // relaxed: B4; what the lock guards was last written by this processor, or by who set the bias, which is this one.
    if (bias_.load(std::memory_order_relaxed) == me) [[likely]]
      return true;
    // release: B4; what the guarded data were when it was inside last is visible to L2.
    inside_.store(0, std::memory_order_release);
    return false;
  }

  /// L1 to L3. Returns the tag of who held it last; 0: nobody.
  uint32_t take(uint32_t me) noexcept {
    uint32_t last = me << 1;
    // acquire: L1; pairs with the release store of L4. relaxed on failure: tried again.
    while (!word_.compare_exchange_strong(last, me << 1 | held, std::memory_order_acquire, std::memory_order_relaxed)) {
      if ((last & held) != 0) last = wait_until_free();
    }
    // relaxed: changed only by who holds the word.
    const uint32_t bias = bias_.load(std::memory_order_relaxed);
    if (bias != 0) {
      if (bias != me) revoke();
    } else if (last >> 1 != me) {
      streak_ = 0;
    } else if (++streak_ >= needed_ && me >= first_tag && Atomics::asymmetric()) {
      // relaxed: L3; only B1 of this very processor acts on it.
      bias_.store(me, std::memory_order_relaxed);
    }
    return last >> 1;
  }

  /// B5 or L4.
  WEFT_INLINE void leave(uint32_t me) noexcept {
    // relaxed: tells whether this thread has the word.
    if (word_.load(std::memory_order_relaxed) != (me << 1 | held)) [[likely]] {
      // release: B5; pairs with the acquire load in L2.
      inside_.store(0, std::memory_order_release);
    } else {
      // release: L4; pairs with L1.
      word_.store(me << 1, std::memory_order_release);
    }
  }

 private:
  static constexpr uint32_t held = 1;

  WEFT_NOINLINE uint32_t wait_until_free() noexcept {
    for (int spins = 0;; ++spins) {
      // relaxed: a look; the CAS takes it.
      const uint32_t word = word_.load(std::memory_order_relaxed);
      if ((word & held) == 0) return word;
      Atomics::wait_a_little(spins);
    }
  }

  WEFT_NOINLINE void revoke() noexcept {
    // relaxed: L2; the heavy barrier orders it.
    bias_.store(0, std::memory_order_relaxed);
    Atomics::heavy_barrier();
    // acquire: L2; pairs with the release stores of B4 and B5.
    for (int spins = 0; inside_.load(std::memory_order_acquire) != 0; ++spins) Atomics::wait_a_little(spins);
    streak_ = 0;
    needed_ = needed_ < most_streak ? needed_ * streak_growth : needed_;
  }

  typename Atomics::template atomic<uint32_t> bias_{0};    // whose it is; 0: nobody's
  typename Atomics::template atomic<uint32_t> inside_{0};  // 1: its owner is between B2 and B5
  typename Atomics::template atomic<uint32_t> word_{0};    // {tag of who held it last, held}
  // Guarded by the word.
  uint32_t streak_ = 0;
  uint32_t needed_ = first_streak;
};

/// The protocol for the calling thread.
class biased_lock {
 public:
  constexpr biased_lock() noexcept = default;

  WEFT_INLINE void lock() noexcept {
    if (!protocol_.enter(this_context.tag)) [[unlikely]]
      lock_slow();
  }
  WEFT_INLINE void unlock() noexcept { protocol_.leave(this_context.tag); }

 private:
  WEFT_RARE void lock_slow() noexcept;

  bias_protocol<> protocol_;
};

/// Holds a biased_lock for a scope.
class [[nodiscard]] biased_guard {
 public:
  explicit biased_guard(biased_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~biased_guard() { lock_.unlock(); }
  biased_guard(const biased_guard&) = delete;
  biased_guard& operator=(const biased_guard&) = delete;

 private:
  biased_lock& lock_;
};

}  // namespace weft::detail
