// Members, their stop and their first exception. See task_group.h.
//
// Protocol [group-stop]: a member links itself under the group's lock and then looks at `stopping` (U1). A stop sets
// `stopping` and then, under the lock, asks every linked member to stop (U2). Either U1 sees it, or U2 finds it.
// Locks: the group's before those under which members wait, never the other way round.
#include <weft/task_group.h>

#include "sched/scheduler.h"

namespace weft {

using detail::group_member;
using detail::spin_guard;
using detail::task_control;

task_group::task_group(group_options options) noexcept : limited_(options.limit != 0), slots_(options.limit) {
  WEFT_CHECK(options.limit >= 0, "weft::task_group: limit must be 0 (none) or more");
}

task_group::~task_group() {
  WEFT_CHECK(running_.count() == 0, "weft::task_group destroyed while members run; co_await its wait() first");
}

bool task_group::this_task_stopped() noexcept { return detail::stop_pending(); }

void task_group::request_stop() noexcept {
  // seq_cst: U2.
  stopping_.store(true, std::memory_order_seq_cst);
  spin_guard guard(lock_);
  for (group_member* m = members_; m != nullptr; m = m->next_)
    detail::request_stop(static_cast<task_control*>(m->self_));
}

void task_group::fail(std::exception_ptr error) noexcept {
  {
    spin_guard guard(lock_);
    if (error_ == nullptr) error_ = std::move(error);
  }
  request_stop();
}

void task_group::rethrow() {
  std::exception_ptr error;
  {
    spin_guard guard(lock_);
    error = error_;
  }
  if (error != nullptr) std::rethrow_exception(error);
}

group_member::group_member(task_group& group) noexcept : group_(group), self_(this_context.current) {
  {
    spin_guard guard(group.lock_);
    next_ = group.members_;
    if (next_ != nullptr) next_->previous_ = this;
    group.members_ = this;
  }
  // seq_cst: U1.
  if (group.stopping_.load(std::memory_order_seq_cst)) request_stop(static_cast<task_control*>(self_));
}

group_member::~group_member() {
  spin_guard guard(group_.lock_);
  (previous_ != nullptr ? previous_->next_ : group_.members_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

detail::member_slot::~member_slot() {
  if (group_ != nullptr) group_->member_ended();
}

}  // namespace weft
