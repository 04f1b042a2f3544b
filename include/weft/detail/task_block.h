// A task's control block, and how one is made from a callable and its arguments.
//
// One allocation holds all of a small task: control block, result, closure, and the first segment of its stack with the
// root frame and its callees. How large that block is, is learnt per entry function (task_entry::size_class): it begins
// small and is raised when tasks of that kind had to grow, so that after a few tasks growth is off the critical path.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/detail/check.h>
#include <weft/detail/context.h>
#include <weft/detail/promise.h>
#include <weft/task.h>

namespace weft::detail {

class scheduler;
struct task_control;

/// g++ before 13 destroys some temporaries inside co_await twice; see docs/pitfalls.md.
template <class F>
inline constexpr bool callable_is_safe_inside_co_await =
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
    std::is_trivially_destructible_v<F>;
#else
    true;
#endif

/// What all tasks with the same entry function share. Static storage; never destroyed while tasks run.
struct task_entry {
  void (*finish)(task_control*) noexcept;  ///< moves the outcome to the block, destroys the root frame and closure
  void (*drop_outcome)(task_control*) noexcept;  ///< destroys an outcome that nobody claimed
  void (*abandon)(task_control*,
                  void* root_frame) noexcept;  ///< destroys the root frame and closure of an unfinished task
  uint32_t fixed_bytes;                        ///< what lies between the control block and the stack: outcome, closure
  std::atomic<uint32_t> size_class{0};         ///< of the first block, the high-water hint; 0: not known yet
  std::atomic<uint32_t> growths{0};            ///< stacks that did not fit their first block
};

enum class task_outcome : uint8_t { none, value, error };

/// The values of task_control::join_word that are no waiter.
//
// Protocol [join-word]: 0 = running, a handle is held. The handle waits by CAS 0 -> waiter (release; failure: acquire,
// it is done), and lets go by exchange `detached`: if that finds `done`, it frees the block. The task's end looks first
// (acquire): a waiter does not leave, so the word is the task's alone; it stores `done` (release) and wakes the waiter.
// Else it swaps `done` in (acq_rel) and wakes a waiter that came meanwhile, or frees the block if it finds `detached`.
// A handle that takes the task out of its processor's run-next slot, unbegun, stores the waiter without a CAS.
// A waiter tagged `select` may leave: it comes, leaves and is ended under lock_for(task).
inline constexpr uintptr_t join_running = 0;
inline constexpr uintptr_t join_done = 1;
inline constexpr uintptr_t join_detached = 2;
inline constexpr uintptr_t join_select = 4;  // tag of a waiter

struct task_control : strand {
  std::atomic<uint64_t> id;  ///< 0 while no task lives in the block
  std::atomic<task_entry*> entry;
  std::atomic<const void*> started_at;  ///< return address of the call that started it
  std::atomic<uintptr_t> join_word;
  task_outcome outcome;
  uint8_t size_class;
  std::atomic<uint16_t> function_high;  ///< the root coroutine's code address: bits 32 to 46, and forked_bit
  std::atomic<uint32_t> function_low;   ///< and 0 to 31
  segment first;

  /// The root coroutine's code address, for diagnostics.
  const void* function() const noexcept {
    // relaxed: for diagnostics.
    const uint64_t high = function_high.load(std::memory_order_relaxed) & ~forked_bit;
    // relaxed: as above.
    return reinterpret_cast<const void*>(high << 32 | function_low.load(std::memory_order_relaxed));
  }
  void set_function(const void* code) noexcept {
    const auto address = reinterpret_cast<uintptr_t>(code);
    // relaxed: for diagnostics.
    function_high.store(static_cast<uint16_t>(address >> 32), std::memory_order_relaxed);
    // relaxed: as above.
    function_low.store(static_cast<uint32_t>(address), std::memory_order_relaxed);
  }

  /// In first.link: the number of the task's stop scope ([stop-scope] in runtime/sched/stop.h), above these bits.
  static constexpr uintptr_t scope_own = 2;      ///< can be stopped by itself: a scope of its own
  static constexpr uintptr_t scope_started = 4;  ///< has its own scope, and started tasks
  static constexpr uintptr_t scope_watched = 8;  ///< somebody has a std::stop_token of it
  static constexpr int scope_shift = 4;
  static constexpr uint64_t scope_in(uintptr_t link) noexcept { return link >> scope_shift; }
  /// The scope that it belongs to; 0: only the runtime's shutdown reaches it.
  uint64_t scope() const noexcept {
    // relaxed: written before the id was.
    return scope_in(first.link.load(std::memory_order_relaxed));
  }

