// The timer queue fires in the order of the deadlines, neither early nor late, however far away they are.
#include "sched/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "support/seed.h"

namespace weft::sched {
namespace {

constexpr int64_t slot_ns = int64_t{1} << 20;

TEST(TimerQueueTest, AnEmptyQueueHasNoDeadline) {
  timer_queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.next_deadline_ns(), INT64_MAX);
  EXPECT_EQ(queue.pop_due(INT64_MAX), nullptr);
}

// Deadlines around the ends of slots and of the turns of each level.
TEST(TimerQueueTest, FiresInOrderAcrossTheEndsOfSlotsAndTurns) {
  std::vector<int64_t> deadlines;
  for (int64_t slots : {1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 262'143, 262'144, 262'145, 16'777'216})
    for (int64_t off : {-1, 0, 1}) deadlines.push_back(slots * slot_ns + off);
  deadlines.push_back(INT64_MAX - 1);
  std::vector<sleeper> nodes(deadlines.size());
  timer_queue queue;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    // Neither sorted nor reversed.
    nodes[i].deadline_ns = deadlines[i * 17 % deadlines.size()];
    queue.push(nodes[i]);
  }
  std::sort(deadlines.begin(), deadlines.end());
  for (const int64_t want : deadlines) {
    EXPECT_LE(queue.next_deadline_ns(), want);
    EXPECT_EQ(queue.pop_due(want - 1), nullptr);
    sleeper* fired = queue.pop_due(want);
    ASSERT_NE(fired, nullptr);
    EXPECT_EQ(fired->deadline_ns, want);
    EXPECT_EQ(fired->heap_index, timer_queue::not_queued);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(TimerQueueTest, AfterALookAtItsSlotTheDeadlineIsExact) {
  sleeper node;
  node.deadline_ns = 5 * slot_ns + 12'345;
  timer_queue queue;
  queue.push(node);
  EXPECT_EQ(queue.pop_due(5 * slot_ns), nullptr);
  EXPECT_EQ(queue.next_deadline_ns(), node.deadline_ns);
}

// A timer that was added far away does not know its place any more once its slot was distributed; it, and those that
// come to the same slots later, leave and fire as ever.
TEST(TimerQueueTest, TimersLeaveTheSlotsThatTheyWereDistributedTo) {
  constexpr int64_t turn_ns = 64 * slot_ns;
  for (const int64_t begin_ns : {3 * turn_ns, 64 * turn_ns, 2 * 64 * 64 * turn_ns}) {
    std::vector<sleeper> nodes(400);
    timer_queue queue;
    std::set<std::pair<int64_t, sleeper*>> expected;
    const auto push = [&](std::size_t i) {
      // A few in each slot, in no order.
      nodes[i].deadline_ns = begin_ns + static_cast<int64_t>(i * 37 % 100) * slot_ns + static_cast<int64_t>(i * 7'919);
      queue.push(nodes[i]);
      expected.emplace(nodes[i].deadline_ns, &nodes[i]);
    };
    const auto remove = [&](std::size_t i) {
      queue.remove(nodes[i]);
      EXPECT_EQ(nodes[i].heap_index, timer_queue::not_queued);
      expected.erase({nodes[i].deadline_ns, &nodes[i]});
    };
    for (std::size_t i = 0; i < 300; ++i) push(i);
    EXPECT_EQ(queue.pop_due(begin_ns - 1), nullptr);
    EXPECT_EQ(queue.pop_due(begin_ns), &nodes[0]) << "and distributes them";
    expected.erase({begin_ns, &nodes[0]});
    for (std::size_t i = 300; i < 400; ++i) push(i);
    for (std::size_t i = 2; i < 400; i += 3) remove(i);
    ASSERT_EQ(queue.size(), expected.size());
    while (!expected.empty()) {
      const auto [deadline, node] = *expected.begin();
      ASSERT_EQ(queue.pop_due(deadline - 1), nullptr);
      ASSERT_EQ(queue.pop_due(deadline), node);
      expected.erase(expected.begin());
      // One of the others, which may be in the open slot by now.
      if (!expected.empty() && expected.size() % 2 == 0)
        remove(static_cast<std::size_t>(std::prev(expected.end())->second - nodes.data()));
    }
    EXPECT_TRUE(queue.empty());
  }
}

TEST(TimerQueueTest, TimersLeaveTheOpenSlotAndTheNextDeadlineIsExact) {
  std::vector<sleeper> nodes(100);
  timer_queue queue;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].deadline_ns = 5 * slot_ns + static_cast<int64_t>(1 + i * 37 % nodes.size()) * 100;
    queue.push(nodes[i]);
  }
  EXPECT_EQ(queue.pop_due(5 * slot_ns), nullptr) << "and opens the slot";
  std::vector<sleeper*> sorted;
  for (sleeper& n : nodes) sorted.push_back(&n);
  std::sort(sorted.begin(), sorted.end(), [](sleeper* a, sleeper* b) { return a->deadline_ns < b->deadline_ns; });
  // The last, the first, one in the middle; and one that comes while the slot is open.
  for (const std::size_t i : {99, 0, 50, 1}) queue.remove(*sorted[i]);
  EXPECT_EQ(queue.next_deadline_ns(), sorted[2]->deadline_ns);
  queue.push(*sorted[1]);
  EXPECT_EQ(queue.next_deadline_ns(), sorted[1]->deadline_ns);
  for (std::size_t i = 1; i < 99; ++i) {
    if (i != 50) {
      ASSERT_EQ(queue.pop_due(6 * slot_ns), sorted[i]);
    }
  }
  EXPECT_EQ(queue.pop_due(6 * slot_ns), nullptr);
  EXPECT_TRUE(queue.empty());
}

// The crowd decides how long a timer may be kept waiting for the others.
TEST(TimerQueueTest, ATimerWithoutOthersNearbyIsNoCrowd) {
  for (const int64_t distance : {int64_t{1}, slot_ns / 2, slot_ns, 5 * slot_ns, 70 * slot_ns, 5000 * slot_ns}) {
    sleeper one;
    sleeper far;
    one.deadline_ns = 1000 * slot_ns + distance;
    far.deadline_ns = one.deadline_ns + 10 * slot_ns;
    timer_queue queue;
    EXPECT_EQ(queue.crowd(), 0u);
    queue.push(one);
    EXPECT_LE(queue.crowd(), 1u);
    queue.push(far);
    EXPECT_LE(queue.crowd(), 1u);
    EXPECT_EQ(queue.pop_due(one.deadline_ns - 1), nullptr);
    EXPECT_EQ(queue.crowd(), 1u) << "once its slot is open";
    EXPECT_EQ(queue.pop_due(one.deadline_ns), &one);
    EXPECT_LE(queue.crowd(), 1u);
  }
}

TEST(TimerQueueTest, TimersThatAreDueInOneSlotAndTheNextAreACrowd) {
  std::vector<sleeper> nodes(100);
  timer_queue queue;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].deadline_ns = 6 * slot_ns + static_cast<int64_t>(i % 2) * slot_ns + static_cast<int64_t>(i);
    queue.push(nodes[i]);
  }
  EXPECT_EQ(queue.crowd(), nodes.size());
  EXPECT_EQ(queue.pop_due(6 * slot_ns), &nodes[0]);
  EXPECT_EQ(queue.crowd(), nodes.size() - 1);
  for (std::size_t i = 1; i < nodes.size(); i += 2) queue.remove(nodes[i]);
  EXPECT_EQ(queue.crowd(), nodes.size() / 2 - 1);
}

// Against a sorted set: timers of all distances come, leave early and fire, while time goes on in small and large
// steps.
TEST(TimerQueueTest, AgreesWithASortedSet) {
  for (uint64_t round = 0; round < 20; ++round) {
    std::mt19937_64 random(test::seed_or(1) + round);
    const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
    std::vector<sleeper> nodes(300);
    std::vector<sleeper*> unused;
    for (sleeper& n : nodes) unused.push_back(&n);
    std::set<std::pair<int64_t, sleeper*>> expected;
    timer_queue queue;
    int64_t now = below(uint64_t{1} << 40);
    for (int step = 0; step < 20'000; ++step) {
      const int64_t what = below(10);
      if (what < 5 && !unused.empty()) {
        sleeper* n = unused.back();
        unused.pop_back();
        n->deadline_ns = now + below(uint64_t{1} << below(45)) - (below(8) == 0 ? slot_ns : 0);
        queue.push(*n);
        expected.emplace(n->deadline_ns, n);
      } else if (what < 7 && !expected.empty()) {
        auto at = expected.begin();
        std::advance(at, below(expected.size()));
        queue.remove(*at->second);
        EXPECT_EQ(at->second->heap_index, timer_queue::not_queued);
        unused.push_back(at->second);
        expected.erase(at);
      } else {
        now += below(uint64_t{1} << below(42));
        while (!expected.empty() && expected.begin()->first <= now) {
          sleeper* fired = queue.pop_due(now);
          ASSERT_NE(fired, nullptr);
          ASSERT_EQ(fired->deadline_ns, expected.begin()->first);
          expected.erase({fired->deadline_ns, fired});
          unused.push_back(fired);
        }
        ASSERT_EQ(queue.pop_due(now), nullptr);
      }
      ASSERT_EQ(queue.size(), expected.size());
      if (expected.empty())
        ASSERT_EQ(queue.next_deadline_ns(), INT64_MAX);
      else
        ASSERT_LE(queue.next_deadline_ns(), expected.begin()->first);
    }
  }
}

}  // namespace
}  // namespace weft::sched
