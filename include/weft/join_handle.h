// join_handle<T>: the right to one task's result, and weft::spawn().
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weft/detail/task_block.h>
#include <weft/detail/wait.h>

namespace weft {

template <class T = void>
class join_handle;

/// What a handle rethrows when its task was destroyed by shutdown before it had ended.
class task_destroyed : public std::exception {
 public:
  const char* what() const noexcept override { return "weft: the task was destroyed by shutdown before it ended"; }
};

namespace detail {

/// CAS 0 -> waiter of [join-word]. False: the task is done.
bool join_begin_wait(task_control* task, waiter& w) noexcept;

/// Parks the running strand until the task is done; goes on at once if it is.
std::coroutine_handle<> join_park(task_control* task, waiter& w, std::coroutine_handle<> leaf,
                                  std::source_location where) noexcept;

/// Blocks the calling thread until the task is done. Drives a hosted runtime if nobody else does.
void join_block(task_control* task) noexcept;

/// Lets go of a handle.
void join_release(task_control* task) noexcept;

/// The same when the task is done and its outcome was taken.
void join_taken(task_control* task) noexcept;

/// The task's end as an arm of a select (see select_core.h): comes and leaves under this lock.
biased_lock* join_arm_lock(task_control* task) noexcept;
/// False: the task is done.
bool join_arm_enqueue(task_control* task, waiter& w) noexcept;
void join_arm_leave(task_control* task, waiter& w) noexcept;

/// Asks the task to stop.
void request_stop(task_control* task) noexcept;

[[noreturn]] void join_misuse(const char* what) noexcept;

inline bool join_is_done(const task_control* task) noexcept {
  // acquire: pairs with the acq_rel exchange at the task's end; the outcome is visible.
  return task->join_word.load(std::memory_order_acquire) == join_done;
}

/// Lets go of the handle and throws what ended the task.
[[noreturn]] void rethrow_outcome(task_control* task);

template <class T>
T take_outcome(task_control* task) {
  struct end {
    task_control* task;
    ~end() {
      // The task is done and the handle its only owner.
      if constexpr (!std::is_void_v<T> && !std::is_reference_v<T>) std::destroy_at(task->template value_slot<T>());
      join_taken(task);
    }
  };
  if (task->outcome == task_outcome::error) [[unlikely]]
    rethrow_outcome(task);
  end e{task};
  if constexpr (std::is_reference_v<T>)
    return **task->template value_slot<std::remove_reference_t<T>*>();
  else if constexpr (!std::is_void_v<T>)
    return std::move(*task->template value_slot<T>());
}

template <class T>
class [[nodiscard]] join_handle_awaiter {
 public:
  join_handle_awaiter(join_handle<T>& handle, std::source_location where) noexcept : handle_(&handle), where_(where) {}

