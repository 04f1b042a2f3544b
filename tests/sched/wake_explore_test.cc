// [wake] of scheduler.h under every interleaving: nobody sleeps while work is published.
//
// A model: worker_main(), search(), idle(), wake_one() and their helpers as in scheduler.cc and worker.cc, over
// explored atomics and queues that only know which pieces of work they hold. Each piece waits until all of them run at
// once, as tasks on different workers may; so work that nobody is woken for ends in a deadlock, which the explorer
// reports. To publish a piece is a store that may wait in the store buffer, also where the queues have a
// compare-exchange (inbox.h): that one is a release only, so the protocol must not count on more.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
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
  bool last_fences = true;          // L2, if all workers are on the list
  bool others_barrier = true;       // L2, if not
  bool others_fence_only = false;   // L2: a fence, whoever else is on the list
  bool outsiders_fence = true;      // K2 of a thread that drives no processor
  bool second_look = true;          // L3
  bool token_back_at_once = true;   // a worker that was woken with the token gives it back when it found work
  bool searches_after_look = true;  // a sleeper that saw work at L3 searches, with a token
  bool searcher_hands_on = true;    // the last searcher that found work wakes another
};

class model {
 public:
  // The first `outside` pieces come from plain threads, the others from the workers that run those.
  model(uint32_t workers, int outside, int inside, mutation m)
      : mutated_(m),
        outside_(outside),
        all_(outside + inside),
        workers_(workers),
        pieces_(static_cast<std::size_t>(outside + inside)) {}

  // K1 to K3: a plain thread gives a piece of work to processor `to`.
  void produce(int piece, uint32_t to) {
    publish(piece, to);
    if (mutated_.outsiders_fence) explored_atomics::fence_seq_cst();  // K2
    wake_one();
  }

