// [inbox] of inbox.h under every interleaving: whoever takes, takes all, oldest first, and each strand goes to one
// taker.
#include "sched/inbox.h"

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

template <std::size_t Items, class Atomics>
struct state {
  inbox<explored_item, Atomics> mail;
  std::array<explored_item, Items> items;
  int found_empty = 0;  // pushes that said so; the threads are fibers of one
  int batches = 0;

  void push(std::size_t i) {
    items[i].make();
    if (mail.push(&items[i])) ++found_empty;
  }

  void take_all() {
    explored_item* item = mail.take_all();
    if (item != nullptr) ++batches;
    for (const explored_item* last_of[2] = {}; item != nullptr;) {
      explored_item* next = item->next;
      const explored_item*& last = last_of[static_cast<std::size_t>(item - items.data()) * 2 / Items];
      require(last < item, "a later item of the same producer came first");
      last = item;
      item->take();
      item = next;
    }
  }

  void none_is_left() {
    take_all();
    for (const explored_item& item : items) require(item.was_taken(), "an item was lost");
    require(found_empty == batches, "not every batch was announced by exactly one push");
  }
};

template <class Atomics>
void producers_and_takers(execution& x) {
  auto s = std::make_shared<state<4, Atomics>>();
  for (std::size_t producer = 0; producer < 2; ++producer)
    x.thread([=] {
      s->push(producer * 2);
      s->push(producer * 2 + 1);
    });
  x.thread([=] {
    for (int i = 0; i < 2; ++i) s->take_all();
  });
  x.thread([=] { s->take_all(); });
  x.finally([=] { s->none_is_left(); });
}

TEST(InboxExploreTest, EachItemGoesToOneTakerInOrder) {
  test::passes(3, 10'000, producers_and_takers<explored_atomics>);
}

TEST(InboxExploreTest, WithoutItsOrdersAnItemArrivesBeforeItsContents) {
  test::fails(2, "race", producers_and_takers<test::unordered_atomics>);
}

// A strand that was taken, ran and is pushed again while a producer still holds the old head.
TEST(InboxExploreTest, AnItemThatComesBackDoesNotBreakTheChain) {
  test::passes(-1, 10'000, [](execution& x) {
    auto s = std::make_shared<state<2, explored_atomics>>();
    x.thread([=] {
      s->push(0);
      s->take_all();
      if (s->items[0].was_taken()) s->push(0);
    });
    x.thread([=] { s->push(1); });
    x.finally([=] { s->none_is_left(); });
  });
}

}  // namespace
}  // namespace weft::sched
