// [epoch] of epoch.h beside [wake] of scheduler.h, under every interleaving: an epoch that was begun ends, though
// workers are about to sleep; each processor passes it once; none begins before the last has ended.
//
// A model: pass(), begin(), finish() and collect() as in epoch.cc, idle(), wake_all() and pass_for_idle() as in
// worker.cc and scheduler.cc, over explored atomics. What a processor ages is ordinary memory under the race detector.
// Whoever collects waits for the end, so an epoch that nobody passes ends in a deadlock, which the explorer reports.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

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

// What a mutant or a variant does otherwise.
struct mutation {
  bool barriers = true;           // L2 and that of wake_all(), which are there for others
  bool sleeper_looks = true;      // L3 looks at asked
  bool left_before_asked = true;  // N1 before N2
  bool all_must_pass = true;      // P3: the last one finishes, not the first
  bool finisher_acquires = true;  // P3 is acq_rel
  bool passes_for_idle = false;   // N4 to N6, not N3
  bool takes_off_list = true;     // N4
  bool looks_for_it = true;       // N6: L3 in its place
  bool first_yields = false;      // the first worker has a task that yields all the time
};

class model {
 public:
  model(uint32_t workers, int collectors, mutation m) : mutated_(m), collectors_(collectors), workers_(workers) {}

  void worker_main(uint32_t me) {
    worker& w = workers_[me];
    // relaxed: a late look only costs another turn.
    while (stopping_.load(std::memory_order_relaxed) == 0) {
      if (is_due(w))
        pass(w);
      else if (me == 0 && mutated_.first_yields)
        explored_atomics::pause();
      else
        idle(w);
    }
  }

  // collect() of a plain thread: an epoch that began after the call has ended when it returns.
  void collect() {
    // acquire: as in epoch.cc.
    const uint32_t wanted = asked_.load(std::memory_order_acquire) + 1;
    while (finished() < wanted) {
      begin();
      // relaxed: as in epoch.cc.
      const uint32_t latest = asked_.load(std::memory_order_relaxed);
      while (finished() < latest) explored_atomics::pause();
      if (latest < wanted) explored_atomics::pause();  // the finisher is about to end it
    }
    // acq_rel: the end of the model, not part of the protocol.
    if (collectors_.fetch_sub(1, std::memory_order_acq_rel) == 1) stop_workers();
  }

  void all_have_ended(uint32_t least) {
    const uint32_t epochs = asked_.load();
    require(epochs >= least, "an epoch was not begun");
    require(finished_.load() == epochs, "an epoch has not ended");
    require(under_way_.load() == 0, "an epoch is still under way");
    for (worker& w : workers_) require(w.aged.get() == static_cast<int>(epochs), "a processor missed an epoch");
    require(shared_aged_.get() == static_cast<int>(epochs), "the shared part missed an epoch");
  }

 private:
  struct worker {
    atomic<uint32_t> word{0};
    atomic<uint32_t> passed{0};
    plain<int> aged{0};
  };

  bool is_due(const worker& w) const {
    // acquire: P1. relaxed: as in epoch.cc.
    return asked_.load(std::memory_order_acquire) != w.passed.load(std::memory_order_relaxed);
  }