  /// Whether forks of the task ever ran elsewhere, so that a stop has to look for them.
  static constexpr uint16_t forked_bit = 0x8000;
  bool has_forked() const noexcept {
    // seq_cst: ordered with the fences in request_stop() and run_fork().
    return (function_high.load(std::memory_order_seq_cst) & forked_bit) != 0;
  }
  void set_forked() noexcept {
    // seq_cst: as above.
    if (!has_forked()) function_high.fetch_or(forked_bit, std::memory_order_seq_cst);
  }

  /// Where the exception is kept that ended the task: over the fields of a strand that will not be resumed any more.
  std::exception_ptr* error_slot() noexcept {
    return reinterpret_cast<std::exception_ptr*>(static_cast<strand*>(this));
  }

  /// Where the result is kept: there too if it is small, else behind the control block.
  template <class T>
  T* value_slot() noexcept {
    void* at = sizeof(T) <= small_outcome_bytes ? static_cast<void*>(static_cast<strand*>(this)) : this + 1;
    return static_cast<T*>(at);
  }
  static constexpr std::size_t small_outcome_bytes = offsetof(strand, top);
};

/// The loaded stack of the caller while a new task's root frame is made on the new one.
struct start_scope {
  char* limit;
  strand* current;
  char* sp;
  segment* top;
  task_control* made;
};

/// Most that a task's block holds beside the control block and frames.
inline constexpr std::size_t most_fixed_bytes = 24 * 1024;

constexpr std::size_t round_up_16(std::size_t n) noexcept { return (n + 15) & ~std::size_t{15}; }

/// Takes a block for a new task and loads its stack, with room for the outcome reserved. `sched` is null for the
/// runtime that the caller runs in. Aborts when called outside any task without one.
void begin_task(start_scope& scope, scheduler* sched, task_entry& entry, std::size_t outcome_bytes) noexcept;

/// Loads the caller's stack again.
void end_start(start_scope& scope) noexcept;

/// Undoes begin_task() after the callable threw.
void abandon_task(start_scope& scope) noexcept;

/// Frees the block of a finished task.
void free_task(task_control* task) noexcept;

/// The loaded-stack part of starting a task, undone if the callable throws.
class start_guard {
 public:
  start_guard(scheduler* sched, task_entry& entry, std::size_t outcome_bytes) noexcept {
    begin_task(scope_, sched, entry, outcome_bytes);
  }
  ~start_guard() { done_ ? end_start(scope_) : abandon_task(scope_); }
  start_guard(const start_guard&) = delete;
  start_guard& operator=(const start_guard&) = delete;
  task_control* done() noexcept {
    done_ = true;
    return scope_.made;
  }

 private:
  start_scope scope_;
  bool done_ = false;
};

/// Whether calling a function pointer with by-value parameters copies all that the task needs into its frame, so that
/// no closure has to be kept.
template <class F>
struct copies_its_arguments : std::false_type {};
template <class R, class... P>
struct copies_its_arguments<R (*)(P...)> : std::bool_constant<(!std::is_reference_v<P> && ...)> {};
template <class R, class... P>
struct copies_its_arguments<R (*)(P...) noexcept> : std::bool_constant<(!std::is_reference_v<P> && ...)> {};

template <class F, class... Args>
using spawn_task_t = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

template <class F, class... Args>
using spawn_result_t = task_result_t<spawn_task_t<F, Args...>>;

/// A task's result as a value.
template <class T>
using optional_result_t = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// What the task keeps beside its frame.
template <class F, class... Args>
struct closure {
  template <class G, class... As>
  explicit closure(G&& g, As&&... as) : function(std::forward<G>(g)), arguments(std::forward<As>(as)...) {}
  F function;
  std::tuple<Args...> arguments;
};

/// The entry of tasks that run F(Args...).
template <class F, class... Args>
struct spawned {
  using task_type = spawn_task_t<F, Args...>;
  using result = task_result_t<task_type>;
  static constexpr bool keeps_closure = !copies_its_arguments<F>::value;
  using closure_type = closure<F, Args...>;
  /// What the outcome needs in the block, behind the control block.
  static constexpr std::size_t outcome_bytes = [] {
    if constexpr (std::is_void_v<result> || std::is_reference_v<result>)
      return std::size_t{0};
    else
      return sizeof(result) <= task_control::small_outcome_bytes ? std::size_t{0} : round_up_16(sizeof(result));
  }();
  static_assert(!keeps_closure || alignof(closure_type) <= 16,
                "weft: the callable's and arguments' alignment must not exceed 16");