  bool await_ready() const noexcept {
    if (handle_->task_ == nullptr) join_misuse("co_await of a weft::join_handle that has no task");
    return join_is_done(handle_->task_);
  }
  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    return transfer_to(join_park(handle_->task_, waiter_, leaf, where_));
  }
  T await_resume() { return take_outcome<T>(std::exchange(handle_->task_, nullptr)); }

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept {
    if (handle_->task_ == nullptr) join_misuse("a weft::join_handle that has no task, as an arm of a select");
    return join_arm_lock(handle_->task_);
  }
  bool arm_look() const noexcept {
    if (handle_->task_ == nullptr) join_misuse("a weft::join_handle that has no task, as an arm of a select");
    return join_is_done(handle_->task_);
  }
  bool arm_try() const noexcept { return arm_look(); }
  bool arm_poll(uintptr_t&) noexcept { return join_is_done(handle_->task_); }
  bool arm_enqueue() noexcept { return join_arm_enqueue(handle_->task_, waiter_); }
  void arm_leave(waiter_chain&) noexcept { join_arm_leave(handle_->task_, waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  join_handle<T>* handle_;
  std::source_location where_;
  waiter waiter_;
};

}  // namespace detail

/// The right to one task's result. Movable, not copyable; one owner uses it at a time.
///
/// Letting go of it without asking for the result leaves the task running. An exception that the task threw is rethrown
/// by whoever takes the result; one that nobody takes is dropped with the handle if the task ends while the handle is
/// held, and goes to options::on_unhandled_exception if the task ends after the handle is gone.
template <class T>
class [[nodiscard]] join_handle {
 public:
  join_handle() noexcept = default;
  join_handle(join_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  join_handle& operator=(join_handle&& other) noexcept {
    if (this != &other) {
      reset();
      task_ = std::exchange(other.task_, nullptr);
    }
    return *this;
  }
  ~join_handle() { reset(); }

  /// Whether the handle has a task whose result was not taken yet.
  bool valid() const noexcept { return task_ != nullptr; }

  /// Whether the task has ended. Any thread; does not wait.
  bool done() const noexcept { return task_ != nullptr && detail::join_is_done(task_); }

  /// The task's number, as in dumps; 0 without a task.
  uint64_t id() const noexcept { return id_; }

  /// Waits for the task and returns its result, or rethrows. For plain threads: it blocks the calling thread, and
  /// aborts when called inside a task (there: co_await the handle).
  T get() {
    if (task_ == nullptr) detail::join_misuse("get() on a weft::join_handle that has no task");
    detail::join_block(task_);
    return detail::take_outcome<T>(std::exchange(task_, nullptr));
  }

  /// Asks the task to stop: its parking operations report "nothing more" from now on. Any thread, but not
  /// beside another call on this same handle; does not wait.
  void request_stop() noexcept {
    if (task_ != nullptr) detail::request_stop(task_);
  }

  /// Waits for the task inside a task: `T v = co_await handle;`. Parks the task; not a stop point. Rethrows.
  detail::join_handle_awaiter<T> join(std::source_location where = std::source_location::current()) noexcept {
    return detail::join_handle_awaiter<T>(*this, where);
  }

  /// For the runtime's own use.
  explicit join_handle(detail::task_control* task, uint64_t id) noexcept : task_(task), id_(id) {}

 private:
  friend class detail::join_handle_awaiter<T>;

  void reset() noexcept {
    if (task_ != nullptr) {
      detail::join_release(task_);
      task_ = nullptr;
    }
  }

  detail::task_control* task_ = nullptr;
  uint64_t id_ = 0;
};

namespace detail {

/// Makes the task ready, with a handle. nullptr: the runtime no longer admits tasks.
WEFT_NOINLINE uint64_t launch_joinable(scheduler* sched, task_control* task, void* root_frame) noexcept;

template <class F, class... Args>
auto spawn_on(scheduler* sched, F&& f, Args&&... args) {
  void* root_frame = nullptr;
  task_control* task = make_task(sched, root_frame, std::forward<F>(f), std::forward<Args>(args)...);
  const uint64_t id = launch_joinable(sched, task, root_frame);
  return join_handle<spawn_result_t<F, Args...>>(id != 0 ? task : nullptr, id);
}

}  // namespace detail

template <class T>
detail::join_handle_awaiter<T> operator co_await(join_handle<T>& handle) noexcept {
  return detail::join_handle_awaiter<T>(handle, std::source_location());
}
template <class T>
detail::join_handle_awaiter<T> operator co_await(join_handle<T>&& handle) noexcept {
  return detail::join_handle_awaiter<T>(handle, std::source_location());
}

/// Starts a task like go() and returns the handle to its result.
///
/// Called from: a task; elsewhere use runtime::spawn. Parks: nothing. When the runtime is shutting down the task is not
/// started and the handle is not valid().
template <class F, class... Args>
join_handle<detail::spawn_result_t<F, Args...>> spawn(F&& f, Args&&... args) {
  return detail::spawn_on(nullptr, std::forward<F>(f), std::forward<Args>(args)...);
}

}  // namespace weft
