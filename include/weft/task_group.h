// task_group, with_group, with_timeout, with_deadline: tasks that belong together and end before their starter goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <weft/detail/check.h>
#include <weft/detail/spin_lock.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/stop_token.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

namespace weft {

/// How a group starts tasks.
struct group_options {
  int limit = 0;  ///< tasks that run at the same time; 0: no limit
};

class task_group;

namespace detail {

class stop_registry;

/// A running member, in its own frame; linked into its group so that a stop finds it.
class group_member {
 public:
  explicit group_member(task_group& group) noexcept;
  ~group_member();
  group_member(const group_member&) = delete;
  group_member& operator=(const group_member&) = delete;

 private:
  friend class weft::task_group;
  task_group& group_;
  task_control* const self_;
  group_member* next_ = nullptr;
  group_member* previous_ = nullptr;
};

/// A member that was counted; it is no longer when this dies, run or not.
class member_slot {
 public:
  explicit member_slot(task_group& group) noexcept : group_(&group) {}
  member_slot(member_slot&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
  member_slot& operator=(member_slot&&) = delete;
  ~member_slot();
  task_group& group() const noexcept { return *group_; }

 private:
  task_group* group_;
};

template <class F, class... Args>
task<> run_member(member_slot slot, F f, Args... args);

}  // namespace detail

/// Tasks that are started together and waited for together.
///
///   weft::task_group group({.limit = 8});
///   for (auto& item : items)
///     if (!co_await group.go(work, item)) break;   // parks while 8 run; false: asked to stop
///   co_await group.wait();
///
/// The first exception that leaves a member asks the others to stop and is rethrown by wait(); later ones are dropped.
/// A stop of the task that waits is passed on to the members, and wait() still waits for all of them. Results of
/// members are ignored. What members started (go, spawn) and did not wait for is asked to stop with the group, and at
/// the latest when the group has been waited for. Every group must be waited for before it dies; with_group() does so
/// in every case.
///
/// Thread safety: go() and wait() are for tasks; try_go() too; request_stop() for any thread. One task waits at a time.
/// Cost: a member is a task, plus a lock when it begins and when it ends.
class task_group {
 public:
  explicit task_group(group_options options = {}) noexcept;
  ~task_group();
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  /// Starts f(args...) as a member, parking while `limit` of them run. False: the caller, or the group, was asked to
  /// stop, and nothing was started. The callable and the arguments are copied as by weft::go.
  template <class F, class... Args>
  task<bool> go(F f, Args... args) {
    permit slot;
    if (limited_) {
      slot = co_await slots_.acquire(1);
      if (!slot) co_return false;
    }
    if (stop_requested() || this_task_stopped()) co_return false;
    start(slot, std::move(f), std::move(args)...);
    co_return true;
  }

  /// The same without parking: false also while `limit` members run.
  template <class F, class... Args>
  [[nodiscard]] bool try_go(F&& f, Args&&... args) {
    permit slot;
    if (limited_) {
      std::optional<permit> free = slots_.try_acquire(1);
      if (!free) return false;
      slot = std::move(*free);
    }
    if (stop_requested()) return false;
    start(slot, std::decay_t<F>(std::forward<F>(f)), std::decay_t<Args>(std::forward<Args>(args))...);
    return true;
  }

  /// Waits until every member has ended, also when the caller is asked to stop (which then stops the members). Rethrows
  /// the first exception, again on each call.
  task<> wait(std::source_location where = std::source_location::current()) {
    const bool undisturbed = co_await running_.wait(where);
    if (!undisturbed) {
      request_stop();
      (void)co_await running_.wait_shielded(where);
    }
    stop_left();
    rethrow();
  }

  /// Asks every member to stop; later ones are refused.
  void request_stop() noexcept;

  bool stop_requested() const noexcept {
    // acquire: what the stopper did before is visible.
    return stopping_.load(std::memory_order_acquire);
  }

  /// Members that have not ended, a snapshot.
  int64_t size() const noexcept { return running_.count(); }

 private:
  friend class detail::group_member;
  friend class detail::member_slot;
  template <class F, class... Args>
  friend task<> detail::run_member(detail::member_slot slot, F f, Args... args);

  static bool this_task_stopped() noexcept;

  template <class F, class... Args>
  void start(permit& slot, F f, Args... args) {
    slot.keep();
    running_.add(1);
    weft::go(detail::run_member<F, Args...>, detail::member_slot(*this), std::move(f), std::move(args)...);
  }

