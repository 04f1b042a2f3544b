// What the tests of the lock-free protocols share: what their queues hold, bounds, and what is expected of an
// exploration.
//
// A protocol has two kinds of tests. passes() explores the protocol as it is. fails() explores a mutant, in which one
// decisive step is left out, and expects the explorer to find the bug and to repeat it: a test that cannot fail shows
// nothing. WEFT_SEED in the environment is the seed of the random executions; a failure prints it, and the schedule.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include <weft/detail/biased_lock.h>
#include <weft/detail/config.h>

#include "support/explore.h"
#include "support/seed.h"

namespace weft::test {

/// Explores `setup` with that many preemptions, and at random beyond them. It must not fail.
inline void passes(int preemptions, int64_t random_executions, const std::function<void(execution&)>& setup) {
  explore_options options;
  options.preemptions = slow_build && preemptions > 1 ? preemptions - 1 : preemptions;
  options.max_executions = slow_build ? 8'000 : 250'000;
  options.random_executions = slow_build ? random_executions / 8 : random_executions;
  options.seed = seed_or(1);
  const explore_result r = explore(options, setup);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete || slow_build) << "the bound is too large for the time that a test has";
  ::testing::Test::RecordProperty("executions", std::to_string(r.executions));
}

/// Explores a mutant, which must fail with `message`, and fail again when its schedule is repeated.
inline void fails(int preemptions, const std::string& message, const std::function<void(execution&)>& setup) {
  const explore_result r = explore({.preemptions = preemptions, .random_executions = 20'000}, setup);
  ASSERT_FALSE(r.ok) << "the mutant passed " << r.executions << " executions";
  EXPECT_THAT(r.message, ::testing::HasSubstr(message));
  ::testing::Test::RecordProperty("executions", std::to_string(r.executions));
  const explore_result again = explore({.schedule = r.schedule}, setup);
  EXPECT_FALSE(again.ok);
  EXPECT_EQ(again.executions, 1);
}

/// What a queue under test holds: notices when it is taken twice, before its contents have arrived, or not at all.
struct explored_item {
  /// By the producer, before the item is offered.
  void make() { state.set(made); }
  /// By whoever got it.
  void take() {
    require(state.get() == made, "an item was taken twice, or before it was made");
    state.set(taken);
  }
  bool was_taken() const { return state.get() == taken; }

  static constexpr int made = 1, taken = 2;
  plain<int> state{0};

  /// A link in a queue, under the race detector too.
  class link {
   public:
    link& operator=(explored_item* to) {
      to_.set(to);
      return *this;
    }
    operator explored_item*() const { return to_.get(); }

   private:
    plain<explored_item*> to_{nullptr};
  };
  link next;
};

/// The lists for [bias] of an exploration's threads.
template <class Atomics = explored_atomics>
class explored_owners {
 public:
  detail::bias_owner<Atomics>& of(int thread) noexcept { return owners_[static_cast<std::size_t>(thread + 1)]; }

 private:
  // The first is for the setup and the final check.
  std::array<detail::bias_owner<Atomics>, 5> owners_{
      detail::bias_owner<Atomics>(0), detail::bias_owner<Atomics>(1), detail::bias_owner<Atomics>(2),
      detail::bias_owner<Atomics>(3), detail::bias_owner<Atomics>(4)};
};

/// The lock of [bias] for the explorer's threads. It becomes the own one of whoever takes it twice in a row.
template <class Atomics = explored_atomics>
class explored_biased_lock {
 public:
  explicit explored_biased_lock(explored_owners<Atomics>& owners) noexcept : owners_(owners) {}
  void lock() noexcept {
    auto& me = owners_.of(this_thread_index());
    if (!protocol_.enter(me)) protocol_.take(me);
  }
  void unlock() noexcept { protocol_.leave(owners_.of(this_thread_index())); }

  /// In the setup: makes it the logical thread's.
  void bias_to(int thread) noexcept {
    for (int i = 0; i < 2; ++i) {
      protocol_.take(owners_.of(thread));
      protocol_.leave(owners_.of(thread));
    }
  }

 private:
  explored_owners<Atomics>& owners_;
  detail::bias_protocol<Atomics> protocol_;
};

/// explored_atomics in which another thread may run between a load and the store after it, too. The explorer leaves
/// that out for stores that wait in a buffer anyway, but a heavy barrier of the other thread tells the difference: a
/// thread that stands between B1 and B2 of [bias], for instance, has nothing in its buffer yet.
template <class T>
class interrupted_atomic : public explored_atomic<T> {
 public:
  using explored_atomic<T>::explored_atomic;
  // seq_cst: std::atomic's default.
  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    model::schedule();
    explored_atomic<T>::store(value, order);
  }
};

struct interrupted_atomics : explored_atomics {
  template <class T>
  using atomic = interrupted_atomic<T>;
};

/// For mutants: explored_atomics in which every operation is relaxed.
template <class T>
class unordered_atomic {
 public:
  // relaxed: that is the mutation, here and below; the orders that the caller gives are ignored.
  static constexpr std::memory_order order = std::memory_order_relaxed;

  unordered_atomic() noexcept = default;
  unordered_atomic(T value) noexcept : value_(value) {}
  T load(std::memory_order) const noexcept { return value_.load(order); }
  void store(T value, std::memory_order) noexcept { value_.store(value, order); }
  T exchange(T value, std::memory_order) noexcept { return value_.exchange(value, order); }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order, std::memory_order) noexcept {
    return value_.compare_exchange_strong(expected, desired, order, order);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order, std::memory_order) noexcept {
    return value_.compare_exchange_weak(expected, desired, order, order);
  }
  T fetch_add(T n, std::memory_order) noexcept { return value_.fetch_add(n, order); }

 private:
  explored_atomic<T> value_;
};

struct unordered_atomics : explored_atomics {
  template <class T>
  using atomic = unordered_atomic<T>;
};

}  // namespace weft::test
