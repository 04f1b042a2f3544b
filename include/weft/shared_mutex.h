// shared_mutex: many readers or one writer.
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <weft/detail/check.h>
#include <weft/semaphore.h>

namespace weft {

class shared_mutex;
namespace detail {
class shared_lock_awaiter;
}

/// A held lock of a shared_mutex; unlocks when it dies. Movable.
class [[nodiscard]] shared_mutex_guard {
 public:
  shared_mutex_guard() noexcept = default;
  explicit operator bool() const noexcept { return static_cast<bool>(held_); }
  /// Unlocks now.
  void unlock() noexcept { held_.release(); }

 private:
  friend class shared_mutex;
  friend class detail::shared_lock_awaiter;
  explicit shared_mutex_guard(permit held) noexcept : held_(std::move(held)) {}
  permit held_;
};

namespace detail {

class [[nodiscard]] shared_lock_awaiter : public acquire_awaiter {
 public:
  using acquire_awaiter::acquire_awaiter;
  shared_mutex_guard await_resume() noexcept { return shared_mutex_guard(acquire_awaiter::await_resume()); }
};

}  // namespace detail

/// Shared by readers (`auto lock = co_await m.lock_shared();`), exclusive for a writer (`co_await m.lock()`).
///
/// Fair: whoever waits is served in order, so a waiting writer holds up the readers that come after it. Not recursive,
/// not upgradable. Locking is not a stop point. Thread safety: any task may lock, any task or thread unlock. Must
/// outlive its guards and waiters. Cost: a compare-and-swap each for lock and unlock while nobody waits. A semaphore,
/// of which a reader takes one permit and a writer all.
class shared_mutex {
 public:
  shared_mutex() : permits_(most_readers) {}

  /// Locks for one writer.
  detail::shared_lock_awaiter lock(std::source_location where = std::source_location::current()) noexcept {
    return {permits_, most_readers, detail::wait_reason::shared_mutex_lock, false, where};
  }

  /// Locks for one of up to 2^30 readers.
  detail::shared_lock_awaiter lock_shared(std::source_location where = std::source_location::current()) noexcept {
    return {permits_, 1, detail::wait_reason::shared_mutex_lock_shared, false, where};
  }

  /// Locks if that is possible at once; an empty guard if not, or while anyone waits.
  shared_mutex_guard try_lock() noexcept { return try_take(most_readers); }
  shared_mutex_guard try_lock_shared() noexcept { return try_take(1); }

  /// For plain threads: block the calling thread. Abort inside a task.
  shared_mutex_guard blocking_lock() { return shared_mutex_guard(permits_.blocking_acquire(most_readers)); }
  shared_mutex_guard blocking_lock_shared() { return shared_mutex_guard(permits_.blocking_acquire(1)); }

 private:
  static constexpr int64_t most_readers = int64_t{1} << 30;

  shared_mutex_guard try_take(int64_t count) noexcept {
    std::optional<permit> p = permits_.try_acquire(count);
    return p ? shared_mutex_guard(std::move(*p)) : shared_mutex_guard();
  }

  semaphore permits_;
};

}  // namespace weft
