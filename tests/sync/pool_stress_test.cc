// Pools under load: tasks of several processors, plain threads and epochs at the same time. Each object knows whether
// somebody has it, so that one which came to two users, or was destroyed in use, is seen.
#include <weft/pool.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/as_processor.h"
#include "support/processors.h"
#include "sync/pool_core.h"

namespace weft {
namespace {

using test::make_runtime;
using test::processors_test;
using test::slow_build;

class PoolStressTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, PoolStressTest, test::some_processors(), test::processors_name);

std::atomic<int> live{0};

// Not atomic, so that ThreadSanitizer sees two users, and a give back that does not happen before the next get.
struct exclusive {
  exclusive() { ++live; }
  exclusive(exclusive&& other) : used(other.used) { ++live; }
  ~exclusive() {
    EXPECT_FALSE(used);
    --live;
  }
  void begin() {
    EXPECT_FALSE(used);
    used = true;
    ++uses;
  }
  void end() { used = false; }
  bool used = false;
  uint64_t uses = 0;
};

using handle_channel = channel<pooled<exclusive>>;

constexpr int rounds = slow_build ? 300 : 3000;

// Several at a time, given back here and elsewhere.
task<> use(pool<exclusive>& p, handle_channel to, handle_channel from, int seed) {
  for (int i = 0; i < rounds; ++i) {
    std::array<pooled<exclusive>, 12> some;
    const auto count = static_cast<std::size_t>((i * 7 + seed) % 12);
    for (std::size_t k = 0; k < count; ++k) {
      some[k] = p.get();
      if (some[k]) some[k]->begin();
    }
    if (i % 5 == 0) co_await yield();
    for (auto& one : some)
      if (one) one->end();
    if (count > 0 && some[0]) {
      pooled<exclusive> travels = std::move(some[0]);
      const bool sent = to.try_send(std::move(travels));
      (void)sent;
    }
    auto came = from.try_receive();
    if (came && *came) {
      (*came)->begin();
      (*came)->end();
    }
    if (i % 50 == 0) p.emplace();
    if (i % 31 == 0)
      if (auto one = p.get()) (void)one.keep();
  }
}

void use_on_thread(pool<exclusive>& p) {
  for (int i = 0; i < rounds; ++i) {
    std::array<pooled<exclusive>, 10> some;
    for (auto& one : some) {
      one = p.get();
      if (one) one->begin();
    }
    for (auto& one : some)
      if (one) one->end();
  }
}

void everything_at_once(runtime& rt, pool<exclusive>& p) {
  {
    handle_channel ring[2] = {handle_channel(8), handle_channel(8)};
    std::vector<join_handle<void>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(rt.spawn(use, std::ref(p), ring[i % 2], ring[(i + 1) % 2], i));
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back([&] { use_on_thread(p); });
    for (int i = 0; i < 10; ++i) rt.collect();
    for (auto& t : threads) t.join();
    for (auto& t : tasks) t.get();
  }
  EXPECT_EQ(static_cast<uint64_t>(live), p.stats().held_objects);
  const pool_stats s = p.stats();
  EXPECT_EQ(s.gets, s.hits_private + s.hits_shared + s.hits_stolen + s.hits_victim + s.misses);
  rt.collect();
  rt.collect();
}

TEST_P(PoolStressTest, EachObjectHasOneUserAtATime) {
  {
    pool<exclusive> p([] { return exclusive(); });
    everything_at_once(rt(), p);
    EXPECT_EQ(live, 0) << "two epochs clear all of a runtime's processors and of plain threads";
  }
  EXPECT_EQ(live, 0);
}

TEST_P(PoolStressTest, TheSameWithLimits) {
  {
    pool_options<exclusive> options;
    options.most_objects = 40;
    options.most_bytes = 30 * sizeof(exclusive);
    options.reset = [](exclusive& e) { EXPECT_FALSE(e.used); };
    pool<exclusive> p([] { return exclusive(); }, std::move(options));
    everything_at_once(rt(), p);
    EXPECT_EQ(p.stats().held_bytes, 0u);
  }
  EXPECT_EQ(live, 0);
}

TEST(PoolStressTest, TwoRuntimesComeAndGoBesideOnePool) {
  {
    pool<exclusive> p([] { return exclusive(); });
    std::mutex making;  // make_runtime() is for one thread at a time
    std::vector<std::thread> hosts;
    for (int host = 0; host < 2; ++host)
      hosts.emplace_back([&p, &making, host] {
        for (int i = 0; i < (slow_build ? 3 : 10); ++i) {
          const auto rt = [&] {
            const std::lock_guard guard(making);
            return make_runtime(1 + host);
          }();
          handle_channel ch(4);
          join_handle<void> one = rt->spawn(use, std::ref(p), ch, ch, i);
          join_handle<void> two = rt->spawn(use, std::ref(p), ch, ch, i + 1);
          rt->collect();
          one.get();
          two.get();
        }
      });
    for (auto& t : hosts) t.join();
    EXPECT_EQ(static_cast<uint64_t>(live), p.stats().held_objects);
  }
  EXPECT_EQ(live, 0);
}

TEST(PoolStressTest, PoolsComeAndGoWhileEpochsPass) {
  const auto rt = make_runtime(2);
  std::atomic<bool> done{false};
  std::thread collector([&] {
    while (!done) rt->collect();
  });
  std::thread cleaner([&] {
    while (!done) detail::run_pool_cleanups(5);
  });
  rt->run([]() -> task<> {
    task_group group({.limit = 4});
    for (int i = 0; i < rounds; ++i) {
      const auto work = []() -> task<> {
        pool<exclusive> p([] { return exclusive(); });
        {
          std::array<pooled<exclusive>, 20> some;
          for (auto& one : some) one = p.get();
        }
        co_await yield();
        for (int k = 0; k < 20; ++k) p.emplace();
        co_await yield();
        while (p.stats().held_objects > 10) (void)p.get().keep();
      };
      const bool started = co_await group.go(work);
      EXPECT_TRUE(started);
    }
    co_await group.wait();
  });
  done = true;
  collector.join();
  cleaner.join();
  EXPECT_EQ(live, 0);
}

}  // namespace
}  // namespace weft
