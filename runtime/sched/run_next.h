// The slot for the strand that was made ready last and runs next.
//
// The owner puts and takes once per hand-off between two tasks, so its side has no locked instruction; a thief, which
// comes only when the owner has computed for long without looking at the slot, pays for both with a process-wide
// barrier.
//
// Protocol [run-next], an asymmetric Dekker handshake:
//   Owner:  N1 inside = 1. N2 light barrier. N3 if claimed: inside = 0, wait until claimed == 0, go to N1.
//           N4 read and write the slot. N5 inside = 0 (release).
//   Thief:  T1 lock thieves. T2 claimed = 1. T3 heavy barrier. T4 if inside (acquire): the owner is awake and will get
//           to the slot itself: give up. T5 else take the slot. T6 claimed = 0 (release), unlock.
//   Either N3 sees T2, or the barrier makes N1 visible to T4; so N4 and T5 never overlap.
//
// Rejected: exchange and compare-exchange on the slot, as Go does: two locked instructions a hand-off, 5 of about 17
// ns.
#pragma once

#include <cstdint>

#include <weft/detail/atomics.h>
#include <weft/detail/config.h>

namespace weft::sched {

template <class T, class Atomics = detail::std_atomics>
class run_next_slot {
 public:
  /// Puts `item` in and returns what it displaced, or nullptr. Owner only.
  WEFT_INLINE T* put(T* item) noexcept { return replace(item); }

  /// Takes the item, or nullptr. Owner only.
  WEFT_INLINE T* take() noexcept {
    // relaxed: only a thief can empty the slot behind the owner's back; an empty slot stays empty.
    if (slot_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    return replace(nullptr);
  }

  /// What a thief sees; a snapshot.
  T* peek() const noexcept {
    // acquire: for a re-scan before sleeping; pairs with the release store in replace().
    return slot_.load(std::memory_order_acquire);
  }

  /// Takes the item if it still is `expected`. Any thread but the owner. Costs a process-wide barrier.
  bool steal(T* expected) noexcept {
    if (!thieves_.try_lock()) return false;
    // relaxed: T2; the heavy barrier orders it.
    claimed_.store(1, std::memory_order_relaxed);
    Atomics::heavy_barrier();
    bool taken = false;
    // acquire: T4; pairs with the release store of N5.
    if (inside_.load(std::memory_order_acquire) == 0) {
      // acquire: pairs with the release store in replace(): the strand's state is visible.
      if (slot_.load(std::memory_order_acquire) == expected) {
        // relaxed: the owner is kept out until T6.
        slot_.store(nullptr, std::memory_order_relaxed);
        taken = true;
      }
    }
    // release: T6; pairs with the acquire load in wait_for_thief().
    claimed_.store(0, std::memory_order_release);
    thieves_.unlock();
    return taken;
  }

 private:
  WEFT_INLINE T* replace(T* item) noexcept {
    // relaxed: N1; ordered by the light barrier.
    inside_.store(1, std::memory_order_relaxed);
    Atomics::light_barrier();
    // relaxed: N3; ordered by the light barrier.
    if (claimed_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      wait_for_thief();
    // relaxed: N4; the owner is alone here.
    T* old = slot_.load(std::memory_order_relaxed);
    // release: a thief that takes the item must see what the owner wrote to it.
    slot_.store(item, std::memory_order_release);
    // release: N5; pairs with the acquire load of T4.
    inside_.store(0, std::memory_order_release);
    return old;
  }

  WEFT_RARE void wait_for_thief() noexcept {
    do {
      // release: lets the thief pass T4 on its next try; nothing was changed.
      inside_.store(0, std::memory_order_release);
      // acquire: pairs with the release store of T6, so that the emptied slot is seen.
      while (claimed_.load(std::memory_order_acquire) != 0) Atomics::pause();
      // relaxed: N1 again.
      inside_.store(1, std::memory_order_relaxed);
      Atomics::light_barrier();
      // acquire: N3 again; as above.
    } while (claimed_.load(std::memory_order_acquire) != 0);
  }

  typename Atomics::template atomic<T*> slot_{nullptr};
  typename Atomics::template atomic<uint32_t> inside_{0};   // 1: the owner is between N1 and N5
  typename Atomics::template atomic<uint32_t> claimed_{0};  // 1: a thief is between T2 and T6
  typename Atomics::spin_lock thieves_;
};

}  // namespace weft::sched
