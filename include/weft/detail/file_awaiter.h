// The awaitable of one operation on a file.
//
// As an arm of a select a read or a sync is done at once where nothing is to be waited for. Else a task does it in the
// arm's place, the keeper, and the arm waits for that one; [arm] in runtime/io/file.cc has the steps. Writes, whose
// loss could not be undone, and files that have no position, as pipes and terminals, are arms as in io_awaiter.h.
#pragma once

#include <cstdint>
#include <source_location>

#include <weft/detail/io_awaiter.h>

namespace weft::detail {

struct file_keeper;

bool file_arm_try(io_operation& op, descriptor& on) noexcept;

/// A2 of [arm]; null: there is none for this operation, or on this thread.
file_keeper* begin_keeper(const io_operation& op) noexcept;
biased_lock* keeper_lock(file_keeper& k) noexcept;
bool keeper_is_done(file_keeper& k) noexcept;
bool keeper_enqueue(file_keeper& k) noexcept;
void keeper_leave(file_keeper& k) noexcept;
waiter& keeper_waiter(file_keeper& k) noexcept;
/// A4, if it was the keeper that did the operation.
void take_from_keeper(file_keeper& k, io_operation& op);
/// A5.
void drop_keeper(file_keeper* k) noexcept;

template <class Result, Result (*Finish)(const descriptor& on, int32_t result)>
class [[nodiscard]] file_awaiter : public io_awaiter<Result, Finish> {
  using base = io_awaiter<Result, Finish>;

 public:
  file_awaiter(descriptor& on, const io_request& request, std::source_location where) noexcept
      : base(on, request, where, true) {}
  ~file_awaiter() {
    if (keeper_ != nullptr) [[unlikely]]
      drop_keeper(keeper_);
  }

  bool await_ready() noexcept { return try_in_caches(this->op_, &this->on_); }

  bool arm_try() noexcept { return file_arm_try(this->op_, this->on_); }
  biased_lock* arm_lock() noexcept {
    if (!asked_) {  // the first time, no lock is held
      asked_ = true;
      keeper_ = begin_keeper(this->op_);
    }
    return keeper_ != nullptr ? keeper_lock(*keeper_) : base::arm_lock();
  }
  bool arm_poll(uintptr_t&) noexcept { return keeper_ != nullptr && keeper_is_done(*keeper_); }
  bool arm_enqueue() noexcept { return keeper_ != nullptr ? keeper_enqueue(*keeper_) : base::arm_enqueue(); }
  void arm_leave(waiter_chain& woken) noexcept {
    if (keeper_ != nullptr)
      keeper_leave(*keeper_);
    else
      base::arm_leave(woken);
  }
  waiter& arm_waiter() noexcept { return keeper_ != nullptr ? keeper_waiter(*keeper_) : base::arm_waiter(); }

  Result await_resume() {
    if (keeper_ != nullptr) [[unlikely]]
      take_from_keeper(*keeper_, this->op_);
    return base::await_resume();
  }

 private:
  file_keeper* keeper_ = nullptr;
  bool asked_ = false;
};

}  // namespace weft::detail
