// The kernel itself refuses the system calls that a test chooses, whoever makes them: liburing from inside, too.
//
//   if (!refused_calls::available()) GTEST_SKIP() << refused_calls::unavailable;
//   refused_calls::plan(3, EPERM);          // the third of the calls below from now on fails, once
//   refused_calls::plan(step::enter, ENOSYS);  // all of that kind fail, until done()
//
// These are the calls by which a back end of I/O is set up, and those that it makes later of the same kinds. As a
// sandbox would have it: a filter (seccomp), which a process cannot take off again, sends each of them to a handler of
// SIGSYS. That lets it pass, by an instruction that the filter knows, or answers in the kernel's place. So a call that
// is refused has no effect.
//
// Thread safety: the plan is made while nobody makes such calls that it is meant for; the calls, from any thread.
// Threads that ran before the first available() are not concerned.
#pragma once

#include <cstdint>

namespace weft::test {

enum class step : uint8_t {
  none,
  make_ring,
  map_ring,
  keep_from_children,
  enter,
  enroll,
  event_fd,
  timer_fd,
  epoll,
  watch
};

/// As a message begins: "io_uring_setup".
const char* step_name(step s) noexcept;

class refused_calls {
 public:
  static constexpr const char* unavailable = "this machine has no filters of system calls";

  /// Installs the filter unless it is there. False: this is not Linux on x86-64, or it is not permitted.
  [[nodiscard]] static bool available() noexcept;

  /// The n-th call from now on (1 is the next) fails with this errno, and no other.
  static void plan(int64_t n, int error) noexcept;
  /// Every call of this kind fails from now on; `also`: of this one, too.
  static void plan(step kind, int error, step also = step::none) noexcept;
  /// Rings look as if they were of a kernel that lacks what weft needs.
  static void plan_old_kernel() noexcept;
  /// Nothing fails any more.
  static void done() noexcept;

  /// Calls since the plan was made, those that failed included; how many failed; and the last that did.
  [[nodiscard]] static int64_t made() noexcept;
  [[nodiscard]] static int64_t failed() noexcept;
  [[nodiscard]] static step last_failed() noexcept;
};

}  // namespace weft::test
