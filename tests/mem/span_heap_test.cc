// The heap of buffers: nodes that are apart and aligned, spans that serve other sizes or go back to the kernel,
// figures, exhaustion, misuse, threads.
#include "mem/span_heap.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weft/detail/config.h>

#include "support/fault_system.h"
#include "support/seed.h"

#if WEFT_ASAN
extern "C" int __asan_address_is_poisoned(void const volatile* address);
#endif

namespace weft::mem {
namespace {

using test::call;

#if defined(NDEBUG) && !WEFT_ASAN && !WEFT_TSAN
constexpr int steps = 20'000;
#else
constexpr int steps = 3'000;
#endif

class SpanHeapTest : public testing::Test {
 protected:
  ~SpanHeapTest() override {
    while (store_.release_some()) {
    }
  }

  static std::vector<void*> take(span_cut& cut, std::size_t count) {
    std::vector<void*> nodes;
    for (std::size_t i = 0; i < count; ++i) {
      nodes.push_back(cut.take());
      EXPECT_NE(nodes.back(), nullptr);
    }
    return nodes;
  }
  static void give(span_cut& cut, std::vector<void*>& nodes) {
    for (void* n : nodes) cut.give(n);
    nodes.clear();
  }

  test::fault_system sys_;
  span_store store_{sys_};
};

// Each byte of each node is written, so a node that overlaps another one or the head of a span shows.
TEST_F(SpanHeapTest, NodesOfAllSizesAreAlignedAndApart) {
  for (const std::size_t bytes :
       {16ul, 24ul, 96ul, 1056ul, 4128ul, 98336ul, most_in_span, most_in_span + 1, 300'000ul}) {
    span_cut cut(store_, bytes);
    std::vector<void*> nodes = take(cut, bytes < 5000 ? 3 * span_bytes / bytes : 20);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(nodes[i]) % 16, 0u);
      std::memset(nodes[i], static_cast<int>(i % 251), bytes);
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const auto* data = static_cast<unsigned char*>(nodes[i]);
      ASSERT_EQ(data[0], i % 251);
      ASSERT_EQ(std::memcmp(data, data + 1, bytes - 1), 0) << "all bytes are the same";
    }
    give(cut, nodes);
    EXPECT_EQ(store_.used_bytes(), 0u);
  }
}

TEST_F(SpanHeapTest, ASpanHoldsAtLeastSevenNodes) {
  span_cut cut(store_, most_in_span);
  std::vector<void*> nodes = take(cut, 7);
  EXPECT_EQ(sys_.count(call::map), 1);
  give(cut, nodes);
}

TEST_F(SpanHeapTest, TheNodeThatCameBackLastLeavesFirst) {
  span_cut cut(store_, 1000);
  std::vector<void*> nodes = take(cut, 10);
  cut.give(nodes[3]);
  cut.give(nodes[7]);
  EXPECT_EQ(cut.take(), nodes[7]);
  EXPECT_EQ(cut.take(), nodes[3]);
  give(cut, nodes);
}

TEST_F(SpanHeapTest, AFullSpanServesAgainWhenANodeComesBack) {
  span_cut cut(store_, 100'000);
  std::vector<void*> nodes = take(cut, 20);  // ten to a span
  EXPECT_EQ(sys_.count(call::map), 2);
  void* const back = nodes[4];
  cut.give(back);
  EXPECT_EQ(cut.take(), back);
  EXPECT_EQ(sys_.count(call::map), 2);
  give(cut, nodes);
}

TEST_F(SpanHeapTest, WhatOneSizeLeavesServesAnother) {
  span_cut small(store_, 1000), large(store_, 50'000);
  std::vector<void*> nodes = take(small, 5000);
  const int64_t maps = sys_.count(call::map);
  EXPECT_EQ(maps, 5);
  give(small, nodes);
  nodes = take(large, 100);
  for (void* n : nodes) std::memset(n, 1, 50'000);
  EXPECT_EQ(sys_.count(call::map), maps);
  give(large, nodes);
}

// Only what was cut at some time is held: a span that one node was taken of costs no mebibyte.
TEST_F(SpanHeapTest, FiguresTellWhatWasTouched) {
  span_cut small(store_, 1024), large(store_, 102'400);
  void* one = small.take();
  EXPECT_EQ(store_.held_bytes(), 64 + 1024u);
  EXPECT_EQ(store_.used_bytes(), 64 + 1024u);
  small.give(one);
  EXPECT_EQ(store_.held_bytes(), 64 + 1024u);
  EXPECT_EQ(store_.empty_bytes(), 64 + 1024u);
  EXPECT_EQ(store_.used_bytes(), 0u);
  one = large.take();
  EXPECT_EQ(store_.held_bytes(), 64 + 102'400u);
  EXPECT_EQ(store_.empty_bytes(), 0u);
  large.give(one);
  one = small.take();
  EXPECT_EQ(store_.held_bytes(), 64 + 102'400u) << "it was touched before";
  small.give(one);
  EXPECT_EQ(store_.empty_bytes(), 64 + 102'400u);
}

TEST_F(SpanHeapTest, ANodeThatIsTooLargeForASpanIsMappedAndUnmapped) {
  span_cut cut(store_, 1'000'001);
  void* one = cut.take();
  EXPECT_EQ(store_.held_bytes(), 1'003'520u) << "whole pages";
  EXPECT_EQ(sys_.mapped_bytes(), 1'003'520);
  cut.give(one);
  EXPECT_EQ(store_.held_bytes(), 0u);
  EXPECT_EQ(sys_.mapped_bytes(), 0);
}

TEST_F(SpanHeapTest, SpansThatNobodyNeededForAnEpochGoBackToTheKernel) {
  span_cut cut(store_, 100'000);
  std::vector<void*> nodes = take(cut, 50);
  give(cut, nodes);
  store_.end_epoch();
  EXPECT_FALSE(store_.has_returnable()) << "they were in use since the last one";
  nodes = take(cut, 20);
  give(cut, nodes);
  store_.end_epoch();
  EXPECT_TRUE(store_.has_returnable());
  int released = 0;
  while (store_.release_some()) ++released;
  EXPECT_EQ(released, 3) << "two of five were needed";
  EXPECT_EQ(sys_.mapped_bytes(), static_cast<int64_t>(2 * span_bytes));
  EXPECT_EQ(store_.held_bytes(), 2 * (64 + 1'000'000u));
  EXPECT_EQ(store_.empty_bytes(), store_.held_bytes());
  store_.end_epoch();
  while (store_.release_some()) {
  }
  EXPECT_EQ(store_.held_bytes(), 0u);
  EXPECT_EQ(sys_.mapped_bytes(), 0);
}

TEST_F(SpanHeapTest, AnOfferLetsGoAsMuchAsIsAskedFor) {
  span_cut cut(store_, 100'000);
  EXPECT_FALSE(store_.offer(1)) << "there is none";
  std::vector<void*> nodes = take(cut, 50);
  give(cut, nodes);
  EXPECT_TRUE(store_.offer(1));
  EXPECT_TRUE(store_.release_some());
  EXPECT_FALSE(store_.release_some());
  EXPECT_TRUE(store_.offer(1'000'065)) << "more than one span has";
  EXPECT_TRUE(store_.release_some());
  EXPECT_TRUE(store_.release_some());
  EXPECT_FALSE(store_.release_some());
  EXPECT_TRUE(store_.offer(UINT64_MAX));
  EXPECT_TRUE(store_.release_some());
  EXPECT_TRUE(store_.release_some());
  EXPECT_FALSE(store_.release_some());
  EXPECT_EQ(store_.held_bytes(), 0u);
}

TEST_F(SpanHeapTest, WhatIsNeededAgainStaysThoughItWasOffered) {
  span_cut cut(store_, 100'000);
  std::vector<void*> nodes = take(cut, 30);
  give(cut, nodes);
  EXPECT_TRUE(store_.offer(UINT64_MAX));
  nodes = take(cut, 20);
  EXPECT_TRUE(store_.release_some());
  EXPECT_FALSE(store_.release_some());
  for (void* n : nodes) std::memset(n, 1, 100'000);
  give(cut, nodes);
  EXPECT_FALSE(store_.has_returnable()) << "these came after the offer";
}

TEST_F(SpanHeapTest, AKernelThatRefusesLeavesAllAsItWas) {
  span_cut cut(store_, 1000), large(store_, 1'000'000);
  sys_.fail_from(call::map);
  EXPECT_EQ(cut.take(), nullptr);
  EXPECT_EQ(large.take(), nullptr);
  EXPECT_EQ(store_.held_bytes(), 0u);
  sys_.succeed(call::map);
  std::vector<void*> nodes = take(cut, 1);
  sys_.fail_from(call::map);
  cut.give(nodes[0]);
  EXPECT_EQ(cut.take(), nodes[0]) << "no call is needed";
  give(cut, nodes);
  sys_.succeed(call::map);
}

#if WEFT_ASAN
TEST_F(SpanHeapTest, FreeNodesArePoisonedAndMemoryThatGoesBackIsNot) {
  span_cut cut(store_, 96), other(store_, 1000), large(store_, 1'000'000);
  auto* node = static_cast<char*>(cut.take());
  EXPECT_FALSE(__asan_address_is_poisoned(node + 95));
  cut.give(node);
  EXPECT_TRUE(__asan_address_is_poisoned(node + 8));
  EXPECT_TRUE(__asan_address_is_poisoned(node + 95));
  auto* longer = static_cast<char*>(other.take());
  EXPECT_EQ(longer, node) << "the same span, cut anew";
  std::memset(longer, 1, 1000);
  other.give(longer);
  auto* mapped = static_cast<char*>(large.take());
  __asan_poison_memory_region(mapped + 32, 1000);  // as a pool does with a buffer that came back
  large.give(mapped);
  EXPECT_FALSE(__asan_address_is_poisoned(mapped + 32));
  EXPECT_TRUE(store_.offer(1));
  EXPECT_TRUE(store_.release_some());
  EXPECT_FALSE(__asan_address_is_poisoned(node + 8));
}
#endif

using SpanHeapDeathTest = SpanHeapTest;

TEST_F(SpanHeapDeathTest, ANodeOfAnotherSizeIsRefused) {
  span_cut cut(store_, 1000), other(store_, 2000);
  void* node = cut.take();
  EXPECT_DEATH(other.give(node), "mem::span_cut: a node that is not taken, or of another size");
  cut.give(node);
}

TEST_F(SpanHeapDeathTest, TheLastNodeOfASpanIsNotGivenTwice) {
  span_cut cut(store_, 1000);
  void* node = cut.take();
  cut.give(node);
  EXPECT_DEATH(cut.give(node), "mem::span_cut: a node that is not taken, or of another size");
}

TEST_F(SpanHeapDeathTest, ACutOutlivesItsNodes) {
  EXPECT_DEATH(
      {
        span_cut cut(store_, 1000);
        (void)cut.take();
      },
      "mem::span_cut destroyed while nodes of it are taken");
}

TEST_F(SpanHeapDeathTest, AStoreOutlivesWhatItMapped) {
  EXPECT_DEATH(
      {
        span_store store(sys_);
        (void)store.map_one(10'000);
      },
      "mem::span_store destroyed while memory of it is in use");
}

// Threads take and give nodes of sizes that all of them use, mark what they hold, and give back what others took; one
// ends epochs and lets spans go.
TEST_F(SpanHeapTest, ThreadsShareSizesWhileSpansComeAndGo) {
  constexpr int threads = 4;
  span_cut cuts[] = {{store_, 64}, {store_, 5000}, {store_, 90'000}, {store_, 400'000}};
  constexpr std::size_t bytes[] = {64, 5000, 90'000, 400'000};
  std::atomic<void*> exchange[4] = {};  // seq_cst: a test's book-keeping
  std::atomic<int> running{threads}, spoilt{0};
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      std::mt19937_64 dice(test::seed_or(7) + static_cast<uint64_t>(t));
      std::vector<void*> held[4];
      for (int i = 0; i < steps; ++i) {
        const std::size_t k = dice() % 4;
        const auto check = [&](void* n) {
          const auto* data = static_cast<char*>(n);
          if (data[8] != static_cast<char>(k + 1) || data[bytes[k] - 1] != static_cast<char>(k + 1)) ++spoilt;
        };
        if (dice() % 2 == 0 && held[k].size() < 50) {
          auto* data = static_cast<char*>(cuts[k].take());
          data[8] = data[bytes[k] - 1] = static_cast<char>(k + 1);
          held[k].push_back(data);
        } else if (!held[k].empty()) {
          const std::size_t at = dice() % held[k].size();
          std::swap(held[k][at], held[k].back());
          void* n = held[k].back();
          held[k].pop_back();
          if (dice() % 4 == 0) n = exchange[k].exchange(n);
          if (n == nullptr) continue;
          check(n);
          cuts[k].give(n);
        }
      }
      for (std::size_t k = 0; k < 4; ++k) give(cuts[k], held[k]);
      --running;
    });
  while (running != 0) {
    store_.end_epoch();
    store_.offer(span_bytes);
    while (store_.release_some()) {
    }
    std::this_thread::yield();
  }
  for (auto& t : all) t.join();
  for (std::size_t k = 0; k < 4; ++k)
    if (void* n = exchange[k]) cuts[k].give(n);
  EXPECT_EQ(spoilt, 0);
  EXPECT_EQ(store_.used_bytes(), 0u);
  EXPECT_EQ(sys_.mapped_bytes() % static_cast<int64_t>(span_bytes), 0);
  store_.offer(UINT64_MAX);
  while (store_.release_some()) {
  }
  EXPECT_EQ(store_.held_bytes(), 0u);
  EXPECT_EQ(sys_.mapped_bytes(), 0);
}

}  // namespace
}  // namespace weft::mem
