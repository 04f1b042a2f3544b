// [select] of select_core.h under every interleaving: exactly one arm or the stop wins, losers have no effect, and
// nobody touches the core after the task went on.
//
// A model of the numbered steps.
#include <array>
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

// What a mutant does otherwise.
struct mutation {
  bool claims = true;         // C1 is a compare-exchange; the mutant looks and then stores
  bool leaves_locked = true;  // X5 takes the losers' locks
  bool locks_all = true;      // X2 and X3 hold all locks at once
};

class select_model {
 public:
  static constexpr uint32_t open = 100, stopped = 101;
  static constexpr int arms = 2;

  explicit select_model(mutation m) : mutated_(m) {}

  // X2 to X5, by the strand.
  void select() {
    if (mutated_.locks_all) {
      for (auto& a : arms_) a.lock.lock();
      detached_.set(1);
      for (auto& a : arms_) enqueue(a);
      // release: X3.
      waiting_.store(1, std::memory_order_release);
      for (auto& a : arms_) a.lock.unlock();
    } else {
      for (auto& a : arms_) {
        a.lock.lock();
        enqueue(a);
        // release: X3.
        waiting_.store(1, std::memory_order_release);
        a.lock.unlock();
      }
      detached_.set(1);
    }
    // acquire: stands for the run queue.
    while (ready_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    // relaxed: it does not change any more.
    const uint32_t winner = winner_.load(std::memory_order_relaxed);
    require(winner != open, "woken without a winner");
    for (uint32_t i = 0; i < arms; ++i) {
      if (i == winner) continue;
      if (mutated_.leaves_locked) arms_[i].lock.lock();
      if (arms_[i].queued.get() != 0) arms_[i].queued.set(0);
      if (mutated_.leaves_locked) arms_[i].lock.unlock();
      require(arms_[i].served.get() == 0, "a loser was served");
    }
    require(winner == stopped || arms_[winner].served.get() == 1, "the winner was not served");
    core_.set(0);  // the core dies
  }

  // C1 and C2, by whoever could serve an arm.
  void serve(uint32_t i) {
    arm& a = arms_[i];
    a.lock.lock();
    bool won = false;
    if (a.queued.get() != 0) {
      a.queued.set(0);
      won = claim(i);
      if (won) {
        a.served.set(1);
        // relaxed: C2.
        waiting_.store(0, std::memory_order_relaxed);
      }
    }
    a.lock.unlock();
    if (won) make_ready();
  }

  // By a stopper, with the first lock.
  void stop() {
    arms_[0].lock.lock();
    // acquire: S4.
    const bool won = waiting_.load(std::memory_order_acquire) != 0 && claim(stopped);
    // relaxed: under the lock.
    if (won) waiting_.store(0, std::memory_order_relaxed);
    arms_[0].lock.unlock();
    if (won) make_ready();
  }

 private:
  struct arm {
    explored_atomics::spin_lock lock;
    plain<int> queued{0};
    plain<int> served{0};
  };

  void enqueue(arm& a) { a.queued.set(1); }

  bool claim(uint32_t by) {
    require(core_.get() == 1, "the core is gone");
    uint32_t expected = open;
    // relaxed: C1.
    if (mutated_.claims)
      return winner_.compare_exchange_strong(expected, by, std::memory_order_relaxed, std::memory_order_relaxed);
    // relaxed: a mutant.
    if (winner_.load(std::memory_order_relaxed) != open) return false;
    // relaxed: a mutant.
    winner_.store(by, std::memory_order_relaxed);
    return true;
  }

  // R3: a second one would resume the strand twice.
  void make_ready() {
    require(detached_.get() == 1, "made ready before it was saved");
    // acq_rel: stands for the run queue.
    require(ready_.exchange(1, std::memory_order_acq_rel) == 0, "made ready twice");
  }

  const mutation mutated_;
  std::array<arm, arms> arms_;
  atomic<uint32_t> winner_{open};
  atomic<uint32_t> waiting_{0};
  atomic<uint32_t> ready_{0};
  plain<int> detached_{0};
  plain<int> core_{1};
};

// Each arm is served again and again until the select has gone on, so that every execution ends.
auto one_select(mutation m, bool with_stop) {
  return [=](execution& x) {
    auto s = std::make_shared<select_model>(m);
    auto over = std::make_shared<atomic<int>>(0);
    x.thread([=] {
      s->select();
      over->store(1);
    });
    x.thread([=] {
      do {
        s->serve(1);
        explored_atomics::pause();
      } while (over->load() == 0);
    });
    x.thread([=] {
      if (with_stop)
        s->stop();
      else
        s->serve(0);
    });
  };
}

TEST(SelectExploreTest, OneArmWinsAndTheOthersHaveNoEffect) { test::passes(2, 20'000, one_select({}, false)); }

TEST(SelectExploreTest, AnArmOrAStopWins) { test::passes(2, 20'000, one_select({}, true)); }

TEST(SelectExploreTest, WithoutAnAtomicClaimTwoArmsWin) { test::fails(3, "", one_select({.claims = false}, false)); }

TEST(SelectExploreTest, ALoserThatLeavesWithoutItsLockRaces) {
  test::fails(3, "race", one_select({.leaves_locked = false}, false));
}

TEST(SelectExploreTest, ArmsThatAreQueuedOneByOneWakeAStrandThatHasNotParked) {
  test::fails(3, "", one_select({.locks_all = false}, false));
}

}  // namespace
}  // namespace weft::detail
