// What the counting allocator counts: every form of operator new, exactly, for the task that asks and the place.
//
// The calls of operator new are spelled out where the number counts, because a compiler may leave a new-expression out.
#include <weft/counting_allocator.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <weft/weft.h>

#include "mem/program_heap.h"
#include "support/processors.h"

namespace weft {

namespace {

using heap::counts;
using heap::snapshot;
using heap::take_snapshot;

// The compiler must not see that a block is given back unused.
void* opaque(void* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

// Every form of operator new and delete ------------------------------------------------------------------------------

struct form {
  const char* name;
  void* (*allocate)(std::size_t);
  void (*release)(void*);
};

constexpr std::align_val_t page{4096};

// NOLINTBEGIN: naked calls on purpose.
const form forms[] = {
    {"plain", [](std::size_t n) { return ::operator new(n); }, [](void* p) { ::operator delete(p); }},
    {"sized", [](std::size_t n) { return ::operator new(n); }, [](void* p) { ::operator delete(p, std::size_t{100}); }},
    {"array", [](std::size_t n) { return ::operator new[](n); }, [](void* p) { ::operator delete[](p); }},
    {"sized array", [](std::size_t n) { return ::operator new[](n); },
     [](void* p) { ::operator delete[](p, std::size_t{100}); }},
    {"nothrow", [](std::size_t n) { return ::operator new(n, std::nothrow); },
     [](void* p) { ::operator delete(p, std::nothrow); }},
    {"nothrow array", [](std::size_t n) { return ::operator new[](n, std::nothrow); },
     [](void* p) { ::operator delete[](p, std::nothrow); }},
    {"aligned", [](std::size_t n) { return ::operator new(n, page); }, [](void* p) { ::operator delete(p, page); }},
    {"aligned sized", [](std::size_t n) { return ::operator new(n, page); },
     [](void* p) { ::operator delete(p, std::size_t{100}, page); }},
    {"aligned array", [](std::size_t n) { return ::operator new[](n, page); },
     [](void* p) { ::operator delete[](p, page); }},
    {"aligned sized array", [](std::size_t n) { return ::operator new[](n, page); },
     [](void* p) { ::operator delete[](p, std::size_t{100}, page); }},
    {"aligned nothrow", [](std::size_t n) { return ::operator new(n, page, std::nothrow); },
     [](void* p) { ::operator delete(p, page, std::nothrow); }},
    {"aligned nothrow array", [](std::size_t n) { return ::operator new[](n, page, std::nothrow); },
     [](void* p) { ::operator delete[](p, page, std::nothrow); }},
};
// NOLINTEND

TEST(CountingAllocatorTest, EveryFormOfNewAndDeleteIsCountedOnce) {
  for (const form& f : forms) {
    SCOPED_TRACE(f.name);
    const snapshot before = take_snapshot();
    void* block = opaque(f.allocate(100));
    const counts allocated = take_snapshot().since(before).total();
    EXPECT_EQ(allocated.allocations, 1u);
    EXPECT_EQ(allocated.frees, 0u);
    EXPECT_GE(allocated.live_bytes(), 100);
    f.release(block);
    const counts all = take_snapshot().since(before).total();
    EXPECT_EQ(all.allocations, 1u);
    EXPECT_EQ(all.frees, 1u);
    EXPECT_EQ(all.live_bytes(), 0) << "a block is as large when it is freed as when it was allocated";
  }
}

TEST(CountingAllocatorTest, AlignmentIsKept) {
  for (const std::size_t align : {std::size_t{16}, std::size_t{64}, std::size_t{4096}}) {
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, align - 1, align + 1}) {
      void* p = ::operator new(bytes, std::align_val_t{align});
      EXPECT_EQ(reinterpret_cast<uintptr_t>(p) % align, 0u);
      ::operator delete(p, std::align_val_t{align});
    }
  }
}

TEST(CountingAllocatorTest, WhatCannotBeHadThrowsOrGivesNullAndCountsNothing) {
  // Volatile: g++ would warn.
  const volatile std::size_t too_much = SIZE_MAX / 2;
  const volatile std::size_t nearly_all = SIZE_MAX - 10;
  const snapshot before = take_snapshot();
  EXPECT_EQ(::operator new(too_much, std::nothrow), nullptr);
  EXPECT_EQ(::operator new(nearly_all, page, std::nothrow), nullptr) << "rounding up must not wrap around";
  EXPECT_EQ(take_snapshot().since(before).total(), counts{});
  EXPECT_THROW(opaque(::operator new(too_much)), std::bad_alloc);
}

int handler_calls = 0;

TEST(CountingAllocatorTest, TheNewHandlerIsCalledUntilItGivesUp) {
  handler_calls = 0;
  const std::new_handler old = std::set_new_handler([] {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
  });
  const volatile std::size_t too_much = SIZE_MAX / 2;
  EXPECT_EQ(::operator new(too_much, std::nothrow), nullptr);
  EXPECT_EQ(handler_calls, 3);
  std::set_new_handler(old);
}

TEST(CountingAllocatorTest, DeletingNothingIsNoFree) {
  const snapshot before = take_snapshot();
  ::operator delete(opaque(nullptr));
  EXPECT_EQ(take_snapshot().since(before).total(), counts{});
}

TEST(CountingAllocatorTest, TakingASnapshotCountsNothing) {
  const snapshot before = take_snapshot();
  const snapshot between = take_snapshot();
  const snapshot after = take_snapshot();
  EXPECT_TRUE(after.since(before).lines().empty());
  EXPECT_EQ(between.total(), after.total());
}

// Tasks and places ---------------------------------------------------------------------------------------------------

task<> three_vectors() {
  std::vector<int> a(100);
  std::vector<char> b(1000);
  std::vector<double> c(10);
  opaque(a.data());
  opaque(b.data());
  opaque(c.data());
  co_return;
}

task<> nothing() { co_return; }

TEST(CountingAllocatorTest, ThreeVectorsInATaskAreThreeAllocationsOfItsFunction) {
  const auto rt = test::make_runtime(0);
  rt->run(nothing);
  const snapshot before = take_snapshot();
  rt->run(three_vectors);
  const snapshot after = take_snapshot().since(before);
  const counts its = after.of_task("weft::(anonymous namespace)::three_vectors");
  EXPECT_EQ(its.allocations, 3u) << after.text();
  EXPECT_EQ(its.frees, 3u) << after.text();
  EXPECT_GE(its.allocated_bytes, 400u + 1000 + 80);
  EXPECT_EQ(its.live_bytes(), 0);
  EXPECT_EQ(after.of_task("weft::(anonymous namespace)::nothing"), counts{});
}

task<int> child() {
  std::vector<int> v(50, 1);
  opaque(v.data());
  co_return v[49];
}
task<int> forks() {
  auto [a, b] = co_await join(child(), child());
  co_return a + b + co_await child();
}

TEST(CountingAllocatorTest, CallsAndForksCountForTheTaskTheyBelongTo) {
  for (const int processors : {0, 2}) {
    const auto rt = test::make_runtime(processors);
    const snapshot before = take_snapshot();
    EXPECT_EQ(rt->run(forks), 3);
    EXPECT_EQ(take_snapshot().since(before).of_task("weft::(anonymous namespace)::forks").allocations, 3u);
  }
}

task<std::size_t> keeps(std::vector<int> v) { co_return v.size(); }

task<std::size_t> starts_with_a_copy(const std::vector<int>* v) { co_return co_await spawn(keeps, *v); }

TEST(CountingAllocatorTest, CopiesOfArgumentsCountForTheStartOfATask) {
  const auto rt = test::make_runtime(0);
  const std::vector<int> v(1000);
  rt->run(starts_with_a_copy, &v);
  const snapshot before = take_snapshot();
  EXPECT_EQ(rt->run(starts_with_a_copy, &v), 1000u);
  const snapshot change = take_snapshot().since(before);
  counts starting;
  for (const heap::line& l : change.by_task())
    if (l.owner == heap::owner_kind::starting) starting += l.counted;
  EXPECT_EQ(starting.allocations, 1u) << change.text();
  EXPECT_EQ(change.total().live_bytes(), 0);
}

[[gnu::noinline]] void* allocates_here(std::size_t n) {
  void* p = ::operator new(n);
  return opaque(p);
}

TEST(CountingAllocatorTest, APlaceIsTheFunctionThatAsks) {
  const snapshot before = take_snapshot();
  std::array<void*, 7> blocks{};
  for (void*& b : blocks) b = allocates_here(32);
  const snapshot after = take_snapshot().since(before);
  for (void* b : blocks) ::operator delete(b);
  const auto places = after.by_place();
  ASSERT_EQ(places.size(), 1u);
  EXPECT_EQ(places[0].counted.allocations, 7u);
  const std::string text = after.text();
  EXPECT_NE(text.find("allocates_here"), std::string::npos) << text;
  EXPECT_NE(text.find("(no task)"), std::string::npos) << text;
  EXPECT_NE(text.find("7 allocations"), std::string::npos) << text;
}

TEST(CountingAllocatorTest, ADifferenceLeavesOutWhatDidNotChange) {
  const snapshot before = take_snapshot();
  void* p = allocates_here(48);
  const snapshot between = take_snapshot();
  ::operator delete(p);
  const snapshot after = take_snapshot();
  const snapshot change = after.since(between);
  EXPECT_EQ(change.total().allocations, 0u);
  EXPECT_EQ(change.total().frees, 1u);
  EXPECT_EQ(change.lines().size(), 1u);
  EXPECT_LT(change.total().live_bytes(), 0) << "more was freed than allocated";
  EXPECT_EQ(after.since(before).total().live_blocks(), 0);
}

// Threads ------------------------------------------------------------------------------------------------------------

TEST(CountingAllocatorTest, CountsOfEndedThreadsStay) {
  const snapshot before = take_snapshot();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([] { ::operator delete(allocates_here(64)); });
    for (std::thread& t : threads) t.join();
  }
  const snapshot after = take_snapshot().since(before);
  uint64_t here = 0;
  for (const heap::line& l : after.by_place()) here = std::max(here, l.counted.allocations);
  EXPECT_EQ(here, 12u) << after.text();
  EXPECT_EQ(after.total().live_blocks(), 0) << after.text();
}

