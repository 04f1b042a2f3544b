// Catching signals: a handler notes them and makes a descriptor readable.
//
// The handler may run on any thread of the host at any moment, so all it touches is a fixed table of atomics, and all
// it calls is write(2). Slots are given out and taken back under a mutex. Protocol [catch]:
//   Handler: H1 handlers += 1 (seq_cst). H2 for each slot that wants the signal: pending |= bit; write to its
//            descriptor. H3 handlers -= 1.
//   Closing: C1 wants = 0 (seq_cst). C2 wait until handlers is 0. C3 close the descriptor.
//   Either C2 sees H1, and waits, or H2 sees C1, so no handler writes to a descriptor that was closed.
#pragma once

#include <cstdint>

namespace weft::os {

inline constexpr int most_signal_slots = 64;

/// Whether a signal can be caught: 1 to 64, not SIGKILL, SIGSTOP, nor one that faults raise.
bool can_be_caught(int signal) noexcept;

/// Begins to catch the signals of a mask (bit n - 1 is signal n), which are noted and make `fd`, an eventfd, readable.
/// The slot, or -1: there are too many.
int catch_signals(uint64_t mask, int fd) noexcept;

/// Takes one that is noted; 0: none.
int take_signal(int slot) noexcept;

/// Whether one is noted.
bool has_signal(int slot) noexcept;

/// Ends it. Signals that nobody catches any more do again what they did before.
void release_signals(int slot) noexcept;

}  // namespace weft::os
