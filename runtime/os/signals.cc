// See signals.h.
#include "os/signals.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <mutex>

namespace weft::os {

namespace {

struct slot {
  std::atomic<uint64_t> wants{0};
  std::atomic<uint64_t> pending{0};
  std::atomic<int> fd{-1};
};

std::array<slot, most_signal_slots> slots;
std::atomic<uint32_t> handlers{0};  // that run at this moment

std::mutex mutex;
std::array<bool, most_signal_slots> taken{};  // guarded by mutex
std::array<uint32_t, 65> catchers{};          // guarded by mutex; by signal
std::array<struct sigaction, 65> before{};    // guarded by mutex; what the signal did

constexpr uint64_t bit_of(int signal) noexcept { return uint64_t{1} << (signal - 1); }

void note_signal(int signal) {
  const int saved = errno;
  // seq_cst: H1.
  handlers.fetch_add(1, std::memory_order_seq_cst);
  for (slot& s : slots) {
    // seq_cst: H2; pairs with C1.
    if ((s.wants.load(std::memory_order_seq_cst) & bit_of(signal)) == 0) continue;
    // release: H2; pairs with the exchange in take_signal().
    s.pending.fetch_or(bit_of(signal), std::memory_order_release);
    const uint64_t one = 1;
    // relaxed: written before `wants`.
    static_cast<void>(!::write(s.fd.load(std::memory_order_relaxed), &one, sizeof one));
  }
  // seq_cst: H3.
  handlers.fetch_sub(1, std::memory_order_seq_cst);
  errno = saved;
}

}  // namespace

bool can_be_caught(int signal) noexcept {
  if (signal < 1 || signal > 64) return false;
  for (const int fixed : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
    if (signal == fixed) return false;
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0;  // the C library keeps some for itself
}

int catch_signals(uint64_t mask, int fd) noexcept {
  const std::lock_guard guard(mutex);
  int number = 0;
  while (number < most_signal_slots && taken[static_cast<std::size_t>(number)]) ++number;
  if (number == most_signal_slots) return -1;
  taken[static_cast<std::size_t>(number)] = true;
  slot& s = slots[static_cast<std::size_t>(number)];
  // relaxed: the handler reads them after `wants`.
  s.fd.store(fd, std::memory_order_relaxed);
  s.pending.store(0, std::memory_order_relaxed);
  // seq_cst: publishes the slot to H2.
  s.wants.store(mask, std::memory_order_seq_cst);
  for (int signal = 1; signal <= 64; ++signal) {
    if ((mask & bit_of(signal)) == 0 || catchers[static_cast<std::size_t>(signal)]++ != 0) continue;
    struct sigaction action{};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    ::sigaction(signal, &action, &before[static_cast<std::size_t>(signal)]);
  }
  return number;
}

int take_signal(int number) noexcept {
  slot& s = slots[static_cast<std::size_t>(number)];
  // acquire: pairs with H2.
  uint64_t pending = s.pending.load(std::memory_order_acquire);
  while (pending != 0) {
    const int signal = std::countr_zero(pending) + 1;
    // acq_rel: takes the bit.
    if (s.pending.compare_exchange_weak(pending, pending & ~bit_of(signal), std::memory_order_acq_rel)) return signal;
  }
  return 0;
}

bool has_signal(int number) noexcept {
  // acquire: as in take_signal().
  return slots[static_cast<std::size_t>(number)].pending.load(std::memory_order_acquire) != 0;
}

void release_signals(int number) noexcept {
  const std::lock_guard guard(mutex);
  slot& s = slots[static_cast<std::size_t>(number)];
  // seq_cst: C1.
  const uint64_t mask = s.wants.exchange(0, std::memory_order_seq_cst);
  for (int signal = 1; signal <= 64; ++signal) {
    if ((mask & bit_of(signal)) == 0 || --catchers[static_cast<std::size_t>(signal)] != 0) continue;
    ::sigaction(signal, &before[static_cast<std::size_t>(signal)], nullptr);
  }
  // seq_cst: C2. A handler takes a few instructions, unless it interrupted this very thread, which then has returned.
  while (handlers.load(std::memory_order_seq_cst) != 0) ::sched_yield();
  taken[static_cast<std::size_t>(number)] = false;
}

}  // namespace weft::os
