// [ring] of run_queue.h under every interleaving: each strand is taken exactly once, whole, and none is left behind.
#include "sched/run_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>

#include "support/explored_protocol.h"

namespace weft::sched {
namespace {

using test::execution;
using test::explored_atomics;
using test::explored_item;
using test::require;

template <uint32_t Capacity, std::size_t Items, class Atomics = explored_atomics>
struct state {
  run_queue<explored_item, Capacity, Atomics> queue;
  std::array<explored_item, Items> items;

  void steal() {
    // The room that steal() asks for, and one more that it must leave alone.
    std::array<explored_item*, Capacity / 2 + 2> out{};
    const uint32_t n = queue.steal(out.data());
    require(n <= Capacity / 2 + 1, "more was stolen than there is room for");
    require(out.back() == nullptr, "steal() wrote beyond its room");
    for (uint32_t i = 0; i < n; ++i) out[i]->take();
  }

  void take_rest() {
    while (explored_item* item = queue.pop()) item->take();
  }

  void none_is_left() {
    take_rest();
    for (const explored_item& item : items) require(item.was_taken(), "an item was lost");
  }
};

// The owner pops to make room, two thieves steal meanwhile.
template <class Atomics>
void owner_and_two_thieves(execution& x) {
  auto s = std::make_shared<state<2, 4, Atomics>>();
  x.thread([=] {
    for (explored_item& item : s->items) {
      item.make();
      while (!s->queue.push(&item))
        if (explored_item* oldest = s->queue.pop()) oldest->take();
    }
  });
  for (int thief = 0; thief < 2; ++thief) x.thread([=] { s->steal(); });
  x.finally([=] { s->none_is_left(); });
}

TEST(RunQueueExploreTest, OwnerAndThievesTakeEachItemOnce) {
  test::passes(2, 10'000, owner_and_two_thieves<explored_atomics>);
}

TEST(RunQueueExploreTest, WithoutItsOrdersAnItemArrivesBeforeItsContents) {
  test::fails(2, "race", owner_and_two_thieves<test::unordered_atomics>);
}

TEST(RunQueueExploreTest, AFullRingGivesHalfAwayAgainstAThief) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4, 6>>();
    x.thread([=] {
      for (explored_item& item : s->items) {
        item.make();
        while (!s->queue.push(&item)) {
          std::array<explored_item*, 3> half;
          const uint32_t n = s->queue.take_half(half.data());
          for (uint32_t i = 0; i < n; ++i) half[i]->take();
        }
      }
    });
    x.thread([=] {
      for (int i = 0; i < 2; ++i) s->steal();
    });
    x.finally([=] { s->none_is_left(); });
  });
}

// A thief that slept between its looks at head and tail sees a difference of up to twice the capacity.
TEST(RunQueueExploreTest, AThiefThatSleptThroughAWholeTurnKeepsWithinItsRoom) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4, 8>>();
    x.thread([=] {
      for (std::size_t i = 0; i < s->items.size(); ++i) {
        if (i >= 4)
          if (explored_item* oldest = s->queue.pop()) oldest->take();
        s->items[i].make();
        require(s->queue.push(&s->items[i]), "the ring is full after a pop");
      }
    });
    x.thread([=] { s->steal(); });
    x.finally([=] { s->none_is_left(); });
  });
}

TEST(RunQueueExploreTest, ItemsLeaveInTheOrderInWhichTheyCame) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4, 4>>();
    x.thread([=] {
      for (explored_item& item : s->items) {
        item.make();
        require(s->queue.push(&item), "the ring is full");
      }
    });
    x.thread([=] {
      const explored_item* last = nullptr;
      std::array<explored_item*, 4> out;
      for (int i = 0; i < 2; ++i) {
        const uint32_t n = s->queue.steal(out.data());
        for (uint32_t k = 0; k < n; ++k) {
          require(last < out[k], "a later item was taken first");
          last = out[k];
          out[k]->take();
        }
      }
    });
    x.finally([=] { s->none_is_left(); });
  });
}

TEST(RunQueueExploreTest, WhoTakesAllAndTheOwnerShareNothing) {
  test::passes(3, 10'000, [](execution& x) {
    auto s = std::make_shared<state<4, 3>>();
    x.thread([=] {
      for (explored_item& item : s->items) {
        item.make();
        require(s->queue.push(&item), "the ring is full");
      }
      if (explored_item* item = s->queue.pop()) item->take();
    });
    x.thread([=] {
      std::array<explored_item*, 4> out;
      const uint32_t n = s->queue.take_all(out.data());
      for (uint32_t i = 0; i < n; ++i) out[i]->take();
    });
    x.finally([=] { s->none_is_left(); });
  });
}

// One that nobody steals from: around its end several times, with what take_half() makes room for.
TEST(RunQueueTest, AnOwnerAloneTakesInOrder) {
  run_queue<int, 4> queue(true, false);
  std::array<int, 100> items{};
  std::size_t pushed = 0;
  std::size_t taken = 0;
  while (pushed < items.size()) {
    while (pushed < items.size() && queue.push(&items[pushed])) ++pushed;
    if (pushed % 3 == 0) {
      std::array<int*, 4> half{};
      const uint32_t n = queue.take_half(half.data());
      for (uint32_t i = 0; i < n; ++i) EXPECT_EQ(half[i], &items[taken++]);
    }
    for (int i = 0; i < 2; ++i) EXPECT_EQ(queue.pop(), &items[taken++]);
    EXPECT_EQ(queue.size(), pushed - taken);
  }
  while (int* item = queue.pop()) EXPECT_EQ(item, &items[taken++]);
  EXPECT_EQ(taken, items.size());
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace weft::sched
