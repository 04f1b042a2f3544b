// [join] of join.h, [fork-scope] of fork_scope.h and [join-word] of task_block.h under every interleaving: a join is
// resumed once, by the last, who sees all results and `home`; a scope's parent runs in one place at a time and goes on
// after its join once, with all results; a task's outcome is seen by who waits, and freed once.
//
// Models of the numbered steps; the deque of forks is the real one.
#include <array>
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>

#include <weft/detail/fork_deque.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

// --- [join] ----------------------------------------------------------------------------------------------------------

// What a mutant does otherwise.
struct join_mutation {
  bool home_first = true;    // J3 writes `home` before it counts
  bool thief_orders = true;  // J4's order
};

constexpr int children = 3;

struct entry {
  int child = 0;
};

class join_model {
 public:
  explicit join_model(join_mutation m) : mutated_(m) {
    for (int i = 0; i + 1 < children; ++i) entries_[static_cast<std::size_t>(i)].child = i + 1;
  }

  using deque = fork_deque<entry, explored_atomics>;

  // J1.
  void offer(deque& forks) {
    for (int i = children - 1; i-- > 0;) forks.push(&entries_[static_cast<std::size_t>(i)], unheard);
  }

  // J2 and J3, by the strand that forked, from child 0 on, on the processor that `forks` belongs to.
  void chain(deque& forks) {
    for (int i = 0;; ++i) {
      end_child(i);
      if (i + 1 == children) return resume_parent(false);  // nobody took any
      if (!forks.pop(&entries_[static_cast<std::size_t>(i)], unheard)) return leave_chain(children - 1 - i);
    }
  }

  // J4.
  void run_stolen(deque& forks) {
    entry* e = forks.steal();
    if (e == nullptr) return;
    end_child(e->child);
    // acq_rel: J4. relaxed: a mutant.
    const auto order = mutated_.thief_orders ? std::memory_order_acq_rel : std::memory_order_relaxed;
    if (pending_.fetch_sub(1, order) == 1) resume_parent(true);
  }

  void is_complete() const { require(resumed_ == 1, "the parent was not resumed exactly once"); }

 private:
  static constexpr auto unheard = [](entry*) {};

  void end_child(int i) { results_[static_cast<std::size_t>(i)].set(i + 1); }

  void leave_chain(int taken) {
    if (mutated_.home_first) home_.set(1);
    // acq_rel: J3.
    if (pending_.fetch_add(taken, std::memory_order_acq_rel) + taken == 0) return resume_parent(true);
    if (!mutated_.home_first) home_.set(1);
  }

  void resume_parent(bool stolen) {
    ++resumed_;
    require(!stolen || home_.get() == 1, "the parent's stack was not left yet");
    for (int i = 0; i < children; ++i)
      require(results_[static_cast<std::size_t>(i)].get() == i + 1, "a child had not ended");
  }

  const join_mutation mutated_;
  std::array<entry, children - 1> entries_;
  std::array<plain<int>, children> results_;
  atomic<int32_t> pending_{0};
  plain<int> home_{0};
  int resumed_ = 0;  // the threads are fibers of one
};

struct join_state {
  explicit join_state(join_mutation m) : join(m) {}
  join_model join;
  join_model::deque first{2}, second{2};  // of two processors
  atomic<int> moved{0};
};

auto chain_and_thieves(join_mutation m, int thieves) {
  return [=](execution& x) {
    auto s = std::make_shared<join_state>(m);
    x.thread([=] {
      s->join.offer(s->first);
      s->join.chain(s->first);
    });
    for (int i = 0; i < thieves; ++i)
      x.thread([=] {
        for (int k = 0; k < 3 - thieves; ++k) s->join.run_stolen(s->first);
      });
    x.finally([=] {
      for (int i = 0; i < children; ++i) s->join.run_stolen(s->first);
      s->join.is_complete();
    });
  };
}

