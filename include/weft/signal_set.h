// Signals of the operating system as something to wait for.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <source_location>

#include "absl/status/statusor.h"

#include <weft/detail/io_awaiter.h>
#include <weft/pipe.h>

namespace weft {

namespace detail {

/// Waits for a signal of a set.
class [[nodiscard]] signal_awaiter : public operation_awaiter<io_operation> {
 public:
  signal_awaiter(descriptor& on, int slot, std::source_location where) noexcept;
  ~signal_awaiter() {
    if (op_.in_list) [[unlikely]]
      on_.remove(op_);
  }
  bool await_ready() noexcept;
  absl::StatusOr<int> await_resume();
};

}  // namespace detail

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

  /// The next signal's number. Parks the task. Selectable: an arm that loses takes none. CANCELLED after a stop. One
  /// task at a time.
  detail::signal_awaiter next(std::source_location where = std::source_location::current()) noexcept;

 private:
  struct state;
  explicit signal_set(std::unique_ptr<state> s) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace weft
