// fork_scope: forks one by one, in a loop, without knowing how many there will be.
#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include <weft/detail/promise.h>
#include <weft/join.h>
#include <weft/task.h>

namespace weft {
namespace detail {

/// What a scope and its children share. Lives in the fork_scope, in the parent's frame.
//
// Where weft::join offers children and runs one of them, a scope runs the child at once and offers the rest of the
// parent ("continuation stealing"): any number of forks then needs the frame of one child, and runs in the order of a
// plain loop while nobody steals.
//
// Protocol [fork-scope]. The parent P began the scope on the strand `home`, whose stack W holds or follows P's frame.
//   C1 P, fork: newest = the child's record; offer the entry, which stands for the rest of P; run the child, on the
//      stack of whichever strand runs P now.
//   C2 child ended, its record is still `newest` and the entry is popped: P goes on with the result. No atomic
//      read-modify-write was needed. Else P is elsewhere: C3.
//   C3 child ended, P was taken: the result goes to its slot, the frame is freed, which leaves the strand's stack empty
//      or, on `home`, as it was before the fork; `home` is detached. pending -= 1 (acq_rel). Who makes that zero
//      resumes P on `home`, who does not takes other work.
//   C4 thief: thefts += 1, taken = true; resume P on an empty stack.
//   C5 P, join: thefts == 0: every child ended in C2, go on. Else P's strand is an empty one: leave it;
//      pending += thefts (acq_rel); if that makes zero, all have ended: go on on `home`. Else take other work.
//   `thefts` and `taken` belong to whoever runs P; taking the entry hands them over. `pending` begins at zero and is
//   below it while children end before P has counted them, so it comes back to zero only once.
struct scope_core : fork_core {
  // parent, pending: as in [join]. failed: set by the first child that threw, whose exception is in `error`.
  // home, owner: the strand of the first fork. It lasts until the join, since P's frame needs its stack then.
  scope_entry entry;
  std::exception_ptr error;
  int32_t thefts = 0;
  bool taken = false;  ///< since the last fork

  /// Keeps a child's exception if it is the first.
  void fail(promise_base& child, std::exception_ptr e) noexcept {
    promise_base* none = nullptr;
    // relaxed: whose exception is kept is decided here; C2 or C3 makes it visible.
    if (failed.compare_exchange_strong(none, &child, std::memory_order_relaxed)) error = std::move(e);
  }
};

/// C5, when something was stolen.
WEFT_NOINLINE std::coroutine_handle<> join_scope(scope_core& core) noexcept;

/// The first fork of a scope.
WEFT_NOINLINE void begin_scope(scope_core& core, std::coroutine_handle<> parent) noexcept;

/// Aborts: a scope with forks was left without a join.
WEFT_NOINLINE void scope_left_open() noexcept;

/// Moves a child's outcome to where it belongs and destroys what its parameters need; the frame is freed by the caller.
template <class T, class Slot>
void settle_child(promise_base& child, scope_record& record) noexcept {
  auto& p = static_cast<promise<T>&>(child);
  const uintptr_t role = p.role;
  if (role & role_failed) {
    static_cast<scope_core*>(record.entry->core)->fail(child, take_error(p));
  } else if constexpr (!std::is_void_v<T>) {
    *static_cast<Slot*>(record.slot) = p.take();
  }
  if (role & role_destroy) std::coroutine_handle<promise<T>>::from_promise(p).destroy();
}

template <class T, class Slot>
class [[nodiscard]] fork_awaiter {
 public:
  fork_awaiter(scope_core& core, std::coroutine_handle<promise<T>> child, Slot* slot) noexcept
      : core_(core), child_(child), slot_(slot) {}

  static bool await_ready() noexcept { return false; }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> parent) noexcept {
    count_calls(1);
    scope_core& core = core_;
    const std::coroutine_handle<promise<T>> child = child_;
    // relaxed: P's own.
    if (core.entry.newest.load(std::memory_order_relaxed) == nullptr) [[unlikely]]
      begin_scope(core, parent);
    WEFT_DCHECK(core.parent == parent);  // another coroutine than the first time forks
    auto* record = static_cast<scope_record*>(frame_allocate(sizeof(scope_record)));
    record->entry = &core.entry;
    record->slot = slot_;
    record->settle = &settle_child<T, Slot>;
    promise<T>& p = child.promise();
    // The role was zero, or role_destroy.
    p.role += reinterpret_cast<uintptr_t>(record) + role_scoped;
    // relaxed: C1; read by other threads only to see that it is not their own record.
    core.entry.newest.store(record, std::memory_order_relaxed);
    // From here on P, and with it this object, may go on elsewhere.
    this_context.forks->push(&core.entry, forks_published);
    return transfer_to(child);
  }

