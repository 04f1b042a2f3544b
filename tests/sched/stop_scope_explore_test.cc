// [stop-scope] of stop.h under every interleaving: a stop reaches all that lives inside a scope, and nothing else.
//
// A model: the blocks of a few tasks, a worker whose tasks start others and end, and stoppers. A task that nobody stops
// waits for its flag for ever, which the explorer reports as a deadlock.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::interrupted_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = interrupted_atomics::atomic<T>;

// What a mutant does otherwise.
struct mutation {
  bool barrier = true;           // T2
  bool births_ask = true;        // L3 asks the passes
  bool asks_first = true;        // and does so before it looks at the starter
  bool edges_are_shown = true;   // L1
  bool ender_waits = true;       // E3
  bool forks_come_later = true;  // T6 after T5, with a barrier
  bool fork_keeps_flag = true;   // run_fork() adds its task's flag to one that came meanwhile
  bool looks_again = false;      // T2 to T5 until they find nothing new
};

struct block {
  atomic<uint32_t> id{0};
  atomic<uint32_t> scope{0};
  atomic<uint32_t> stop{0};
  atomic<uint32_t> forked{0};
};

struct edge {
  uint32_t scope, around;
};

struct pass {
  std::set<uint32_t> inside;
  std::vector<edge> seen;
  bool knows = false;
};

class model {
 public:
  explicit model(mutation m) : mutated_(m) {}

  std::array<block, 3> blocks;
  atomic<uint32_t> fork_of{0}, fork_stop{0};  // the one fork: the block of its task, from 1

  void begin_with(block& b, uint32_t id, uint32_t scope) {
    b.scope.store(scope);
    b.id.store(id);
  }

  // launch_task() by the task in `by`: in a scope of its own, or in that which it is in itself.
  void start(block& by, block& b, uint32_t id, bool own_scope) {
    // relaxed: its own, here and below.
    const uint32_t around = by.scope.load(std::memory_order_relaxed);
    const uint32_t self = by.id.load(std::memory_order_relaxed);
    if (own_scope) add_edge({self, around});
    // relaxed: published by the id.
    b.stop.store(0, std::memory_order_relaxed);
    b.scope.store(own_scope ? self : around, std::memory_order_relaxed);
    // release: L1.
    b.id.store(id, std::memory_order_release);
    interrupted_atomics::light_barrier();  // L2
    const bool early = was_asked(by);
    if (mutated_.births_ask && asks(own_scope ? self : around))
      // relaxed: L3.
      b.stop.store(1, std::memory_order_relaxed);
    // relaxed: L3.
    if (mutated_.asks_first ? was_asked(by) : early) b.stop.store(1, std::memory_order_relaxed);
  }

  void end(block& b) {
    // release: E1.
    b.id.store(0, std::memory_order_release);
    interrupted_atomics::light_barrier();  // E2
    // relaxed: E3.
    if (mutated_.ender_waits && passes_on_.load(std::memory_order_relaxed) != 0) {
      pass_mutex_.lock();
      pass_mutex_.unlock();
    }
  }

  // What a task does that only a stop ends.
  static void wait_for_flag(atomic<uint32_t>& stop) {
    // acquire: stands for the wake.
    while (stop.load(std::memory_order_acquire) == 0) interrupted_atomics::pause();
  }

  // run_fork() for the task in a block.
  void run_fork(uint32_t at) {
    block& b = blocks[at];
    b.forked.fetch_or(1);
    // relaxed: before the fence.
    fork_of.store(at + 1, std::memory_order_relaxed);
    interrupted_atomics::fence_seq_cst();
    // relaxed: inherited.
    const uint32_t asked = b.stop.load(std::memory_order_relaxed);
    if (!mutated_.fork_keeps_flag)
      // relaxed: a mutant.
      fork_stop.store(asked, std::memory_order_relaxed);
    else if (asked != 0)
      fork_stop.fetch_or(asked);
    wait_for_flag(fork_stop);
  }

