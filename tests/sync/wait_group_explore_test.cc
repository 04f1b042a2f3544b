// [wait-group] of wait_group.cc under every interleaving: whoever waits goes on when the count is zero, and sees what
// was done before.
//
// A model of add(), add_slow() and queue_waiter() over explored atomics. A waiter that is forgotten is a deadlock,
// which the explorer reports.
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
  bool rechecks = true;  // G1: the bit is set only while the count is not zero
  bool orders = true;    // of add()
};

class model {
 public:
  model(int64_t count, mutation m) : mutated_(m), count_(count * one) {}

  void add(int64_t n) {
    // acq_rel: what each done() published is passed on. relaxed: a mutant.
    const auto order = mutated_.orders ? std::memory_order_acq_rel : std::memory_order_relaxed;
    const int64_t now = count_.fetch_add(n * one, order) + n * one;
    if (now >> 1 <= 0 && (now & waiting_bit) != 0) add_slow();
  }

  void wait(atomic<uint32_t>& ready) {
    // acquire: pairs with the release half of the last add().
    if (count_.load(std::memory_order_acquire) >> 1 == 0) return;
    lock_.lock();
    const bool parks = queue_waiter(ready);
    lock_.unlock();
    // acquire: stands for the run queue.
    while (parks && ready.load(std::memory_order_acquire) == 0) explored_atomics::pause();
  }

  void is_clear() const {
    require(waiters_.empty(), "a waiter is left");
    require(count_.load() == 0, "the count or the bit is left");
  }

 private:
  static constexpr int64_t one = 2, waiting_bit = 1;

  // G2.
  void add_slow() {
    lock_.lock();
    std::deque<atomic<uint32_t>*> woken;
    // relaxed: under the lock, and the bit is only changed under it.
    if (count_.load(std::memory_order_relaxed) == waiting_bit) {
      // acq_rel: passes on what the done() calls published.
      count_.fetch_and(~waiting_bit, std::memory_order_acq_rel);
      woken.swap(waiters_);
    }
    lock_.unlock();
    // release: stands for the run queue.
    for (atomic<uint32_t>* ready : woken) ready->store(1, std::memory_order_release);
  }

  // G1.
  bool queue_waiter(atomic<uint32_t>& ready) {
    // acquire: as in wait().
    int64_t count = count_.load(std::memory_order_acquire);
    if (mutated_.rechecks) {
      do {
        if (count >> 1 == 0) return false;
        // acquire on failure: another round needs what made it zero. relaxed: the bit only sends done() to the lock.
      } while (!count_.compare_exchange_weak(count, count | waiting_bit, std::memory_order_relaxed,
                                             std::memory_order_acquire));  // acquire: see above
    } else {
      if (count >> 1 == 0) return false;
      // relaxed: a mutant.
      count_.fetch_or(waiting_bit, std::memory_order_relaxed);
    }
    waiters_.push_back(&ready);
    return true;
  }

  const mutation mutated_;
  atomic<int64_t> count_;
  explored_atomics::spin_lock lock_;
  std::deque<atomic<uint32_t>*> waiters_;  // guarded by lock_
};

auto done_and_waits(int waiters, mutation m) {
  struct state {
    explicit state(mutation how) : group(2, how) {}
    model group;
    std::array<plain<int>, 2> results;
    std::array<atomic<uint32_t>, 2> ready;
  };
  return [=](execution& x) {
    auto s = std::make_shared<state>(m);
    for (std::size_t i = 0; i < 2; ++i)
      x.thread([=] {
        s->results[i].set(1);
        s->group.add(-1);
      });
    for (int i = 0; i < waiters; ++i)
      x.thread([=] {
        s->group.wait(s->ready[static_cast<std::size_t>(i)]);
        for (const plain<int>& result : s->results) require(result.get() == 1, "the wait ended too early");
      });
    x.finally([=] { s->group.is_clear(); });
  };
}

TEST(WaitGroupExploreTest, AWaiterGoesOnAfterTheLastDone) { test::passes(4, 10'000, done_and_waits(1, {})); }

TEST(WaitGroupExploreTest, TwoWaitersGoOnAfterTheLastDone) { test::passes(1, 30'000, done_and_waits(2, {})); }

TEST(WaitGroupExploreTest, AWaiterThatDoesNotLookAgainIsForgotten) {
  test::fails(3, "deadlock", done_and_waits(1, {.rechecks = false}));
}

TEST(WaitGroupExploreTest, WithoutItsOrderAWaiterMissesWhatWasDone) {
  test::fails(3, "race", done_and_waits(1, {.orders = false}));
}

// The count rises again between a done() and its look under the lock: whoever waited goes on at the next zero.
TEST(WaitGroupExploreTest, ACountThatRisesAgainDelaysTheWaiterButDoesNotLoseIt) {
  test::passes(3, 20'000, [](execution& x) {
    auto s = std::make_shared<model>(1, mutation{});
    auto ready = std::make_shared<atomic<uint32_t>>(0);
    x.thread([=] { s->add(-1); });
    x.thread([=] {
      s->add(1);
      s->add(-1);
    });
    x.thread([=] { s->wait(*ready); });
    x.finally([=] { s->is_clear(); });
  });
}

}  // namespace
}  // namespace weft
