// Short calls on a descriptor by the processor that opened it, without the descriptor's lock.
//
// A call of the kernel that does not wait has to be safe against a close() by another thread, which may give the
// number back to the kernel, and by that to a later descriptor. Most files are read once or twice, by the processor
// that opened them, and closed by their destructor. Two locked instructions for each read would be for nothing.
//
// Protocol [own-call], an asymmetric Dekker handshake as [bias] is (biased_lock.h), in the same lists of the
// processors. A descriptor has a home, the processor that opened it, or none.
//   Home:    K1 put the descriptor into its list. K2 compiler barrier. K3 if it is open, the call. K4 take it out of
//            the list (release), compiler barrier. K5 if it is closed by now, do K7, under the lock.
//   close(): under the descriptor's lock, K6 mark it as closed; if the caller is not its home, heavy barrier. K7 who
//            finds it closed, with no operation in its list and not in its home's list (acquire), gives the number
//            back, once, under the lock. Else the last operation to end does, by K7, or K5.
// Either K3 sees K6, or the barrier makes K1 visible to K7's look. Who finds the home in its list at K7 leaves it to
// K5, which comes later, since it takes the lock; so K5 follows a K3 that found it closed, too. The home itself does
// not do one thing in the middle of another.
//
// Not tried: a count in the descriptor, with a locked instruction to enter and one to leave. Rejected: a biased lock
// that has the processor's bias from the start. Then each other processor that only uses the descriptor, which tasks
// that are stolen do, pays for the barrier (8 us); here only one that calls close(), which the destructor does not.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/biased_lock.h>

namespace weft::detail {

/// The protocol; `me` is the caller's.
template <class Atomics = std_atomics>
class own_calls {
 public:
  using owner = bias_owner<Atomics>;

  constexpr own_calls() noexcept = default;
  /// Nobody's where there is no such barrier.
  explicit own_calls(owner& home) noexcept : home_(home.is_processor && Atomics::asymmetric() ? &home : nullptr) {}

  /// K1, K2. False: the caller is not the home.
  WEFT_INLINE bool enter(owner& me) noexcept {
    if (home_ != &me) return false;
    // relaxed: K1; the heavy barrier of K6 orders it before K3.
    me.inside[me.count++].store(this, std::memory_order_relaxed);
    Atomics::compiler_barrier();  // K2
    return true;
  }

  /// K4. The caller looks whether it is closed by now.
  WEFT_INLINE void leave(owner& me) noexcept {
    // release: K4; pairs with the acquire load of K7.
    me.inside[--me.count].store(nullptr, std::memory_order_release);
    Atomics::compiler_barrier();
  }

  /// K6, after the mark.
  void closed(const owner& me) const noexcept {
    if (home_ != nullptr && home_ != &me) Atomics::heavy_barrier();
  }

  /// K7: whether such a call is under way.
  bool is_under_way(const owner& me) const noexcept {
    if (home_ == nullptr || home_ == &me) return false;
    for (const auto& place : home_->inside)
      // acquire: K7; pairs with the release store of K4.
      if (place.load(std::memory_order_acquire) == this) return true;
    return false;
  }

 private:
  owner* home_ = nullptr;
};

}  // namespace weft::detail
