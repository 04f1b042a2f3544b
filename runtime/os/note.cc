// Protocol [note] of note.h.
#include "os/note.h"

#include "os/clock.h"

namespace weft::os {
namespace {

constexpr uint32_t clear = 0;
constexpr uint32_t sleeping = 1;
constexpr uint32_t signalled_state = 2;

// The end of a sleep of `timeout_ns` that starts now; the largest time when there is no limit.
int64_t deadline_after(int64_t timeout_ns) noexcept {
  if (timeout_ns < 0) return INT64_MAX;
  int64_t deadline = 0;
  return __builtin_add_overflow(clock::real().now_ns(), timeout_ns, &deadline) ? INT64_MAX : deadline;
}

}  // namespace

void note::signal() noexcept {
  // After the exchange the waiter may destroy the note, so what is needed of it is read before.
  system& sys = *sys_;
  std::atomic<uint32_t>& word = word_;
  // release: step 3 of [note]; what the signaller did is visible to the waiter that acquires.
  if (word.exchange(signalled_state, std::memory_order_release) == sleeping) sys.futex_wake(word, 1);
}

bool note::wait(int64_t timeout_ns) noexcept {
  uint32_t state = clear;
  // acquire: step 1 of [note]; where the exchange fails, it read what the release exchange in signal() wrote.
  if (!word_.compare_exchange_strong(state, sleeping, std::memory_order_acquire)) {
    return true;
  }
  // Real time, even where the runtime's clock is manual: this is the limit of a sleep in the kernel.
  const int64_t deadline_ns = deadline_after(timeout_ns);
  int64_t left_ns = timeout_ns;
  while (timeout_ns < 0 || left_ns > 0) {
    sys_->futex_wait(word_, sleeping, left_ns);
    if (signalled()) return true;
    if (timeout_ns >= 0) left_ns = deadline_ns - clock::real().now_ns();
  }
  state = sleeping;
  // acquire: step 2 of [note]; a signal that came just now is taken, not lost.
  return !word_.compare_exchange_strong(state, clear, std::memory_order_acquire);
}

void note::reset() noexcept {
  // relaxed: the waiter has acquired the signal; whoever signals next is told to by later, ordered means.
  word_.store(clear, std::memory_order_relaxed);
}

bool note::signalled() const noexcept {
  // acquire: pairs with the release exchange in signal().
  return word_.load(std::memory_order_acquire) == signalled_state;
}

}  // namespace weft::os
