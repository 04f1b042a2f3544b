// Who may be at a processor's poller: its driver, or the monitor while the driver computes and does not come.
//
// Protocol [io-relief]:
//   Driver:  R1 inside = 1. R2 light barrier. R3 if the monitor relieves: inside = 0, wait until it is done, again from
//            R1. Else it is in, until R4 inside = 0 (release).
//   Monitor: R5 relieves = 1. R6 heavy barrier. R7 if the driver is inside: R8, since it is no longer stuck. Else it is
//            in, until R8 relieves = 0 (release).
//   Either R3 sees R5, or R6 makes R1 visible to R7. R3 and R7 acquire, so each sees what the other one did in there.
//
// Rejected: a lock that both take. The driver is in there while it sleeps, and the monitor must not wait for that; and
// the driver would pay for a locked instruction at each turn of its loop.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/atomics.h>

namespace weft::detail {

template <class Atomics = std_atomics>
class relief {
 public:
  /// By the driver, around all that it does with its poller.
  void enter() noexcept {
    for (;;) {
      // relaxed: R1; ordered by the barrier.
      inside_.store(1, std::memory_order_relaxed);
      Atomics::light_barrier();  // R2
      // acquire: R3; pairs with R8.
      if (relieves_.load(std::memory_order_acquire) == 0) [[likely]]
        return;
      give_way();
    }
  }

  void leave() noexcept {
    // release: R4; pairs with R7.
    inside_.store(0, std::memory_order_release);
  }

  /// By the monitor. False: the driver is there.
  bool try_relieve() noexcept {
    // seq_cst: R5.
    relieves_.store(1, std::memory_order_seq_cst);
    Atomics::heavy_barrier();  // R6
    // seq_cst: R7; acquire would do after the barrier of a process that was granted one.
    if (inside_.load(std::memory_order_seq_cst) == 0) return true;
    end_relief();
    return false;
  }

  void end_relief() noexcept {
    // release: R8; pairs with R3.
    relieves_.store(0, std::memory_order_release);
  }

 private:
  // R3. The monitor needs some microseconds.
  void give_way() noexcept {
    // release: as in leave().
    inside_.store(0, std::memory_order_release);
    // acquire: as in enter().
    for (int i = 0; relieves_.load(std::memory_order_acquire) != 0; ++i) Atomics::wait_a_little(i);
  }

  typename Atomics::template atomic<uint32_t> inside_{0}, relieves_{0};
};

}  // namespace weft::detail
