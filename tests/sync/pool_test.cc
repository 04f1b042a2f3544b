// Pools: who gets what from where, what epochs and limits do, and what the figures say.
//
// The processors are fake (support/as_processor.h), so that each test says which of them gets and puts.
#include <weft/pool.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "mem/span_heap.h"
#include "support/as_processor.h"
#include "support/count_allocations.h"
#include "support/processors.h"
#include "sync/pool_core.h"

namespace weft {
namespace {

using test::counted;
using test::epoch;
using test::fake_processor;

struct numbered {
  explicit numbered(int n) : number(n) {}
  numbered(numbered&&) = delete;
  int number;
};

// A pool whose objects are numbered as they are made.
struct numbering {
  int made = 0;
  pool<int> objects{[this] { return made++; }};
};

TEST(PoolTest, WhatWasGivenBackComesAgain) {
  fake_processor p;
  p.run([] {
    numbering n;
    {
      auto a = n.objects.get();
    }
    {
      auto a = n.objects.get();
    }
    EXPECT_EQ(n.made, 1);
    EXPECT_EQ(n.objects.stats().hits_private, 1u);
    EXPECT_EQ(n.objects.stats().misses, 1u);
    EXPECT_EQ(n.objects.stats().held_objects, 1u);
    EXPECT_EQ(n.objects.stats().held_bytes, sizeof(int));
  });
}

TEST(PoolTest, AHandleMovesAndGivesBackOnce) {
  numbering n;
  pooled<int> a = n.objects.get();
  pooled<int> b = std::move(a);
  EXPECT_FALSE(a);
  EXPECT_EQ(*b, 0);
  b = n.objects.get();  // gives the first one back
  EXPECT_EQ(n.objects.stats().puts, 1u);
  b.give_back();
  b.give_back();
  n.objects.put(std::move(b));
  EXPECT_EQ(n.objects.stats().puts, 2u);
  EXPECT_EQ(n.objects.stats().held_objects, 2u);
}

TEST(PoolTest, KeepTakesTheObjectOutForGood) {
  std::atomic<int> live = 0;
  {
    pool<counted> p([&] { return counted(live, 7); });
    auto handle = p.get();
    {
      const counted mine = handle.keep();
      EXPECT_FALSE(handle);
      EXPECT_EQ(mine.value(), 7);
      EXPECT_EQ(live, 1);
    }
    EXPECT_EQ(live, 0);
    EXPECT_EQ(p.stats().kept, 1u);
    EXPECT_EQ(p.stats().held_objects, 0u);
  }
  EXPECT_EQ(live, 0);
}

TEST(PoolTest, AKeepThatThrowsLeavesTheHandleAsItWas) {
  struct stubborn {
    stubborn() = default;
    stubborn(stubborn&&) { throw std::runtime_error("stays"); }
  };
  pool<stubborn> p([] { return stubborn(); });
  auto handle = p.get();
  EXPECT_THROW((void)handle.keep(), std::runtime_error);
  EXPECT_TRUE(handle);
}

TEST(PoolTest, ObjectsNeitherMoveNorNeedToBeMovable) {
  pool<numbered> p([] { return numbered(3); });
  numbered* where = nullptr;
  {
    auto handle = p.get();
    where = handle.get();
  }
  auto again = p.get();
  EXPECT_EQ(again.get(), where);
  p.emplace(4);
  auto other = p.get();
  EXPECT_EQ(other->number, 4);
}

TEST(PoolTest, OverAlignedObjectsAreAligned) {
  struct alignas(256) wide {
    char c = 0;
  };
  pool<wide> p([] { return wide(); });
  std::vector<pooled<wide>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(p.get());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(all.back().get()) % 256, 0u);
  }
}

TEST(PoolTest, AFactoryThatThrowsLeavesNothingBehind) {
  fake_processor p;
  p.run([] {
    bool broken = true;
    pool<int> objects([&] {
      if (broken) throw std::runtime_error("no object");
      return 1;
    });
    EXPECT_THROW((void)objects.get(), std::runtime_error);
    broken = false;
    auto handle = objects.get();
    EXPECT_EQ(objects.stats().misses, 2u);
    handle.give_back();
    EXPECT_EQ(objects.stats().held_objects, 1u);
  });
}