TEST(JoinExploreTest, ChainAndThiefCompleteAJoinOnce) { test::passes(3, 10'000, chain_and_thieves({}, 1)); }

TEST(JoinExploreTest, ChainAndTwoThievesCompleteAJoinOnce) { test::passes(3, 10'000, chain_and_thieves({}, 2)); }

TEST(JoinExploreTest, HomeThatIsWrittenAfterTheCountIsSeenTooLate) {
  test::fails(3, "", chain_and_thieves({.home_first = false}, 1));
}

TEST(JoinExploreTest, WithoutTheThiefsOrderResultsAreSeenTooEarly) {
  test::fails(3, "race", chain_and_thieves({.thief_orders = false}, 1));
}

// Child 0 parks and goes on under another processor: what it left behind counts as stolen, also by its old processor.
TEST(JoinExploreTest, AChainThatMovesToAnotherProcessorCompletesOnce) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<join_state>(join_mutation{});
    x.thread([=] {
      s->join.offer(s->first);
      s->first.publish_all([](entry*) {});
      // release: stands for the queue in which the parked strand goes from one processor to the other.
      s->moved.store(1, std::memory_order_release);
      for (int i = 0; i < 2; ++i) s->join.run_stolen(s->first);
    });
    x.thread([=] {
      // acquire: as above.
      while (s->moved.load(std::memory_order_acquire) == 0) explored_atomics::pause();
      s->join.chain(s->second);
    });
    x.thread([=] { s->join.run_stolen(s->first); });
    x.finally([=] {
      for (int i = 0; i < children; ++i) s->join.run_stolen(s->first);
      s->join.is_complete();
    });
  });
}

// --- [fork-scope] ----------------------------------------------------------------------------------------------------

struct scope_mutation {
  bool checks_newest = true;  // C2 pops only for the newest child
  bool leaves_first = true;   // C3 leaves `home` before it counts
  bool counts_thefts = true;  // C5 adds what was stolen
  bool child_orders = true;   // C3's order
};

// A parent that forks `forks` children. Coroutines are modelled by who calls what: run_parent() is P from where it was
// left on, on the strand `on`; a child that is run ends at once, or is left parked for end_child().
class scope_model {
 public:
  static constexpr int forks = 2;
  static constexpr int home = 0;  // the strand of the first fork; a thief's are others

  using deque = fork_deque<entry, explored_atomics>;

  explicit scope_model(scope_mutation m) : mutated_(m) {}

  // P, from its next fork on.
  void run_parent(deque& d, int on) {
    running_.set(running_.get() + 1);  // a race if P runs in two places
    while (next_ < forks) {
      const int child = next_++;
      // relaxed: C1.
      newest_.store(child, std::memory_order_relaxed);
      d.push(&entry_, unheard);
      if (parks_first && child == 0) {
        // It waits for something: P is offered to all, and the child's strand goes elsewhere.
        d.publish_all(unheard);
        // release: stands for the queue in which the strand goes from one processor to the other.
        parked_.store(on + 1, std::memory_order_release);
        return;
      }
      if (!end_child(d, child, on)) return;
    }
    join();
  }

  bool parks_first = false;

  // C2 and C3 of a child that runs on the strand `on`. True: P goes on here, right away.
  bool end_child(deque& d, int child, int on) {
    results_[static_cast<std::size_t>(child)].set(child + 1);
    // relaxed: C2.
    const bool mine = !mutated_.checks_newest || newest_.load(std::memory_order_relaxed) == child;
    if (mine && d.pop(&entry_, unheard)) {
      require(newest_.load() == child, "P goes on with the result of a child that has not ended");
      return true;
    }
    if (on == home && mutated_.leaves_first) left_.set(1);
    // acq_rel: C3. relaxed: a mutant.
    const auto order = mutated_.child_orders ? std::memory_order_acq_rel : std::memory_order_relaxed;
    const bool last = pending_.fetch_sub(1, order) == 1;
    if (on == home && !mutated_.leaves_first) left_.set(1);
    if (last) after_join(true);
    return false;
  }

  // C4.
  void run_stolen(deque& from, deque& own, int on) {
    if (from.steal() == nullptr) return;
    thefts_.set(thefts_.get() + 1);
    run_parent(own, on);
  }

  // The parked child ends on the processor of `d`.
  void end_parked(deque& d) {
    // acquire: pairs with the release in run_parent().
    int on = 0;
    while ((on = parked_.load(std::memory_order_acquire)) == 0) explored_atomics::pause();
    if (end_child(d, 0, on - 1)) run_parent(d, on - 1);
  }

  // P was taken by its own processor and forks child 1, which parks as well.
  void offer_for_next(deque& d) {
    if (d.steal() == nullptr) require(false, "P was not offered");
    thefts_.set(thefts_.get() + 1);
    // relaxed: C1.
    newest_.store(next_++, std::memory_order_relaxed);
    d.push(&entry_, unheard);
    d.publish_all(unheard);
  }

  // Child 1 of offer_for_next() ends, with P still on offer.
  void end_last(deque& d) {
    if (end_child(d, forks - 1, 1)) run_parent(d, 1);
  }

  void is_complete() const { require(resumed_ == 1, "the parent did not pass its join exactly once"); }

 private:
  static constexpr auto unheard = [](entry*) {};

  void join() {
    const int thefts = thefts_.get();
    if (thefts == 0) return after_join(false);
    const int counted = mutated_.counts_thefts ? thefts : 0;
    // acq_rel: C5.
    if (pending_.fetch_add(counted, std::memory_order_acq_rel) + counted == 0) after_join(true);
  }

  void after_join(bool stolen) {
    ++resumed_;
    require(!stolen || left_.get() == 1, "the parent's stack was not left yet");
    for (int i = 0; i < forks; ++i)
      require(results_[static_cast<std::size_t>(i)].get() == i + 1, "a child had not ended");
  }

  const scope_mutation mutated_;
  entry entry_;
  atomic<int> newest_{-1};
  atomic<int32_t> pending_{0};
  atomic<int> parked_{0};
  std::array<plain<int>, forks> results_;
  plain<int> running_{0};
  plain<int> thefts_{0};
  plain<int> left_{0};
  int next_ = 0;     // P's own: handed over with its entry
  int resumed_ = 0;  // the threads are fibers of one
};

struct scope_state {
  explicit scope_state(scope_mutation m) : scope(m) {}
  scope_model scope;
  scope_model::deque first{2}, second{2}, third{2};  // of three processors
};

auto parent_and_thief(scope_mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<scope_state>(m);
    x.thread([=] { s->scope.run_parent(s->first, scope_model::home); });
    x.thread([=] { s->scope.run_stolen(s->first, s->second, 1); });
    x.finally([=] { s->scope.is_complete(); });
  };
}

