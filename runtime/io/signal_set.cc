// See weft/signal_set.h.
#include <weft/signal_set.h>

#include <array>
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

task<absl::StatusOr<int>> signal_set::next() {
  for (;;) {
    if (const int signal = os::take_signal(state_->slot); signal != 0) co_return signal;
    alignas(8) std::array<std::byte, 8> count;
    absl::StatusOr<std::size_t> n = co_await state_->wakes.read_some(count);
    if (!n.ok()) co_return n.status();
  }
}

}  // namespace weft
