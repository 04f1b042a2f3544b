// [wake] of scheduler.h under every interleaving: nobody sleeps while work is published.
//
// A model: worker_main(), search(), idle(), wake_one() and their helpers as in scheduler.cc and worker.cc, over
// explored atomics and queues that are only counts. Each piece of work waits until all of them run at once, as tasks on
// different workers may; so work that nobody is woken for ends in a deadlock, which the explorer reports.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

// What a mutant leaves out.
struct mutation {
  bool sleeper_barrier = true;      // L2
  bool second_look = true;          // L3
  bool token_back_at_once = true;   // a worker that was woken with the token gives it back when it found work
  bool searches_after_look = true;  // a sleeper that saw work at L3 searches, with a token
  bool searcher_hands_on = true;    // the last searcher that found work wakes another
};

class model {
 public:
  model(uint32_t workers, int pieces, mutation m) : mutated_(m), all_(pieces), workers_(workers), queues_(workers) {}

  // K1 to K3: a plain thread gives a piece of work to processor `to`.
  void produce(uint32_t to) {
    // release: K1; the CAS that links a strand to the inbox.
    queues_[to].fetch_add(1, std::memory_order_release);
    wake_one();
  }

  void worker_main(uint32_t me) {
    worker& w = workers_[me];
    // relaxed: a late look only costs another turn.
    while (stopping_.load(std::memory_order_relaxed) == 0) {
      if (take(me)) {
        if (w.searching && mutated_.token_back_at_once) stop_searching(w);
        run();
      } else if (search(me)) {
        run();
      } else {
        idle(w);
        explored_atomics::pause();  // whoever may not search, and sees work, comes round until the searcher has it
      }
    }
  }

  void none_is_left() {
    require(done_.load() == all_, "work was left behind");
    require(searching_.load() == 0 || stopping_.load() == 1, "a search token was lost");
  }

 private:
  struct worker {
    atomic<uint32_t> word{0};
    bool searching = false;  // the token's holder's; handed over with `word`
  };

  bool take(uint32_t queue) {
    // relaxed: a hint.
    int n = queues_[queue].load(std::memory_order_relaxed);
    while (n > 0)
      // acq_rel: as the queues' own.
      if (queues_[queue].compare_exchange_weak(n, n - 1, std::memory_order_acq_rel, std::memory_order_relaxed))
        return true;
    return false;
  }

