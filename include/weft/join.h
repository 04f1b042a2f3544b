// join(f(a), g(b), ...): children that may run in parallel, and their results as a tuple.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <tuple>
#include <utility>
#include <variant>

#include <weft/detail/promise.h>
#include <weft/task.h>

namespace weft {
namespace detail {

/// What the children of one join share. Lives in the awaiter, in the parent's frame.
//
// Protocol [join]. The children's frames lie on the parent's stack W; the strand that forks owns W and is the chain.
//   J1 chain: offer the children 1..N-1, newest = 1; run child 0.
//   J2 chain, child i ended: pop child i+1 and run it. If it is gone, all later ones are taken too, since thieves take
//      the oldest first: J3. The last child resumes the parent directly: then nothing was stolen, and no atomic was
//      touched.
//   J3 chain: home = W, detached; pending += number of children taken (acq_rel). If that makes zero, all of them have
//      ended: resume the parent on W; else leave W and take other work.
//   J4 thief: role = core | stolen, run the child on a stack of its own. At its end pending -= 1 (acq_rel); if that
//      makes zero, take W (home) and resume the parent on it.
//   `pending` begins at zero and is below it while children end before the chain has counted them, so it comes back to
//   zero only once, with the last of them all; whoever brings it there acquires what the others released.
struct alignas(16) fork_core {
  std::coroutine_handle<> parent;
  std::atomic<promise_base*> failed{nullptr};  ///< the first child that threw
  std::atomic<int32_t> pending;
  strand* home;                ///< W; written in J3
  std::atomic<strand*> owner;  ///< the strand that forked; written, always alike, as each child becomes public
};

/// A core with the entries of the children 1..N-1 right before it, so that an entry knows how many follow it.
template <std::size_t Entries>
struct fork_group {
  fork_entry entries[Entries];
  fork_core core;
};

/// Frees the children's frames: everything from the oldest one on.
WEFT_NOINLINE void frames_free_slow(void* const* frames, std::size_t count) noexcept;

template <class T>
using join_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class... T>
class [[nodiscard]] join_awaiter {
  static constexpr std::size_t count = sizeof...(T);
  static_assert(count >= 1, "weft::join needs at least one task");

 public:
  explicit join_awaiter(const task<T>&... children) noexcept : frames_{task_access::frame(children).address()...} {}

  static bool await_ready() noexcept { return false; }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> parent) noexcept {
    count_calls(count);
    group_.core.parent = parent;
    // relaxed: pushing publishes the core; see F2 of [fork].
    group_.core.failed.store(nullptr, std::memory_order_relaxed);
    // relaxed: as above.
    group_.core.pending.store(0, std::memory_order_relaxed);
    promise_base::of(frames_[count - 1]).continuation = parent;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      group_.entries[i].frame = frames_[i + 1];
      group_.entries[i].core = &group_.core;
      promise_base::of(frames_[i]).role |= reinterpret_cast<uintptr_t>(&group_.entries[i]);
    }
    const std::coroutine_handle<> first = std::coroutine_handle<>::from_address(frames_[0]);
    for (std::size_t i = count - 1; i-- > 0;) this_context.forks->push(&group_.entries[i], forks_published);
    return transfer_to(first);
  }

  WEFT_INLINE std::tuple<join_value<T>...> await_resume() {
    uintptr_t roles = 0;
    for (void* frame : frames_) roles |= promise_base::of(frame).role;
    if (roles & (role_failed | role_destroy)) [[unlikely]]
      return resume_uncommon(std::index_sequence_for<T...>{});
    group_freer f{frames_};
    return take_all(std::index_sequence_for<T...>{});
  }

 private:
  struct group_freer {
    const std::array<void*, count>& frames;
    WEFT_INLINE ~group_freer() {
      context& c = this_context;
      char* base = c.top->base();
      const auto room = static_cast<std::size_t>(c.limit - base);
      // Made one after the other, so if the first and the last lie in the current segment, not at its base, all do.
      auto* first = static_cast<char*>(frames.front());
      auto* last = static_cast<char*>(frames.back());
      if (static_cast<std::size_t>(first - base - 1) < room && static_cast<std::size_t>(last - base - 1) < room)
          [[likely]] {
        char* low = std::min(first, last);
        mark_unused(low, static_cast<std::size_t>(c.sp - low));
        c.sp = low;
      } else {
        frames_free_slow(frames.data(), count);
      }
    }
  };

  template <class U>
  static promise<U>& child(void* frame) noexcept {
    return std::coroutine_handle<promise<U>>::from_address(frame).promise();
  }

  template <class U>
  static join_value<U> take_one(void* frame) {
    if constexpr (std::is_void_v<U>)
      return std::monostate{};
    else
      return child<U>(frame).take();
  }

  template <std::size_t... I>
  WEFT_INLINE std::tuple<join_value<T>...> take_all(std::index_sequence<I...>) {
    return std::tuple<join_value<T>...>{take_one<T>(frames_[I])...};
  }

  // Some child threw, or some child's parameters need destruction.
  template <std::size_t... I>
  WEFT_NOINLINE std::tuple<join_value<T>...> resume_uncommon(std::index_sequence<I...> indices) {
    struct destroyer {
      join_awaiter& self;
      ~destroyer() {
        for (void* frame : self.frames_)
          if (promise_base::of(frame).role & role_destroy) std::coroutine_handle<>::from_address(frame).destroy();
        group_freer f{self.frames_};
      }
    } d{*this};
    // relaxed: every child has ended, and the last RMW of `pending` was ours or happened before the resumption.
    promise_base* first = group_.core.failed.load(std::memory_order_relaxed);
    std::exception_ptr error;
    (settle<T>(frames_[I], first, error), ...);
    if (error) {
      (drop_if_ok<T>(frames_[I]), ...);
      std::rethrow_exception(std::move(error));
    }
    return take_all(indices);
  }

  template <class U>
  static void settle(void* frame, promise_base* first, std::exception_ptr& error) noexcept {
    promise<U>& p = child<U>(frame);
    if ((p.role & role_failed) == 0) return;
    std::exception_ptr e = take_error(p);
    if (!error || &p == first) error = std::move(e);
  }

  template <class U>
  static void drop_if_ok(void* frame) noexcept {
    promise<U>& p = child<U>(frame);
    if ((p.role & role_failed) == 0) p.drop();
  }

  using group = fork_group<count == 1 ? 1 : count - 1>;
  static_assert(offsetof(group, core) == sizeof(group::entries));

  std::array<void*, count> frames_;
  group group_;
};

}  // namespace detail

/// Runs the children, in parallel if other processors are idle, and returns their results in order as a std::tuple
/// (std::monostate for void).
///
///   auto [a, b] = co_await weft::join(fib(n - 1), fib(n - 2));
///
/// The calls must be written as arguments, and join awaited at once. If children throw, the first exception is rethrown
/// after every child has finished.
/// Cost: no allocation beyond the children's frames; no atomic read-modify-write while nobody steals.
/// Not a stop point: children that wait are stopped, the join is not.
template <class... T>
detail::join_awaiter<T...> join(task<T>&&... children) noexcept {
  return detail::join_awaiter<T...>(children...);
}

}  // namespace weft
