// [mutex] of mutex.h under every interleaving: one holder at a time, who sees what the last one did; no waiter is
// forgotten.
//
// A model of the numbered steps over explored atomics. A hand-over that is lost is a deadlock, which the explorer
// reports.
#include <array>
#include <cstdint>
#include <deque>
#include <memory>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft {
namespace {

using test::execution;
using test::explored_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

// What a mutant does otherwise.
struct mutation {
  bool exchanges = true;   // M2; the mutant looks and then stores
  bool hands_over = true;  // M4 keeps the word while it hands over; the mutant stores `free`
  bool orders = true;      // M1's and M3's
};

class model {
 public:
  explicit model(mutation m) : mutated_(m) {}

  void lock(atomic<uint32_t>& ready) {
    uint32_t expected = free;
    // acquire: M1. relaxed on failure: nothing was read; and in a mutant.
    const auto order = mutated_.orders ? std::memory_order_acquire : std::memory_order_relaxed;
    // relaxed: see above.
    if (word_.compare_exchange_strong(expected, held, order, std::memory_order_relaxed)) return;
    waiters_lock_.lock();
    if (queue_waiter(ready)) {
      waiters_lock_.unlock();
      // acquire: stands for the run queue.
      while (ready.load(std::memory_order_acquire) == 0) explored_atomics::pause();
      return;
    }
    waiters_lock_.unlock();
  }

  void unlock() {
    uint32_t expected = held;
    // release: M3. relaxed: a mutant.
    const auto order = mutated_.orders ? std::memory_order_release : std::memory_order_relaxed;
    // relaxed: the slow path decides.
    if (word_.compare_exchange_strong(expected, free, order, std::memory_order_relaxed)) return;
    waiters_lock_.lock();  // M4
    if (waiters_.empty()) {
      // release: M4, as M3.
      require(word_.exchange(free, std::memory_order_release) != free, "unlocked while it is not locked");
      waiters_lock_.unlock();
      return;
    }
    atomic<uint32_t>* next = waiters_.front();
    waiters_.pop_front();
    if (!mutated_.hands_over) word_.store(free);
    waiters_lock_.unlock();
    // release: stands for the run queue.
    next->store(1, std::memory_order_release);
  }

  void is_free() const {
    require(waiters_.empty(), "a waiter is left");
    require(word_.load() == free, "the mutex is still locked");
  }

 private:
  static constexpr uint32_t free = 0, held = 1, contended = 2;

  // M2.
  bool queue_waiter(atomic<uint32_t>& ready) {
    if (mutated_.exchanges) {
      // acquire: as M1.
      if (word_.exchange(contended, std::memory_order_acquire) == free) return false;
    } else {
      const bool was_free = word_.load() == free;
      word_.store(contended);
      if (was_free) return false;
    }
    waiters_.push_back(&ready);
    return true;
  }

  const mutation mutated_;
  atomic<uint32_t> word_{free};
  explored_atomics::spin_lock waiters_lock_;
  std::deque<atomic<uint32_t>*> waiters_;  // guarded by waiters_lock_
};

auto tasks_that_lock(int tasks, int times, mutation m) {
  struct state {
    explicit state(mutation how) : mutex(how) {}
    model mutex;
    std::array<std::array<atomic<uint32_t>, 2>, 3> ready;
    plain<int> guarded{0};
  };
  return [=](execution& x) {
    auto s = std::make_shared<state>(m);
    for (int i = 0; i < tasks; ++i)
      x.thread([=] {
        for (int k = 0; k < times; ++k) {
          s->mutex.lock(s->ready[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)]);
          s->guarded.set(s->guarded.get() + 1);
          s->mutex.unlock();
        }
      });
    x.finally([=] {
      s->mutex.is_free();
      require(s->guarded.get() == tasks * times, "two tasks held the lock");
    });
  };
}

TEST(MutexExploreTest, TwoTasksExcludeEachOther) { test::passes(3, 10'000, tasks_that_lock(2, 2, {})); }

TEST(MutexExploreTest, ThreeTasksExcludeEachOther) { test::passes(2, 20'000, tasks_that_lock(3, 1, {})); }

TEST(MutexExploreTest, AWaiterThatDoesNotExchangeIsForgotten) {
  test::fails(3, "deadlock", tasks_that_lock(2, 1, {.exchanges = false}));
}

TEST(MutexExploreTest, AHandOverThatFreesTheLockLetsTwoIn) {
  test::fails(3, "", tasks_that_lock(3, 1, {.hands_over = false}));
}

TEST(MutexExploreTest, WithoutItsOrdersTheHolderMissesWhatTheLastOneDid) {
  test::fails(3, "race", tasks_that_lock(2, 1, {.orders = false}));
}

}  // namespace
}  // namespace weft
