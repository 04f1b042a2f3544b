// See weft/child_process.h.
#include <weft/child_process.h>

#include <string>

#include "io/io_error.h"

namespace weft {

namespace {

std::string name_of(int pid) { return "child process " + std::to_string(pid); }

}  // namespace

absl::StatusOr<child_process> child_process::attach(int pid) {
  const int fd = detail::kernel().open_process(pid);
  if (fd < 0) return detail::io_error("watch", name_of(pid), fd);
  return child_process(pid, fd);
}

task<absl::StatusOr<exit_status>> child_process::wait() {
  if (ended_) co_return *ended_;
  fd_readiness ended(handle_.fd());
  if (absl::Status s = co_await ended.readable(); !s.ok()) co_return s;
  os::process_end end{};
  if (const int r = detail::kernel().reap_process(handle_.fd(), end); r < 0)
    co_return detail::io_error("wait for", name_of(pid_), r);
  ended_ = exit_status{end.code, end.signal};
  co_return *ended_;
}

absl::Status child_process::send_signal(int signal) noexcept {
  const int r = detail::kernel().signal_process(handle_.fd(), signal);
  return r < 0 ? detail::io_error("send a signal to", name_of(pid_), r) : absl::OkStatus();
}

}  // namespace weft