  // A piece of work: waits until all pieces are under way. The last one to end stops the workers.
  void run() {
    // acq_rel: the end of the model, not part of the protocol; here and below.
    if (begun_.fetch_add(1, std::memory_order_acq_rel) + 1 == all_)
      all_run_.store(1);
    else
      while (all_run_.load() == 0) explored_atomics::pause();
    // acq_rel: as above.
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == all_) stop_workers();
  }

  bool search(uint32_t me) {
    worker& w = workers_[me];
    const auto n = static_cast<uint32_t>(workers_.size());
    if (!w.searching) {
      // relaxed: a throttle.
      const uint32_t idle = idle_count_.load(std::memory_order_relaxed);
      // relaxed: as above.
      if (2 * searching_.load(std::memory_order_relaxed) >= n - std::min(n - 1, idle)) return false;
      // seq_cst: takes a token.
      searching_.fetch_add(1, std::memory_order_seq_cst);
      w.searching = true;
    }
    bool found = false;
    for (uint32_t i = 0; i < n && !found; ++i) found = take((me + i) % n);
    if (found) stop_searching(w);
    return found;
  }

  void stop_searching(worker& w) {
    w.searching = false;
    // seq_cst: gives the token back; the last searcher hands it on.
    if (searching_.fetch_sub(1, std::memory_order_seq_cst) == 1 && mutated_.searcher_hands_on) wake_one();
  }

  void wake_one() {
    explored_atomics::light_barrier();  // K2
    for (;;) {
      // relaxed: K3.
      if (idle_count_.load(std::memory_order_relaxed) == 0) return;
      // relaxed: K3.
      if (searching_.load(std::memory_order_relaxed) != 0) return;
      uint32_t none = 0;
      // seq_cst: takes the token.
      if (!searching_.compare_exchange_strong(none, 1, std::memory_order_seq_cst)) return;
      if (worker* w = pop_idle()) {
        w->searching = true;
        signal(*w);
        return;
      }
      // seq_cst: gives the token back; then it looks again, since others may have relied on it.
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  worker* pop_idle() {
    lock_.lock();
    worker* w = nullptr;
    if (!idle_.empty()) {
      w = idle_.back();
      idle_.pop_back();
      // relaxed: under the lock.
      idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
    }
    lock_.unlock();
    return w;
  }

  bool leave_idle(worker& w) {
    lock_.lock();
    const auto at = std::find(idle_.begin(), idle_.end(), &w);
    const bool there = at != idle_.end();
    if (there) {
      idle_.erase(at);
      // relaxed: under the lock.
      idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
    }
    lock_.unlock();
    return there;
  }

  static void signal(worker& w) {
    // release: publishes `searching`.
    w.word.store(1, std::memory_order_release);
  }

  bool any_work() const {
    // relaxed: L3; ordered by the barrier.
    return std::any_of(queues_.begin(), queues_.end(), [](const atomic<int>& q) {
      return q.load(std::memory_order_relaxed) > 0;  // relaxed: see above
    });
  }

  void idle(worker& w) {
    if (w.searching) {
      w.searching = false;
      // seq_cst: L1.
      searching_.fetch_sub(1, std::memory_order_seq_cst);
    }
    // relaxed: nobody signals a worker that is not on the list.
    w.word.store(0, std::memory_order_relaxed);
    lock_.lock();
    idle_.push_back(&w);
    // L1. relaxed where the protocol has seq_cst: the barrier of L2 is what counts.
    idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
    lock_.unlock();
    if (mutated_.sleeper_barrier) explored_atomics::heavy_barrier();  // L2
    // acquire: L3.
    if ((mutated_.second_look && any_work()) || stopping_.load(std::memory_order_acquire) != 0)
      if (leave_idle(w)) {
        if (!mutated_.searches_after_look) return;
        w.searching = true;
        // seq_cst: takes a token, so that what others left to the old one is handed on.
        searching_.fetch_add(1, std::memory_order_seq_cst);
        return;
      }
    // acquire: L4; pairs with signal().
    while (w.word.load(std::memory_order_acquire) == 0) explored_atomics::pause();
  }

  void stop_workers() {
    // seq_cst: workers look after L2.
    stopping_.store(1, std::memory_order_seq_cst);
    explored_atomics::heavy_barrier();
    while (worker* w = pop_idle()) signal(*w);
  }

  const mutation mutated_;
  const int all_;
  std::vector<worker> workers_;
  std::vector<atomic<int>> queues_;
  atomic<uint32_t> idle_count_{0};
  atomic<uint32_t> searching_{0};
  explored_atomics::spin_lock lock_;
  std::vector<worker*> idle_;  // guarded by lock_
  atomic<uint32_t> stopping_{0};
  atomic<int> begun_{0}, all_run_{0}, done_{0};
};

// Two plain threads give work to the processor of the same sleeping worker.
auto two_producers(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(2, 2, m);
    for (uint32_t i = 0; i < 2; ++i) x.thread([=] { s->worker_main(i); });
    for (int i = 0; i < 2; ++i) x.thread([=] { s->produce(0); });
    x.finally([=] { s->none_is_left(); });
  };
}

auto one_producer(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(2, 2, m);
    for (uint32_t i = 0; i < 2; ++i) x.thread([=] { s->worker_main(i); });
    x.thread([=] {
      s->produce(0);
      s->produce(1);
    });
    x.finally([=] { s->none_is_left(); });
  };
}

auto one_piece(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(1, 1, m);
    x.thread([=] { s->worker_main(0); });
    x.thread([=] { s->produce(0); });
    x.finally([=] { s->none_is_left(); });
  };
}

TEST(WakeExploreTest, OneWorkerNeverSleepsOverItsWork) { test::passes(4, 10'000, one_piece({})); }

TEST(WakeExploreTest, EveryPieceOfOneProducerWakesAWorker) { test::passes(1, 30'000, one_producer({})); }

TEST(WakeExploreTest, EveryPieceOfTwoProducersWakesAWorker) { test::passes(1, 30'000, two_producers({})); }

TEST(WakeExploreTest, WithoutTheSleepersBarrierItSleepsOverWork) {
  test::fails(3, "deadlock", one_piece({.sleeper_barrier = false}));
}

TEST(WakeExploreTest, WithoutTheSecondLookItSleepsOverWork) {
  test::fails(3, "deadlock", one_piece({.second_look = false}));
}

TEST(WakeExploreTest, AWorkerThatRunsWithTheSearchTokenKeepsOthersAsleep) {
  test::fails(3, "deadlock", one_producer({.token_back_at_once = false}));
}

TEST(WakeExploreTest, ASleeperThatSawWorkAndGoesOnWithoutATokenLosesWakes) {
  test::fails(3, "deadlock", one_producer({.searches_after_look = false}));
}

TEST(WakeExploreTest, ASearcherThatDoesNotHandTheTokenOnLosesWakes) {
  test::fails(3, "deadlock", two_producers({.searcher_hands_on = false}));
}

}  // namespace
}  // namespace weft::detail
