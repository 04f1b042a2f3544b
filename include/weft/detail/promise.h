// The promise of task<T>, and how a call, a forked child and a task's root end.
//
// A frame is allocated on the running task's stack and freed by whoever awaits it, so frames die last in first out.
// Where every parameter is trivially destructible, nothing but the promise dies with the frame and freeing is resetting
// the stack's mark; otherwise the frame is destroyed first. `std::coroutine_traits` sees the parameters (task.h).
//
// The word `role` says what the frame is, and stays zero for the most common case, a plain call that did not throw:
//   0                        called by the frame `continuation`
//   fork_entry* (tag 0)      a child of a fork that runs on its parent's strand; the entry is the next sibling's
//   fork_core*   | stolen    a child of a fork that another strand took
//   task_control* | root     the first frame of a task
//   scope_record* | scoped   a child of a fork_scope
//   ... | failed             it ended with an exception
//   ... | destroy            its parameters need destruction
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <weft/detail/check.h>
#include <weft/detail/context.h>
#include <weft/detail/fork_deque.h>

namespace weft::detail {

inline constexpr uintptr_t role_stolen = 1;
inline constexpr uintptr_t role_root = 2;
inline constexpr uintptr_t role_scoped = role_stolen | role_root;
inline constexpr uintptr_t role_kinds = 3;
inline constexpr uintptr_t role_failed = 4;
inline constexpr uintptr_t role_destroy = 8;
inline constexpr uintptr_t role_tags = 15;

/// One child of a fork that other processors may take; in a fork_scope, the parent's continuation.
struct alignas(16) fork_entry {
  void* frame;
  struct fork_core* core;
};

struct promise_base;
struct scope_record;

/// A fork_scope's entry, as the ends of its children see it.
struct scope_entry : fork_entry {
  /// The child that was forked last, while the scope is open. The entry is offered for this one only, so an older child
  /// that finds it on top of its processor's deque must leave it there. (A private one is always the newest child's.)
  std::atomic<scope_record*> newest;
};

/// Lies right above a scoped child's frame, and is freed with it.
struct alignas(16) scope_record {
  scope_entry* entry;
  void* slot;  ///< where the result goes
  void (*settle)(promise_base& child,
                 scope_record& record);  ///< moves result or exception to the scope, ends the child
};

/// Takes care of the end of a frame whose role is not a plain call; returns what to resume.
std::coroutine_handle<> finish_uncommon(promise_base& promise, uintptr_t role) noexcept;

/// Tags entries that become visible to thieves with their task, and wakes a processor if one should search.
void forks_published(fork_entry* entry) noexcept;

/// With WEFT_COUNT_FRAMES: tells the escape report of a coroutine, and of its frame.
WEFT_RARE void count_coroutine() noexcept;
WEFT_RARE void count_frame(std::size_t bytes) noexcept;

struct promise_base {
  std::coroutine_handle<> continuation;
  uintptr_t role;

  promise_base() noexcept {
    if constexpr (WEFT_COUNT_FRAMES) count_coroutine();
  }

  static void* operator new(std::size_t bytes) {
    if constexpr (WEFT_MAY_ELIDE) this_context.frames_allocated += WEFT_METRICS;
    void* frame = frame_allocate(bytes);
    if constexpr (WEFT_COUNT_FRAMES) count_frame(bytes);
    return frame;
  }
  // The frame's memory is given back by whoever awaited it (frame_free).
  static void operator delete(void*, std::size_t) noexcept {}

  static promise_base& of(void* frame) noexcept {
    return std::coroutine_handle<promise_base>::from_address(frame).promise();
  }

#if defined(__GNUC__) && !defined(__clang__)
  // g++-12 lays out some coroutines so that no handle finds their frame (see docs/pitfalls.md): better told than lost.
  struct initial_awaiter {
    const promise_base& promise;
    static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) const noexcept {
      WEFT_CHECK(&of(h.address()) == &promise,
                 "this coroutine was miscompiled by g++ (co_await in a condition, no local variable in the function); "
                 "see g++-12 in weft's docs/pitfalls.md");
    }
    static void await_resume() noexcept {}
  };
  initial_awaiter initial_suspend() const noexcept { return {*this}; }
#else
  static std::suspend_always initial_suspend() noexcept { return {}; }
#endif

  struct final_awaiter {
    static bool await_ready() noexcept { return false; }
    template <class Promise>
    WEFT_INLINE transfer await_suspend(std::coroutine_handle<Promise> h) const noexcept {
      promise_base& p = h.promise();
      const uintptr_t what = p.role;
      if ((what & ~role_destroy) == 0) return transfer_to(p.continuation);
      if ((what & (role_tags & ~role_destroy)) == 0) {
        // A forked child on its parent's strand: go on with the next sibling unless it was stolen.
        auto* entry = reinterpret_cast<fork_entry*>(what & ~role_tags);
        if (this_context.forks->pop(entry, forks_published)) [[likely]]
          return transfer_to(std::coroutine_handle<>::from_address(entry->frame));
      } else if ((what & (role_tags & ~role_destroy)) == role_scoped) {
        // C2 of [fork-scope]: go on with the parent. A private entry is this child's, see pop_private().
        scope_entry* entry = reinterpret_cast<scope_record*>(what & ~role_tags)->entry;
        if (this_context.forks->pop_private(entry, forks_published)) [[likely]]
          return transfer_to(std::coroutine_handle<>::from_address(entry->frame));
      }
      return transfer_to(finish_uncommon(p, what));
    }
    static void await_resume() noexcept {}
  };
  static final_awaiter final_suspend() noexcept { return {}; }
};

/// Where the result is, or the exception.
template <class T>
struct promise : promise_base {
  union {
    T value;
    std::exception_ptr error;
  };

  promise() noexcept {}
  ~promise() {}
  promise(const promise&) = delete;
  promise& operator=(const promise&) = delete;

  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& v) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
    std::construct_at(std::addressof(value), std::forward<U>(v));
  }
  void unhandled_exception() noexcept {
    std::construct_at(std::addressof(error), std::current_exception());
    role |= role_failed;
  }
  /// Moves the result out and ends its life.
  T take() {
    struct end {
      T& v;
      ~end() { v.~T(); }
    } ender{value};
    return std::move(value);
  }
  void drop() noexcept { value.~T(); }
};

template <class T>
struct promise<T&> : promise_base {
  union {
    T* value;
    std::exception_ptr error;
  };

  promise() noexcept {}
  ~promise() {}

  void return_value(T& v) noexcept { value = std::addressof(v); }
  void unhandled_exception() noexcept {
    std::construct_at(std::addressof(error), std::current_exception());
    role |= role_failed;
  }
  T& take() noexcept { return *value; }
  void drop() noexcept {}
};

template <>
struct promise<void> : promise_base {
  union {
    std::exception_ptr error;
  };

  promise() noexcept {}
  ~promise() {}

  void return_void() noexcept {}
  void unhandled_exception() noexcept {
    std::construct_at(std::addressof(error), std::current_exception());
    role |= role_failed;
  }
  void take() noexcept {}
  void drop() noexcept {}
};

/// Takes the exception out of a finished promise and ends its life there.
template <class T>
std::exception_ptr take_error(promise<T>& p) noexcept {
  std::exception_ptr e = std::move(p.error);
  std::destroy_at(std::addressof(p.error));
  return e;
}

}  // namespace weft::detail
