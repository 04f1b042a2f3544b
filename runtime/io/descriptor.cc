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

descriptor::descriptor(descriptor&& other) noexcept : fd_(other.release()) {}

descriptor& descriptor::operator=(descriptor&& other) noexcept {
  if (this == &other) return *this;
  WEFT_CHECK(operations_ == nullptr, "a descriptor was assigned to while an operation is under way on it");
  close();
  fd_ = other.release();
  closing_ = false;
  return *this;
}

descriptor::~descriptor() {
  // A strand that is destroyed with its runtime leaves its operation in the list; the engine has ended it.
  if (fd_ >= 0 && operations_ == nullptr) close_now();
}

int descriptor::release() noexcept {
  WEFT_CHECK(operations_ == nullptr, "a descriptor was moved or released while an operation is under way on it");
  return closing_ ? -1 : std::exchange(fd_, -1);
}

void descriptor::close_now() noexcept { detail::kernel().close_fd(std::exchange(fd_, -1)); }

void descriptor::close() noexcept {
  biased_guard guard(lock_);
  if (fd_ < 0 || closing_) return;
  closing_ = true;
  if (operations_ == nullptr) return close_now();
  for (io_operation* op = operations_; op != nullptr; op = op->on_next) {
    if (op->home == nullptr) continue;  // on the blocking pool, where it ends by itself
    detail::io_engine& home = *op->home;
    {
      biased_guard engine_guard(home.lock());
      home.ask_to_cancel(*op);
    }
    home.wake_driver();
  }
}

bool descriptor::add(io_operation& op) noexcept {
  if (fd_ < 0 || closing_) return false;
  op.on_prev = nullptr;
  op.on_next = operations_;
  if (operations_ != nullptr) operations_->on_prev = &op;
  operations_ = &op;
  op.in_list = true;
  return true;
}

bool descriptor::remove(io_operation& op) noexcept {
  biased_guard guard(lock_);
  if (!op.in_list) return closing_;
  op.in_list = false;
  if (op.on_next != nullptr) op.on_next->on_prev = op.on_prev;
  (op.on_prev != nullptr ? op.on_prev->on_next : operations_) = op.on_next;
  if (closing_ && operations_ == nullptr) close_now();
  return closing_;
}

}  // namespace weft
