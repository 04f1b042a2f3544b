// The atomics that the lock-free protocols are written against.
//
// Each protocol is a template on a policy with these members, so that the very code that ships is also run under the
// tests' explorer of interleavings, which supplies a policy of its own.
//
// heavy_barrier() is one half of an asymmetric pair: the rare side calls it, and the frequent side needs only a
// compiler barrier. That holds only where `asymmetric()` is true; elsewhere light_barrier(), the frequent side's half,
// is a full fence.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/config.h>
#include <weft/detail/spin_lock.h>

namespace weft::detail {

/// Whether membarrier(2) was granted to this process. Set once, before the first processor runs.
extern std::atomic<bool> membarrier_granted;

/// Makes every thread of the process pass a full barrier (membarrier(2), a few microseconds), or only this one where
/// the kernel refuses and the frequent side fences for itself.
void process_wide_barrier() noexcept;

struct std_atomics {
  template <class T>
  using atomic = std::atomic<T>;
  using spin_lock = detail::spin_lock;

  static void fence_seq_cst() noexcept {
#if WEFT_TSAN
    static std::atomic<int> line{0};
    // seq_cst: ThreadSanitizer does not model fences; a read-modify-write orders as much here.
    line.exchange(0, std::memory_order_seq_cst);
#elif defined(__x86_64__) && defined(__clang__)
    // seq_cst: as the fence below. On x86 an instruction with a lock drains the store buffer before a later load of
    // ordinary memory, which is all that the protocols order; mfence waits for non-temporal stores too, and clang's
    // takes four times as long (measured: 18.6 against 4.6 ns). The clobber keeps the compiler from moving anything
    // past it, and the word, which no other thread sees, keeps its value. g++ makes this of the fence by itself.
    asm volatile("lock; orl $0, -4(%%rsp)" ::: "memory", "cc");
#else
    // seq_cst: orders the store before it against the load after it, whichever protocol calls.
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
  }
  static void heavy_barrier() noexcept { process_wide_barrier(); }

  /// The frequent side's half of the pair with heavy_barrier().
  WEFT_INLINE static void light_barrier() noexcept {
    // relaxed: written once before any processor runs; the thread's start published it.
    if (membarrier_granted.load(std::memory_order_relaxed)) [[likely]] {
      // seq_cst: a compiler barrier only; the processor's half is the heavy_barrier() of the rare side.
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
      fence_seq_cst();
    }
  }

  /// The frequent side's half where the protocol is used only if asymmetric() is true.
  WEFT_INLINE static void compiler_barrier() noexcept {
    // seq_cst: a compiler barrier only.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }

  /// Whether heavy_barrier() reaches other threads.
  static bool asymmetric() noexcept {
    // relaxed: written once before any processor runs.
    return membarrier_granted.load(std::memory_order_relaxed);
  }

  /// How often in a row a processor takes a biased_lock before it is its own: at first, and once it was lost. Then it
  /// has to have cost about as much as taking the bias away does (8 us against 5 ns), so the loss is at most a factor
  /// of 2.
  static constexpr uint32_t first_bias_streak = 64;
  static constexpr uint32_t bias_streak_growth = 8;
  static constexpr uint32_t most_bias_streak = 4096;
  static constexpr uint32_t most_nested_locks = 66;  ///< a select holds up to 64

  /// In a loop that waits for another thread to finish a few instructions, which may have lost its core.
  static void wait_a_little(int spins) noexcept;

  static void pause() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
};

}  // namespace weft::detail