TEST(PoolTest, AConstructorThatThrowsDonatesNothing) {
  struct thrower {
    thrower() { throw std::runtime_error("no object"); }
  };
  pool<thrower> p;
  EXPECT_THROW(p.emplace(), std::runtime_error);
  EXPECT_EQ(p.stats().puts, 0u);
}

TEST(PoolTest, OthersTakeBatchesAndNobodyElsesPrivateObjects) {
  constexpr int count = 100;
  fake_processor a, b;
  pool<int> p;
  a.run([&] {
    for (int i = 0; i < count; ++i) p.put(i);
  });
  std::set<int> got;
  b.run([&] {
    while (auto handle = p.get()) got.insert(handle.keep());
  });
  // The other one keeps its private object and the batch that was not full.
  EXPECT_EQ(got.size(), 96u);
  EXPECT_FALSE(got.contains(0));
  a.run([&] {
    while (auto handle = p.get()) got.insert(handle.keep());
  });
  EXPECT_EQ(got.size(), std::size_t{count});
  const pool_stats s = p.stats();
  EXPECT_EQ(s.hits_stolen, 1u) << "all batches came with one take";
  EXPECT_EQ(s.hits_private, 1u);
  EXPECT_EQ(s.hits_shared, 98u);
  EXPECT_EQ(s.misses, 2u);
  EXPECT_EQ(s.gets, s.hits_private + s.hits_shared + s.hits_stolen + s.hits_victim + s.misses);
  EXPECT_EQ(s.kept, std::size_t{count});
}

TEST(PoolTest, WhatAThiefDoesNotUseOthersMayTake) {
  fake_processor a, b, c;
  pool<int> p;
  a.run([&] {
    for (int i = 0; i < 40; ++i) p.put(i);
  });
  b.run([&] { (void)p.get().keep(); });
  c.run([&] { EXPECT_TRUE(p.get()); });
  EXPECT_EQ(p.stats().hits_stolen, 2u);
}

TEST(PoolTest, AnUnusedObjectLivesThroughOneEpochAndIsDestroyedAfterTheSecond) {
  fake_processor a;
  std::atomic<int> live = 0;
  pool<counted> p;
  a.run([&] {
    for (int i = 0; i < 30; ++i) p.emplace(live);
  });
  epoch(a);
  EXPECT_EQ(live, 30);
  epoch(a);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(p.stats().cleared, 30u);
  EXPECT_EQ(p.stats().held_objects, 0u);
}

TEST(PoolTest, AnEpochThatSparesNothingDestroysWhatIsPooledAndTheVictims) {
  fake_processor a;
  std::atomic<int> live = 0;
  pool<counted> p;
  a.run([&] {
    for (int i = 0; i < 30; ++i) p.emplace(live);
  });
  epoch(a);
  a.run([&] {
    for (int i = 0; i < 30; ++i) p.emplace(live);
  });
  p.emplace(live);
  EXPECT_EQ(live, 61);
  a.pass_epoch(true);
  detail::age_shared_pools(true);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(p.stats().cleared, 61u);
  EXPECT_EQ(p.stats().held_objects, 0u);
}

// A processor that computes does not pass, but what others may take of it can be cleared.
TEST(PoolTest, WhatAnybodyMayTakeIsClearedWithoutAPass) {
  fake_processor a, b;
  std::atomic<int> live = 0;
  pool<counted> p;
  EXPECT_FALSE(detail::clear_open_pools());
  a.run([&] {
    for (int i = 0; i < 30; ++i) p.emplace(live);
  });
  b.run([&] { p.emplace(live); });
  b.pass_epoch();
  EXPECT_TRUE(detail::clear_open_pools());
  EXPECT_EQ(live, 31) << "destruction comes later";
  while (detail::run_pool_cleanups(10) != 0) {
  }
  EXPECT_LE(live, 9) << "one, and a batch that is not full";
  EXPECT_GE(live, 1);
  EXPECT_EQ(p.stats().held_objects, static_cast<uint64_t>(live));
  EXPECT_FALSE(detail::clear_open_pools());
  a.run([&] { EXPECT_TRUE(p.get()); });
}

