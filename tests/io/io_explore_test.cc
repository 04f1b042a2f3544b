// [io] of engine.h under every interleaving: a stop of an operation against its completion, and an arm of a select
// against another one that wins. The strand goes on exactly once, no stop is lost, and neither the kernel nor the
// driver touches what died with the strand's frame.
//
// A model of the numbered steps, with one operation, the kernel and the driver as threads. How the driver sleeps is
// explored in tests/sched/io_sleep_explore_test.cc.
#include <gtest/gtest.h>

#include <memory>

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
  bool waits_for_kernel = true;  // a stop only asks; the mutant lets the strand go on
  bool unlinks = true;           // C2 takes the operation off the list of cancellations
  bool ends_when_asked = true;   // C2 does not begin again what was asked to end
  bool completes_locked = true;  // C2 is under the lock
  bool leaver_is_known = true;   // an arm that leaves says so in what the kernel has
  bool claims_first = true;      // an arm does its work when it has won, not before
};

constexpr int alive = 1, gone = 2;

// What both models have: the strand, and what lies on its stack.
class frame {
 public:
  void ready() {
    // release: C4; stands for the run queue.
    require(ready_.exchange(1, std::memory_order_release) == 0, "the strand was made ready twice");
  }
  bool is_ready() const {
    // acquire: as above.
    return ready_.load(std::memory_order_acquire) != 0;
  }
  void wait() const {
    while (!is_ready()) explored_atomics::pause();
  }
  // The operation and its buffer.
  void die() {
    operation_.set(gone);
    buffer_.set(gone);
  }
  void touch() const { require(operation_.get() == alive, "an operation was touched after its end"); }
  void write() {
    require(buffer_.get() == alive, "a buffer was written to after the end");
    buffer_.set(alive);
  }

 private:
  plain<int> operation_{alive}, buffer_{alive};
  atomic<int> ready_{0};
};

enum outcome { none, done, interrupted, cancelled };
enum request_state { idle, begun, asked };  // in the kernel

class operation_model {
 public:
  // `comes`: the operation ends by itself. `interrupts`: first it is interrupted.
  operation_model(bool comes, bool interrupts, mutation m) : mutated_(m), comes_(comes), interrupts_(interrupts) {}

  // I2 to I4 are over. The strand goes on by C4.
  void strand() {
    frame_.wait();
    frame_.die();
  }

  void drive() {
    hand_over();  // C1, which follows C3 later on
    while (!frame_.is_ready()) {
      // seq_cst: the kernel's; a sleep that a wake ends, or a poll that takes it.
      while (signal_.exchange(0, std::memory_order_seq_cst) == 0) explored_atomics::pause();
      // acquire: the completion queue's own. C2.
      const int result = completion_.exchange(none, std::memory_order_acquire);
      if (result != none) {
        if (mutated_.completes_locked) lock_.lock();
        complete(result);
        if (mutated_.completes_locked) lock_.unlock();
      }
      hand_over();  // C3
    }
    hand_over();  // its later turns
  }

  // S4 of [stop].
  void stop() {
    lock_.lock();
    if (waiting_.get()) {
      frame_.touch();
      if (mutated_.waits_for_kernel) {
        cancel_asked_.set(true);
        queued_.set(true);
        // release: pairs with the load in hand_over().
        cancels_asked_.store(1, std::memory_order_release);
      } else {
        waiting_.set(false);
        frame_.ready();
      }
    }
    lock_.unlock();
    wake();
  }

  void kernel() {
    bool interrupts = interrupts_;
    for (;;) {
      // seq_cst: the kernel's locks, all of them.
      const int now = request_.load(std::memory_order_seq_cst);
      if (now == idle) {
        if (frame_.is_ready()) return;
      } else if (interrupts) {
        interrupts = false;
        end(interrupted);
        continue;
      } else if (now == asked) {
        end(cancelled);
        continue;
      } else if (comes_) {
        frame_.write();
        end(done);
        continue;
      } else if (!mutated_.waits_for_kernel && frame_.is_ready()) {
        return;
      }
      explored_atomics::pause();
    }
  }

 private:
  void wake() {
    // seq_cst: an eventfd's.
    signal_.store(1, std::memory_order_seq_cst);
  }
  void end(int result) {
    // seq_cst: the kernel's locks.
    request_.store(idle, std::memory_order_seq_cst);
    // release: the completion queue's own.
    completion_.store(result, std::memory_order_release);
    wake();
  }
  void begin() {
    // seq_cst: the kernel's locks.
    request_.store(begun, std::memory_order_seq_cst);
  }

