// What a thread runs at this moment: the coroutine stack that is loaded, its strand, and the processor.
//
// A *segment* is a piece of a coroutine stack; a *strand* is a coroutine stack with the place where it goes on, which
// is what run queues and waiters hold. The `context` is thread-local and is switched whenever the thread goes on with
// another strand, so a reference to it must never be held across a suspension.
//
// Invariants (the numbers are those of docs/stacks.md):
//   I1  Only the owner of a stack allocates and frees on it, last in first out.
//   I2  The leaf of the running strand is the newest allocation of the loaded stack, or the loaded stack is empty.
//   I3  In the worker's loop no stack is loaded.
//   I6  A strand's state is saved (detach) before anyone else can see it.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include <weft/detail/config.h>

namespace weft::detail {

class biased_lock;
class processor;
struct waiter;

/// The head of a stack segment; frames follow it and grow upward.
//
// `limit` and `sp` are kept apart: side by side, a compiler loads both at once, and a load that spans two recent stores
// waits for them to leave the store buffer (measured: 8 of 85 ns per spawn and join).
struct alignas(16) segment {
  std::atomic<uintptr_t> link;  ///< the older segment; in a strand's first: link_first and what the strand keeps there
  char* limit;                  ///< end of the segment
  uint64_t stack_bytes;         ///< of the whole stack up to and including this segment
  char* sp;                     ///< first free byte, saved while another segment is on top or the strand is detached
  char* base() noexcept { return reinterpret_cast<char*>(this + 1); }

