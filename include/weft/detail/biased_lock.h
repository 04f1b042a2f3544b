// The lock of things that tasks wait in: channels, mutexes, semaphores, timers. Biased to the processor that uses it.
//
// What tasks of one processor share is locked by that processor alone, again and again. So a lock that the same
// processor took many times in a row becomes its own: taking it is a store and a load, without a locked instruction
// (measured: 0.5 ns for lock and unlock instead of 5.1). Whoever else wants it takes the bias away first, which costs a
// process-wide barrier, so each time that happens the lock asks for more before it is biased again.
//
// Protocol [bias], an asymmetric Dekker handshake. Each processor has a list of the locks that it is inside of (a
// bias_owner), like a hazard pointer.
//   Owner:   B1 if bias is its own: B2 put the lock into its list. B3 compiler barrier. B4 if bias is its own still,
//            the lock is held. Else take it out of the list (release), and the long way. B5 unlock: take it out
//            (release).
//   Others:  L1 word: free -> {own, held}. L2 if bias is another's: bias = none; heavy barrier; wait until that one's
//            list does not have the lock (acquire). Now the lock is held. L3 if word had been its own before, often
//            enough: bias = its own. L4 unlock: word = {own, free} (release).
//   Either B4 sees L2, or the barrier makes B2 visible to L2's look. Bias is changed only by who holds `word`, and a
//   new bias holds from the unlock on. The unlock tells B5 from L4 by `word`: held by itself means L4, since an owner
//   that is inside did not take the word, and others take it only when it is free.
//   The lists are as long as locks may be nested, and locks that are held together are let go in reverse order.
//
// It is no full barrier; see S2 of [stop] in wait.h. Nothing may park or call out while it is held, and the thread
// that locks unlocks.
//
// Rejected: one flag `inside` in the lock. An owner that lost the bias between B1 and B2 then writes to the flag of the
// one that has it now (a mutex lost a hand-over by it, once in some minutes).
// Rejected: a lock word without bias, an exchange each: two of them were 10 of the 14 ns that an item took through a
// channel. Rejected: revoking by a signal or by waiting for the owner's next visit, which a computing owner delays.
//
// Source: biased locking as in Kawachiya et al., "Lock Reservation" (OOPSLA 2002), with membarrier(2) as the revoker's
// half, as in Dice et al., "Asymmetric Dekker Synchronization" (2001).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <weft/detail/atomics.h>
#include <weft/detail/config.h>
#include <weft/detail/context.h>

namespace weft::detail {

/// The locks that a processor is inside of by its bias, and the descriptors that it calls upon (own_calls.h). Never
/// freed, since late comers may look at it.
template <class Atomics = std_atomics>
struct bias_owner {
  constexpr explicit bias_owner(uint32_t number) noexcept : slot(number), is_processor(number != 0) {}

  /// The processor's number in the process, from 1 on; those of processors that ended are used again. 0: of all threads
  /// without one.
  const uint32_t slot;
  const bool is_processor;  ///< false: never gets a bias
  uint32_t count = 0;       ///< owner only
  std::atomic<int64_t> channel_bytes{0};  ///< made less freed here; see count_channel_bytes()
  std::array<typename Atomics::template atomic<const void*>, Atomics::most_nested_locks> inside{};
};

/// The protocol; `me` is the caller's.
template <class Atomics = std_atomics>
class bias_protocol {
 public:
  using owner = bias_owner<Atomics>;

  constexpr bias_protocol() noexcept = default;
  bias_protocol(const bias_protocol&) = delete;
  bias_protocol& operator=(const bias_protocol&) = delete;

  /// B1 to B4. False: take() it.
  WEFT_INLINE bool enter(owner& me) noexcept {
    // relaxed: B1.
    if (bias_.load(std::memory_order_relaxed) != &me) [[unlikely]]
      return false;
    const uint32_t place = me.count;
    // relaxed: B2; the heavy barrier of L2 orders it before B4.
    me.inside[place].store(this, std::memory_order_relaxed);
    Atomics::compiler_barrier();  // B3
    // relaxed: B4; what the lock guards was last written by this processor, or before it got the bias.
    if (bias_.load(std::memory_order_relaxed) == &me) [[likely]] {
      me.count = place + 1;
      return true;
    }
    // release: B4; pairs with the acquire load of L2.
    me.inside[place].store(nullptr, std::memory_order_release);
    return false;
  }