  void hand_over() {
    // acquire: C1, C3; pairs with the release store in stop().
    if (cancels_asked_.load(std::memory_order_acquire) == 0) return;
    lock_.lock();
    // relaxed: under the lock.
    cancels_asked_.store(0, std::memory_order_relaxed);
    if (queued_.get()) {
      frame_.touch();
      queued_.set(false);
      int expected = begun;
      // seq_cst: the kernel's locks. One that has ended is not there to be cancelled.
      request_.compare_exchange_strong(expected, asked, std::memory_order_seq_cst, std::memory_order_seq_cst);
    }
    lock_.unlock();
  }

  void complete(int result) {
    frame_.touch();
    if (result == interrupted && !(cancel_asked_.get() && mutated_.ends_when_asked)) return begin();
    if (mutated_.unlinks) queued_.set(false);
    waiting_.set(false);
    frame_.ready();
  }

  const mutation mutated_;
  const bool comes_, interrupts_;
  frame frame_;
  explored_atomics::spin_lock lock_;
  // Guarded by lock_. The list of cancellations is no part of the frame, but what it has is.
  plain<bool> waiting_{true}, cancel_asked_{false}, queued_{false};
  atomic<int> cancels_asked_{0};
  // The port and the kernel.
  atomic<int> request_{begun}, completion_{none}, signal_{0};
};

auto a_stop_and(bool comes, bool interrupts, mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<operation_model>(comes, interrupts, m);
    x.thread([=] { s->strand(); });
    x.thread([=] { s->drive(); });
    x.thread([=] { s->kernel(); });
    x.thread([=] { s->stop(); });
  };
}

class arm_model {
 public:
  explicit arm_model(mutation m) : mutated_(m) {}

  // X5 of [select].
  void strand() {
    frame_.wait();
    lock_.lock();
    if (in_kernel_.get() && mutated_.leaver_is_known) has_arm_.set(false);
    lock_.unlock();
    // relaxed: it does not change any more.
    require(taken_.get() == (winner_.load(std::memory_order_relaxed) == by_arm), "what came was lost, or taken twice");
    frame_.die();
  }

  // The poll has come to its end: C2.
  void complete() {
    lock_.lock();
    in_kernel_.set(false);
    if (has_arm_.get()) {
      frame_.touch();
      if (!mutated_.claims_first) taken_.set(true);
      if (claim(by_arm)) {
        taken_.set(true);
        frame_.ready();
      }
    }
    lock_.unlock();
  }

  void another_arm() {
    if (claim(by_other)) frame_.ready();
  }

 private:
  static constexpr int open = 0, by_arm = 1, by_other = 2;

  bool claim(int who) {
    int expected = open;
    // acq_rel: C1 of [select].
    return winner_.compare_exchange_strong(expected, who, std::memory_order_acq_rel, std::memory_order_acquire);
  }

  const mutation mutated_;
  frame frame_;
  explored_atomics::spin_lock lock_;
  plain<bool> in_kernel_{true}, has_arm_{true};  // guarded by lock_; not in the frame
  plain<bool> taken_{false};                     // what made the descriptor ready
  atomic<int> winner_{open};
};

auto two_arms(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<arm_model>(m);
    x.thread([=] { s->strand(); });
    x.thread([=] { s->complete(); });
    x.thread([=] { s->another_arm(); });
  };
}

TEST(IoExploreTest, AStopBesideACompletionEndsTheOperationOnce) {
  test::passes(1, 60'000, a_stop_and(true, false, {}));
}

TEST(IoExploreTest, AStopEndsWhatWouldNotEndByItself) { test::passes(2, 20'000, a_stop_and(false, false, {})); }

TEST(IoExploreTest, AStopBesideAnInterruptionIsNotLost) { test::passes(1, 60'000, a_stop_and(false, true, {})); }

TEST(IoExploreTest, AStrandThatGoesOnBeforeTheKernelIsDoneLosesItsBuffer) {
  test::fails(3, "", a_stop_and(true, false, {.waits_for_kernel = false}));
}

TEST(IoExploreTest, AnOperationThatStaysOnTheListOfCancellationsIsTouchedLater) {
  test::fails(3, "", a_stop_and(true, false, {.unlinks = false}));
}

TEST(IoExploreTest, WhatIsBegunAgainAfterItWasAskedToEndNeverEnds) {
  test::fails(3, "deadlock", a_stop_and(false, true, {.ends_when_asked = false}));
}

TEST(IoExploreTest, ACompletionWithoutTheLockMeetsAStop) {
  test::fails(3, "race", a_stop_and(true, false, {.completes_locked = false}));
}

TEST(IoExploreTest, AnArmThatLeavesBesideItsPollsEndIsLeftAlone) { test::passes(4, 20'000, two_arms({})); }

TEST(IoExploreTest, AnArmThatLeavesWithoutAWordIsTouchedLater) {
  test::fails(3, "", two_arms({.leaver_is_known = false}));
}

TEST(IoExploreTest, AnArmThatTakesWhatCameBeforeItHasWonLosesIt) {
  test::fails(3, "", two_arms({.claims_first = false}));
}

}  // namespace
}  // namespace weft::detail