  void worker_main(uint32_t me) {
    worker& w = workers_[me];
    // relaxed: a late look only costs another turn.
    while (stopping_.load(std::memory_order_relaxed) == 0) {
      if (int piece = take(me); piece >= 0) {
        if (w.searching && mutated_.token_back_at_once) stop_searching(w);
        run(piece, me);
      } else if (piece = search(me); piece >= 0) {
        run(piece, me);
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

  // K1. What a queue holds is in its pieces: 0, or one more than the number of the queue.
  void publish(int piece, uint32_t to) {
    // release: a ring's tail, or the CAS of an inbox.
    pieces_[static_cast<std::size_t>(piece)].store(to + 1, std::memory_order_release);
  }

  // A piece from that queue; -1: it is empty.
  int take(uint32_t queue) {
    for (int piece = 0; piece < all_; ++piece) {
      uint32_t at = queue + 1;
      atomic<uint32_t>& place = pieces_[static_cast<std::size_t>(piece)];
      // relaxed: a hint.
      if (place.load(std::memory_order_relaxed) != at) continue;
      // acq_rel: as the queues' own.
      if (place.compare_exchange_strong(at, 0, std::memory_order_acq_rel, std::memory_order_relaxed)) return piece;
    }
    return -1;
  }

  // A piece of work: may publish another one, then waits until all pieces are under way. The last one to end stops the
  // workers.
  void run(int piece, uint32_t me) {
    if (const int more = piece + outside_; piece < outside_ && more < all_) {
      publish(more, me);
      wake_one();
    }
    // acq_rel: the end of the model, not part of the protocol; here and below.
    if (begun_.fetch_add(1, std::memory_order_acq_rel) + 1 == all_)
      all_run_.store(1);
    else
      while (all_run_.load() == 0) explored_atomics::pause();
    // acq_rel: as above.
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 == all_) stop_workers();
  }

  int search(uint32_t me) {
    worker& w = workers_[me];
    const auto n = static_cast<uint32_t>(workers_.size());
    if (!w.searching) {
      // relaxed: a throttle.
      const uint32_t idle = idle_count_.load(std::memory_order_relaxed);
      // relaxed: as above.
      if (2 * searching_.load(std::memory_order_relaxed) >= n - std::min(n - 1, idle)) return -1;
      // seq_cst: takes a token.
      searching_.fetch_add(1, std::memory_order_seq_cst);
      w.searching = true;
    }
    int found = -1;
    for (uint32_t i = 0; i < n && found < 0; ++i) found = take((me + i) % n);
    if (found >= 0) stop_searching(w);
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
      explored_atomics::fence_seq_cst();  // K2 again
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
    return std::any_of(pieces_.begin(), pieces_.end(), [](const atomic<uint32_t>& piece) {
      return piece.load(std::memory_order_relaxed) != 0;  // relaxed: see above
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
    const bool last = idle_.size() == workers_.size();
    // L1. relaxed where the protocol has seq_cst: the barrier of L2 is what counts.
    idle_count_.store(static_cast<uint32_t>(idle_.size()), std::memory_order_relaxed);
    lock_.unlock();
    l2(last);
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

  void l2(bool last) const {
    if (last ? mutated_.last_fences : mutated_.others_fence_only)
      explored_atomics::fence_seq_cst();
    else if (!last && mutated_.others_barrier)
      explored_atomics::heavy_barrier();
  }

  void stop_workers() {
    // seq_cst: workers look after L2.
    stopping_.store(1, std::memory_order_seq_cst);
    explored_atomics::heavy_barrier();
    while (worker* w = pop_idle()) signal(*w);
  }

  const mutation mutated_;
  const int outside_, all_;
  std::vector<worker> workers_;
  std::vector<atomic<uint32_t>> pieces_;
  atomic<uint32_t> idle_count_{0};
  atomic<uint32_t> searching_{0};
  explored_atomics::spin_lock lock_;
  std::vector<worker*> idle_;  // guarded by lock_
  atomic<uint32_t> stopping_{0};
  atomic<int> begun_{0}, all_run_{0}, done_{0};
};

auto workers_and_threads(uint32_t workers, int outside, int inside, mutation m,
                         std::vector<std::vector<std::pair<int, uint32_t>>> threads) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(workers, outside, inside, m);
    for (uint32_t i = 0; i < workers; ++i) x.thread([=] { s->worker_main(i); });
    for (const auto& given : threads)
      x.thread([=] {
        for (const auto& [piece, to] : given) s->produce(piece, to);
      });
    x.finally([=] { s->none_is_left(); });
  };
}

// Two plain threads give work to the processor of the same sleeping worker.
auto two_producers(mutation m) { return workers_and_threads(2, 2, 0, m, {{{0, 0}}, {{1, 0}}}); }

auto one_producer(mutation m) { return workers_and_threads(2, 2, 0, m, {{{0, 0}, {1, 1}}}); }

auto one_piece(mutation m) { return workers_and_threads(1, 1, 0, m, {{{0, 0}}}); }

// What a plain thread gives to one of two workers makes that one publish another piece.
auto piece_that_makes_another(mutation m) { return workers_and_threads(2, 1, 1, m, {{{0, 0}}}); }

TEST(WakeExploreTest, OneWorkerNeverSleepsOverItsWork) { test::passes(4, 10'000, one_piece({})); }

TEST(WakeExploreTest, EveryPieceOfOneProducerWakesAWorker) { test::passes(1, 30'000, one_producer({})); }

TEST(WakeExploreTest, EveryPieceOfTwoProducersWakesAWorker) { test::passes(1, 30'000, two_producers({})); }

TEST(WakeExploreTest, WhatAWorkerPublishesWakesAnother) { test::passes(1, 60'000, piece_that_makes_another({})); }

TEST(WakeExploreTest, WhatAWorkerPublishesWakesAThirdThatSleepsLast) {
  test::passes(0, 60'000, workers_and_threads(3, 1, 1, {}, {{{0, 0}}}));
}

TEST(WakeExploreTest, WithoutTheLastSleepersFenceItSleepsOverWork) {
  test::fails(3, "deadlock", one_piece({.last_fences = false}));
}

TEST(WakeExploreTest, WithoutTheFenceOfAPlainThreadItsWorkIsSleptOver) {
  test::fails(3, "deadlock", one_piece({.outsiders_fence = false}));
}

TEST(WakeExploreTest, WithoutTheBarrierOfASleeperThatIsNotTheLastItSleepsOverWork) {
  test::fails(3, "deadlock", piece_that_makes_another({.others_barrier = false}));
}

TEST(WakeExploreTest, AFenceIsNotEnoughForASleeperThatIsNotTheLast) {
  test::fails(3, "deadlock", piece_that_makes_another({.others_barrier = false, .others_fence_only = true}));
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
