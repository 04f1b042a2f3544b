// Pools behave as Go's sync.Pool: the behaviours that its tests (src/sync/pool_test.go) define, by id.
//
// Where C++ differs from Go by design: what get() returns gives itself back, so "get" of a test in Go is get().keep()
// here; an object that is used is not in the pool and needs no second look by a collector.
#include <weft/pool.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/as_processor.h"
#include "support/processors.h"

namespace weft {
namespace {

using test::counted;
using test::epoch;
using test::fake_processor;
using test::make_runtime;
using test::processors_test;
using test::slow_build;

class GoPoolTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoPoolTest, test::some_processors(), test::processors_name);

// P1
TEST(GoPoolTest1, GetFromAnEmptyPoolWithoutAFactoryGivesAnEmptyHandle) {
  pool<int> p;
  EXPECT_FALSE(p.get());
  EXPECT_EQ(p.stats().misses, 1u);
}

// P2
TEST(GoPoolTest1, OnOneProcessorWhatWasPutFirstComesFirst) {
  fake_processor a;
  a.run([] {
    pool<std::string> p;
    p.put("a");
    p.put("b");
    EXPECT_EQ(p.get().keep(), "a");
    EXPECT_EQ(p.get().keep(), "b");
    EXPECT_FALSE(p.get());
  });
}

// P3
TEST(GoPoolTest1, AHundredObjectsSurviveOneEpochAndAreGoneAfterTheSecond) {
  fake_processor a;
  pool<std::string> p;
  a.run([&] {
    for (int i = 0; i < 100; ++i) p.put("c");
  });
  epoch(a);
  a.run([&] { EXPECT_EQ(p.get().keep(), "c") << "after one epoch"; });
  EXPECT_EQ(p.stats().held_objects, 99u);
  epoch(a);
  a.run([&] { EXPECT_FALSE(p.get()); });
}

// P4
TEST(GoPoolTest1, WhatWasPutIsUsedBeforeTheFactoryAndItMakesOneForEachGet) {
  fake_processor a;
  a.run([] {
    int made = 0;
    pool<int> p([&] { return ++made; });
    EXPECT_EQ(p.get().keep(), 1);
    EXPECT_EQ(p.get().keep(), 2);
    p.put(42);
    EXPECT_EQ(p.get().keep(), 42);
    EXPECT_EQ(p.get().keep(), 3);
  });
}

task<> put_all(pool<counted>& p, std::atomic<int>& live) {
  for (int i = 0; i < 100; ++i) {
    p.emplace(live);
    if (i % 10 == 0) co_await yield();
  }
}
task<> drain(pool<counted>& p) {
  for (int i = 0; i < 100; ++i)
    if (auto handle = p.get()) (void)handle.keep();
  co_return;
}

// P5
TEST_P(GoPoolTest, ObjectsAreReleasedAfterEpochsWhetherThePoolIsDrainedOrNot) {
  for (const bool drained : {false, true}) {
    std::atomic<int> live = 0;
    pool<counted> p;
    for (int i = 0; i < 10; ++i) {
      run(put_all, std::ref(p), std::ref(live));
      if (drained) run(drain, std::ref(p));
      rt().collect();
      rt().collect();
      EXPECT_EQ(live, 0);
    }
  }
}

task<> put_and_get(pool<int>& p, int seed, int loops) {
  for (int i = 0; i < loops; ++i) {
    const int value = seed * 1'000'000 + i;
    p.put(value);
    if (auto handle = p.get()) {
      EXPECT_LT(*handle % 1'000'000, loops);
    }
    if (i % 16 == 0) co_await yield();
  }
}

// P6
TEST_P(GoPoolTest, TenTasksGetNothingButWhatWasPut) {
  pool<int> p;
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 10; ++i) handles.push_back(rt().spawn(put_and_get, std::ref(p), i, slow_build ? 1000 : 100'000));
  for (auto& h : handles) h.get();
  EXPECT_EQ(p.stats().puts - p.stats().held_objects, p.stats().gets - p.stats().misses);
}

// One producer and nine consumers; what a consumer gets, it keeps.
void each_comes_once(int count, int private_gets) {
  pool<int> p;
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
  std::atomic<bool> done{false};
  std::atomic<int> by_producer{0};
  std::vector<std::thread> consumers;
  for (int i = 0; i < 9; ++i)
    consumers.emplace_back([&] {
      fake_processor me;
      me.run([&] {
        while (!done) {
          auto handle = p.get();
          if (handle)
            ++seen[static_cast<std::size_t>(handle.keep())];
          else
            std::this_thread::yield();
        }
      });
    });
  fake_processor producer;
  producer.run([&] {
    for (int i = 0; i < count; ++i) {
      p.put(i);
      if (private_gets == 0 || i % private_gets != 0) continue;
      if (auto handle = p.get()) {
        ++by_producer;
        ++seen[static_cast<std::size_t>(handle.keep())];
      }
    }
  });
  done = true;
  for (auto& t : consumers) t.join();
  producer.run([&] {
    while (auto handle = p.get()) ++seen[static_cast<std::size_t>(handle.keep())];
  });
  for (auto& n : seen) EXPECT_EQ(n, 1);
  EXPECT_TRUE(private_gets == 0 || by_producer > 0);
}

// P7
TEST(GoPoolTest1, WhatOneProducerPutsComesToOneOfNineConsumersAndItselfOnce) {
  each_comes_once(slow_build ? 5'000 : 200'000, 10);
}

// P8
TEST(GoPoolTest1, ALongChainComesToOneOfNineConsumersOnce) { each_comes_once(slow_build ? 5'000 : 200'000, 0); }

// P10
TEST(GoPoolTest1, AnEmptyHandleThatIsGivenBackIsIgnored) {
  pool<int> p;
  pooled<int> none;
  none.give_back();
  p.put(std::move(none));
  p.put(p.get());
  EXPECT_EQ(p.stats().puts, 0u);
}

// P11
TEST(GoPoolTest1, ProcessorsComeAndGoAndNothingIsLostOrUnsafe) {
  std::atomic<int> live = 0;
  {
    pool<counted> p;
    for (const int processors : {4, 1, 3, 8, 1}) {
      const auto rt = make_runtime(processors);
      std::vector<join_handle<void>> handles;
      for (int i = 0; i < 8; ++i) handles.push_back(rt->spawn(put_all, std::ref(p), std::ref(live)));
      for (auto& h : handles) h.get();
    }
    EXPECT_EQ(live, 5 * 8 * 100);
    EXPECT_EQ(p.stats().held_objects, 5u * 8 * 100);
    int got = 0;
    while (auto handle = p.get()) {
      (void)handle.keep();
      ++got;
    }
    EXPECT_EQ(got, 5 * 8 * 100);
  }
  EXPECT_EQ(live, 0);
}

// P12
TEST_P(GoPoolTest, WhatHappenedBeforeAPutIsSeenAfterTheGetThatReturnsTheObject) {
  struct message {
    int64_t number = 0;
    int64_t twice = 0;
  };
  pool<std::unique_ptr<message>> p;
  const auto work = [](pool<std::unique_ptr<message>>& q, int64_t seed) -> task<> {
    for (int64_t i = 0; i < (slow_build ? 500 : 20'000); ++i) {
      auto fresh = std::make_unique<message>();
      fresh->number = seed + i;
      fresh->twice = fresh->number * 2;
      q.put(std::move(fresh));
      auto handle = q.get();
      if (handle) {
        EXPECT_EQ((*handle)->number * 2, (*handle)->twice);
        (void)handle.keep();
      }
      if (i % 8 == 0) co_await yield();
    }
  };
  std::vector<join_handle<void>> handles;
  for (int i = 0; i < 6; ++i) handles.push_back(rt().spawn(work, std::ref(p), i * 1'000'000));
  for (auto& h : handles) h.get();
}

}  // namespace
}  // namespace weft
