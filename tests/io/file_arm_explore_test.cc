// [arm] of file.cc under every interleaving: a read of a file as an arm of a select, done by a keeper, against another
// arm that wins, a stop of the task, the end of the runtime and a close of the file. The select goes on exactly once;
// what was read is there, and the position has moved, exactly if its arm was chosen; the kernel never meets a buffer or
// a descriptor that is gone; and the keeper ends, and what it had with it.
//
// A model of the numbered steps, with the parts of [select], [join-word] and [io] that they rest on; those have their
// own tests.
#include <gtest/gtest.h>

#include <cstdint>
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
  bool in_list = true;             // from A1 on the operation is in the descriptor's list
  bool own_descriptor = true;      // A2: the keeper has a duplicate
  bool own_buffer = true;          // A2: the keeper reads into a buffer of its own
  bool moves_when_chosen = true;   // A4 moves the position; the mutant does it at A2
  bool looks_again = true;         // A3: a keeper that has ended by now is not waited for
  bool leaves = true;              // X5 of [select] for the keeper's waiter
  bool leaves_locked = true;       // and under its lock
  bool copies_when_chosen = true;  // A4 copies; the mutant's keeper does, when it has read
  bool asks_to_stop = true;        // A5
  bool waits_for_kernel = true;    // D5: the keeper ends after the terminal completion
  bool lets_go = true;             // A5: the handle goes, and the block with the later of both
};

// What else happens. The select ends in each of these, by whatever comes first.
struct story {
  bool comes = true;  // the read ends by itself; else only when it is asked to
  bool other_arm = false;
  bool stop = false;         // of the task that selects
  bool runtime_end = false;  // of the task and of the keeper
  bool close = false;        // of the file, by another task
};

constexpr int alive = 1, gone = 2;

class file_arm_model {
 public:
  file_arm_model(story what, mutation m) : story_(what), mutated_(m) {}

