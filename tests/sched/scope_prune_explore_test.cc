// [scope-prune] of stop.h under every interleaving: a scope with living tasks inside keeps its way up to the root.
//
// A model: the blocks of a few tasks, a worker whose tasks start others and end, and the pruner.
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

// What a mutant leaves out.
struct mutation {
  bool barrier = true;           // Q1
  bool notes_birth = true;       // N1
  bool notes_around = true;      // L1, the scope around the new one
  bool reads_notes_last = true;  // Q4 after Q3
};

struct block {
  atomic<uint32_t> id{0};
  atomic<uint32_t> scope{0};
  atomic<uint32_t> started{0};
};

struct edge {
  uint32_t scope, around;
  bool operator==(const edge&) const = default;
};

class model {
 public:
  explicit model(mutation m) : mutated_(m) {}

  std::array<block, 4> blocks;

  void begin_with(block& b, uint32_t id, uint32_t scope) {
    b.scope.store(scope);
    b.id.store(id);
  }

  // launch_task() by the task in `by`: in a scope of its own, or in that which it is in itself.
  void start(block& by, block& b, uint32_t id, bool own_scope) {
    // relaxed: its own, here and below.
    const uint32_t around = by.scope.load(std::memory_order_relaxed);
    const uint32_t self = by.id.load(std::memory_order_relaxed);
    const uint32_t scope = own_scope ? self : around;
    if (own_scope && by.started.exchange(1) == 0) add_edge({self, around});
    // relaxed: published by the id.
    b.started.store(0, std::memory_order_relaxed);
    b.scope.store(scope, std::memory_order_relaxed);
    // release: L1.
    b.id.store(id, std::memory_order_release);
    interrupted_atomics::light_barrier();  // L2
    if (mutated_.notes_birth && prunes_.load() != 0) note(scope);
  }

  void end(block& b) {
    // release: E1.
    b.id.store(0, std::memory_order_release);
  }

  // Q1 to Q6.
  void prune() {
    prunes_.store(1);
    if (mutated_.barrier) interrupted_atomics::heavy_barrier();  // Q1
    edges_lock_.lock();
    std::vector<edge> edges = edges_.get();  // Q2
    edges_lock_.unlock();
    std::set<uint32_t> used;
    if (!mutated_.reads_notes_last) read_notes(used);
    for (block& b : blocks) {  // Q3
      // acquire: the scope was written before the id.
      const uint32_t id = b.id.load(std::memory_order_acquire);
      if (id == 0) continue;
      // relaxed: as above.
      used.insert(b.scope.load(std::memory_order_relaxed));
      // relaxed: set before its edge came.
      if (b.started.load(std::memory_order_relaxed) != 0) used.insert(id);
    }
    if (mutated_.reads_notes_last) read_notes(used);  // Q4
    std::sort(edges.begin(), edges.end(), [](const edge& a, const edge& b) { return a.scope > b.scope; });
    std::set<uint32_t> unused;
    for (const edge& e : edges) {  // Q5
      if (used.contains(e.scope))
        used.insert(e.around);
      else
        unused.insert(e.scope);
    }
    edges_lock_.lock();
    auto left = edges_.get();
    std::erase_if(left, [&](const edge& e) { return unused.contains(e.scope); });
    edges_.set(left);
    edges_lock_.unlock();
    prunes_.store(0);  // Q6
  }

  bool has_edge(edge e) const {
    const std::vector<edge>& edges = edges_.get();
    return std::find(edges.begin(), edges.end(), e) != edges.end();
  }

 private:
  void add_edge(edge e) {
    edges_lock_.lock();
    auto edges = edges_.get();
    edges.push_back(e);
    edges_.set(edges);
    if (prunes_.load() != 0) {
      note(e.scope);
      if (mutated_.notes_around) note(e.around);
    }
    edges_lock_.unlock();
  }

  void note(uint32_t scope) {
    noted_lock_.lock();
    auto noted = noted_.get();
    noted.push_back(scope);
    noted_.set(noted);
    noted_lock_.unlock();
  }

  void read_notes(std::set<uint32_t>& used) {
    noted_lock_.lock();
    used.insert(noted_.get().begin(), noted_.get().end());
    noted_lock_.unlock();
  }

  const mutation mutated_;
  atomic<uint32_t> prunes_{0};
  test::explored_spin_lock edges_lock_, noted_lock_;
  plain<std::vector<edge>> edges_;
  plain<std::vector<uint32_t>> noted_;
};

// Each task starts the next, in a block that the pruner may have passed already, and ends. The last one lives on.
auto chain(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    auto& [first, second, third, fourth] = s->blocks;
    s->begin_with(third, 2, 1);
    x.thread([=, &first, &second, &third] {
      s->start(third, second, 3, true);
      s->end(third);
      s->start(second, first, 4, true);
      s->end(second);
    });
    x.thread([=] { s->prune(); });
    x.finally([=] {
      require(s->has_edge({3, 2}) && s->has_edge({2, 1}), "a scope was forgotten that has a living task inside");
    });
  };
}

TEST(ScopePruneExploreTest, AChainsScopesAreKept) { test::passes(2, 30'000, chain({})); }

TEST(ScopePruneExploreTest, WithoutThePrunersBarrierAScopeIsForgotten) {
  test::fails(3, "forgotten", chain({.barrier = false}));
}

TEST(ScopePruneExploreTest, WhereBirthsAreNotNotedAScopeIsForgotten) {
  test::fails(3, "forgotten", chain({.notes_birth = false}));
}

TEST(ScopePruneExploreTest, NotesThatAreReadBeforeTheTasksMissAScope) {
  test::fails(3, "forgotten", chain({.reads_notes_last = false}));
}

// A task in scope 2, whose own task has ended, starts one in a scope of its own; the edge comes after the copy.
auto late_edge(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    auto& [first, second, third, fourth] = s->blocks;
    s->begin_with(second, 2, 1);
    s->start(second, third, 3, true);
    s->end(second);
    x.thread([=, &first, &third] {
      s->start(third, first, 4, true);
      s->end(third);
    });
    x.thread([=] { s->prune(); });
    x.finally([=] {
      require(s->has_edge({3, 2}) && s->has_edge({2, 1}), "a scope was forgotten that has a living task inside");
    });
  };
}

TEST(ScopePruneExploreTest, AnEdgeThatComesMeanwhileKeepsTheScopeAroundIt) { test::passes(2, 30'000, late_edge({})); }

TEST(ScopePruneExploreTest, WhereTheScopeAroundANewOneIsNotNotedItIsForgotten) {
  test::fails(3, "forgotten", late_edge({.notes_around = false}));
}

// What has no tasks is forgotten.
TEST(ScopePruneExploreTest, AScopeWithoutTasksIsForgotten) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<model>(mutation{});
    auto& [first, second, third, fourth] = s->blocks;
    s->begin_with(first, 2, 1);
    s->start(first, second, 3, true);
    s->end(second);
    s->end(first);
    s->begin_with(third, 4, 1);
    x.thread([=, &third, &fourth] { s->start(third, fourth, 5, true); });
    x.thread([=] { s->prune(); });
    x.finally([=] { require(!s->has_edge({2, 1}) && s->has_edge({4, 1}), "an unused scope was kept"); });
  });
}

}  // namespace
}  // namespace weft::detail
