// The one way to wait: a waiter lives in the awaiter, on the waiting task's own stack, in a queue under a spin lock.
//
// Protocol [park], by the strand that waits; the queue's lock is held from W1 to W4:
//   W1 look: if the operation can be done, do it, unlock, go on.
//   W2 detach: save the stack and the resume point into the strand.
//   W3 enqueue the waiter; strand.waiting = waiter.
//   W4 unlock. From here on the strand may already run elsewhere: touch nothing of it, take the next one.
// Protocol [ready], by whoever fulfils the wait; under the same lock:
//   R1 unlink the waiter, hand the value or permit over, write waiter.result, strand.waiting = nullptr.
//   R2 unlock. R3 put the strand into a run queue. Never resume inline.
// The woken strand reads waiter.result and checks nothing again.
//
// Protocol [stop], by whoever stops a task, against a strand that may be about to park:
//   P1 strand: wait_lock = &lock (release).      S1 stopper: strand.stop = 1 (seq_cst). Then S3.
//   P2 strand: lock, a compiler barrier at       S2 stopper: if that did not find it waiting: heavy barrier, and S3
//      least ([bias] in biased_lock.h).             once more.
//   P3 strand: if strand.stop, unlock and        S3 stopper: lk = strand.wait_lock; if null, done.
//      report "stopped"; else W1 to W4.          S4 stopper: lock lk; read waiting, wait_lock, waiting again; if both
//                                                   waitings are the same waiter and wait_lock is still lk: unlink
//                                                   it, result = stopped, R2, R3. Else unlock; if wait_lock has
//                                                   changed, go to S3.
//   Either P3 sees S1, or the second S3 sees P1 and then waits for the lock until W4, so no stop is missed. A stale lk
//   is harmless: locks that wait_lock may name are in memory that is never given to anything else (channel cores, the
//   lock table, the processors' timers). A wait that is no stop point sets wait_lock = nullptr before it sets `waiting`
//   (release); S4 reads `waiting` first (acquire), so it cannot take such a waiter for one that lk guards; and it reads
//   it again, since a strand that was woken elsewhere and now announces lk has cleared it before P1.
#pragma once

#include <atomic>
#include <bit>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <weft/detail/biased_lock.h>
#include <weft/detail/context.h>

namespace weft::detail {

/// Where a plain thread sleeps until its waiter is woken.
struct alignas(8) thread_note {
  std::atomic<uint32_t> word{0};
};

/// How a wait ended.
enum class wait_result : uint8_t { pending, done, closed, stopped };

/// What waiter::who points to, by its lowest bits: a strand (0), a thread_note, the select_core whose arm it is, or a
/// strand whose wait is measured. In a select_core it is the strand.
inline constexpr uintptr_t who_is_thread = 1;
inline constexpr uintptr_t who_is_select = 2;
inline constexpr uintptr_t who_is_measured = 4;
inline constexpr uintptr_t who_tags = 7;

inline strand* strand_of(uintptr_t who) noexcept { return reinterpret_cast<strand*>(who & ~who_tags); }

/// One strand, or one plain thread, in a queue.
// The links and `who` are written when it is queued; most operations never get there, so making one costs one store.
struct waiter {
  waiter() noexcept {}
  waiter* next;
  waiter* prev;
  uintptr_t who;
  wait_result result = wait_result::pending;
  uint8_t arm;  ///< which of a select
};

/// C1 of [select] in select_core.h for the waiter of a select, lock held: false if another arm has won.
WEFT_NOINLINE bool claim_select(waiter& w) noexcept;

/// Whether a waiter that is no longer linked may be served. Lock held.
WEFT_INLINE bool claim(waiter& w) noexcept { return (w.who & who_is_select) == 0 || claim_select(w); }

/// Waiters, first come first served. The caller holds the lock that guards it.
class wait_queue {
 public:
  wait_queue() noexcept { ends_.next = ends_.prev = &ends_; }
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  bool empty() const noexcept { return ends_.next == &ends_; }

  /// The same without the lock: a snapshot.
  bool looks_empty() const noexcept {
    // relaxed: pairs with set_next(); only a look.
    return std::atomic_ref<waiter*>(const_cast<waiter*&>(ends_.next)).load(std::memory_order_relaxed) == &ends_;
  }
  waiter* front() noexcept { return ends_.next; }

  void push(waiter& w) noexcept {
    w.next = &ends_;
    w.prev = ends_.prev;
    set_next(*ends_.prev, &w);
    ends_.prev = &w;
  }

  waiter* pop() noexcept {
    waiter* w = ends_.next;
    unlink(*w);
    return w;
  }

  /// Takes the first waiter that may be served; nullptr: none. Waiters of selects that were served elsewhere go.
  WEFT_INLINE waiter* take() noexcept {
    while (!empty()) {
      waiter* w = pop();
      if (claim(*w)) [[likely]]
        return w;
      isolate(*w);
    }
    return nullptr;
  }

  /// Makes a waiter that was taken out safe to unlink once more, which does nothing.
  static void isolate(waiter& w) noexcept { w.next = w.prev = &w; }

  /// Takes a waiter out of whichever queue it is in. O(1).
  static void unlink(waiter& w) noexcept {
    w.next->prev = w.prev;
    set_next(*w.prev, w.next);
  }