  // The task that selects. A1 has found nothing in the caches.
  void select() {
    if (!hold_number()) return begin_nothing();
    begin_keeper();
    const bool waited = begin_wait();
    // acquire: stands for the run queue.
    while (waited && ready_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    // relaxed: it does not change any more.
    const int winner = winner_.load(std::memory_order_relaxed);
    if (waited) leave(winner);
    const bool chosen = winner == by_keeper;
    if (chosen) take();
    require(destination_.get() == (chosen && result_of_keeper_ == done ? filled : empty), "the buffer of the caller");
    require(moved_.get() == (chosen && result_of_keeper_ == done), "the position of the file");
    drop_keeper();
    core_.set(gone);
    destination_.set(gone);
    let_number_go();
  }

  // The task that reads in the arm's place, D3 to D5.
  void keeper() {
    // acquire: stands for the run queue.
    int started = 0;
    while ((started = started_.load(std::memory_order_acquire)) == 0) explored_atomics::pause();
    if (started == nothing) return;
    int result = cancelled;
    // seq_cst: stands for I1 and I2 of [io], which a stop comes before or after.
    if (stop_asked_.load(std::memory_order_seq_cst) == 0) {
      // seq_cst: I3; the kernel's locks.
      request_.store(begun, std::memory_order_seq_cst);
      // seq_cst: as above.
      if (stop_asked_.load(std::memory_order_seq_cst) != 0) ask_kernel();
      result = wait_for_kernel();
    } else {
      // seq_cst: as above.
      request_.store(never, std::memory_order_seq_cst);
    }
    if (!mutated_.copies_when_chosen && result == done) copy();
    require(block_.get() == alive, "the keeper's block is gone");
    result_.set(result);
    if (mutated_.own_descriptor) duplicate_.set(gone);
    // The bytes go with the result.
    end_task();
  }

  void kernel() {
    int now = idle;
    // seq_cst: the kernel's locks, here and below.
    while ((now = request_.load(std::memory_order_seq_cst)) != never) {
      if (now == begun && story_.comes) {
        require((mutated_.own_descriptor ? duplicate_ : number_).get() == alive, "a descriptor that is not the file's");
        plain<int>& to = mutated_.own_buffer ? bytes_ : destination_;
        require(to.get() != gone, "a buffer was written to after its end");
        to.set(filled);
        // seq_cst: as above.
        return request_.store(done, std::memory_order_seq_cst);
      }
      // seq_cst: as above.
      if (now == asked) return request_.store(cancelled, std::memory_order_seq_cst);
      explored_atomics::pause();
    }
  }

  // By whoever could serve the other arm.
  void other_arm() {
    other_lock_.lock();
    bool won = false;
    if (other_waits_.get()) {
      other_waits_.set(false);
      won = claim(by_other);
    } else {
      other_is_ready_.set(true);
    }
    other_lock_.unlock();
    if (won) make_ready();
  }

  // S4 of [stop], with the lock of the first arm.
  void stop() {
    lock_.lock();
    stop_pending_.set(true);
    // acquire: S4.
    const bool won = waiting_.load(std::memory_order_acquire) != 0 && claim(by_stop);
    lock_.unlock();
    if (won) make_ready();
    if (story_.runtime_end) stop_keeper();
  }

  void close() {
    list_lock_.lock();
    closing_.set(true);
    if (!in_list_.get()) give_number_back();
    list_lock_.unlock();
  }

  // In the end.
  void check() const {
    require(block_.get() == gone, "the keeper's block was left behind");
    require(number_.get() == (story_.close ? gone : alive), "the file's descriptor");
    require(!mutated_.own_descriptor || duplicate_.get() == gone, "the duplicate was left behind");
  }

 private:
  static constexpr int open = 0, by_keeper = 1, by_other = 2, by_stop = 3;  // who has won
  static constexpr int empty = 3, filled = 4;                               // a buffer
  static constexpr int idle = 0, begun = 1, asked = 2, done = 3, cancelled = 4, never = 5;
  static constexpr int a_keeper = 1, nothing = 2;                                      // what was started
  static constexpr uint32_t running = 0, has_ended = 1, detached = 2, has_waiter = 4;  // [join-word]

  // --- the descriptor, A1 to A4 ---

  // A1. False: it is closed already.
  bool hold_number() {
    list_lock_.lock();
    const bool is_open = !closing_.get();
    if (is_open && mutated_.in_list) in_list_.set(true);
    list_lock_.unlock();
    return is_open;
  }
  void begin_nothing() {
    // seq_cst: the kernel's locks.
    request_.store(never, std::memory_order_seq_cst);
    // release: stands for the run queue.
    started_.store(nothing, std::memory_order_release);
  }
  void let_number_go() {
    if (!mutated_.in_list) return;
    list_lock_.lock();
    in_list_.set(false);
    if (closing_.get()) give_number_back();
    list_lock_.unlock();
  }
  void give_number_back() { number_.set(gone); }

  // --- the arm ---

  // A2.
  void begin_keeper() {
    require(number_.get() == alive, "a number that is another file's");
    duplicate_.set(mutated_.own_descriptor ? alive : gone);
    bytes_.set(empty);
    block_.set(alive);
    if (!mutated_.moves_when_chosen) moved_.set(true);
    // release: stands for the run queue.
    started_.store(a_keeper, std::memory_order_release);
  }

  // A3, X2 and X3 of [select]. False: something has won by now.
  bool begin_wait() {
    lock_.lock();
    other_lock_.lock();
    const int winner = look_again();
    // relaxed: nobody else has seen the core.
    winner_.store(winner, std::memory_order_relaxed);
    if (winner == open) {
      other_waits_.set(true);
      // release: X3.
      waiting_.store(1, std::memory_order_release);
    }
    other_lock_.unlock();
    lock_.unlock();
    return winner == open;
  }
  int look_again() {
    if (stop_pending_.get()) return by_stop;
    if (other_is_ready_.get()) return by_other;
    uint32_t word = running;
    // acq_rel: [join-word]; acquire: it has ended, and its result is seen.
    if (join_word_.compare_exchange_strong(word, has_waiter, std::memory_order_acq_rel, std::memory_order_acquire))
      return open;
    return mutated_.looks_again ? by_keeper : open;
  }

  // X5.
  void leave(int winner) {
    if (winner != by_keeper && mutated_.leaves) {
      if (mutated_.leaves_locked) lock_.lock();
      uint32_t word = has_waiter;
      // relaxed: under the lock; on failure it has ended.
      join_word_.compare_exchange_strong(word, running, std::memory_order_relaxed, std::memory_order_relaxed);
      if (mutated_.leaves_locked) lock_.unlock();
    }
    if (winner != by_other) {
      other_lock_.lock();
      other_waits_.set(false);
      other_lock_.unlock();
    }
  }

  // A4.
  void take() {
    require(block_.get() == alive, "the result of a keeper that is gone");
    result_of_keeper_ = result_.get();
    if (result_of_keeper_ != done) return;
    if (mutated_.own_buffer && mutated_.copies_when_chosen) copy();
    if (!mutated_.moves_when_chosen) return;
    require(number_.get() == alive, "the position of another file was moved");
    moved_.set(true);
  }
  void copy() {
    require(destination_.get() != gone && bytes_.get() == filled, "a copy from or to what is not there");
    destination_.set(filled);
  }

  // A5.
  void drop_keeper() {
    if (mutated_.asks_to_stop) stop_keeper();
    if (!mutated_.lets_go) return block_.set(gone);
    // acq_rel: [join-word].
    if (join_word_.exchange(detached, std::memory_order_acq_rel) == has_ended) free_block();
  }

  // C1 and C2 of [select]; by a stopper, the same.
  bool claim(int who) {
    require(core_.get() == alive, "the core is gone");
    int expected = open;
    // relaxed: C1.
    const bool won =
        winner_.compare_exchange_strong(expected, who, std::memory_order_relaxed, std::memory_order_relaxed);
    // relaxed: C2.
    if (won) waiting_.store(0, std::memory_order_relaxed);
    return won;
  }

  void make_ready() {
    // acq_rel: stands for the run queue.
    require(ready_.exchange(1, std::memory_order_acq_rel) == 0, "made ready twice");
  }

  // --- the keeper ---

  // By who has its handle, or by the runtime.
  void stop_keeper() {
    // seq_cst: see keeper().
    stop_asked_.store(1, std::memory_order_seq_cst);
    ask_kernel();
  }
  void ask_kernel() {
    int now = begun;
    // seq_cst: the kernel's locks. One that has ended, or not begun, is not there to be cancelled.
    request_.compare_exchange_strong(now, asked, std::memory_order_seq_cst, std::memory_order_seq_cst);
  }
  int wait_for_kernel() {
    for (;;) {
      // seq_cst: C2 of [io].
      const int now = request_.load(std::memory_order_seq_cst);
      if (now == done || now == cancelled) return now;
      if (now == asked && !mutated_.waits_for_kernel) return cancelled;
      explored_atomics::pause();
    }
  }

  // [join-word].
  void end_task() {
    // acquire: as in task.cc, here and below.
    uint32_t word = join_word_.load(std::memory_order_acquire);
    for (;;) {
      if (word == detached) return free_block();
      if (word == has_waiter) {
        lock_.lock();
        // acq_rel: publishes the result. relaxed: looked at again.
        const bool ended =
            join_word_.compare_exchange_strong(word, has_ended, std::memory_order_acq_rel, std::memory_order_relaxed);
        const bool woken = ended && claim(by_keeper);
        lock_.unlock();
        if (woken) make_ready();
        if (ended) return;
        // acquire: as above.
        word = join_word_.load(std::memory_order_acquire);
        continue;
      }
      // acq_rel: publishes the result. acquire: another round.
      if (join_word_.compare_exchange_strong(word, has_ended, std::memory_order_acq_rel, std::memory_order_acquire))
        return;
    }
  }

  void free_block() {
    require(block_.get() == alive, "a block was freed twice");
    bytes_.set(gone);
    block_.set(gone);
  }

  const story story_;
  const mutation mutated_;

  // In the frame of the task that selects.
  plain<int> destination_{empty}, core_{alive};
  atomic<int> winner_{open}, ready_{0}, waiting_{0};
  int result_of_keeper_ = idle;

  // The keeper's block.
  plain<int> block_{gone}, result_{idle}, bytes_{gone}, duplicate_{gone};
  atomic<uint32_t> join_word_{running};
  atomic<int> started_{0}, stop_asked_{0}, request_{idle};
  explored_atomics::spin_lock lock_;
  plain<bool> stop_pending_{false};  // guarded by lock_

  explored_atomics::spin_lock other_lock_;
  plain<bool> other_waits_{false}, other_is_ready_{false};  // guarded by other_lock_

  // The file.
  explored_atomics::spin_lock list_lock_;
  plain<bool> in_list_{false}, closing_{false};  // guarded by list_lock_
  plain<int> number_{alive};
  plain<bool> moved_{false};
};

auto one_select(story what, mutation m = {}) {
  return [=](execution& x) {
    auto s = std::make_shared<file_arm_model>(what, m);
    x.thread([=] { s->select(); });
    x.thread([=] { s->keeper(); });
    x.thread([=] { s->kernel(); });
    if (what.other_arm) x.thread([=] { s->other_arm(); });
    if (what.stop || what.runtime_end) x.thread([=] { s->stop(); });
    if (what.close) x.thread([=] { s->close(); });
    x.finally([=] { s->check(); });
  };
}

TEST(FileArmExploreTest, WhatIsReadIsThere) { test::passes(2, 20'000, one_select({})); }

TEST(FileArmExploreTest, BesideAnotherArmOneOfThemWins) { test::passes(1, 40'000, one_select({.other_arm = true})); }

TEST(FileArmExploreTest, AReadThatNeverEndsEndsWithItsSelect) {
  test::passes(1, 20'000, one_select({.comes = false, .other_arm = true}));
}

TEST(FileArmExploreTest, AStopEndsTheSelectAndTheKeeper) {
  test::passes(1, 20'000, one_select({.stop = true}));
  test::passes(1, 20'000, one_select({.comes = false, .stop = true}));
}

TEST(FileArmExploreTest, TheEndOfTheRuntimeEndsBoth) {
  test::passes(1, 20'000, one_select({.runtime_end = true}));
  test::passes(0, 60'000, one_select({.comes = false, .other_arm = true, .runtime_end = true}));
}

TEST(FileArmExploreTest, ACloseGivesTheNumberBackWhenTheSelectIsOver) {
  test::passes(1, 20'000, one_select({.close = true}));
  test::passes(0, 60'000, one_select({.other_arm = true, .close = true}));
}

TEST(FileArmExploreTest, AllAtOnce) {
  test::passes(0, 60'000, one_select({.other_arm = true, .runtime_end = true, .close = true}));
}

TEST(FileArmExploreTest, AnOperationThatIsNotInTheListMeetsAnotherFile) {
  test::fails(3, "", one_select({.close = true}, {.in_list = false}));
}

TEST(FileArmExploreTest, AKeeperWithoutADuplicateMeetsAnotherFile) {
  test::fails(3, "", one_select({.other_arm = true, .close = true}, {.own_descriptor = false}));
}

TEST(FileArmExploreTest, AKeeperThatReadsIntoTheCallersBufferWritesToWhatIsGone) {
  test::fails(3, "", one_select({.other_arm = true}, {.own_buffer = false}));
}

TEST(FileArmExploreTest, APositionThatMovesBeforeTheArmIsChosenSkipsBytes) {
  test::fails(3, "the position of the file", one_select({.other_arm = true}, {.moves_when_chosen = false}));
}

TEST(FileArmExploreTest, AKeeperThatHasEndedIsWaitedForInVain) {
  test::fails(3, "deadlock", one_select({}, {.looks_again = false}));
}

TEST(FileArmExploreTest, AnArmThatDoesNotLeaveIsTouchedLater) {
  test::fails(3, "", one_select({.other_arm = true}, {.leaves = false}));
}

TEST(FileArmExploreTest, AnArmThatLeavesWithoutTheLockIsTouchedLater) {
  test::fails(3, "", one_select({.other_arm = true}, {.leaves_locked = false}));
}

TEST(FileArmExploreTest, AKeeperThatCopiesUnaskedWritesToWhatIsGone) {
  test::fails(3, "", one_select({.other_arm = true}, {.copies_when_chosen = false}));
}

TEST(FileArmExploreTest, AKeeperThatIsNotAskedToStopStays) {
  test::fails(3, "deadlock", one_select({.comes = false, .other_arm = true}, {.asks_to_stop = false}));
}

TEST(FileArmExploreTest, AKeeperThatLeavesBeforeTheKernelLosesItsBuffer) {
  test::fails(3, "", one_select({.other_arm = true}, {.waits_for_kernel = false}));
}

TEST(FileArmExploreTest, ABlockThatIsFreedBesideItsTaskIsTouchedLater) {
  test::fails(3, "", one_select({.other_arm = true}, {.lets_go = false}));
}

}  // namespace
}  // namespace weft::detail
