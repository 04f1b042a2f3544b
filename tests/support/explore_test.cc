// The explorer finds bugs that were planted on purpose, passes the corrected versions, and repeats what it found.
#include "support/explore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

namespace weft::test {
namespace {

using ::testing::HasSubstr;

// The orders are spelled once, because here they are what is tested, not a protocol that needs reasons.
constexpr std::memory_order relaxed = std::memory_order_relaxed;  // test input
constexpr std::memory_order acquire = std::memory_order_acquire;  // test input
constexpr std::memory_order release = std::memory_order_release;  // test input
constexpr std::memory_order acq_rel = std::memory_order_acq_rel;  // test input
constexpr std::memory_order seq_cst = std::memory_order_seq_cst;  // test input

template <class T>
using atomic = explored_atomics::atomic<T>;

// Lost update -------------------------------------------------------------------------------------------------------

template <class Increment>
auto two_increments(Increment increment) {
  return [=](execution& x) {
    auto counter = std::make_shared<atomic<int>>(0);
    for (int i = 0; i < 2; ++i) x.thread([=] { increment(*counter); });
    x.finally([=] { require(counter->load() == 2, "an increment was lost"); });
  };
}

const auto lost_update = two_increments([](atomic<int>& counter) { counter.store(counter.load() + 1); });

TEST(ExploreTest, FindsALostUpdate) {
  const explore_result r = explore({}, lost_update);
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("an increment was lost"));
}

TEST(ExploreTest, PassesAnAtomicIncrement) {
  const auto increment = [](atomic<int>& counter) { counter.fetch_add(1, relaxed); };
  const explore_result r = explore({.preemptions = -1}, two_increments(increment));
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, PassesACompareExchangeLoop) {
  const auto increment = [](atomic<int>& counter) {
    int old = counter.load(relaxed);
    while (!counter.compare_exchange_weak(old, old + 1, acq_rel, relaxed)) {
    }
  };
  const explore_result r = explore({.preemptions = 4}, two_increments(increment));
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

// Dekker: each thread raises its flag and looks at the other's; both must not find it down --------------------------

template <class First, class Second>
auto dekker(std::memory_order store_order, First first, Second second) {
  struct state {
    std::array<atomic<int>, 2> flag{};
    std::array<atomic<int>, 2> entered{};
  };
  return [=](execution& x) {
    auto s = std::make_shared<state>();
    const auto enter = [s, store_order](size_t me, auto barrier) {
      s->flag[me].store(1, store_order);
      barrier();
      if (s->flag[1 - me].load(acquire) == 0) s->entered[me].store(1);
    };
    x.thread([=] { enter(0, first); });
    x.thread([=] { enter(1, second); });
    x.finally([=] { require(s->entered[0].load() + s->entered[1].load() < 2, "both entered"); });
  };
}

constexpr auto no_fence = [] {};
constexpr auto full_fence = [] { explored_atomics::fence_seq_cst(); };
constexpr auto heavy_fence = [] { explored_atomics::heavy_barrier(); };
constexpr auto light_fence = [] { explored_atomics::light_barrier(); };

TEST(ExploreTest, FindsAMissingStoreLoadFence) {
  const explore_result r = explore({}, dekker(release, no_fence, no_fence));
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("both entered"));
  EXPECT_THAT(r.message, HasSubstr("stores into its buffer"));
}

TEST(ExploreTest, FindsAFenceOnOneSideOnly) {
  EXPECT_FALSE(explore({}, dekker(release, full_fence, no_fence)).ok);
  EXPECT_FALSE(explore({}, dekker(release, no_fence, full_fence)).ok);
}

TEST(ExploreTest, PassesAFenceOnBothSides) {
  const explore_result r = explore({.preemptions = -1}, dekker(relaxed, full_fence, full_fence));
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, PassesSequentiallyConsistentStores) {
  const explore_result r = explore({.preemptions = -1}, dekker(seq_cst, no_fence, no_fence));
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, PassesAHeavyBarrierAgainstALightOne) {
  const explore_result r = explore({.preemptions = -1}, dekker(release, light_fence, heavy_fence));
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, FindsALightBarrierOnBothSides) {
  EXPECT_FALSE(explore({}, dekker(release, light_fence, light_fence)).ok);
}

TEST(ExploreTest, RandomSearchFindsAMissingFenceAndItsSeedRepeats) {
  const explore_options options{.max_executions = 0, .random_executions = 10'000, .seed = 7};
  const explore_result first = explore(options, dekker(release, no_fence, no_fence));
  const explore_result second = explore(options, dekker(release, no_fence, no_fence));
  EXPECT_FALSE(first.ok);
  EXPECT_EQ(first.executions, second.executions);
  EXPECT_EQ(first.message, second.message);
}

// Store buffering is not store reordering: a message and then its flag arrive in this order -------------------------

TEST(ExploreTest, StoresOfOneThreadArriveInOrder) {
  const explore_result r = explore({.preemptions = -1}, [](execution& x) {
    auto message = std::make_shared<std::array<atomic<int>, 2>>();
    x.thread([=] {
      (*message)[0].store(42, relaxed);
      (*message)[1].store(1, release);
      require((*message)[0].load(relaxed) == 42, "a thread does not see its own store");
    });
    x.thread([=] {
      if ((*message)[1].load(acquire) == 1) require((*message)[0].load(relaxed) == 42, "stores were reordered");
    });
  });
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

// ABA: a stack of indices whose pop compares only the head ----------------------------------------------------------

template <bool Tagged>
class index_stack {
 public:
  static constexpr uint32_t none = 0xff;

  void push(uint32_t node) {
    uint32_t head = head_.load();
    do {
      next_[node].store(index(head));
    } while (!head_.compare_exchange_weak(head, retagged(head, node)));
  }

  uint32_t pop() {
    uint32_t head = head_.load();
    for (;;) {
      if (index(head) == none) return none;
      const uint32_t next = next_[index(head)].load();
      if (head_.compare_exchange_weak(head, retagged(head, next))) return index(head);
    }
  }

 private:
  static uint32_t index(uint32_t word) { return word & 0xff; }
  static uint32_t retagged(uint32_t old, uint32_t node) { return Tagged ? ((old & ~0xffu) + 0x100) | node : node; }

  atomic<uint32_t> head_{none};
  std::array<atomic<uint32_t>, 3> next_{};
};

template <bool Tagged>
void pop_against_pop_pop_push(execution& x) {
  struct state {
    index_stack<Tagged> stack;
    std::array<atomic<int>, 3> owners{};
  };
  auto s = std::make_shared<state>();
  for (uint32_t node = 0; node < 3; ++node) s->stack.push(node);
  const auto take = [s] {
    const uint32_t node = s->stack.pop();
    if (node == index_stack<Tagged>::none) return node;
    require(s->owners[node].fetch_add(1) == 0, "a node has two owners");
    return node;
  };
  const auto give = [s](uint32_t node) {
    s->owners[node].fetch_sub(1);
    s->stack.push(node);
  };
  x.thread([=] {
    take();
    take();
  });
  x.thread([=] {
    const uint32_t first = take();
    const uint32_t second = take();
    if (first != index_stack<Tagged>::none) give(first);
    static_cast<void>(second);
  });
}

TEST(ExploreTest, FindsAbaInANaiveStack) {
  const explore_result r = explore({.preemptions = 2}, pop_against_pop_pop_push<false>);
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("a node has two owners"));
}

TEST(ExploreTest, PassesATaggedStack) {
  const explore_result r = explore({.preemptions = 2}, pop_against_pop_pop_push<true>);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

// A slot that is offered before it is filled ------------------------------------------------------------------------

template <bool FillFirst>
void publish_a_slot(execution& x) {
  struct state {
    atomic<int> slot{0};
    atomic<int> tail{0};
  };
  auto s = std::make_shared<state>();
  x.thread([=] {
    if (FillFirst) s->slot.store(42, relaxed);
    s->tail.store(1, release);
    if (!FillFirst) s->slot.store(42, relaxed);
  });
  x.thread([=] {
    if (s->tail.load(acquire) == 1) require(s->slot.load(relaxed) == 42, "the slot is empty");
  });
}

TEST(ExploreTest, FindsASlotThatIsOfferedBeforeItIsFilled) {
  const explore_result r = explore({}, publish_a_slot<false>);
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("the slot is empty"));
}

TEST(ExploreTest, PassesASlotThatIsFilledFirst) {
  const explore_result r = explore({.preemptions = -1}, publish_a_slot<true>);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

// Plain memory under the race detector ------------------------------------------------------------------------------

template <class Publish, class Consume>
explore_result hand_over(Publish publish, Consume consume) {
  struct state {
    plain<int> data{0};
    atomic<int> flag{0};
  };
  return explore({.preemptions = -1}, [=](execution& x) {
    auto s = std::make_shared<state>();
    x.thread([=] {
      s->data.set(42);
      publish(s->flag);
    });
    x.thread([=] {
      if (consume(s->flag) != 0) require(s->data.get() == 42, "the data did not arrive");
    });
    x.finally([=] { require(s->data.get() == 42, "finally sees what the threads did"); });
  });
}

template <std::memory_order Order>
constexpr auto store_one = [](atomic<int>& flag) { flag.store(1, Order); };
template <std::memory_order Order>
constexpr auto load_it = [](atomic<int>& flag) { return flag.load(Order); };

TEST(ExploreTest, FindsPublicationWithTooWeakAnOrder) {
  EXPECT_THAT(hand_over(store_one<relaxed>, load_it<acquire>).message, HasSubstr("data race"));
  EXPECT_THAT(hand_over(store_one<release>, load_it<relaxed>).message, HasSubstr("data race"));
}

TEST(ExploreTest, PassesReleaseAndAcquire) {
  const explore_result r = hand_over(store_one<release>, load_it<acquire>);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, PassesRelaxedAccessesBetweenFences) {
  const auto publish = [](atomic<int>& flag) {
    explored_atomics::fence_seq_cst();
    flag.store(1, relaxed);
  };
  const auto consume = [](atomic<int>& flag) {
    const int value = flag.load(relaxed);
    explored_atomics::fence_seq_cst();
    return value;
  };
  const explore_result r = hand_over(publish, consume);
  EXPECT_TRUE(r.ok) << r.message;
}

TEST(ExploreTest, ARelaxedModificationContinuesTheReleaseSequence) {
  const explore_result r = explore({.preemptions = -1}, [](execution& x) {
    struct state {
      plain<int> data{0};
      atomic<int> flag{0};
    };
    auto s = std::make_shared<state>();
    x.thread([=] {
      s->data.set(42);
      s->flag.store(1, release);
    });
    x.thread([=] { s->flag.fetch_add(2, relaxed); });
    x.thread([=] {
      if ((s->flag.load(acquire) & 1) != 0) require(s->data.get() == 42, "the data did not arrive");
    });
  });
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

// Waiting -----------------------------------------------------------------------------------------------------------

void lock(atomic<int>& word) {
  while (word.exchange(1, acquire) != 0) explored_atomics::pause();
}
void unlock(atomic<int>& word) { word.store(0, release); }

template <bool SameOrder>
void two_locks(execution& x) {
  struct state {
    std::array<atomic<int>, 2> locks{};
    plain<int> guarded{0};
  };
  auto s = std::make_shared<state>();
  for (size_t me = 0; me < 2; ++me) {
    x.thread([=] {
      const size_t first = SameOrder ? 0 : me;
      lock(s->locks[first]);
      lock(s->locks[1 - first]);
      s->guarded.set(s->guarded.get() + 1);
      unlock(s->locks[1 - first]);
      unlock(s->locks[first]);
    });
  }
  x.finally([=] { require(s->guarded.get() == 2, "the locks did not exclude"); });
}

TEST(ExploreTest, FindsADeadlock) {
  const explore_result r = explore({}, two_locks<false>);
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("deadlock"));
}

TEST(ExploreTest, PassesLocksTakenInOneOrder) {
  const explore_result r = explore({.preemptions = 3}, two_locks<true>);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, FindsALostWakeUp) {
  const explore_result r = explore({}, [](execution& x) {
    auto wakes = std::make_shared<atomic<int>>(0);
    x.thread([=] {
      // Forgets a wake that came before it looked.
      wakes->store(0);
      while (wakes->load() == 0) explored_atomics::pause();
    });
    x.thread([=] { wakes->store(1); });
  });
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("deadlock"));
}

TEST(ExploreTest, ABoundedSpinIsNoDeadlock) {
  const explore_result r = explore({}, [](execution& x) {
    auto never = std::make_shared<atomic<int>>(0);
    auto gave_up = std::make_shared<atomic<int>>(0);
    x.thread([=] {
      for (int i = 0; i < 10 && never->load(relaxed) == 0; ++i) explored_atomics::pause();
      gave_up->store(1);
    });
    x.finally([=] { require(gave_up->load() == 1, "the spin did not end"); });
  });
  EXPECT_TRUE(r.ok) << r.message;
}

TEST(ExploreTest, AWaiterSeesAStoreThatOnlyDrainsLater) {
  const explore_result r = explore({.preemptions = -1}, [](execution& x) {
    auto flag = std::make_shared<atomic<int>>(0);
    x.thread([=] { flag->store(1, relaxed); });
    x.thread([=] {
      while (flag->load(relaxed) == 0) explored_atomics::pause();
    });
  });
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
}

TEST(ExploreTest, FindsALoopWithoutPause) {
  const explore_result r = explore({.max_steps = 100}, [](execution& x) {
    auto flag = std::make_shared<atomic<int>>(0);
    x.thread([=] {
      while (flag->load(relaxed) == 0) {
      }
    });
  });
  EXPECT_FALSE(r.ok);
  EXPECT_THAT(r.message, HasSubstr("step limit"));
}

// Coverage ----------------------------------------------------------------------------------------------------------

TEST(ExploreTest, RunsEveryInterleavingWhenUnbounded) {
  std::set<std::string> orders;
  const explore_result r = explore({.preemptions = -1}, [&](execution& x) {
    auto word = std::make_shared<atomic<uint32_t>>(0);
    const auto append = [=](uint32_t digit) {
      uint32_t old = word->load(relaxed);
      while (!word->compare_exchange_strong(old, old * 10 + digit)) {
      }
    };
    x.thread([=] { append(1), append(2); });
    x.thread([=] { append(3), append(4); });
    x.finally([=, &orders] { orders.insert(std::to_string(word->load())); });
  });
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_TRUE(r.complete);
  EXPECT_THAT(orders, ::testing::UnorderedElementsAre("1234", "1324", "1342", "3124", "3142", "3412"));
}

TEST(ExploreTest, WithoutDeviationsThreadsRunOneAfterAnother) {
  EXPECT_TRUE(explore({.preemptions = 0}, lost_update).ok);
}

TEST(ExploreTest, StopsAtTheLimitOfExecutionsAndSaysSo) {
  const explore_result r = explore({.max_executions = 3}, two_locks<true>);
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_FALSE(r.complete);
  EXPECT_EQ(r.executions, 3);
}

// Repeating ---------------------------------------------------------------------------------------------------------

// The message without the line that counts executions, which a repetition does not share.
std::string without_count(const std::string& message) {
  const size_t from = message.find("\nin execution");
  return message.substr(0, from) + message.substr(message.find('\n', from + 1));
}

TEST(ExploreTest, AScheduleRepeatsItsFailure) {
  const explore_result found = explore({}, dekker(release, no_fence, no_fence));
  ASSERT_FALSE(found.ok);
  const explore_result repeated = explore({.schedule = found.schedule}, dekker(release, no_fence, no_fence));
  EXPECT_FALSE(repeated.ok);
  EXPECT_EQ(repeated.executions, 1);
  EXPECT_EQ(repeated.schedule, found.schedule);
  EXPECT_EQ(without_count(repeated.message), without_count(found.message));
}

TEST(ExploreTest, TheEnvironmentRepeatsAFailure) {
  const explore_result found = explore({.max_executions = 0, .random_executions = 1000}, lost_update);
  ASSERT_FALSE(found.ok);
  ASSERT_EQ(::setenv("WEFT_EXPLORE_SCHEDULE", found.schedule.c_str(), 1), 0);
  const explore_result repeated = explore({}, lost_update);
  ::unsetenv("WEFT_EXPLORE_SCHEDULE");
  EXPECT_EQ(repeated.executions, 1);
  EXPECT_THAT(repeated.message, HasSubstr("an increment was lost"));
}

TEST(ExploreTest, RejectsTextThatIsNoSchedule) {
  EXPECT_THAT(explore({.schedule = "17"}, lost_update).message, HasSubstr("not a schedule"));
  EXPECT_THAT(explore({.schedule = "0:99"}, lost_update).message, HasSubstr("not repeatable"));
}

// Other ends --------------------------------------------------------------------------------------------------------

TEST(ExploreTest, ReportsAnEscapedException) {
  const auto throws = [] { throw std::runtime_error("out of cheese"); };
  const explore_result r = explore({}, [=](execution& x) { x.thread(throws); });
  EXPECT_THAT(r.message, HasSubstr("out of cheese"));
}

TEST(ExploreTest, ReportsAFailureInNoexceptCode) {
  const explore_result r =
      explore({}, [](execution& x) { x.thread([]() noexcept { require(false, "from within noexcept"); }); });
  EXPECT_THAT(r.message, HasSubstr("from within noexcept (in thread 0)"));
}

TEST(ExploreTest, ReportsAFailureInSetupAndInFinally) {
  EXPECT_THAT(explore({}, [](execution&) { require(false, "bad start"); }).message, HasSubstr("bad start"));
  EXPECT_THAT(explore({}, [](execution& x) { x.finally([] { require(false, "bad end"); }); }).message,
              HasSubstr("bad end"));
}

TEST(ExploreTest, FindsAnAtomicDestroyedUnderAnothersStore) {
  const explore_result r = explore({}, [](execution& x) {
    struct state {
      std::unique_ptr<atomic<int>> word = std::make_unique<atomic<int>>(0);
      bool store_was_issued = false;  // plain, so that it overtakes the store as no correct code could see it
    };
    auto s = std::make_shared<state>();
    x.thread([=] {
      s->word->store(1, relaxed);
      s->store_was_issued = true;
    });
    x.thread([=] {
      if (s->store_was_issued) s->word.reset();
    });
  });
  EXPECT_THAT(r.message, HasSubstr("destroyed while another thread's store"));
}

TEST(ExploreTest, TooManyThreadsIsAFailure) {
  const explore_result r = explore({}, [](execution& x) {
    for (int i = 0; i <= execution::max_threads; ++i) x.thread([] {});
  });
  EXPECT_THAT(r.message, HasSubstr("max_threads"));
}

TEST(ExploreTest, ThreadsKnowTheirIndex) {
  const explore_result r = explore({}, [](execution& x) {
    require(this_thread_index() == -1, "setup is no thread");
    for (int i = 0; i < 3; ++i) x.thread([=] { require(this_thread_index() == i, "a wrong index"); });
  });
  EXPECT_TRUE(r.ok) << r.message;
  EXPECT_EQ(this_thread_index(), -1);
}

TEST(ExploreDeathTest, AnAbortInTheCodePrintsTheSchedule) {
  EXPECT_DEATH(static_cast<void>(explore({}, [](execution& x) { x.thread([] { std::abort(); }); })),
               "WEFT_EXPLORE_SCHEDULE=-");
}

TEST(ExploredAtomicTest, IsAnOrdinaryAtomicOutsideOfAnExploration) {
  atomic<int> word{5};
  word.store(6, relaxed);
  EXPECT_EQ(word.load(relaxed), 6);
  EXPECT_EQ(word.exchange(7), 6);
  EXPECT_EQ(word.fetch_add(3), 7);
  EXPECT_EQ(word.fetch_sub(2), 10);
  EXPECT_EQ(word.fetch_or(7), 8);
  EXPECT_EQ(word.fetch_and(12), 15);
  EXPECT_EQ(word.fetch_xor(5), 12);
  int expected = 0;
  EXPECT_FALSE(word.compare_exchange_strong(expected, 1));
  EXPECT_EQ(expected, 9);
  EXPECT_TRUE(word.compare_exchange_weak(expected, 1, acq_rel, acquire));
  EXPECT_EQ(word.load(), 1);
}

TEST(ExploredAtomicTest, HoldsPointersAndPairs) {
  std::array<int, 4> values{};
  atomic<int*> pointer{values.data()};
  EXPECT_EQ(pointer.fetch_add(2), values.data());
  EXPECT_EQ(pointer.load(), values.data() + 2);

  struct pair {
    uint64_t a;
    uint64_t b;
  };
  atomic<pair> both{pair{1, 2}};
  EXPECT_EQ(both.exchange(pair{3, 4}).b, 2u);
  EXPECT_EQ(both.load().a, 3u);
}

}  // namespace
}  // namespace weft::test
