// What tasks promise: calls nest as deep as the stack allows, results and exceptions arrive, everything dies once.
#include <weft/task.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <atomic>
#include <functional>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/count_allocations.h"
#include "support/processors.h"

namespace weft {
namespace {

using test::counted;
using test::processors_test;

class TaskTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, TaskTest, test::some_processors(), test::processors_name);

// --- calls -----------------------------------------------------------------------------------------------------------

task<int> depth_of(int n) {
  if (n == 0) co_return 0;
  const int below = co_await depth_of(n - 1);
  co_return below + 1;
}

TEST_P(TaskTest, AMillionNestedCallsReturn) { EXPECT_EQ(run(depth_of, 1'000'000), 1'000'000); }

task<int> runaway_recursion(int n) {
  if (n < 0) co_return 0;
  const int below = co_await runaway_recursion(n + 1);
  co_return below + 1;
}

TEST(StackLimitDeathTest, RunawayRecursionEndsWithTheLimitAndTheFunctionsName) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  options opts;
  opts.processors = 1;
  opts.stack_limit_bytes = 1 << 20;
  EXPECT_DEATH(test::make_runtime(opts)->run(runaway_recursion, 0),
               "task stack exceeds 1048576-byte limit in .*runaway_recursion");
}

TEST(StackLimitTest, AStackJustBelowTheLimitIsAllowed) {
  options opts;
  opts.processors = 1;
  opts.stack_limit_bytes = 64 << 10;
  EXPECT_EQ(test::make_runtime(opts)->run(depth_of, 100), 100);
}

struct error : std::runtime_error {
  explicit error(int n) : std::runtime_error("error"), number(n) {}
  int number;
};

task<int> throw_after(int levels, std::atomic<int>& live) {
  counted here(live);
  if (levels == 0) throw error(7);
  const int below = co_await throw_after(levels - 1, live);
  co_return below + 1;
}

TEST_P(TaskTest, AnExceptionPassesAThousandLevelsAndDestroysEachFrameOnce) {
  std::atomic<int> live = 0;
  try {
    run(throw_after, 1000, std::ref(live));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const error& e) {
    EXPECT_EQ(e.number, 7);
  }
  EXPECT_EQ(live, 0);
}

task<int> caught_at(int level, int thrown_at) {
  if (level == thrown_at) throw error(level);
  int below = 0;
  try {
    below = co_await caught_at(level + 1, thrown_at);
  } catch (const error& e) {
    below = e.number;
  }
  co_return below + 1;
}

TEST_P(TaskTest, AnExceptionIsCaughtAroundTheCoAwait) { EXPECT_EQ(run(caught_at, 0, 10), 20); }

task<std::unique_ptr<int>> boxed(std::unique_ptr<int> in, int add) {
  auto out = std::make_unique<int>(*in + add);
  co_return out;
}

task<int> unbox() {
  std::unique_ptr<int> first = co_await boxed(std::make_unique<int>(1), 2);
  std::unique_ptr<int> second = co_await boxed(std::move(first), 3);
  co_return *second;
}

TEST_P(TaskTest, MoveOnlyParametersAndResultsPassThrough) { EXPECT_EQ(run(unbox), 6); }

task<int&> same(int& x) { co_return x; }

task<bool> returns_a_reference() {
  int x = 5;
  int& again = co_await same(x);
  again = 6;
  co_return &again == &x&& x == 6;
}

TEST_P(TaskTest, AReferenceResultNamesTheSameObject) { EXPECT_TRUE(run(returns_a_reference)); }

task<int> take_counted(counted c) { co_return c.value(); }

task<int> pass_counted(std::atomic<int>& live) {
  int sum = 0;
  for (int i = 0; i < 100; ++i) {
    counted c(live, i);
    sum += co_await take_counted(std::move(c));
  }
  co_return sum;
}

TEST_P(TaskTest, AParameterIsDestroyedExactlyOnce) {
  std::atomic<int> live = 0;
  EXPECT_EQ(run(pass_counted, std::ref(live)), 4950);
  EXPECT_EQ(live, 0);
}

// --- join ------------------------------------------------------------------------------------------------------------

task<int> twice(int x) { co_return 2 * x; }
task<> nothing() { co_return; }
task<std::string> text(int n) { co_return std::string(static_cast<std::size_t>(n), 'x'); }

task<> join_gives_results_in_order() {
  auto [a, b, c, d] = co_await join(twice(1), nothing(), text(40), boxed(std::make_unique<int>(1), 1));
  static_assert(std::is_same_v<decltype(b), std::monostate>);
  EXPECT_EQ(a, 2);
  EXPECT_EQ(c, std::string(40, 'x'));
  EXPECT_EQ(*d, 2);
  auto [only] = co_await join(twice(21));
  EXPECT_EQ(only, 42);
}