  WEFT_INLINE void await_resume() noexcept {
    if (core_.taken) [[unlikely]] {
      core_.taken = false;
      return;
    }
    promise<T>& p = child_.promise();
    if (p.role & (role_failed | role_destroy)) [[unlikely]]
      settle_uncommon();
    else if constexpr (!std::is_void_v<T>)
      *slot_ = p.take();
    frame_free(child_.address());
  }

 private:
  WEFT_NOINLINE void settle_uncommon() noexcept {
    promise<T>& p = child_.promise();
    auto* record = reinterpret_cast<scope_record*>(p.role & ~role_tags);
    settle_child<T, Slot>(p, *record);
  }

  scope_core& core_;
  std::coroutine_handle<promise<T>> child_;
  Slot* slot_;
};

class [[nodiscard]] scope_join_awaiter {
 public:
  explicit scope_join_awaiter(scope_core& core) noexcept : core_(core) {}

  bool await_ready() const noexcept { return core_.thefts == 0; }
  transfer await_suspend(std::coroutine_handle<>) noexcept { return transfer_to(join_scope(core_)); }
  WEFT_INLINE void await_resume() {
    // relaxed: P's own; the scope may be used again.
    core_.entry.newest.store(nullptr, std::memory_order_relaxed);
    if (core_.error) [[unlikely]]
      std::rethrow_exception(std::exchange(core_.error, nullptr));
  }

 private:
  scope_core& core_;
};

}  // namespace detail

/// Forks in a loop: children that may run in parallel with the rest of the coroutine that forks them.
///
///   weft::fork_scope scope;
///   std::array<long, 10> part;
///   for (int i = 0; i < 10; ++i) co_await scope.fork(part[i], count(i));
///   co_await scope.join();
///
/// fork() runs the child at once. If another processor is idle it takes the rest of the parent meanwhile, so after a
/// fork the parent may be on another thread, and so it may if the child waits for something. Nothing is known of the
/// child until join() has returned.
///
/// Rules:
///   - A scope is a local variable of the coroutine that forks into it; no other coroutine may, not even a callee.
///   - join() comes before the scope's end, and before that of anything that a child refers to. A scope that dies with
///     forks that were not joined ends the program, also if an exception takes it there: catch it, and join.
///   - Scopes nest: one that was begun later is joined first. A joined scope may be used again.
/// If children throw, join() rethrows the first exception after every child has ended; later forks still run (see
/// failed()). Not a stop point: children that wait are stopped, the join is not.
/// Cost: a coroutine call, a few stores more; no allocation, no atomic read-modify-write while nobody steals. Any
/// number of forks needs the stack of one child at a time, and of one per processor that steals.
class fork_scope {
 public:
  fork_scope() noexcept {
    // relaxed: the parent's own until the first fork.
    core_.entry.newest.store(nullptr, std::memory_order_relaxed);
  }
  ~fork_scope() {
    // relaxed: the parent's own.
    if (core_.entry.newest.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
      detail::scope_left_open();
  }
  fork_scope(const fork_scope&) = delete;
  fork_scope& operator=(const fork_scope&) = delete;

  /// Runs a child, which may go on in parallel with what follows. Its result is assigned to `result`, which must not be
  /// looked at before join() has returned. The call must be written as the argument.
  template <class T, class Slot>
  detail::fork_awaiter<T, Slot> fork(Slot& result, task<T>&& child) noexcept {
    static_assert(!std::is_void_v<T> && !std::is_reference_v<T>, "weft::fork_scope: the child has no value to assign");
    static_assert(std::is_nothrow_assignable_v<Slot&, T&&>,
                  "weft::fork_scope: the child's result must be assignable to this without an exception");
    return {core_, detail::task_access::frame(child), &result};
  }

  /// The same for a child without a result.
  detail::fork_awaiter<void, void> fork(task<void>&& child) noexcept {
    return {core_, detail::task_access::frame(child), nullptr};
  }

  /// Waits until every child has ended; rethrows the first exception of one.
  detail::scope_join_awaiter join() noexcept { return detail::scope_join_awaiter(core_); }

  /// Whether a child is known to have thrown, so that further forks are in vain. A hint until join().
  bool failed() const noexcept {
    // relaxed: a hint.
    return core_.failed.load(std::memory_order_relaxed) != nullptr;
  }

 private:
  detail::scope_core core_;
};

}  // namespace weft
