// The end of a child process as something to wait for.
#pragma once

#include <optional>
#include <source_location>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/fd_readiness.h>
#include <weft/task.h>

namespace weft {

/// How a process ended.
struct exit_status {
  int code = 0;    ///< what it returned; meaningless if a signal ended it
  int signal = 0;  ///< the signal that ended it; 0: none

  bool success() const noexcept { return code == 0 && signal == 0; }
};

/// A child of this process, started by fork, posix_spawn or the like. Nobody else may wait for it.
class child_process {
 public:
  /// Takes over the child with this process id. Errors: NOT_FOUND: it is no child of this process, or was waited for.
  static absl::StatusOr<child_process> attach(int pid);

  int pid() const noexcept { return pid_; }

  /// Waits until it has ended. Parks the task. CANCELLED after a stop; the child lives on then.
  task<absl::StatusOr<exit_status>> wait();

  /// Sends a signal. Never hits another process, even after the child has ended (NOT_FOUND).
  absl::Status send_signal(int signal) noexcept;

 private:
  child_process(int pid, int fd) noexcept : pid_(pid), handle_(fd) {}

  int pid_;
  descriptor handle_;  // a pidfd
  std::optional<exit_status> ended_;
};

}  // namespace weft
