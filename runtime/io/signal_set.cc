// See weft/signal_set.h.
#include <weft/signal_set.h>

#include <string>
#include <utility>

#include "io/io_error.h"
#include "os/signals.h"

namespace weft {

struct signal_set::state {
  pipe_reader wakes;  // an eventfd
  int slot = -1;
  ~state() {
    if (slot >= 0) os::release_signals(slot);
  }
};

signal_set::signal_set(std::unique_ptr<state> s) noexcept : state_(std::move(s)) {}
signal_set::signal_set(signal_set&&) noexcept = default;
signal_set& signal_set::operator=(signal_set&&) noexcept = default;
signal_set::~signal_set() = default;

absl::StatusOr<signal_set> signal_set::create(std::initializer_list<int> signals) {
  uint64_t mask = 0;
  for (const int signal : signals) {
    if (!os::can_be_caught(signal))
      return absl::InvalidArgumentError("signal_set: signal " + std::to_string(signal) +
                                        " cannot be caught; allowed are 1 to 64 without SIGKILL, SIGSTOP and faults");
    mask |= uint64_t{1} << (signal - 1);
  }
  absl::StatusOr<int> fd = detail::kernel().create_event_fd();
  if (!fd.ok()) return fd.status();
  auto s = std::make_unique<state>();
  s->wakes = pipe_reader(*fd);
  s->slot = os::catch_signals(mask, *fd);
  if (s->slot < 0)
    return absl::ResourceExhaustedError("signal_set: " + std::to_string(os::most_signal_slots) + " sets catch already");
  return signal_set(std::move(s));
}

detail::signal_awaiter signal_set::next(std::source_location where) noexcept {
  return detail::signal_awaiter(state_->wakes, state_->slot, where);
}

namespace detail {

signal_awaiter::signal_awaiter(descriptor& on, int slot, std::source_location where) noexcept
    : operation_awaiter(on, where, io_request{.op = io_op::poll, .fd = on.fd(), .flags = io_readable}, false, slot) {}

bool signal_awaiter::await_ready() noexcept {
  // One that is noted may have made the descriptor readable before another one was taken, so it is looked for first.
  const int signal = os::take_signal(op_.signal_slot);
  if (signal == 0) return false;
  op_.result = signal;
  return true;
}

absl::StatusOr<int> signal_awaiter::await_resume() {
  const int32_t result = take_result();
  if (result < 0) return io_error("wait for a signal", "a signal_set", result);
  return result;
}

}  // namespace detail

}  // namespace weft