  static promise<result>& root(task_control* t) noexcept {
    return std::coroutine_handle<promise<result>>::from_address(t->resume_frame).promise();
  }

  static closure_type* kept(task_control* t) noexcept {
    return reinterpret_cast<closure_type*>(reinterpret_cast<char*>(t + 1) + outcome_bytes);
  }

  static void finish(task_control* t) noexcept {
    promise<result>& p = root(t);
    if (p.role & role_failed) {
      std::construct_at(t->error_slot(), take_error(p));
      t->outcome = task_outcome::error;
    } else {
      if constexpr (std::is_reference_v<result>)
        std::construct_at(t->template value_slot<std::remove_reference_t<result>*>(), &p.take());
      else if constexpr (!std::is_void_v<result>)
        std::construct_at(t->template value_slot<result>(), p.take());
      t->outcome = task_outcome::value;
    }
    if (p.role & role_destroy) std::coroutine_handle<promise<result>>::from_promise(p).destroy();
    if constexpr (keeps_closure) std::destroy_at(kept(t));
  }

  static void drop_outcome(task_control* t) noexcept {
    if (t->outcome == task_outcome::error)
      std::destroy_at(t->error_slot());
    else if constexpr (!std::is_void_v<result> && !std::is_reference_v<result>)
      if (t->outcome == task_outcome::value) std::destroy_at(t->template value_slot<result>());
    t->outcome = task_outcome::none;
  }

  static void abandon(task_control* t, void* root_frame) noexcept {
    std::coroutine_handle<>::from_address(root_frame).destroy();
    if constexpr (keeps_closure) std::destroy_at(kept(t));
  }

  static constexpr std::size_t fixed_bytes = outcome_bytes + (keeps_closure ? round_up_16(sizeof(closure_type)) : 0);
  static_assert(fixed_bytes <= most_fixed_bytes,
                "weft: a task's result, callable and arguments are larger than 24 KiB together");

  static inline task_entry entry{&finish, &drop_outcome, &abandon, fixed_bytes};
};

/// Makes the task and its root frame. It does not run yet.
template <class F, class... Args>
task_control* make_task(scheduler* sched, void*& root_frame, F&& f, Args&&... args) {
  static_assert(std::is_invocable_v<std::decay_t<F>, std::decay_t<Args>...>,
                "weft: the callable cannot be called with decayed copies of these arguments; a parameter that is an "
                "lvalue reference needs std::ref");
  static_assert(is_task<spawn_task_t<F, Args...>>, "weft: the callable must return a weft::task");
  using kind = spawned<std::decay_t<F>, std::decay_t<Args>...>;
  start_guard guard(sched, kind::entry, kind::outcome_bytes);
  if constexpr (!kind::keeps_closure) {
    auto t = std::invoke(std::forward<F>(f), std::decay_t<Args>(std::forward<Args>(args))...);
    root_frame = task_access::frame(t).address();
  } else {
    using closure_type = typename kind::closure_type;
    void* memory = frame_allocate(sizeof(closure_type));
    auto* kept = std::construct_at(static_cast<closure_type*>(memory), std::forward<F>(f), std::forward<Args>(args)...);
    struct undo {
      closure_type* kept;
      ~undo() {
        if (kept != nullptr) std::destroy_at(kept);
      }
    } u{kept};
    root_frame = std::apply(
        [&](auto&... stored) {
          auto t = std::invoke(std::move(kept->function), std::move(stored)...);
          return task_access::frame(t).address();
        },
        kept->arguments);
    u.kept = nullptr;
  }
  return guard.done();
}

/// The current return address, as the place where a task was started.
#define WEFT_CALL_SITE() __builtin_return_address(0)

}  // namespace weft::detail
