// The pool's threads, and the way of a task there and back. See blocking_pool.h.
#include "sched/blocking_pool.h"

#include <chrono>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {
constexpr std::chrono::seconds idle_time{10};
}  // namespace

bool blocking_pool::close(int64_t patience_ns) noexcept {
  {
    std::unique_lock guard(mutex_);
    ending_ = true;
    first_ = last_ = nullptr;
    queued_ = 0;
    changed_.notify_all();
    const auto ended = [this] { return threads_ == 0; };
    if (patience_ns == INT64_MAX)
      ended_.wait(guard, ended);
    else if (!ended_.wait_for(guard, std::chrono::nanoseconds(patience_ns), ended))
      return false;
  }
  for (auto& w : workers_) w->thread.join();
  workers_.clear();
  return true;
}

void blocking_pool::submit(blocking_job& job) noexcept {
  std::unique_lock guard(mutex_);
  ++jobs_;
  job.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &job;
  last_ = &job;
  ++queued_;
  if (queued_ <= idle_) {
    guard.unlock();
    changed_.notify_one();
    return;
  }
  if (threads_ == most_threads_) return;
  if (start_thread() || threads_ != 0) return;  // one of those that there are will come to it
  // Nobody else can: the job is the only one, since every submission without threads ends here.
  first_ = last_ = nullptr;
  --queued_;
  guard.unlock();
  job.run(&job);
}

// Lock held. Those that ended are joined first: they hold nothing but their stacks.
bool blocking_pool::start_thread() noexcept {
  std::erase_if(workers_, [](std::unique_ptr<worker>& w) {
    if (w->ended) w->thread.join();
    return w->ended;
  });
  auto w = std::make_unique<worker>(*this);
  if (!sys_.start_thread(w->thread, thread_entry, w.get(), "weft-blocking").ok()) return false;
  ++threads_;
  workers_.push_back(std::move(w));
  return true;
}

void blocking_pool::thread_entry(void* w) noexcept {
  auto* self = static_cast<worker*>(w);
  self->pool.run(*self);
}

void blocking_pool::run(worker& self) noexcept {
  std::unique_lock guard(mutex_);
  for (;;) {
    if (first_ != nullptr) {
      blocking_job* job = first_;
      first_ = job->next;
      if (first_ == nullptr) last_ = nullptr;
      --queued_;
      ++running_;
      guard.unlock();
      job->run(job);  // the job is gone afterwards
      guard.lock();
      --running_;
      continue;
    }
    if (ending_) break;
    ++idle_;
    // relaxed: for the deadlock check; this thread wakes no task by itself.
    blocked_plain_threads.fetch_add(1, std::memory_order_relaxed);
    const bool woken = changed_.wait_for(guard, idle_time, [this] { return first_ != nullptr || ending_; });
    // relaxed: as above.
    blocked_plain_threads.fetch_sub(1, std::memory_order_relaxed);
    --idle_;
    if (!woken) break;
  }
  self.ended = true;
  if (--threads_ == 0) ended_.notify_all();
}

blocking_pool::figures blocking_pool::read() const noexcept {
  std::lock_guard guard(mutex_);
  return {threads_, queued_, running_, jobs_};
}

bool blocking_pool::wakes_thread() const noexcept {
  std::lock_guard guard(mutex_);
  return queued_ != 0 && idle_ != 0;
}

std::coroutine_handle<> blocking_park(blocking_job& job, waiter& w, std::coroutine_handle<> leaf,
                                      std::source_location where) noexcept {
  scheduler& sched = this_context.proc->sched;
  strand* s = detach(leaf);
  // relaxed: this wait is no stop point; ordered before `waiting` by its release store.
  s->wait_lock.store(nullptr, std::memory_order_relaxed);
  begin_wait(s, w, wait_reason::blocking, where);
  waits_from_now(s);
  sched.blocking().submit(job);  // from here on the strand may run elsewhere
  return switch_away();
}

void blocking_done(waiter& w) noexcept { wake(end_wait(w, wait_result::done)); }

}  // namespace weft::detail
