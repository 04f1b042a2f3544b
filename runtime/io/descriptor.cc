// Closing a descriptor beside the operations on it. See weft/descriptor.h.
//
// Locks: the descriptor's comes before the engine's. An operation is added and begun under both, so a close finds
// either none or one that the engine knows.
#include <weft/descriptor.h>

#include <weft/detail/check.h>

#include "io/engine.h"
#include "io/io_error.h"

namespace weft {

using detail::biased_guard;
using detail::io_operation;

descriptor& descriptor::operator=(descriptor&& other) noexcept {
  if (this == &other) return *this;
  WEFT_CHECK(operations_ == nullptr, "a descriptor was assigned to while an operation is under way on it");
  close();
  // relaxed: nobody else uses it.
  fd_.store(other.release(), std::memory_order_relaxed);
  note_nature(other.known_nature());
  calls_ = other.calls_;
  return *this;
}

void descriptor::destroy() noexcept {
  // Strands that are destroyed with their runtime, later than this, have their operations in the list still.
  for (io_operation* op = operations_; op != nullptr; op = op->on_next) {
    WEFT_CHECK(!detail::io_engine::is_under_way(*op),
               "a descriptor was destroyed while an operation is under way on it");
    op->in_list = false;
  }
  if (const int fd = is_closing() ? closing(number()) : number(); fd >= 0) detail::kernel().close_fd(fd);
}

// K7 of [own-call]. Lock held; closing.
void descriptor::close_unless_used() noexcept {
  if (operations_ != nullptr || calls_.is_under_way(*detail::this_context.locks)) return;
  const int fd = closing(number());
  // relaxed: under the lock.
  fd_.store(none, std::memory_order_relaxed);
  detail::kernel().close_fd(fd);
}

void descriptor::finish_close() noexcept {
  biased_guard guard(lock_);
  if (is_closing()) close_unless_used();
}

void descriptor::close() noexcept {
  biased_guard guard(lock_);
  if (number() < 0) return;
  // relaxed: under the lock, or K6.
  fd_.store(closing(number()), std::memory_order_relaxed);
  calls_.closed(*detail::this_context.locks);
  close_unless_used();
  for (io_operation* op = operations_; op != nullptr; op = op->on_next) {
    if (op->home == nullptr) continue;  // on the blocking pool or in a plain call, where it ends by itself
    detail::io_engine& home = *op->home;
    {
      biased_guard engine_guard(home.lock());
      home.ask_to_cancel(*op);
    }
    home.wake_driver();
  }
}

bool descriptor::add(io_operation& op) noexcept {
  if (number() < 0) return false;
  op.on_prev = nullptr;
  op.on_next = operations_;
  if (operations_ != nullptr) operations_->on_prev = &op;
  operations_ = &op;
  op.in_list = true;
  return true;
}

bool descriptor::remove(io_operation& op) noexcept {
  if (!op.in_list) return !is_open();
  biased_guard guard(lock_);
  op.in_list = false;
  if (op.on_next != nullptr) op.on_next->on_prev = op.on_prev;
  (op.on_prev != nullptr ? op.on_prev->on_next : operations_) = op.on_next;
  const bool closed = is_closing();
  if (closed) close_unless_used();
  return closed;
}

}  // namespace weft