TEST_P(TaskTest, JoinGivesTheResultsInTheOrderOfTheChildren) { run(join_gives_results_in_order); }

task<long> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

TEST_P(TaskTest, NestedJoinsAddUp) { EXPECT_EQ(run(fib, 22), 17711); }

task<long> fib_strings(std::string n) {
  const int k = std::stoi(n);
  if (k < 2) co_return k;
  auto [a, b, c] = co_await join(fib_strings(std::to_string(k - 1)), fib_strings(std::to_string(k - 2)), nothing());
  co_return a + b;
}

TEST_P(TaskTest, NestedJoinsWithParametersThatNeedDestructionAddUp) { EXPECT_EQ(run(fib_strings, "15"), 610); }

task<int> hold(counted c, std::atomic<int>& ran, int throws) {
  ++ran;
  if (throws != 0) throw error(throws);
  co_return c.value();
}

task<> join_counted(std::atomic<int>& live, std::atomic<int>& ran) {
  auto [a, b, c] =
      co_await join(hold(counted(live, 1), ran, 0), hold(counted(live, 2), ran, 0), hold(counted(live, 3), ran, 0));
  EXPECT_EQ(a + b + c, 6);
  EXPECT_EQ(live, 0) << "parameters die with the join's expression";
}

TEST_P(TaskTest, ParametersOfJoinedChildrenAreDestroyedExactlyOnce) {
  std::atomic<int> live = 0;
  std::atomic<int> ran = 0;
  for (int i = 0; i < 200; ++i) run(join_counted, std::ref(live), std::ref(ran));
  EXPECT_EQ(live, 0);
  EXPECT_EQ(ran, 600);
}

task<counted> made(std::atomic<int>& live, int value) { co_return counted(live, value); }

task<int> join_one_throws(std::atomic<int>& live, std::atomic<int>& ran, int which) {
  auto [a, b, c, d] =
      co_await join(hold(counted(live, 1), ran, which == 0 ? 10 : 0), hold(counted(live, 2), ran, which == 1 ? 11 : 0),
                    made(live, 5), hold(counted(live, 3), ran, which == 2 ? 12 : 0));
  co_return a + b + c.value() + d;
}

TEST_P(TaskTest, AnExceptionOfAJoinedChildIsRethrownAfterAllChildrenHaveFinished) {
  std::atomic<int> live = 0;
  std::atomic<int> ran = 0;
  for (int round = 0; round < 100; ++round) {
    for (int which = 0; which < 4; ++which) {
      ran = 0;
      try {
        EXPECT_EQ(run(join_one_throws, std::ref(live), std::ref(ran), which), 11);
        EXPECT_EQ(which, 3) << "one child threw";
      } catch (const error& e) {
        EXPECT_EQ(e.number, 10 + which);
      }
      EXPECT_EQ(ran, 3);
      EXPECT_EQ(live, 0);
    }
  }
}

task<> throw_number(int n) {
  throw error(n);
  co_return;
}

task<int> join_all_throw() {
  int caught = 0;
  try {
    co_await join(throw_number(1), throw_number(2), throw_number(3));
  } catch (const error& e) {
    caught = e.number;
  }
  co_return caught;
}

TEST_P(TaskTest, IfSeveralChildrenThrowOneOfTheirExceptionsIsRethrown) {
  const int caught = run(join_all_throw);
  EXPECT_GE(caught, 1);
  EXPECT_LE(caught, 3);
}

task<long> fib_throws(int n, std::atomic<int>& thrown) {
  if (n < 2) {
    ++thrown;
    throw error(n);
  }
  long caught = 0;
  try {
    auto [a, b] = co_await join(fib_throws(n - 1, thrown), fib_throws(n - 2, thrown));
    caught = a + b;
  } catch (const error&) {
    caught = 1;
  }
  co_return caught;
}

TEST_P(TaskTest, ExceptionsInNestedJoinsReachTheNearestParent) {
  std::atomic<int> thrown = 0;
  const long sum = run(fib_throws, 14, std::ref(thrown));
  EXPECT_EQ(thrown, 610) << "each leaf";
  EXPECT_GT(sum, 0);
}

// A child that waits leaves its siblings to others and comes back to the join wherever it is woken.
task<int> receive_plus(channel<int> from, int n) {
  const std::optional<int> v = co_await from.receive();
  co_return v.value_or(-1000) + n;
}

