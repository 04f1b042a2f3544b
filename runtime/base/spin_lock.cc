// Waiting for a spin lock that another thread holds. See detail/spin_lock.h.
#include <weft/detail/spin_lock.h>

#include <thread>

#include <weft/detail/atomics.h>

namespace weft::detail {

void std_atomics::wait_a_little(int spins) noexcept {
  constexpr int spins_before_yield = 64;
  if (spins % (spins_before_yield + 1) < spins_before_yield) {
    pause();
  } else {
    std::this_thread::yield();
  }
}

void spin_lock::lock_slow() noexcept {
  for (int spins = 0;; ++spins) {
    // relaxed: looks only; the exchange below takes the lock.
    if (held_.load(std::memory_order_relaxed) == 0) {
      // seq_cst: as in lock().
      if (held_.exchange(1, std::memory_order_seq_cst) == 0) return;
    }
    std_atomics::wait_a_little(spins);
  }
}

}  // namespace weft::detail