// Allocates when its thread's other thread-local objects are gone.
struct late {
  ~late() { ::operator delete(allocates_here(24)); }
  int touched = 0;
};
thread_local late late_object;

TEST(CountingAllocatorTest, WhatAThreadDoesAtItsVeryEndIsCounted) {
  const snapshot before = take_snapshot();
  std::thread([] {
    late_object.touched = 1;  // made first, so destroyed after what the allocator keeps for the thread
    ::operator delete(allocates_here(24));
  }).join();
  uint64_t here = 0;
  for (const heap::line& l : take_snapshot().since(before).by_place()) here = std::max(here, l.counted.allocations);
  EXPECT_EQ(here, 2u);
}

TEST(CountingAllocatorTest, LiveBytesFollowTheHeapAndAreTheRuntimesToRead) {
  const mem::program_heap_function registered = mem::program_heap.load();
  ASSERT_NE(registered, nullptr);
  const uint64_t before = heap::live_bytes();
  void* p = allocates_here(1 << 20);
  EXPECT_GE(heap::live_bytes(), before + (1 << 20));
  EXPECT_EQ(registered(), heap::live_bytes());
  ::operator delete(p);
  EXPECT_EQ(heap::live_bytes(), before);
  const memory_usage usage = memory_report(*test::make_runtime(0));
  EXPECT_TRUE(usage.program_heap_counted);
  EXPECT_NE(usage.program_heap_bytes, 0u);
}

