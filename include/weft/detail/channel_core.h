// The part of a channel that knows nothing of its values: lock, counts, waiters.
//
// A channel is a ring buffer and two queues of waiters under one spin lock, with direct hand-off: a send that finds a
// waiting receiver moves the value straight into the receiver's awaiter, and a receive that finds a waiting sender
// takes the value (or refills the ring) from the sender's. So a woken waiter is done and checks nothing again.
//
// Invariants, under the lock:
//   At most one of the two queues has waiters.
//   A receiver waits only while the ring is empty, a sender only while it is full. Nobody waits once it is closed.
// The core's memory is never given to anything else (type-stable), as [stop] in wait.h asks.
//
// Rejected: lock-free ticket queues. Their tickets cannot be taken back, so neither stop nor select can work.
// Source: the idea is Go's, src/runtime/chan.go.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include <weft/detail/wait.h>

namespace weft::detail {

struct channel_core {
  biased_lock lock;
  std::atomic<uint32_t> handles;  ///< copies of the channel handle
  // Guarded by lock; `count` and `closed` are also read without it, as a snapshot.
  std::atomic<std::size_t> count;
  std::atomic<bool> closed;
  std::size_t head;  ///< index of the oldest value
  std::size_t capacity;
  void* slots;
  wait_queue receivers;
  wait_queue senders;
};

/// A core from type-stable memory, with one handle and no slots. Throws std::bad_alloc.
channel_core* make_channel_core(std::size_t capacity);

/// Counts the core and its slots as held; once they are there.
void count_channel(const channel_core& core, std::size_t value_bytes) noexcept;

/// Gives the core back, and counts; the values and slots are gone already.
void free_channel_core(channel_core* core, std::size_t value_bytes) noexcept;

/// W2 to W4 of [park]: queues the waiter, unlocks, takes the next strand.
std::coroutine_handle<> park_in_channel(channel_core& core, wait_queue& queue, waiter& w, std::coroutine_handle<> leaf,
                                        wait_reason reason, std::source_location where) noexcept;

/// Closes; unlocks and wakes everyone. False: it was closed before. The caller has not locked.
bool close_channel(channel_core& core) noexcept;

[[noreturn]] void channel_misuse(const char* what) noexcept;

}  // namespace weft::detail