 private:
  // Of `ends_`, it is read without the lock.
  static void set_next(waiter& w, waiter* next) noexcept {
    // relaxed: for looks_empty().
    std::atomic_ref<waiter*>(w.next).store(next, std::memory_order_relaxed);
  }

  waiter ends_;  // a ring: ends_.next is the front, ends_.prev the back
};

// A source_location is one pointer to static data in libstdc++ and libc++, so a strand keeps it as one word.
static_assert(sizeof(std::source_location) == sizeof(void*));

/// P1 of [stop] for the running strand: says under which lock it may be about to wait.
WEFT_INLINE void announce_wait(biased_lock& lock) noexcept {
  // release: P1; S4 must not see it before the end of the strand's last wait. P2 keeps it before P3.
  this_context.current->wait_lock.store(&lock, std::memory_order_release);
}

/// P3 of [stop]: whether the running strand was asked to stop.
WEFT_INLINE bool stop_pending() noexcept {
  // relaxed: P3; after P1 by the compiler barrier of P2 and the heavy barrier of S2; or a plain look.
  return this_context.current->stop.load(std::memory_order_relaxed) == stop_asked;
}

/// W2 of [park]: saves the running strand, whose leaf is `leaf`.
WEFT_INLINE strand* detach(std::coroutine_handle<> leaf) noexcept {
  context& c = this_context;
  strand* s = c.current;
  s->resume_frame = leaf.address();
  c.top->sp = c.sp;
  s->top = c.top;
  return s;
}

/// Loads a detached strand's stack; the caller then resumes its leaf.
WEFT_INLINE std::coroutine_handle<> attach(strand* s) noexcept {
  context& c = this_context;
  c.current = s;
  c.top = s->top;
  c.sp = c.top->sp;
  c.limit = c.top->limit;
  return std::coroutine_handle<>::from_address(s->resume_frame);
}

/// W3 of [park]: `w` waits in a queue whose lock the caller holds.
WEFT_INLINE void begin_wait(strand* s, waiter& w, wait_reason reason, std::source_location where) noexcept {
  w.who = reinterpret_cast<uintptr_t>(s);
  w.result = wait_result::pending;
  // relaxed: for the dump, which tolerates a torn picture.
  s->reason.store(static_cast<uint8_t>(reason), std::memory_order_relaxed);
  // relaxed: as above.
  s->parked_at.store(std::bit_cast<const void*>(where), std::memory_order_relaxed);
  // release: S4 of [stop] reads `waiting` (acquire) and then wait_lock.
  s->waiting.store(&w, std::memory_order_release);
}

/// After W4 of [park]: goes on with the next strand, or back to the worker's loop.
std::coroutine_handle<> switch_away() noexcept;

/// end_wait() for all but a strand whose wait is not measured.
WEFT_NOINLINE uintptr_t end_other_wait(waiter& w) noexcept;

/// R1 of [ready], the bookkeeping part: `w` is unlinked, claimed, and has its value. Lock held. Returns whom to wake.
WEFT_INLINE uintptr_t end_wait(waiter& w, wait_result result) noexcept {
  w.result = result;
  const uintptr_t who = w.who;
  if ((who & who_tags) != 0) [[unlikely]]
    return end_other_wait(w);
  // relaxed: under the queue's lock; S4 of [stop] holds that lock too.
  reinterpret_cast<strand*>(who)->waiting.store(nullptr, std::memory_order_relaxed);
  return who;
}

/// R3 of [ready]: makes the waiter's strand, or plain thread, go on. Lock released; the waiter may be gone already, so
/// the caller passes what end_wait() returned before R2.
void wake(uintptr_t who) noexcept;

/// R3 for waiters that were unlinked and ended under the lock and chained through `next`, in order.
inline void wake_chain(waiter* first) noexcept {
  while (first != nullptr) {
    waiter* next = first->next;  // the waiter is gone once it is woken
    wake(first->who);
    first = next;
  }
}

/// A chain for wake_chain(), built under the lock.
class waiter_chain {
 public:
  /// `who` is what end_wait() returned.
  void add(waiter& w, uintptr_t who) noexcept {
    w.who = who;
    w.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &w;
    last_ = &w;
  }
  waiter* first() const noexcept { return first_; }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

/// Parks in no queue at all, until a stop. The result is wait_result::stopped.
std::coroutine_handle<> park_for_ever(waiter& w, std::coroutine_handle<> leaf, wait_reason reason,
                                      std::source_location where) noexcept;

/// Makes `w` the waiter of the calling plain thread. Aborts inside a task: it would block the processor.
void begin_thread_wait(waiter& w, thread_note& note, const char* operation) noexcept;

/// Blocks the calling plain thread until it is woken. The lock that guards the waiter is released.
void thread_wait(thread_note& note) noexcept;

/// Spends one operation of the running strand's budget. False: it must yield now (see this_task.h).
WEFT_INLINE bool spend_budget() noexcept { return --this_context.budget > 0; }

/// The running strand has spent its budget: puts it at the end of the run queue and takes the next one.
std::coroutine_handle<> yield_strand(std::coroutine_handle<> leaf, std::source_location where) noexcept;

}  // namespace weft::detail