  void fail(std::exception_ptr error) noexcept;
  void member_ended() noexcept {
    if (limited_) slots_.release(1);
    running_.done();
  }
  void rethrow();
  void stop_left() noexcept;

  const bool limited_;
  semaphore slots_;
  wait_group running_;
  std::atomic<bool> stopping_{false};
  detail::spin_lock lock_;
  detail::group_member* members_ = nullptr;  // guarded by lock_
  std::exception_ptr error_;                 // guarded by lock_
  detail::stop_registry* stops_ = nullptr;   // of the runtime that the members run in; guarded by lock_
  std::vector<uint64_t> left_;               // stop scopes of members that have ended; guarded by lock_
};

namespace detail {

template <class F, class... Args>
task<> run_member(member_slot slot, F f, Args... args) {
  const group_member member(slot.group());
  try {
    co_await std::move(f)(std::move(args)...);
  } catch (...) {
    slot.group().fail(std::current_exception());
  }
}

template <class R, class F>
task<R> run_in_group(group_options options, F& f) {
  task_group group(options);
  std::exception_ptr error;
  std::optional<optional_result_t<R>> result;
  try {
    if constexpr (std::is_void_v<R>) {
      co_await f(group);
      result.emplace();
    } else {
      result.emplace(co_await f(group));
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (error) group.request_stop();
  try {
    co_await group.wait();
  } catch (...) {
    if (!error) error = std::current_exception();
  }
  if (error) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<R>) co_return std::move(*result);
}

}  // namespace detail

/// Runs `co_await f(group)` with a new group, then waits for its members in every case. Returns what f returned.
/// If f throws, the members are asked to stop, and its exception is rethrown when they have ended.
///
///   int n = co_await weft::with_group({.limit = 8}, [&](weft::task_group& g) -> weft::task<int> { ... });
template <class F>
auto with_group(group_options options, F&& f) -> std::invoke_result_t<F&, task_group&> {
  static_assert(std::is_lvalue_reference_v<F> || detail::callable_is_safe_inside_co_await<std::remove_cvref_t<F>>,
                "weft::with_group with g++ before 13: name the closure before the co_await; see docs/pitfalls.md");
  return detail::run_in_group<detail::task_result_t<std::invoke_result_t<F&, task_group&>>>(options, f);
}

namespace detail {

template <class F, class... Args>
spawn_task_t<F, Args...> run_and_stop_rest(F f, Args... args) {
  const stop_rest rest;
  co_return co_await std::move(f)(std::move(args)...);
}

template <class F, class... Args>
using timed_result = std::optional<optional_result_t<spawn_result_t<F, Args...>>>;

template <class F, class... Args>
task<timed_result<F, Args...>> run_until(sleep_awaiter deadline, F f, Args... args) {
  using result = typename timed_result<F, Args...>::value_type;
  auto child = spawn(run_and_stop_rest<F, Args...>, std::move(f), std::move(args)...);
  if (!child.valid()) co_return std::nullopt;
  auto first = co_await select_first(child, std::move(deadline));
  if (first && first.index() == 0) co_return std::optional<result>(std::move(first.template get<0>()));
  child.request_stop();
  if constexpr (std::is_same_v<result, std::monostate>) {
    co_await child;
    if (first) co_return std::nullopt;
    co_return std::optional<result>(std::in_place);
  } else {
    result late = co_await child;
    if (first) co_return std::nullopt;
    co_return std::optional<result>(std::move(late));
  }
}

}  // namespace detail

/// Runs f(args...) as a task and waits for it at most `d`. nullopt: the time was up; f was asked to stop and has ended.
///
/// A stop of the caller stops f too, and what f then returns is the result. What f started and did not wait for is
/// asked to stop when f has ended. Rethrows f's exception. (void: monostate.) Called from: a task. Cost: a task and a
/// timer.
template <class Rep, class Period, class F, class... Args>
task<detail::timed_result<F, Args...>> with_timeout(std::chrono::duration<Rep, Period> d, F f, Args... args) {
  return detail::run_until<F, Args...>(sleep_for(d), std::move(f), std::move(args)...);
}

/// The same until a point in time. Deadlines nest: an inner task is stopped at the earlier one.
template <class F, class... Args>
task<detail::timed_result<F, Args...>> with_deadline(std::chrono::steady_clock::time_point deadline, F f,
                                                     Args... args) {
  return detail::run_until<F, Args...>(sleep_until(deadline), std::move(f), std::move(args)...);
}

}  // namespace weft
