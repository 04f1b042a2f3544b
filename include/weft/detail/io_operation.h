// One operation on a descriptor, and how a task waits for it.
//
// The operation lives in the awaiter. A task that is asked to stop goes on only after the kernel is done with its
// operation, so buffers may lie on the task's stack; what was read or written in the meantime counts.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>

#include <weft/blocking.h>
#include <weft/detail/io_request.h>
#include <weft/detail/wait.h>

namespace weft::detail {

class io_engine;
}  // namespace weft::detail
namespace weft {
class descriptor;
}
namespace weft::detail {

struct io_readiness;

struct io_operation : waiter, blocking_job {
  explicit io_operation(const io_request& r, bool file = false, int signals = -1) noexcept
      : request(r), of_file(file), signal_slot(static_cast<int8_t>(signals)) {}

  io_request request;
  const bool of_file;  ///< of a regular file or a path: it may take the disk's time, and no poll says when it would not
  const int8_t signal_slot;  ///< not -1: it waits for a signal of a signal_set's slot, and comes to the signal's number
  int32_t result = -125;     ///< what the system call would have returned, or -errno; -ECANCELED (125): asked to stop
  uint32_t read_before = 0;  ///< bytes that were in the page cache; the request is for those behind them
  bool tried = false;        ///< without waiting: -EAGAIN, or the result
  bool waits_first = false;  ///< begins by waiting for readiness
  bool under_way = false;    ///< the kernel has it
  bool cancel_asked = false;
  bool cancel_queued = false;
  bool in_list = false;             ///< in the descriptor's list
  io_engine* home = nullptr;        ///< where it is under way
  io_operation* next_cancel;        ///< in the engine's list of those to be cancelled
  io_readiness* ready = nullptr;    ///< as an arm of a select: what waits in its place
  io_operation *on_next, *on_prev;  ///< the operations on the same descriptor

  /// The result of the whole.
  int32_t outcome() const noexcept { return result < 0 ? result : result + static_cast<int32_t>(read_before); }
};

/// A read without a buffer: it gets one when something has come.
struct io_buffer_operation : io_operation {
  using io_operation::io_operation;
  std::byte* buffer = nullptr;
};

inline constexpr int32_t io_closed_result = -9;  ///< -EBADF: what operations come to once their descriptor is closed

/// Parks the running strand until the operation has completed; goes on at once if it cannot even be asked for. `on` is
/// null for an operation on a path.
std::coroutine_handle<> park_io(io_operation& op, descriptor* on, std::coroutine_handle<> leaf,
                                std::source_location where) noexcept;

/// Tries a read of a file, or an open, that may need no waiting. True: it has its result, and the task goes on.
bool try_in_caches(io_operation& op, descriptor* on) noexcept;

/// The awaiter is destroyed with its task: nobody takes what the operation came to.
WEFT_RARE void drop_io(io_operation& op, descriptor* on) noexcept;

/// As an arm of a select (see select_core.h): waits until the descriptor is ready, and does it by a plain call then.
biased_lock* io_arm_lock(io_operation& op) noexcept;
bool io_arm_try(io_operation& op, descriptor& on) noexcept;
bool io_arm_enqueue(io_operation& op) noexcept;
void io_arm_leave(io_operation& op) noexcept;

}  // namespace weft::detail
