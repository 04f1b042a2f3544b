// Signals of the operating system as something to wait for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <source_location>

#include "absl/status/statusor.h"

#include <weft/pipe.h>
#include <weft/task.h>

namespace weft {

/// Catches signals while it lives: they no longer do what they did, but are given to whoever waits here. Several sets
/// may catch the same signal; each gets it. When the last one ends, the signal does again what it did before the first.
///
/// A signal that comes several times before it is taken is given once.
class signal_set {
 public:
  /// `signals`: numbers from <csignal>, such as SIGTERM. Errors: INVALID_ARGUMENT for one that cannot be caught, with
  /// its number; RESOURCE_EXHAUSTED: no descriptors left, or 64 sets at once.
  static absl::StatusOr<signal_set> create(std::initializer_list<int> signals);

  signal_set(signal_set&&) noexcept;
  signal_set& operator=(signal_set&&) noexcept;
  ~signal_set();

  /// The next signal's number. Parks the task. CANCELLED after a stop. One task at a time.
  task<absl::StatusOr<int>> next();

 private:
  struct state;
  explicit signal_set(std::unique_ptr<state> s) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace weft
