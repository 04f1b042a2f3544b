// Members, their stop and their first exception. See task_group.h.
//
// Protocol [group-stop]: a member links itself under the group's lock and then looks at `stopping` (U1). A stop sets
// `stopping` and then, under the lock, asks every linked member to stop (U2). Either U1 sees it, or U2 finds it.
// Locks: the group's before those under which members wait, never the other way round.
#include <weft/task_group.h>

#include <algorithm>

#include "sched/scheduler.h"

namespace weft {

using detail::group_member;
using detail::spin_guard;
using detail::task_control;

task_group::task_group(group_options options) noexcept
    : limited_(options.limit != 0), slots_(std::max(options.limit, 0)) {
  WEFT_CHECK(options.limit >= 0, "weft::task_group: limit must be 0 (none) or more");
}

task_group::~task_group() {
  WEFT_CHECK(running_.count() == 0, "weft::task_group destroyed while members run; co_await its wait() first");
}

bool task_group::this_task_stopped() noexcept { return detail::stop_pending(); }

void task_group::request_stop() noexcept {
  // seq_cst: U2.
  stopping_.store(true, std::memory_order_seq_cst);
  std::vector<uint64_t> scopes;
  detail::stop_registry* stops;
  {
    spin_guard guard(lock_);
    scopes = left_;
    stops = stops_;
    detail::stop_batch batch;
    for (group_member* m = members_; m != nullptr; m = m->next_)
      if (const uint64_t scope = detail::stop_task(m->self_, batch); scope != 0) scopes.push_back(scope);
    batch.finish();
  }
  if (stops == nullptr) return;
  if (!scopes.empty()) stops->stop_inside(scopes);
  stops->tell_watchers();
}

// Called by the task that waits, when no member runs any more.
void task_group::stop_left() noexcept {
  std::vector<uint64_t> scopes;
  {
    spin_guard guard(lock_);
    scopes.swap(left_);
  }
  if (scopes.empty()) return;
  stops_->stop_inside(scopes);
  stops_->tell_watchers();
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

group_member::group_member(task_group& group) noexcept
    : group_(group), self_(detail::task_of(detail::this_context.current)) {
  // relaxed: read by itself until it starts a task (L1 of [stop-scope]).
  self_->first.link.fetch_or(task_control::scope_own, std::memory_order_relaxed);
  {
    spin_guard guard(group.lock_);
    group.stops_ = &detail::scheduler_of(self_).stops();
    next_ = group.members_;
    if (next_ != nullptr) next_->previous_ = this;
    group.members_ = this;
  }
  // seq_cst: U1.
  if (group.stopping_.load(std::memory_order_seq_cst)) request_stop(self_);
}

group_member::~group_member() {
  spin_guard guard(group_.lock_);
  // relaxed: its own.
  if ((self_->first.link.load(std::memory_order_relaxed) & task_control::scope_started) != 0)
    group_.left_.push_back(self_->id.load(std::memory_order_relaxed));
  (previous_ != nullptr ? previous_->next_ : group_.members_) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

detail::member_slot::~member_slot() {
  if (group_ != nullptr) group_->member_ended();
}

}  // namespace weft