  // T2 to T6.
  void stop_inside(uint32_t scope) {
    pass self;
    births_mutex_.lock();
    auto passes = passes_.get();
    passes.push_back(&self);
    passes_.set(passes);
    births_mutex_.unlock();
    passes_on_.fetch_add(1);
    while (look(self, scope)) {
    }
    passes_on_.fetch_sub(1);
    births_mutex_.lock();
    passes = passes_.get();
    std::erase(passes, &self);
    passes_.set(passes);
    births_mutex_.unlock();
  }

 private:
  struct to_stop {
    block* b;
    uint32_t id;
  };

  static bool was_asked(const block& b) {
    // relaxed: L3, or a look.
    return b.stop.load(std::memory_order_relaxed) != 0;
  }

  void add_edge(edge e) {
    edges_lock_.lock();
    auto edges = edges_.get();
    edges.push_back(e);
    edges_.set(edges);
    const bool shown = mutated_.edges_are_shown && passes_on_.load() != 0;
    edges_lock_.unlock();
    if (!shown) return;
    births_mutex_.lock();
    for (pass* p : passes_.get()) {
      if (!p->knows)
        p->seen.push_back(e);
      else if (p->inside.contains(e.around))
        p->inside.insert(e.scope);
    }
    births_mutex_.unlock();
  }

  bool asks(uint32_t scope) {
    if (passes_on_.load() == 0) return false;
    births_mutex_.lock();
    const auto& passes = passes_.get();
    const bool asked = std::any_of(passes.begin(), passes.end(), [=](pass* p) { return p->inside.contains(scope); });
    births_mutex_.unlock();
    return asked;
  }

  // True: a mutant has to look again.
  bool look(pass& self, uint32_t scope) {
    if (mutated_.barrier) interrupted_atomics::heavy_barrier();  // T2
    std::set<uint32_t> inside{scope};
    edges_lock_.lock();
    const std::vector<edge> edges = edges_.get();
    edges_lock_.unlock();
    for (const edge& e : edges)
      if (inside.contains(e.around)) inside.insert(e.scope);
    births_mutex_.lock();  // T3
    for (const edge& e : self.seen)
      if (inside.contains(e.around)) inside.insert(e.scope);
    self.inside = inside;
    self.knows = true;
    births_mutex_.unlock();

    std::vector<to_stop> found;
    for (block& b : blocks) {  // T4
      // acquire: the scope was written before the id.
      const uint32_t id = b.id.load(std::memory_order_acquire);
      // relaxed: as above.
      if (id != 0 && inside.contains(b.scope.load(std::memory_order_relaxed))) found.push_back({&b, id});
    }
    if (!mutated_.forks_come_later) stop_forks(found);
    bool fresh = false;
    pass_mutex_.lock();
    for (const to_stop& f : found) {  // T5
      // acquire: E1.
      const bool lives = f.b->id.load(std::memory_order_acquire) == f.id;
      if (!lives || !was_asked(*f.b)) fresh = true;
      if (lives) f.b->stop.fetch_or(1);
    }
    pass_mutex_.unlock();
    if (mutated_.forks_come_later) {
      interrupted_atomics::heavy_barrier();  // T6
      stop_forks(found);
    }
    return fresh && mutated_.looks_again;
  }

  void stop_forks(const std::vector<to_stop>& found) {
    for (const to_stop& f : found) {
      if (f.b->forked.load() == 0) continue;
      // relaxed: after the barrier.
      const uint32_t of = fork_of.load(std::memory_order_relaxed);
      if (of == static_cast<uint32_t>(f.b - blocks.data()) + 1) fork_stop.fetch_or(1);
    }
  }

  const mutation mutated_;
  atomic<uint32_t> passes_on_{0};
  test::explored_spin_lock edges_lock_, pass_mutex_, births_mutex_;
  plain<std::vector<edge>> edges_;
  plain<std::vector<pass*>> passes_;
};

constexpr uint32_t root = 1;  // the scope that is stopped

