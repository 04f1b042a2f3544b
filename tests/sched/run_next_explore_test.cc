// [run-next] of run_next.h under every interleaving: owner and thief are never in the slot together.
#include "sched/run_next.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "support/explored_protocol.h"

namespace weft::sched {
namespace {

using test::execution;
using test::explored_atomics;
using test::explored_item;
using test::require;

/// Mutant: the thief does not pass its barrier, T3.
struct without_heavy_barrier : explored_atomics {
  static void heavy_barrier() noexcept {}
};

template <std::size_t Items, class Atomics>
struct state {
  run_next_slot<explored_item, Atomics> slot;
  std::array<explored_item, Items> items;

  void put_all() {
    for (explored_item& item : items) {
      item.make();
      if (explored_item* displaced = slot.put(&item)) displaced->take();
    }
  }

  void steal() {
    if (explored_item* seen = slot.peek())
      if (slot.steal(seen)) seen->take();
  }

  void none_is_left() {
    if (explored_item* item = slot.take()) item->take();
    for (const explored_item& item : items) require(item.was_taken(), "an item was lost");
  }
};

template <class Atomics>
void owner_and_thief(execution& x) {
  auto s = std::make_shared<state<2, Atomics>>();
  x.thread([=] {
    s->put_all();
    if (explored_item* item = s->slot.take()) item->take();
  });
  x.thread([=] {
    for (int i = 0; i < 2; ++i) s->steal();
  });
  x.finally([=] { s->none_is_left(); });
}

TEST(RunNextExploreTest, OwnerAndThiefTakeEachItemOnce) { test::passes(3, 10'000, owner_and_thief<explored_atomics>); }

TEST(RunNextExploreTest, WithoutTheThiefsBarrierBothAreInside) {
  test::fails(3, "race", owner_and_thief<without_heavy_barrier>);
}

TEST(RunNextExploreTest, WithoutItsOrdersAnItemArrivesBeforeItsContents) {
  test::fails(3, "race", owner_and_thief<test::unordered_atomics>);
}

TEST(RunNextExploreTest, TwoThievesAndTheOwnerTakeEachItemOnce) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state<2, explored_atomics>>();
    x.thread([=] { s->put_all(); });
    for (int thief = 0; thief < 2; ++thief) x.thread([=] { s->steal(); });
    x.finally([=] { s->none_is_left(); });
  });
}

// The address of a strand that left and came back is no reason to give up, nor to take it twice.
TEST(RunNextExploreTest, AnItemThatComesBackIsTakenOnceEachTime) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state<1, explored_atomics>>();
    x.thread([=] {
      for (int i = 0; i < 2; ++i) {
        s->items[0].make();
        require(s->slot.put(&s->items[0]) == nullptr, "the slot was not empty");
        explored_item* item = s->slot.take();
        if (item == nullptr) return;
        item->take();
      }
    });
    x.thread([=] { s->steal(); });
    x.finally([=] { s->none_is_left(); });
  });
}

}  // namespace
}  // namespace weft::sched