task<> send_all(channel<int> to, int n) {
  for (int i = 1; i <= n; ++i)
    if (!co_await to.send(i)) co_return;
}

task<int> join_parks(int round) {
  channel<int> ch(round % 3);
  go(send_all, ch, 3);
  auto [a, b, c] = co_await join(receive_plus(ch, 10), receive_plus(ch, 20), receive_plus(ch, 30));
  co_return a + b + c;
}

TEST_P(TaskTest, ChildrenThatParkInAJoinAreWokenAndJoined) {
  for (int round = 0; round < 300; ++round) ASSERT_EQ(run(join_parks, round), 66);
}

// One child sends what the other one receives, so the join can only end if a parked child lets its sibling run.
task<> child_sends(channel<int> to, int n) {
  for (int i = 0; i < n; ++i) {
    const bool sent = co_await to.send(i);
    EXPECT_TRUE(sent);
  }
  to.close();
}

task<long> child_receives(channel<int> from) {
  long sum = 0;
  while (std::optional<int> v = co_await from.receive()) sum += *v;
  co_return sum;
}

task<long> siblings_talk(int n) {
  channel<int> ch(0);
  auto [sum, sent] = co_await join(child_receives(ch), child_sends(ch, n));
  static_cast<void>(sent);
  co_return sum;
}

TEST_P(TaskTest, JoinedChildrenMayWaitForEachOther) {
  for (int round = 0; round < 50; ++round) ASSERT_EQ(run(siblings_talk, 100), 4950);
}

// A tree of joins whose leaves yield, receive and call deep, with parked strands at every level.
task<long> busy_tree(channel<int> tokens, int levels) {
  if (levels == 0) {
    const std::optional<int> token = co_await tokens.receive();
    co_await yield();
    const int deep = co_await depth_of(50);
    const bool sent = co_await tokens.send(*token);
    EXPECT_TRUE(sent);
    co_return deep;
  }
  auto [a, b, c] = co_await join(busy_tree(tokens, levels - 1), busy_tree(tokens, levels - 1), depth_of(levels));
  co_return a + b + c;
}