TEST(PoolTest, WhatIsUsedEachEpochLivesOn) {
  fake_processor a;
  a.run([&] {
    numbering n;
    {
      auto handle = n.objects.get();
    }
    for (int i = 0; i < 5; ++i) {
      epoch(a);
      auto handle = n.objects.get();
    }
    EXPECT_EQ(n.made, 1);
    EXPECT_EQ(n.objects.stats().hits_victim, 5u);
  });
}

TEST(PoolTest, AGetOfAVictimDoesNotSaveAllTheOthers) {
  fake_processor a, b;
  pool<int> p;
  a.run([&] {
    for (int i = 0; i < 100; ++i) p.put(i);
  });
  epoch(a, b);
  b.run([&] { EXPECT_TRUE(p.get()); });  // victims are stolen as well
  epoch(a, b);
  EXPECT_GE(p.stats().cleared, 80u);
  EXPECT_EQ(p.stats().cleared + p.stats().held_objects, 100u);
}

TEST(PoolTest, EpochsOfOneProcessorLeaveTheOthersAlone) {
  fake_processor a, b;
  pool<int> p;
  a.run([&] { p.put(1); });
  b.run([&] { p.put(2); });
  epoch(a);
  epoch(a);
  EXPECT_EQ(p.stats().held_objects, 1u);
}

TEST(PoolTest, WhatAnEndedProcessorHadIsForAllAndAges) {
  pool<int> p;
  uint32_t slot = 0;
  {
    fake_processor a;
    slot = a.slot();
    a.run([&] {
      for (int i = 0; i < 12; ++i) p.put(i);
    });
  }
  EXPECT_TRUE(p.get()) << "a plain thread gets what is left, too";
  EXPECT_EQ(p.stats().held_objects, 12u);
  epoch();
  epoch();
  EXPECT_EQ(p.stats().held_objects, 0u);
  fake_processor next;
  ASSERT_EQ(next.slot(), slot);
  next.run([&] {
    p.put(1);
    EXPECT_TRUE(p.get());
  });
}

TEST(PoolTest, ANumberThatIsUsedAgainFindsWhatItsFormerOwnerLeft) {
  pool<int> p;
  {
    fake_processor().run([&] { p.put(1); });
  }
  fake_processor next;
  next.run([&] {
    EXPECT_EQ(p.get().keep(), 1);
    p.put(2);
  });
  epoch(next);
  epoch(next);
  EXPECT_EQ(p.stats().cleared, 1u);
}

TEST(PoolTest, CleaningUpGoesInSteps) {
  fake_processor a;
  std::atomic<int> live = 0;
  pool<counted> p;
  a.run([&] {
    for (int i = 0; i < 30; ++i) p.emplace(live);
  });
  const detail::pool_cleanup_counts before = detail::pool_cleanups();
  a.pass_epoch();
  a.pass_epoch();
  EXPECT_EQ(live, 30) << "an epoch destroys nothing itself";
  EXPECT_EQ(detail::pool_cleanups().queued, before.queued + 30);
  EXPECT_EQ(detail::run_pool_cleanups(7), 7u);
  EXPECT_EQ(live, 23);
  EXPECT_EQ(detail::run_pool_cleanups(1000), 23u);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(detail::pool_cleanups().executed, before.executed + 30);
}

TEST(PoolTest, APoolThatDiesTakesItsWasteAlong) {
  fake_processor a;
  std::atomic<int> live = 0;
  {
    pool<counted> p;
    a.run([&] {
      for (int i = 0; i < 30; ++i) p.emplace(live);
    });
    a.pass_epoch();
    a.pass_epoch();
    a.run([&] {
      for (int i = 0; i < 30; ++i) p.emplace(live);
    });
    EXPECT_EQ(live, 60);
  }
  EXPECT_EQ(live, 0);
  EXPECT_EQ(detail::run_pool_cleanups(1000), 0u);
  EXPECT_EQ(detail::pool_cleanups().queued, detail::pool_cleanups().executed);
}

