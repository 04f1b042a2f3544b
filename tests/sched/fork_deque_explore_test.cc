// [fork] of fork_deque.h under every interleaving: each fork is taken back by its owner or stolen, never both, never
// lost.
#include <weft/detail/fork_deque.h>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::explored_item;
using test::require;

constexpr auto unheard = [](explored_item*) {};

template <std::size_t Items, class Atomics = explored_atomics, uint32_t Capacity = 2>
struct state {
  fork_deque<explored_item, Atomics> deque{Capacity};
  std::array<explored_item, Items> items;

  void push(std::size_t i) {
    items[i].make();
    deque.push(&items[i], unheard);
  }

  /// As at the end of a forked child: the item is the newest, or it was stolen.
  bool pop(std::size_t i) {
    if (!deque.pop(&items[i], unheard)) return false;
    items[i].take();
    return true;
  }

  void steal() {
    if (explored_item* item = deque.steal()) item->take();
  }

  void none_is_left() {
    deque.publish_all(unheard);
    while (explored_item* item = deque.steal()) item->take();
    for (const explored_item& item : items) require(item.was_taken(), "a fork was lost");
  }
};

// Push, then pop from the newest on until one is gone: a join with four children.
template <std::size_t Items, class Atomics, uint32_t Capacity = 2>
auto one_join(int thieves, int steals) {
  return [=](execution& x) {
    auto s = std::make_shared<state<Items, Atomics, Capacity>>();
    x.thread([=] {
      for (std::size_t i = 0; i < Items; ++i) s->push(i);
      std::size_t i = Items;
      while (i > 0 && s->pop(i - 1)) --i;
      // The rest was stolen, or is about to be: thieves take the oldest first.
    });
    for (int thief = 0; thief < thieves; ++thief)
      x.thread([=] {
        for (int i = 0; i < steals; ++i) s->steal();
      });
    x.finally([=] { s->none_is_left(); });
  };
}

TEST(ForkDequeExploreTest, OwnerAndThiefTakeEachForkOnce) {
  test::passes(3, 10'000, one_join<3, explored_atomics>(1, 2));
}

TEST(ForkDequeExploreTest, OwnerAndTwoThievesTakeEachForkOnce) {
  test::passes(2, 10'000, one_join<3, explored_atomics, 4>(2, 2));
}

TEST(ForkDequeExploreTest, WithoutItsOrdersAForkArrivesBeforeItsContents) {
  test::fails(3, "race", one_join<3, test::unordered_atomics>(1, 2));
}

/// Mutant: a compare-exchange compares, and writes later.
template <class T>
class torn_atomic : public test::explored_atomic<T> {
 public:
  using test::explored_atomic<T>::explored_atomic;
  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    const T now = this->load(failure);
    if (now != expected) return false;
    this->store(desired, success);
    return true;
  }
};

struct torn_atomics : explored_atomics {
  template <class T>
  using atomic = torn_atomic<T>;
};

TEST(ForkDequeExploreTest, WithoutAnAtomicTakeBothTakeAFork) {
  test::fails(3, "race", one_join<3, torn_atomics>(1, 2));
}

// The last public fork leaves by moving `top`, so a thief that read the word before fails when the slot is used again.
template <class Atomics>
void last_one_again_and_again(execution& x) {
  auto s = std::make_shared<state<3, Atomics>>();
  x.thread([=] {
    for (std::size_t i = 0; i < 3; ++i) {
      s->push(i);
      s->pop(i);
    }
  });
  x.thread([=] {
    for (int i = 0; i < 2; ++i) s->steal();
  });
  x.finally([=] { s->none_is_left(); });
}

TEST(ForkDequeExploreTest, TheLastForksSlotIsReusedUnderAThiefsEyes) {
  test::passes(4, 10'000, last_one_again_and_again<explored_atomics>);
}

TEST(ForkDequeExploreTest, AThiefFollowsTheOwnerIntoABiggerBuffer) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4>>();
    x.thread([=] {
      s->push(0);
      s->push(1);
      s->push(2);  // grows from 2 to 4 unless the thief made room
      s->pop(2);
      s->push(3);
    });
    x.thread([=] {
      for (int i = 0; i < 2; ++i) s->steal();
    });
    x.finally([=] { s->none_is_left(); });
  });
}

// The strand parks: all that it forked is offered, and each goes to one of two thieves or back to the processor.
TEST(ForkDequeExploreTest, WhatAParkingStrandLeavesIsTakenOnce) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state<3, explored_atomics, 4>>();
    x.thread([=] {
      for (std::size_t i = 0; i < 3; ++i) s->push(i);
      s->deque.publish_all(unheard);
      require(!s->deque.has_private(), "a fork was kept back");
      s->steal();
    });
    for (int thief = 0; thief < 2; ++thief) x.thread([=] { s->steal(); });
    x.finally([=] { s->none_is_left(); });
  });
}

// Another strand's leftovers lie below: its forks are not mistaken for the running strand's own.
TEST(ForkDequeExploreTest, PopTakesOnlyTheForkThatIsExpected) {
  test::passes(4, 10'000, [](execution& x) {
    auto s = std::make_shared<state<3>>();
    x.thread([=] {
      s->push(0);
      s->deque.publish_all(unheard);  // the first strand parks
      s->push(1);
      s->push(2);
      s->pop(2);
      s->pop(1);
      require(!s->pop(1), "a fork was taken back twice");
      require(!s->deque.has_private(), "a fork of the second strand is left");
    });
    x.thread([=] { s->steal(); });
    x.finally([=] { s->none_is_left(); });
  });
}

// A thief that finds nothing asks; the owner's next push or pop answers with half of what it keeps.
TEST(ForkDequeExploreTest, AThiefThatFindsNothingIsAnswered) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4, explored_atomics, 4>>();
    auto asked = std::make_shared<explored_atomics::atomic<int>>(0);
    x.thread([=] {
      for (std::size_t i = 0; i < 3; ++i) s->push(i);
      while (asked->load() == 0) explored_atomics::pause();
      s->push(3);
      require(s->deque.public_size() != 0, "a thief's request was not answered");
    });
    x.thread([=] {
      for (int i = 0; i < 2; ++i) s->steal();  // the first one asks for more, the second one perhaps
      asked->store(1);
    });
    x.finally([=] { s->none_is_left(); });
  });
}

}  // namespace
}  // namespace weft::detail