  void pass(worker& w) {
    // relaxed: P1 was the acquire.
    w.passed.store(asked_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    w.aged.set(w.aged.get() + 1);  // P2
    // acq_rel: P3, unless it is left out.
    const auto order = mutated_.finisher_acquires ? std::memory_order_acq_rel : std::memory_order_relaxed;
    const uint32_t left = left_.fetch_sub(1, order);
    require(left != 0, "more passes than processors");
    if (left == (mutated_.all_must_pass ? 1 : workers_.size())) finish();
  }

  // P4.
  void finish() {
    for (worker& w : workers_) require(w.aged.get() == shared_aged_.get() + 1, "finished before all have passed");
    shared_aged_.set(shared_aged_.get() + 1);
    // relaxed: nobody else writes it meanwhile.
    const uint32_t epoch = asked_.load(std::memory_order_relaxed);
    // release: P4.
    under_way_.store(0, std::memory_order_release);
    // relaxed: only looked at here.
    require(finished_.load(std::memory_order_relaxed) < epoch, "the count of epochs fell");
    // release: P4.
    finished_.store(epoch, std::memory_order_release);
  }

  bool begin() {
    uint32_t none = 0;
    // acquire: N1.
    if (!under_way_.compare_exchange_strong(none, 1, std::memory_order_acquire)) return false;
    // relaxed: N1 and N2, as in epoch.cc.
    if (mutated_.left_before_asked) left_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
    // release: N2. relaxed: nobody else writes it meanwhile.
    asked_.store(asked_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    // relaxed: as above.
    if (!mutated_.left_before_asked) left_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
    if (mutated_.passes_for_idle)
      pass_for_idle();  // N4 to N6
    else
      wake_all(mutated_.barriers);  // N3
    return true;
  }

  uint32_t finished() const {
    // acquire: pairs with P4.
    return finished_.load(std::memory_order_acquire);
  }

  void wake_all(bool barrier) {
    if (barrier) explored_atomics::heavy_barrier();
    lock_.lock();
    std::vector<worker*> all;
    all.swap(idle_);
    lock_.unlock();
    // release: as in signal().
    for (worker* w : all) w->word.store(1, std::memory_order_release);
  }

  bool leave_idle(worker& w) {
    lock_.lock();
    const auto at = std::find(idle_.begin(), idle_.end(), &w);
    const bool there = at != idle_.end();
    if (there) idle_.erase(at);
    lock_.unlock();
    return there;
  }

  bool is_idle(worker& w) {
    lock_.lock();
    const bool there = std::find(idle_.begin(), idle_.end(), &w) != idle_.end();
    lock_.unlock();
    return there;
  }

  void pass_for_idle() {
    for (worker& w : workers_) {
      if (!(mutated_.takes_off_list ? leave_idle(w) : is_idle(w))) continue;  // N4
      if (is_due(w)) pass(w);                                                 // N5
      if (mutated_.takes_off_list) {
        lock_.lock();
        idle_.push_back(&w);  // N6, L1
        lock_.unlock();
      }
      explored_atomics::heavy_barrier();  // N6, L2
      if (!mutated_.looks_for_it) continue;
      // acquire: N6, L3.
      if (!is_due(w) && stopping_.load(std::memory_order_acquire) == 0) continue;
      // release: as in signal().
      if (leave_idle(w)) w.word.store(1, std::memory_order_release);
    }
  }

  void idle(worker& w) {
    // relaxed: nobody signals a worker that is not on the list.
    w.word.store(0, std::memory_order_relaxed);
    lock_.lock();
    idle_.push_back(&w);  // L1
    lock_.unlock();
    if (mutated_.barriers) explored_atomics::heavy_barrier();  // L2
    // acquire: L3.
    if ((mutated_.sleeper_looks && is_due(w)) || stopping_.load(std::memory_order_acquire) != 0) {
      if (leave_idle(w)) return;
    }
    // acquire: L4.
    while (w.word.load(std::memory_order_acquire) == 0) explored_atomics::pause();
  }

  void stop_workers() {
    // seq_cst: workers look after L2.
    stopping_.store(1, std::memory_order_seq_cst);
    wake_all(true);
  }

  const mutation mutated_;
  atomic<int> collectors_;
  std::vector<worker> workers_;
  atomic<uint32_t> under_way_{0}, asked_{0}, left_{0}, finished_{0};
  plain<int> shared_aged_{0};
  explored_atomics::spin_lock lock_;
  std::vector<worker*> idle_;  // guarded by lock_
  atomic<uint32_t> stopping_{0};
};

auto collected_by(int collectors, uint32_t workers, mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(workers, collectors, m);
    for (uint32_t i = 0; i < workers; ++i) x.thread([=] { s->worker_main(i); });
    for (int i = 0; i < collectors; ++i) x.thread([=] { s->collect(); });
    x.finally([=] { s->all_have_ended(1); });
  };
}

TEST(EpochExploreTest, AnEpochEndsThoughItsOnlyWorkerIsAboutToSleep) {
  test::passes(3, 10'000, collected_by(1, 1, {}));
}

TEST(EpochExploreTest, AnEpochOfTwoProcessorsEnds) { test::passes(1, 30'000, collected_by(1, 2, {})); }

TEST(EpochExploreTest, EpochsOfTwoCollectorsDoNotOverlap) { test::passes(1, 30'000, collected_by(2, 1, {})); }

TEST(EpochExploreTest, TwoCollectorsAndTwoProcessorsFinishTogether) { test::passes(0, 60'000, collected_by(2, 2, {})); }

TEST(EpochExploreTest, AnEpochIsPassedForAWorkerThatSleepsOrIsAboutTo) {
  test::passes(3, 10'000, collected_by(1, 1, {.passes_for_idle = true}));
}

TEST(EpochExploreTest, AnEpochIsPassedForTwoWorkers) {
  test::passes(1, 60'000, collected_by(1, 2, {.passes_for_idle = true}));
}

TEST(EpochExploreTest, TwoCollectorsPassForAWorkerOnceEach) {
  test::passes(1, 60'000, collected_by(2, 1, {.passes_for_idle = true}));
}

TEST(EpochExploreTest, EpochsEndBesideATaskThatYieldsAndAWorkerThatSleeps) {
  test::passes(1, 60'000, collected_by(1, 2, {.passes_for_idle = true, .first_yields = true}));
  test::passes(0, 60'000, collected_by(2, 2, {.passes_for_idle = true, .first_yields = true}));
}

TEST(EpochExploreTest, WhoPassesForAWorkerThatMayLeaveTheListMeanwhileRacesWithIt) {
  test::fails(3, "", collected_by(1, 1, {.passes_for_idle = true, .takes_off_list = false}));
}

TEST(EpochExploreTest, WithoutALookInItsPlaceTheWorkerMissesWhatCameMeanwhile) {
  test::fails(3, "deadlock", collected_by(2, 1, {.passes_for_idle = true, .looks_for_it = false}));
}

TEST(EpochExploreTest, WithoutTheLookAtLThreeTheSleeperMissesTheEpoch) {
  test::fails(3, "deadlock", collected_by(1, 1, {.sleeper_looks = false}));
}

TEST(EpochExploreTest, TheIdleListsLockIsEnoughToFindASleeper) {
  test::passes(3, 10'000, collected_by(1, 1, {.barriers = false}));
}

TEST(EpochExploreTest, AskedBeforeTheNumberOfProcessorsIsSetLosesPasses) {
  test::fails(3, "", collected_by(1, 1, {.left_before_asked = false}));
}

TEST(EpochExploreTest, AnEpochThatTheFirstProcessorEndsIsFinishedTooEarly) {
  test::fails(3, "finished before all have passed", collected_by(1, 2, {.all_must_pass = false}));
}

TEST(EpochExploreTest, AFinisherThatDoesNotAcquireRacesWithTheOthersParts) {
  test::fails(3, "race", collected_by(1, 2, {.finisher_acquires = false}));
}

}  // namespace
}  // namespace weft::detail