TEST(PoolTest, ADestructorThatRunsInACleanUpMayUsePools) {
  static pool<int>* other = nullptr;
  struct gives {
    ~gives() { other->put(1); }
  };
  fake_processor a;
  pool<int> ints;
  other = &ints;
  {
    pool<gives> p;
    a.run([&] { p.emplace(); });
    epoch(a);
    epoch(a);
    EXPECT_EQ(ints.stats().held_objects, 1u);
    a.run([&] { p.emplace(); });
  }
  EXPECT_EQ(ints.stats().held_objects, 2u);
}

TEST(PoolTest, AnEpochForgetsPoolsThatHoldNothing) {
  fake_processor a;
  pool<int> p([] { return 1; });
  a.run([&] { (void)p.get().keep(); });
  epoch(a);
  a.run([&] {
    {
      auto handle = p.get();
    }
    EXPECT_EQ(*p.get(), 1);
  });
  EXPECT_EQ(p.stats().hits_private, 1u);
}

TEST(PoolTest, AtMostSoManyObjectsArePooled) {
  for (const uint64_t most : {uint64_t{0}, uint64_t{1}, uint64_t{5}, uint64_t{1000}}) {
    fake_processor a, b;
    std::atomic<int> live = 0;
    int told = 0;
    pool_options<counted> options;
    options.most_objects = most;
    options.on_drop = [&](counted&) { ++told; };
    pool<counted> p(std::move(options));
    for (fake_processor* who : {&a, &b})
      who->run([&] {
        for (int i = 0; i < 1000; ++i) p.emplace(live);
      });
    EXPECT_LE(p.stats().held_objects, most);
    EXPECT_GE(p.stats().held_objects, most - most / 8);
    EXPECT_EQ(static_cast<uint64_t>(live), p.stats().held_objects);
    EXPECT_EQ(static_cast<uint64_t>(told), p.stats().drops);
    EXPECT_EQ(p.stats().puts - p.stats().drops, p.stats().held_objects);
    // Room that gets and epochs make may be used again.
    a.run([&] {
      for (uint64_t i = 0; i < most / 2; ++i) (void)p.get().keep();
    });
    epoch(a, b);
    epoch(a, b);
    EXPECT_EQ(p.stats().held_objects, 0u);
    b.run([&] {
      for (int i = 0; i < 1000; ++i) p.emplace(live);
    });
    EXPECT_GE(p.stats().held_objects, most - most / 8);
    EXPECT_LE(p.stats().held_objects, most);
  }
}