// Each task starts the next in a block that the stopper may have passed already, and ends; the last one waits.
auto chain(bool own_scopes, mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    auto& [first, second, third] = s->blocks;
    s->begin_with(second, 2, root);
    x.thread([=, &first, &second, &third] {
      s->start(second, first, 3, own_scopes);
      s->end(second);
      s->start(first, third, 4, own_scopes);
      s->end(first);
      s->wait_for_flag(third.stop);
    });
    x.thread([=] { s->stop_inside(root); });
  };
}

TEST(StopScopeExploreTest, AStopCutsAChainOfTasks) { test::passes(2, 30'000, chain(false, {})); }

TEST(StopScopeExploreTest, AStopCutsAChainOfTasksWithScopesOfTheirOwn) { test::passes(2, 30'000, chain(true, {})); }

TEST(StopScopeExploreTest, WhereBirthsDoNotAskAChainSlipsPast) {
  for (const bool own : {false, true}) test::fails(3, "deadlock", chain(own, {.births_ask = false}));
}

TEST(StopScopeExploreTest, AStopThatLooksAgainAndAgainIsSlippedPastToo) {
  for (const bool own : {false, true})
    test::fails(3, "deadlock", chain(own, {.births_ask = false, .looks_again = true}));
}

TEST(StopScopeExploreTest, WithoutTheStoppersBarrierATaskIsMissed) {
  test::fails(3, "deadlock", chain(false, {.barrier = false}));
}

TEST(StopScopeExploreTest, WhereEdgesAreNotShownANewScopeIsMissed) {
  test::fails(3, "deadlock", chain(true, {.edges_are_shown = false}));
}

// The pass may be over when the starter asks, but not before the starter has its flag.
TEST(StopScopeExploreTest, AStarterThatLooksAtItselfFirstStartsATaskThatIsMissed) {
  test::fails(3, "deadlock", chain(false, {.asks_first = false}));
}

TEST(StopScopeExploreTest, StopsOfAScopeAndOfTheOneAroundItDisturbNothing) {
  test::passes(1, 30'000, [](execution& x) {
    auto s = std::make_shared<model>(mutation{});
    auto& [first, second, third] = s->blocks;
    s->begin_with(second, 2, root);
    x.thread([=, &first, &second, &third] {
      s->start(second, first, 3, true);
      s->end(second);
      s->start(first, third, 4, true);
      s->wait_for_flag(third.stop);
      s->wait_for_flag(first.stop);
    });
    x.thread([=] { s->stop_inside(root); });
    x.thread([=] { s->stop_inside(2); });
  });
}

// A block that becomes another task's, outside.
auto used_again(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    auto& [first, second, third] = s->blocks;
    s->begin_with(first, 2, root);
    s->begin_with(second, 3, 9);
    x.thread([=, &first, &second] {
      s->end(first);
      s->start(second, first, 4, false);
      s->end(second);
    });
    x.thread([=] { s->stop_inside(root); });
    x.finally([=, &first] { require(first.stop.load() == 0, "a stop reached the block's next task"); });
  };
}

TEST(StopScopeExploreTest, ABlocksNextTaskIsLeftAlone) { test::passes(3, 30'000, used_again({})); }

TEST(StopScopeExploreTest, WithoutTheEndersWaitABlocksNextTaskIsStopped) {
  test::fails(3, "next task", used_again({.ender_waits = false}));
}

auto fork_of_a_task(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    s->begin_with(s->blocks[0], 2, root);
    x.thread([=] { s->run_fork(0); });
    x.thread([=] { s->stop_inside(root); });
  };
}

TEST(StopScopeExploreTest, AForkThatBeginsMeanwhileIsStopped) { test::passes(4, 30'000, fork_of_a_task({})); }

TEST(StopScopeExploreTest, AStopThatLooksForForksBeforeItsFlagsMissesOne) {
  test::fails(3, "deadlock", fork_of_a_task({.forks_come_later = false}));
}

TEST(StopScopeExploreTest, AForkThatOverwritesItsFlagMissesAStop) {
  test::fails(3, "deadlock", fork_of_a_task({.fork_keeps_flag = false}));
}

}  // namespace
}  // namespace weft::detail