  /// L1 to L3. Returns who held it last, if it was by L1.
  owner* take(owner& me) noexcept {
    const uintptr_t own = word_of(me);
    uintptr_t last = own;
    // acquire: L1; pairs with the release store of L4. relaxed on failure: tried again.
    while (!word_.compare_exchange_strong(last, own | held, std::memory_order_acquire, std::memory_order_relaxed)) {
      if ((last & held) != 0) last = wait_until_free();
    }
    // relaxed: changed only by who holds the word.
    owner* const bias = bias_.load(std::memory_order_relaxed);
    if (bias != nullptr) {
      if (bias != &me) revoke(*bias);
    } else if (last != own) {
      streak_ = 0;
    } else if (++streak_ >= needed_ && me.is_processor && Atomics::asymmetric()) {
      // relaxed: L3; only B1 of this very processor acts on it.
      bias_.store(&me, std::memory_order_relaxed);
    }
    return reinterpret_cast<owner*>(last);
  }

  /// B5 or L4.
  WEFT_INLINE void leave(owner& me) noexcept {
    const uintptr_t own = word_of(me);
    // relaxed: tells whether this thread has the word.
    if (word_.load(std::memory_order_relaxed) != (own | held)) [[likely]] {
      const uint32_t place = --me.count;
      // release: B5; pairs with the acquire load of L2.
      me.inside[place].store(nullptr, std::memory_order_release);
    } else {
      // release: L4; pairs with L1.
      word_.store(own, std::memory_order_release);
    }
  }

 private:
  static constexpr uintptr_t held = 1;

  static uintptr_t word_of(owner& me) noexcept { return reinterpret_cast<uintptr_t>(&me); }

  WEFT_NOINLINE uintptr_t wait_until_free() noexcept {
    for (int spins = 0;; ++spins) {
      // relaxed: a look; the CAS takes it.
      const uintptr_t word = word_.load(std::memory_order_relaxed);
      if ((word & held) == 0) return word;
      Atomics::wait_a_little(spins);
    }
  }

  WEFT_NOINLINE void revoke(owner& from) noexcept {
    // relaxed: L2; the heavy barrier orders it.
    bias_.store(nullptr, std::memory_order_relaxed);
    Atomics::heavy_barrier();
    // An owner that is inside stays at its place in the list.
    for (auto& place : from.inside)
      // acquire: L2; pairs with the release stores of B4 and B5.
      for (int spins = 0; place.load(std::memory_order_acquire) == this; ++spins) Atomics::wait_a_little(spins);
    streak_ = 0;
    needed_ = needed_ < Atomics::most_bias_streak ? needed_ * Atomics::bias_streak_growth : needed_;
  }

  typename Atomics::template atomic<owner*> bias_{nullptr};  // whose it is
  typename Atomics::template atomic<uintptr_t> word_{0};     // who took it last, and whether it is held
  // Guarded by the word.
  uint32_t streak_ = 0;
  uint32_t needed_ = Atomics::first_bias_streak;
};

/// The protocol for the calling thread.
class biased_lock {
 public:
  constexpr biased_lock() noexcept = default;

  WEFT_INLINE void lock() noexcept {
    if (!protocol_.enter(*this_context.locks)) [[unlikely]]
      lock_slow();
  }
  WEFT_INLINE void unlock() noexcept { protocol_.leave(*this_context.locks); }

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

/// Counts bytes that channels have taken (negative: given back) where the calling thread's processor does. No locked
/// instruction but on a plain thread.
inline void count_channel_bytes(int64_t bytes) noexcept {
  bias_owner<>& me = *this_context.locks;
  if (me.is_processor)
    // relaxed: a statistic that only the owner writes.
    me.channel_bytes.store(me.channel_bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  else
    // relaxed: a statistic.
    me.channel_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

/// The sum over all processors and threads. Any thread.
uint64_t channel_bytes() noexcept;

/// A list for a new processor, and back. Any thread.
bias_owner<>* take_bias_owner();
void give_bias_owner(bias_owner<>* owner) noexcept;

}  // namespace weft::detail
