// What the processors' I/O has done so far: for metrics and dumps.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weft/detail/io_request.h>

namespace weft::detail {

class scheduler;

inline constexpr std::size_t io_ops = static_cast<std::size_t>(io_op::shutdown) + 1;

/// The kind's name, as in "receive".
const char* io_op_name(io_op op) noexcept;

struct io_figures {
  /// By kind: what parked its task (arms of selects count as io_op::poll), and how it ended. What has begun and not
  /// ended is under way.
  struct kind {
    uint64_t begun = 0;
    uint64_t completed = 0;
    uint64_t cancelled = 0;
  };
  std::array<kind, io_ops> kinds{};
  uint64_t under_way = 0;
  uint64_t reaps = 0;        ///< times that completions were found
  uint64_t completions = 0;  ///< how many; per reap is their quotient
  uint64_t begun_again = 0;  ///< interrupted, or told to wait for readiness first
  uint64_t sleeps = 0;       ///< of workers in the ring or in epoll, rather than on a futex
  uint64_t wakes = 0;        ///< of them, by other threads
  uint64_t overflows = 0;    ///< flushes that found completions without a place in the ring
  uint64_t enters = 0;       ///< calls of io_uring_enter, or those for epoll
  uint64_t rings = 0;        ///< processors that have an io_uring
  uint64_t epolls = 0;       ///< and those that have epoll in its stead

  /// Over all kinds.
  kind all() const noexcept {
    kind sum;
    for (const kind& k : kinds) {
      sum.begun += k.begun;
      sum.completed += k.completed;
      sum.cancelled += k.cancelled;
    }
    return sum;
  }
};

/// The sum over the processors. Any thread.
io_figures io_figures_of(const scheduler& sched) noexcept;

/// The back end of each processor that has done I/O, or was refused one, and why it is no better one: "io_uring,
/// deferred task run".
struct io_backend_in_use {
  uint32_t processor;
  std::string description;
};
std::vector<io_backend_in_use> io_backends_of(const scheduler& sched);

}  // namespace weft::detail