TEST(ForkScopeExploreTest, TheParentPassesItsJoinOnceWhoeverRunsIt) { test::passes(3, 10'000, parent_and_thief({})); }

// P goes back and forth: its first processor takes it from the thief again.
TEST(ForkScopeExploreTest, AParentThatIsStolenBackPassesItsJoinOnce) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<scope_state>(scope_mutation{});
    x.thread([=] {
      s->scope.run_parent(s->first, scope_model::home);
      s->scope.run_stolen(s->second, s->first, 2);
    });
    x.thread([=] { s->scope.run_stolen(s->first, s->second, 1); });
    x.finally([=] { s->scope.is_complete(); });
  });
}

// Child 0 parks; P is taken by its own processor, and offered there again for child 1, while child 0 ends there too.
auto child_parks(scope_mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<scope_state>(m);
    s->scope.parks_first = true;
    x.thread([=] {
      s->scope.run_parent(s->first, scope_model::home);
      s->scope.run_stolen(s->first, s->first, 1);
    });
    x.thread([=] { s->scope.end_parked(s->second); });
    x.thread([=] { s->scope.run_stolen(s->first, s->third, 2); });
    x.finally([=] { s->scope.is_complete(); });
  };
}

TEST(ForkScopeExploreTest, AChildThatParkedCountsAsStolenFrom) { test::passes(2, 10'000, child_parks({})); }

TEST(ForkScopeExploreTest, AnOlderChildLeavesTheOfferForAYoungerOne) {
  const auto older_ends_beside_younger = [](scope_mutation m) {
    return [=](execution& x) {
      auto s = std::make_shared<scope_state>(m);
      s->scope.parks_first = true;
      x.thread([=] {
        s->scope.run_parent(s->first, scope_model::home);  // child 0 parks
        s->scope.offer_for_next(s->first);                 // child 1 parks too, with P offered
        s->scope.end_parked(s->first);
        s->scope.end_last(s->first);
      });
      x.finally([=] { s->scope.is_complete(); });
    };
  };
  test::passes(3, 0, older_ends_beside_younger({}));
  test::fails(3, "has not ended", older_ends_beside_younger({.checks_newest = false}));
}

TEST(ForkScopeExploreTest, HomeThatIsLeftAfterTheCountIsSeenTooLate) {
  test::fails(3, "", parent_and_thief({.leaves_first = false}));
}

TEST(ForkScopeExploreTest, WithoutTheCountOfTheftsTheJoinIsPassedTooEarly) {
  test::fails(3, "", parent_and_thief({.counts_thefts = false}));
}

TEST(ForkScopeExploreTest, WithoutTheChildsOrderItsResultIsSeenTooEarly) {
  test::fails(3, "race", parent_and_thief({.child_orders = false}));
}

// --- [join-word] -----------------------------------------------------------------------------------------------------

struct word_mutation {
  bool end_exchanges = true;  // the task's end exchanges unless it saw a waiter; the mutant looks and then stores
  bool ordered = true;
  bool end_acquires = true;  // the look that saw a waiter
};

class join_word_model {
 public:
  static constexpr uintptr_t running = 0, done = 1, detached = 2;

  explicit join_word_model(word_mutation m) : mutated_(m) {}

  // finish_task().
  void task_ends() {
    outcome_.set(7);
    // acquire: pairs with the CAS of the waiter. relaxed: a mutant.
    uintptr_t word = word_.load(mutated_.end_acquires ? std::memory_order_acquire : std::memory_order_relaxed);
    if (word == waiter) {
      // Somebody waits, and so the word is the task's alone.
      // release: the end.
      word_.store(done, std::memory_order_release);
    } else if (word != detached) {
      // acq_rel: the end. relaxed: a mutant.
      const auto order = mutated_.ordered ? std::memory_order_acq_rel : std::memory_order_relaxed;
      if (mutated_.end_exchanges)
        word = word_.exchange(done, order);
      else
        word_.store(done);
    }
    if (word == detached) return free();
    if (word != running) {
      require(word == waiter, "an unknown waiter");
      waiter_result_.set(1);
      // release: stands for the run queue.
      ready_.store(1, std::memory_order_release);
    }
  }

  // co_await handle: await_ready(), join_park(), take_outcome().
  void wait() {
    // acquire: pairs with the end's exchange.
    if (word_.load(std::memory_order_acquire) != done) {
      waiter_result_.set(0);
      uintptr_t expected = running;
      // acq_rel: publishes the waiter; acquire: the task is done, and its outcome visible.
      if (word_.compare_exchange_strong(expected, waiter, std::memory_order_acq_rel, std::memory_order_acquire)) {
        // acquire: stands for the run queue.
        while (ready_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
        require(waiter_result_.get() == 1, "the waiter was woken before its wait had ended");
      }
    }
    taken();
  }

  // co_await handle, with the task unbegun in the run-next slot: join_park() takes it and stores the waiter plainly.
  void wait_for_unbegun() {
    waiter_result_.set(0);
    // relaxed: the task begins afterwards.
    word_.store(waiter, std::memory_order_relaxed);
    // release: stands for the task's way to whoever runs it.
    begun_.store(1, std::memory_order_release);
    // acquire: stands for the run queue.
    while (ready_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    taken();
  }

  void unbegun_task_ends() {
    // acquire: as in wait_for_unbegun().
    while (begun_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    task_ends();
  }

  // join_taken().
  void taken() {
    require(outcome_.get() == 7, "the outcome is not there");
    // relaxed: the task is done.
    word_.store(detached, std::memory_order_relaxed);
    free();
  }

  // join_release().
  void release() {
    // acq_rel: lets go.
    if (word_.exchange(detached, std::memory_order_acq_rel) == done) free();
  }

  void is_freed() const { require(freed_ == 1, "the block was not freed exactly once"); }

 private:
  static constexpr uintptr_t waiter = 16;

  void free() {
    require(outcome_.get() == 7, "the block was freed before its task had ended");
    outcome_.set(0);
    ++freed_;
  }

  const word_mutation mutated_;
  atomic<uintptr_t> word_{running};
  plain<int> outcome_{0};
  plain<int> waiter_result_{0};
  atomic<int> ready_{0};
  atomic<int> begun_{0};
  int freed_ = 0;
};

template <class Handle>
auto task_and_handle(word_mutation m, Handle handle) {
  return [=](execution& x) {
    auto s = std::make_shared<join_word_model>(m);
    x.thread([=] { s->task_ends(); });
    x.thread([=] { handle(*s); });
    x.finally([=] { s->is_freed(); });
  };
}

constexpr auto waits = [](join_word_model& s) { s.wait(); };
constexpr auto lets_go = [](join_word_model& s) { s.release(); };

TEST(JoinWordExploreTest, WhoWaitsSeesTheOutcomeAndFreesItOnce) {
  test::passes(-1, 10'000, task_and_handle({}, waits));
}

TEST(JoinWordExploreTest, WhoLetsGoOrTheTaskFreesTheOutcomeOnce) {
  test::passes(-1, 10'000, task_and_handle({}, lets_go));
}

TEST(JoinWordExploreTest, WhoTakesTheTaskUnbegunMayStoreTheWaiter) {
  test::passes(-1, 10'000, [](execution& x) {
    auto s = std::make_shared<join_word_model>(word_mutation{});
    x.thread([=] { s->unbegun_task_ends(); });
    x.thread([=] { s->wait_for_unbegun(); });
    x.finally([=] { s->is_freed(); });
  });
}

TEST(JoinWordExploreTest, AnEndThatLooksWithoutAcquireRacesWithTheWaiter) {
  test::fails(3, "race", task_and_handle({.end_acquires = false}, waits));
}

TEST(JoinWordExploreTest, AnEndThatDoesNotExchangeMissesTheWaiter) {
  test::fails(3, "deadlock", task_and_handle({.end_exchanges = false}, waits));
}

TEST(JoinWordExploreTest, AnEndThatDoesNotExchangeLosesTheBlock) {
  test::fails(3, "freed", task_and_handle({.end_exchanges = false}, lets_go));
}

TEST(JoinWordExploreTest, WithoutItsOrderTheOutcomeArrivesTooLate) {
  test::fails(3, "race", task_and_handle({.ordered = false}, waits));
}

}  // namespace
}  // namespace weft::detail