  static constexpr uintptr_t link_first = 1;
  bool is_first() const noexcept {
    // relaxed: here and below, the strand's own.
    return (link.load(std::memory_order_relaxed) & link_first) != 0;
  }
  segment* below() const noexcept {
    // relaxed: as above.
    return reinterpret_cast<segment*>(link.load(std::memory_order_relaxed));
  }
};

/// The value, loaded by itself: keeps a compiler from loading neighbours with it (see `segment`).
template <class T>
WEFT_INLINE T alone(T value) noexcept {
  asm("" : "+r"(value));
  return value;
}

/// Why a strand waits. The words of the dump are in wait_reason_name().
enum class wait_reason : uint8_t {
  none,
  chan_receive,
  chan_send,
  chan_receive_nil,
  chan_send_nil,
  sleep,
  semacquire,
  mutex_lock,
  wait_group_wait,
  join_task,
  yield,
  select,
  select_none,
  shared_mutex_lock,
  shared_mutex_lock_shared,
  condition_wait,
  blocking,
  io,
};
inline constexpr std::size_t wait_reason_count = static_cast<std::size_t>(wait_reason::blocking) + 1;

/// What a strand block holds at present.
enum class strand_kind : uint8_t {
  unused,
  task,  ///< a task_control
  fork,  ///< a fork_strand, which runs a stolen child of a fork
};

/// The bits of strand::stop.
inline constexpr uint8_t stop_asked = 1;
inline constexpr uint8_t stop_shielded = 2;  ///< in weft::shielded: a stop is noted and takes effect afterwards

/// The bits of strand::sampled: what is measured of it.
inline constexpr uint8_t sampled_wait = 1;     ///< it is parked since `parked_ns`
inline constexpr uint8_t sampled_latency = 2;  ///< it is ready since `since`, or will be once it is not parked any more

/// A coroutine stack and the point where it goes on. Lives in memory that is never given to anything but strands, so a
/// late reader may look at a dead one ([stop], the dump).
struct strand {
  void* resume_frame = nullptr;                  ///< the leaf coroutine; valid while detached
  union {
    strand* next = nullptr;  ///< ready: link in a queue of ready strands
    int64_t parked_ns;       ///< parked with sampled_wait: since when
  };
  segment* top = nullptr;                        ///< valid while detached
  std::atomic<biased_lock*> wait_lock{nullptr};  ///< the lock under which it may be waiting; see [stop] in wait.h
  std::atomic<waiter*> waiting{nullptr};         ///< its waiter while it is parked
  std::atomic<const void*> parked_at{nullptr};   ///< source place of the last park (see place.h)
  std::atomic<uint32_t> since{0};  ///< parked: coarse ms since the runtime's start; sampled: ready time in 32 ns units
  std::atomic<uint8_t> reason{0};  ///< a wait_reason
  std::atomic<uint8_t> stop{0};    ///< stop_asked, stop_shielded
  std::atomic<strand_kind> kind{strand_kind::unused};
  uint8_t sampled = 0;  ///< sampled_wait, sampled_latency; its mover's only
};

template <class Entry, class Atomics>
class fork_deque;
struct fork_entry;
struct std_atomics;

template <class Atomics>
struct bias_owner;
extern bias_owner<std_atomics> no_processor;

struct context {
  char* sp = nullptr;      ///< first free byte of the loaded stack
  char* limit = nullptr;   ///< end of its current segment
  segment* top = nullptr;  ///< its current segment
  strand* current = nullptr;
  fork_deque<fork_entry, std_atomics>* forks = nullptr;
  processor* proc = nullptr;
  void* pending = nullptr;  ///< without symmetric transfer: the frame that the worker's loop resumes next
  bias_owner<std_atomics>* locks = &no_processor;  ///< what biased locks the processor is inside of
  int32_t budget = 0;                              ///< operations left before the strand must yield
  // Since the worker's loop last took them over into the processor's counters. A task's first frame is no call.
  uint64_t calls = 0;             ///< coroutines awaited, forked or joined; where no frame can be elided, each has one
  uint64_t frames_allocated = 0;  ///< frames put on the stack; not counted where none can be elided
};

extern constinit thread_local context this_context [[gnu::tls_model("initial-exec")]];

#if WEFT_SYMMETRIC_TRANSFER
using transfer = std::coroutine_handle<>;
WEFT_INLINE transfer transfer_to(std::coroutine_handle<> h) noexcept { return h; }
#else
using transfer = void;
WEFT_INLINE void transfer_to(std::coroutine_handle<> h) noexcept { this_context.pending = h.address(); }
#endif

/// Allocates when the current segment is full: takes the spare segment or a new one. Aborts with the function's name
/// when the stack limit is reached, or when called outside any task.
WEFT_RARE void* frame_allocate_slow(std::size_t bytes) noexcept;

/// Frees down to `frame` when it is not inside the current segment.
WEFT_RARE void frame_free_slow(char* frame) noexcept;

#if WEFT_ASAN
extern "C" void __asan_poison_memory_region(void const volatile*, std::size_t);
extern "C" void __asan_unpoison_memory_region(void const volatile*, std::size_t);
WEFT_INLINE void mark_unused(void* p, std::size_t n) noexcept { __asan_poison_memory_region(p, n); }
WEFT_INLINE void mark_used(void* p, std::size_t n) noexcept { __asan_unpoison_memory_region(p, n); }
#else
WEFT_INLINE void mark_unused(void*, std::size_t) noexcept {}
WEFT_INLINE void mark_used(void*, std::size_t) noexcept {}
#endif

/// Counts coroutines that the running strand calls; those of a join all at once.
//
// Rejected: counting each frame where it is made, which cost fork-join 3%.
WEFT_INLINE void count_calls(uint64_t n) noexcept { this_context.calls += WEFT_METRICS * n; }

/// Allocates a coroutine frame on the loaded stack. Cost: a compare and an add.
WEFT_INLINE void* frame_allocate(std::size_t bytes) {
  bytes = (bytes + 15) & ~std::size_t{15};
  context& c = this_context;
  char* p = c.sp;
  if (bytes <= static_cast<std::size_t>(c.limit - p)) [[likely]] {
    c.sp = p + bytes;
    mark_used(p, bytes);
    return p;
  }
  return frame_allocate_slow(bytes);
}

/// Frees `frame` and everything above it.
WEFT_INLINE void frame_free(void* frame) noexcept {
  context& c = this_context;
  char* p = static_cast<char*>(frame);
  char* base = c.top->base();
  // One unsigned compare for "strictly inside the current segment": its first frame also gives the segment back.
  if (static_cast<std::size_t>(p - base - 1) < static_cast<std::size_t>(c.limit - base)) [[likely]] {
    mark_unused(p, static_cast<std::size_t>(c.sp - p));
    c.sp = p;
    return;
  }
  frame_free_slow(p);
}

}  // namespace weft::detail