task<long> tree_of_parking_joins() {
  channel<int> tokens(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(tokens.try_send(i));
  co_return co_await busy_tree(tokens, 8);
}

TEST_P(TaskTest, ATreeOfJoinsWithParkingLeavesAddsUp) {
  // 2^8 leaves of 50; a node of level l adds l, and there are 2^(8 - l) of them.
  long expected = 256 * 50;
  for (int l = 1; l <= 8; ++l) expected += long{l} << (8 - l);
  for (int round = 0; round < 20; ++round) ASSERT_EQ(run(tree_of_parking_joins), expected);
}

// --- go and spawn ----------------------------------------------------------------------------------------------------

struct copies {
  int copied = 0;
  int moved = 0;
  copies() = default;
  copies(const copies& other) : copied(other.copied + 1), moved(other.moved) {}
  copies(copies&& other) noexcept : copied(other.copied), moved(other.moved + 1) {}
};

task<> record(channel<copies> out, copies c) { static_cast<void>(co_await out.send(std::move(c))); }

task<> go_copies_lvalues() {
  channel<copies> ch(1);
  copies mine;
  go(record, ch, mine);
  const std::optional<copies> copy = co_await ch.receive();
  EXPECT_EQ(copy->copied, 1);
  EXPECT_EQ(mine.copied, 0);
  go(record, ch, copies());
  const std::optional<copies> moved = co_await ch.receive();
  EXPECT_EQ(moved->copied, 0) << "an rvalue is moved";
}

TEST_P(TaskTest, GoCopiesLvaluesOnceAndMovesRvalues) { run(go_copies_lvalues); }

task<> increment(int& n, wait_group& done) {
  ++n;
  done.done();
  co_return;
}

task<int> go_by_reference() {
  int n = 0;
  wait_group done;
  done.add(1);
  go(increment, std::ref(n), std::ref(done));
  co_await done.wait();
  co_return n;
}

TEST_P(TaskTest, AReferenceIsPassedWithStdRef) { EXPECT_EQ(run(go_by_reference), 1); }

TEST_P(TaskTest, AClosureIsKeptAliveInItsTask) {
  std::atomic<int> live = 0;
  std::atomic<int> seen = 0;
  run([&]() -> task<> {
    wait_group done;
    for (int i = 1; i <= 10; ++i) {
      done.add(1);
      go([c = counted(live, i), &seen, &done]() -> task<> {
        co_await yield();
        seen += c.value();
        done.done();
      });
    }
    co_await done.wait();
  });
  test::eventually([&] { return live == 0; });
  EXPECT_EQ(seen, 55);
}

// Larger than the block that a kind of task is first given.
template <std::size_t Bytes>
void run_large_closures(runtime& rt) {
  std::atomic<int> live = 0;
  std::vector<join_handle<int>> handles;
  for (int i = 0; i < 20; ++i) {
    std::array<unsigned char, Bytes> filler;
    filler.fill(static_cast<unsigned char>(i));
    handles.push_back(rt.spawn([c = counted(live, i), filler]() -> task<int> {
      co_await yield();
      int sum = 0;
      for (const unsigned char byte : filler) sum += byte;
      co_return sum == c.value() * static_cast<int>(Bytes) ? c.value() : -1;
    }));
  }
  int sum = 0;
  for (join_handle<int>& h : handles) sum += h.get();
  EXPECT_EQ(sum, 190);
  EXPECT_EQ(live, 0);
}

TEST_P(TaskTest, AClosureMayBeLarge) {
  run_large_closures<40>(rt());
  run_large_closures<600>(rt());
  run_large_closures<20'000>(rt());
}

TEST_P(TaskTest, ArgumentsOfATaskAreDestroyedExactlyOnce) {
  std::atomic<int> live = 0;
  {
    std::vector<join_handle<int>> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(rt().spawn(take_counted, counted(live, i)));
    int sum = 0;
    for (join_handle<int>& h : handles) sum += h.get();
    EXPECT_EQ(sum, 4950);
  }
  EXPECT_EQ(live, 0);
}

TEST_P(TaskTest, AResultThatNobodyTakesIsDestroyed) {
  std::atomic<int> live = 0;
  for (int i = 0; i < 100; ++i) {
    join_handle<counted> h = rt().spawn(made, std::ref(live), i);
    if (i % 2 == 0) test::eventually([&] { return h.done(); });
  }
  EXPECT_TRUE(test::all_tasks_end(rt()));
  test::eventually([&] { return live == 0; });
}

TEST_P(TaskTest, AHandleGivesTheResultOrRethrows) {
  join_handle<std::unique_ptr<int>> h = rt().spawn(boxed, std::make_unique<int>(1), 1);
  EXPECT_TRUE(h.valid());
  EXPECT_NE(h.id(), 0u);
  EXPECT_EQ(*h.get(), 2);
  EXPECT_FALSE(h.valid());
  join_handle<void> failing = rt().spawn(throw_number, 3);
  EXPECT_THROW(failing.get(), error);
  EXPECT_FALSE(failing.valid());
}

task<int> await_handles() {
  join_handle<int> one = spawn(twice, 1);
  join_handle<int> other = spawn(twice, 2);
  const int b = co_await other;
  const int a = co_await one.join();
  bool thrown = false;
  join_handle<void> failing = spawn(throw_number, 1);
  try {
    co_await failing;
  } catch (const error&) {
    thrown = true;
  }
  EXPECT_TRUE(thrown);
  const int c = co_await spawn(twice, 3);
  co_return a + b + c;
}

TEST_P(TaskTest, AHandleIsAwaitedInsideATask) { EXPECT_EQ(run(await_handles), 12); }

TEST_P(TaskTest, ACallableThatThrowsBeforeItsFrameExistsLeavesNothingBehind) {
  struct throws_when_moved {
    throws_when_moved() = default;
    throws_when_moved(const throws_when_moved&) { throw error(1); }
    task<> operator()() const { return nothing(); }
  };
  const throws_when_moved f;
  for (int i = 0; i < 10; ++i) EXPECT_THROW(static_cast<void>(rt().spawn(f)), error);
  EXPECT_TRUE(rt().tasks().empty());
  EXPECT_EQ(run(twice, 2), 4);
}

task<int> parks_in_a_call() {
  co_await yield();
  co_return 1;
}

task<int> answers_after_a_call_that_parked() {
  static_cast<void>(co_await parks_in_a_call());
  co_return 42;
}

TEST_P(TaskTest, TheResultIsTheRootsAlthoughTheTaskParkedLastInACall) {
  // A second task, so that the yield parks and does not just go on.
  join_handle<int> other = rt().spawn(answers_after_a_call_that_parked);
  EXPECT_EQ(run(answers_after_a_call_that_parked), 42);
  EXPECT_EQ(other.get(), 42);
}

// --- stacks ----------------------------------------------------------------------------------------------------------

task<int> leaf(int x) {
  int pad[16];
  std::iota(std::begin(pad), std::end(pad), x);
  co_await yield();
  co_return pad[x & 15];
}

// A loop that calls from each of many depths: at some of them the callee's frame lies beyond the segment's end. Growth
// may happen in the first round; afterwards the spare segment serves.
TEST(HotSplitTest, ALoopThatCallsAcrossASegmentsEndGrowsAtMostOnce) {
  const std::unique_ptr<runtime> rt = test::make_runtime(1);
  const auto& p = *runtime_access::sched(*rt).processors()[0];
  uint64_t split_rounds = 0;
  for (int depth = 0; depth < 60; ++depth) {
    const uint64_t splits = p.counters.hot_splits.value();
    const uint64_t growths = rt->run([&p, depth]() -> task<uint64_t> {
      auto at = [&p](auto&& self, int d) -> task<uint64_t> {
        if (d > 0) co_return co_await self(self, d - 1);
        const uint64_t before = p.counters.stack_growths.value();
        for (int i = 0; i < 1000; ++i) static_cast<void>(co_await leaf(i));
        co_return p.counters.stack_growths.value() - before;
      };
      co_return co_await at(at, depth);
    });
    EXPECT_LE(growths, 1u) << "at depth " << depth;
    if (p.counters.hot_splits.value() - splits >= 900) ++split_rounds;
  }
  EXPECT_GE(split_rounds, 1u) << "no depth put the callee across a segment's end, so nothing was shown";
}

task<> finish(wait_group& group) {
  group.done();
  co_return;
}

task<> start_batches(int batches) {
  wait_group group;
  for (int b = 0; b < batches; ++b) {
    group.add(1000);
    for (int i = 0; i < 1000; ++i) go(finish, std::ref(group));
    co_await group.wait();
  }
}

TEST_P(TaskTest, AMillionGoesInSteadyStateAllocateNothing) {
  run(start_batches, 100);
  const test::count_allocations count;
  run(start_batches, 1000);
  if (GetParam() == 1) {
    EXPECT_EQ(count.so_far(), 0u);
  } else {
    // The first time that so many blocks are on their way between processors, there may be a new chunk for them.
    EXPECT_LE(count.so_far(), 16u);
  }
}

/// The real system, but for the monitor's thread, which begins only when it is let.
class late_monitor_system final : public os::system {
 public:
  void let_begin() noexcept { let_.test_and_set(), let_.notify_all(); }
  void await_its_first_sleep() noexcept { slept_.wait(false); }

  absl::Status start_thread(os::thread& out, void (*entry)(void*), void* argument, const char* name) noexcept override {
    if (std::string_view(name) != "weft-monitor") return os::system::start_thread(out, entry, argument, name);
    entry_ = entry;
    argument_ = argument;
    return os::system::start_thread(out, &begin_when_let, this, name);
  }

  void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns) noexcept override {
    if (is_monitor) slept_.test_and_set(), slept_.notify_all();
    os::system::futex_wait(word, expected, timeout_ns);
  }

 private:
  static void begin_when_let(void* self) {
    auto& s = *static_cast<late_monitor_system*>(self);
    s.let_.wait(false);
    is_monitor = true;
    s.entry_(s.argument_);
  }

  static inline thread_local bool is_monitor = false;
  std::atomic_flag let_;
  std::atomic_flag slept_;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
};

// Once the million allocated, with a machine so busy that the monitor's thread began only behind the first batches.
TEST(TaskMonitorTest, AMonitorThatBeginsLateAllocatesNothing) {
  late_monitor_system sys;
  os::seams seams = test::seeded_seams();
  seams.sys = &sys;
  options opts;
  opts.processors = 1;
  auto rt = runtime_access::create(opts, seams, detail::drive::threads);
  ASSERT_TRUE(rt.ok()) << rt.status();
  const test::count_allocations count;
  sys.let_begin();
  sys.await_its_first_sleep();
  EXPECT_EQ(count.so_far(), 0u);
}

TEST(TaskDeathTest, CallingACoroutineOutsideAnyTaskSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(static_cast<void>(nothing()), "a weft::task coroutine was called outside any task");
}

TEST(TaskDeathTest, GoOutsideAnyTaskSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(go(nothing), "weft::go or weft::spawn outside any task; use runtime::spawn");
}

TEST(TaskDeathTest, BlockingOnAHandleInsideATaskSaysSo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(test::make_runtime(1)->run([]() -> task<> {
    spawn(nothing).get();
    co_return;
  }),
               "join_handle::get\\(\\) inside a task; use co_await");
}

}  // namespace
}  // namespace weft