TEST(PoolTest, AtMostSoManyBytesArePooledAsTheUserCountsThem) {
  fake_processor a;
  pool_options<std::string> options;
  options.most_bytes = 10'000;
  options.bytes_of = [](const std::string& s) { return s.size(); };
  pool<std::string> p(std::move(options));
  a.run([&] {
    for (int i = 0; i < 50; ++i) p.put(std::string(1000, 'x'));
    EXPECT_GE(p.stats().held_bytes, 8000u);
    EXPECT_LE(p.stats().held_bytes, 10'000u);
    EXPECT_EQ(p.stats().held_bytes, p.stats().held_objects * 1000);
    while (auto handle = p.get()) (void)handle.keep();
    EXPECT_EQ(p.stats().held_bytes, 0u);
    p.put(std::string(20'000, 'x'));
    EXPECT_EQ(p.stats().held_objects, 0u) << "one that is larger than the limit";
  });
}

TEST(PoolTest, ResetIsDoneToEachObjectThatComesBack) {
  pool_options<std::string> options;
  options.reset = [](std::string& s) { s.clear(); };
  pool<std::string> p([] { return std::string("new"); }, std::move(options));
  {
    EXPECT_EQ(*p.get(), "new");
  }
  EXPECT_EQ(*p.get(), "");
}

TEST(PoolTest, EveryObjectIsToldToTheHookBeforeThePoolDestroysIt) {
  fake_processor a;
  std::vector<int> told;
  {
    pool_options<int> options;
    options.on_drop = [&](int& n) { told.push_back(n); };
    pool<int> p(std::move(options));
    a.run([&] { p.put(1); });
    epoch(a);
    epoch(a);
    EXPECT_THAT(told, ::testing::ElementsAre(1));
    a.run([&] {
      p.put(2);
      (void)p.get().keep();
      p.put(3);
    });
  }
  EXPECT_THAT(told, ::testing::ElementsAre(1, 3));
}

TEST(PoolTest, GettingAndGivingBackAllocatesNothing) {
  fake_processor a;
  a.run([&] {
    pool<int> p([] { return 1; });
    const auto use = [&] {
      std::array<pooled<int>, 100> handles;
      for (auto& handle : handles) handle = p.get();
    };
    use();
    {
      const test::count_allocations count;
      for (int i = 0; i < 10; ++i) use();
      EXPECT_EQ(count.so_far(), 0u);
    }
    (void)p.get().keep();
    p.put(1);
    const test::count_allocations count;
    for (int i = 0; i < 10; ++i) {
      const int n = p.get().keep();
      p.put(n);
    }
    EXPECT_EQ(count.so_far(), 0u);
  });
}

TEST(PoolTest, PlainThreadsSharePools) {
  pool<int> p;
  p.put(1);
  std::thread([&] { EXPECT_EQ(p.get().keep(), 1); }).join();
  std::thread([&] { p.put(2); }).join();
  EXPECT_EQ(p.get().keep(), 2);
  p.put(3);
  epoch();
  epoch();
  EXPECT_FALSE(p.get());
}

TEST(PoolTest, AllPoolsAreListedWithTheirNames) {
  const auto names = [] {
    std::vector<std::string> all;
    for (const pool_info& i : all_pools()) all.push_back(i.name);
    return all;
  };
  {
    pool_options<int> options;
    options.name = "requests";
    pool<int> named(std::move(options));
    const pool<int> unnamed;
    EXPECT_THAT(names(), ::testing::Contains("requests"));
    EXPECT_THAT(names(), ::testing::Contains(::testing::HasSubstr("pool_test.cc:")));
    named.put(1);
    EXPECT_GE(detail::pooled_bytes(), sizeof(int));
  }
  EXPECT_THAT(names(), ::testing::IsEmpty());
}

TEST(PoolTest, TasksOfARuntimeGetAndCollectClears) {
  const auto rt = test::make_runtime(2);
  std::atomic<int> live = 0;
  pool<counted> p([&] { return counted(live); });
  rt->run(
      [](pool<counted>& objects) -> task<> {
        std::vector<pooled<counted>> handles;
        for (int i = 0; i < 100; ++i) handles.push_back(objects.get());
        co_await yield();
      },
      std::ref(p));
  EXPECT_EQ(live, 100);
  rt->collect();
  EXPECT_EQ(live, 100);
  rt->collect();
  EXPECT_EQ(live, 0);
}

TEST(PoolTest, OnePoolServesTwoRuntimesAndOutlivesThem) {
  pool<int> p;
  const auto put = [](pool<int>& objects) -> task<> {
    for (int i = 0; i < 50; ++i) objects.put(i);
    co_return;
  };
  const auto take = [](pool<int>& objects) -> task<int> {
    int got = 0;
    while (auto handle = objects.get()) {
      (void)handle.keep();
      ++got;
    }
    co_return got;
  };
  int got = 0;
  {
    const auto one = test::make_runtime(1);
    const auto two = test::make_runtime(1);
    one->run(put, std::ref(p));
    got += two->run(take, std::ref(p));
    EXPECT_GE(got, 32);
    two->run(put, std::ref(p));
  }
  while (auto handle = p.get()) {
    (void)handle.keep();
    ++got;
  }
  EXPECT_EQ(got, 100);
}

TEST(PoolDeathTest, MisuseEndsTheProcessAndSaysWhatItWas) {
  EXPECT_DEATH(
      {
        pool_options<int> options;
        options.name = "requests";
        auto p = std::make_unique<pool<int>>([] { return 1; }, std::move(options));
        auto one = p->get();
        auto two = p->get();
        p.reset();
      },
      "weft::pool requests destroyed while 2 of its objects are in use");
  EXPECT_DEATH((void)pooled<int>().keep(), "keep\\(\\) of an empty handle");
  EXPECT_DEATH(
      {
        pool<int> one([] { return 1; });
        pool<int> two;
        two.put(one.get());
      },
      "another pool's handle");
  EXPECT_DEATH(buffer_pool().get(10).resize(100), "beyond its capacity");
}

TEST(BufferPoolTest, SizesGrowByHalves) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t bytes = buffer_pool::bytes_of(i);
    EXPECT_GT(bytes, last);
    EXPECT_TRUE(i == 0 || bytes * 2 <= last * 3);
    EXPECT_EQ(buffer_pool::index_of(bytes), i);
    EXPECT_EQ(buffer_pool::index_of(last + 1), i);
    last = bytes;
  }
  EXPECT_EQ(buffer_pool::index_of(0), 0u);
}

TEST(BufferPoolTest, ABufferComesBackForItsOwnSizeOnly) {
  fake_processor a;
  a.run([&] {
    buffer_pool p;
    std::byte* where = nullptr;
    {
      pooled_buffer large = p.get(100'000);
      EXPECT_EQ(large.size(), 100'000u);
      EXPECT_EQ(large.span().size(), 100'000u);
      EXPECT_GE(large.capacity(), 100'000u);
      where = large.data();
      where[large.capacity() - 1] = std::byte{1};
    }
    pooled_buffer small = p.get(100);
    EXPECT_NE(small.data(), where);
    EXPECT_LE(small.capacity(), 128u);
    pooled_buffer again = p.get(99'000);
    EXPECT_EQ(again.data(), where);
    again.resize(again.capacity());
    EXPECT_EQ(p.stats().hits_private, 1u);
    EXPECT_EQ(p.stats().misses, 2u);
  });
}

TEST(BufferPoolTest, MemoryOfOneSizeServesAnotherAfterEpochsAndGoesBackInTheEnd) {
  fake_processor a;
  mem::span_store& spans = mem::span_store::get();
  a.run([&] {
    buffer_pool p;
    const auto use = [&p](std::size_t count, std::size_t bytes) {
      std::vector<pooled_buffer> all;
      for (std::size_t i = 0; i < count; ++i) {
        all.push_back(p.get(bytes));
        std::memset(all.back().data(), 1, bytes);
      }
    };
    use(400, 10'000);
    const uint64_t held = spans.held_bytes();
    EXPECT_GE(held, 4'000'000u);
    EXPECT_GE(detail::pool_memory_bytes(), 4'000'000u);
    epoch(a);
    epoch(a);
    EXPECT_LT(detail::pool_memory_bytes(), 100'000u);
    use(40, 96 * 1024);
    EXPECT_LT(spans.held_bytes(), held + 2 * mem::span_bytes);
  });
  spans.offer(UINT64_MAX);
  while (spans.release_some()) {
  }
  EXPECT_EQ(spans.held_bytes(), 0u);
}

TEST(BufferPoolTest, WhatIsLargerThanTheLargestSizeIsNotPooled) {
  buffer_pool_options options;
  options.largest = 1000;
  buffer_pool p(std::move(options));
  {
    EXPECT_EQ(p.get(1024).capacity(), 1024u);
  }
  EXPECT_EQ(p.stats().held_objects, 1u);
  {
    pooled_buffer large = p.get(5000);
    EXPECT_EQ(large.size(), 5000u);
    large.data()[4999] = std::byte{1};
  }
  EXPECT_EQ(p.stats().gets, 1u);
}

TEST(BufferPoolTest, AllSizesShareOneLimitOfBytes) {
  buffer_pool_options options;
  options.most_bytes = 10'000;
  buffer_pool p(std::move(options));
  std::vector<pooled_buffer> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(p.get(1000));
    all.push_back(p.get(100));
  }
  all.clear();
  EXPECT_LE(p.stats().held_bytes, 10'000u);
  EXPECT_GE(p.stats().held_bytes, 9'000u);
  EXPECT_GT(p.stats().drops, 0u);
}

}  // namespace
}  // namespace weft
