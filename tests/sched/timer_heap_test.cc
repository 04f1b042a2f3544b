// The timer heap gives its nodes back in the order of their deadlines and lets any of them leave early.
#include "sched/timer_heap.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace weft::sched {
namespace {

TEST(TimerHeapTest, AnEmptyHeapHasNoDeadline) {
  timer_heap heap;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.size(), 0u);
  EXPECT_EQ(heap.next_deadline_ns(), INT64_MAX);
}

TEST(TimerHeapTest, PopsInTheOrderOfTheDeadlines) {
  std::vector<sleeper> nodes(100);
  timer_heap heap;
  for (uint32_t i = 0; i < nodes.size(); ++i) {
    nodes[i].deadline_ns = (i * 37) % 100;  // a permutation of 0 to 99
    heap.push(nodes[i]);
  }
  for (int64_t want = 0; want < 100; ++want) {
    EXPECT_EQ(heap.next_deadline_ns(), want);
    EXPECT_EQ(heap.pop()->deadline_ns, want);
  }
  EXPECT_TRUE(heap.empty());
}

TEST(TimerHeapTest, ARemovedNodeIsOutAndTheOthersStay) {
  std::vector<sleeper> nodes(9);
  for (std::size_t gone = 0; gone < nodes.size(); ++gone) {
    timer_heap heap;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      nodes[i].deadline_ns = static_cast<int64_t>(i);
      heap.push(nodes[i]);
    }
    heap.remove(nodes[gone]);
    EXPECT_EQ(nodes[gone].heap_index, timer_heap::not_queued);
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (i != gone) {
        EXPECT_EQ(heap.pop(), &nodes[i]);
      }
    EXPECT_TRUE(heap.empty());
  }
}

// Random pushes, pops and removals, compared step by step with a sorted multiset. Few different deadlines, so that
// equal ones are common.
TEST(TimerHeapTest, BehavesLikeASortedMultiset) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    std::vector<sleeper> nodes(200);
    std::vector<sleeper*> outside;
    for (sleeper& s : nodes) outside.push_back(&s);
    std::set<sleeper*> inside;
    std::multiset<int64_t> model;
    timer_heap heap;
    const auto left = [&](sleeper* s) {
      ASSERT_EQ(inside.erase(s), 1u) << "a node that was not in the heap came out";
      model.erase(model.find(s->deadline_ns));
      outside.push_back(s);
    };
    for (int step = 0; step < 4000; ++step) {
      const uint32_t choice = random() % 8;
      if (choice < 4 && !outside.empty()) {
        std::swap(outside[random() % outside.size()], outside.back());
        sleeper* s = outside.back();
        outside.pop_back();
        s->deadline_ns = random() % 64;
        heap.push(*s);
        inside.insert(s);
        model.insert(s->deadline_ns);
      } else if (choice < 6 && !inside.empty()) {
        sleeper* s = heap.pop();
        ASSERT_EQ(s->deadline_ns, *model.begin());
        left(s);
      } else if (!inside.empty()) {
        sleeper* s = *std::next(inside.begin(), random() % inside.size());
        heap.remove(*s);
        left(s);
      }
      ASSERT_EQ(heap.size(), model.size());
      ASSERT_EQ(heap.next_deadline_ns(), model.empty() ? INT64_MAX : *model.begin());
    }
  }
}

}  // namespace
}  // namespace weft::sched
