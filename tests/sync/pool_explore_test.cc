// [batches] of batch_stack.h under every interleaving: each node comes to exactly one taker, and nobody looks at a node
// that is another's.
#include <weft/detail/batch_stack.h>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::explored_item;
using test::require;

// The head of a batch of one node, under the race detector: a read of one that a taker has is a race.
struct node : explored_item {
  test::plain<uint32_t> total{0};
  void set_total(uint32_t n) { total.set(n); }

  class batch_link {
   public:
    batch_link& operator=(node* to) {
      to_.set(to);
      return *this;
    }
    operator node*() const { return to_.get(); }

   private:
    test::plain<node*> to_{nullptr};
  };
  batch_link next_batch;
};

template <class Atomics, class Stack = batch_stack<node, Atomics>, std::size_t Nodes = 4>
struct state {
  std::array<Stack, 2> stacks;  // of two owners
  std::array<node, Nodes> nodes;

  void push(std::size_t owner, std::size_t i) {
    nodes[i].make();
    stacks[owner].push(&nodes[i], 1);
  }

  // Uses a chain and forgets it, as if its memory were freed.
  uint32_t use(node* chain) {
    uint32_t count = 0;
    const uint32_t total = chain != nullptr ? chain->total.get() : 0;
    while (chain != nullptr) {
      node* next = chain->next_batch;
      chain->take();
      chain->next_batch = nullptr;
      chain->set_total(0);
      chain = next;
      ++count;
    }
    require(count == total, "the head of the chain does not know how long it is");
    return count;
  }

  void take(std::size_t from) { use(stacks[from].take_all()); }

  // A get of `owner`, whose own stack is empty, from `from`: uses the first batch, and owns the rest from then on.
  void get(std::size_t owner, std::size_t from) {
    node* first = stacks[from].take_all();
    if (first == nullptr) return;
    if (node* rest = first->next_batch) stacks[owner].put_back(rest, rest->total.get());
    first->next_batch = nullptr;
    first->set_total(1);
    use(first);
  }

  void all_are_taken() {
    take(0);
    take(1);
    for (const node& n : nodes) require(n.was_taken(), "a node was lost");
  }
};

template <class Atomics, class Stack = batch_stack<node, Atomics>>
void an_owner_and_two_takers(execution& x) {
  auto s = std::make_shared<state<Atomics, Stack>>();
  x.thread([=] {
    for (std::size_t i = 0; i < 4; ++i) s->push(0, i);
  });
  for (int taker = 0; taker < 2; ++taker) x.thread([=] { s->take(0); });
  x.finally([=] { s->all_are_taken(); });
}

TEST(PoolExploreTest, EachBatchComesToOneTaker) { test::passes(3, 10'000, an_owner_and_two_takers<explored_atomics>); }

TEST(PoolExploreTest, WithoutOrderATakerSeesABatchBeforeItIsComplete) {
  test::fails(2, "race", an_owner_and_two_takers<test::unordered_atomics>);
}

// A mutant: B3 in every case. Who takes between B1 and B3 gets what is linked once more.
class push_without_compare {
 public:
  void push(node* batch, uint32_t count) noexcept {
    // relaxed: as B1.
    node* top = top_.load(std::memory_order_relaxed);
    batch->next_batch = top;
    batch->set_total(total_ = (top != nullptr ? total_ : 0) + count);
    // release: as B3.
    top_.store(batch, std::memory_order_release);
  }
  // acquire: as T2.
  node* take_all() noexcept { return top_.exchange(nullptr, std::memory_order_acquire); }
  void put_back(node*, uint32_t) noexcept {}

 private:
  explored_atomics::atomic<node*> top_{nullptr};
  uint32_t total_ = 0;
};

TEST(PoolExploreTest, WithoutTheCompareABatchIsTakenTwice) {
  test::fails(2, "", an_owner_and_two_takers<explored_atomics, push_without_compare>);
}

TEST(PoolExploreTest, TheOwnerTakesBackAndStoresTheRestWhileOthersTake) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<explored_atomics>>();
    x.thread([=] {
      for (std::size_t i = 0; i < 3; ++i) s->push(0, i);
      s->get(0, 0);
      s->push(0, 3);
    });
    for (int taker = 0; taker < 2; ++taker) x.thread([=] { s->take(0); });
    x.finally([=] { s->all_are_taken(); });
  });
}

TEST(PoolExploreTest, TwoOwnersStealFromEachOther) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<explored_atomics>>();
    for (std::size_t me = 0; me < 2; ++me)
      x.thread([=] {
        s->push(me, me * 2);
        s->push(me, me * 2 + 1);
        s->take(me);
        s->get(me, 1 - me);
      });
    x.finally([=] { s->all_are_taken(); });
  });
}

// What is cleared waits in a stack of groups (pool_core.cc) that the owner, at its pass, and anybody who clears push
// to, and that a cleaner takes whole.
template <class Atomics>
struct clearing {
  struct group : node {
    test::plain<group*> next_group{nullptr};
  };
  batch_stack<node, Atomics> open;
  typename Atomics::template atomic<group*> waste{nullptr};
  std::array<group, 3> nodes;

  void push(std::size_t i) {
    nodes[i].make();
    open.push(&nodes[i], 1);
  }
  void clear() {
    auto* old = static_cast<group*>(open.take_all());
    if (old == nullptr) return;
    // relaxed: only linked to.
    group* groups = waste.load(std::memory_order_relaxed);
    do {
      old->next_group.set(groups);
      // release: pairs with the exchange in clean(). relaxed on failure: tried again.
    } while (!waste.compare_exchange_weak(groups, old, std::memory_order_release, std::memory_order_relaxed));
  }
  void clean() {
    // acquire: pairs with the CAS in clear().
    for (group* g = waste.exchange(nullptr, std::memory_order_acquire); g != nullptr;) {
      group* const next = g->next_group.get();
      for (node* n = g; n != nullptr;) {
        node* const below = n->next_batch;
        n->take();
        n = below;
      }
      g = next;
    }
  }
};

template <class Atomics>
void an_owner_somebody_who_clears_and_a_cleaner(execution& x) {
  auto s = std::make_shared<clearing<Atomics>>();
  x.thread([=] {
    s->push(0);
    s->push(1);
    s->clear();
    s->push(2);
  });
  x.thread([=] { s->clear(); });
  x.thread([=] { s->clean(); });
  x.finally([=] {
    s->clear();
    s->clean();
    for (const node& n : s->nodes) require(n.was_taken(), "a node was lost");
  });
}

TEST(PoolExploreTest, WhatIsClearedIsDestroyedOnceWhoeverClearsIt) {
  test::passes(3, 10'000, an_owner_somebody_who_clears_and_a_cleaner<explored_atomics>);
}

TEST(PoolExploreTest, WithoutOrderACleanerSeesAGroupBeforeItIsComplete) {
  test::fails(2, "race", an_owner_somebody_who_clears_and_a_cleaner<test::unordered_atomics>);
}

}  // namespace
}  // namespace weft::detail