// Steady state: no allocation ----------------------------------------------------------------------------------------

task<> sends(channel<int> out, int n) {
  for (int i = 0; i < n; ++i) {
    const bool sent = co_await out.send(i);
    if (!sent) co_return;
  }
}
task<int> one(int x) { co_return x; }
task<int> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

// Every round starts tasks, parks, is readied, forks and joins.
task<int> round_of_work(channel<int> ch, semaphore* slots) {
  int sum = 0;
  go(sends, ch, 20);
  for (int i = 0; i < 20; ++i) sum += (co_await ch.receive()).value_or(0);
  join_handle<int> h = spawn(one, 1);
  co_await yield();
  sum += co_await h;
  sum += co_await fib(8);
  {
    permit p = co_await slots->acquire(1);
    co_await yield();
  }
  const bool slept = co_await sleep_for(std::chrono::nanoseconds(1));
  if (!slept) co_return 0;
  auto r = co_await select(ch.receive(), sleep_for(std::chrono::nanoseconds(1)));
  if (r.index() == 1) ++sum;
  co_return sum;
}

// How much the last window of rounds allocated, which is the first that allocated nothing if one did. Caches are filled
// in those before it, and each slot of the timers takes its memory when the clock first comes to it.
task<uint64_t> rounds(int windows) {
  channel<int> ch(4);
  semaphore slots(2);
  uint64_t allocated = UINT64_MAX;
  for (int window = 0; window < windows && allocated != 0; ++window) {
    const uint64_t before = heap::allocations_of_this_thread();
    for (int i = 0; i < 100; ++i) {
      const int sum = co_await round_of_work(ch, &slots);
      if (sum != 190 + 1 + 21 + 1) co_return UINT64_MAX;
    }
    allocated = heap::allocations_of_this_thread() - before;
  }
  co_return allocated;
}

TEST(CountingAllocatorTest, GoParkJoinForkAndChannelsAllocateNothingInSteadyState) {
  const auto rt = test::make_runtime(0);
  EXPECT_EQ(rt->run(rounds, 100), 0u) << take_snapshot().text();
}

}  // namespace
}  // namespace weft
