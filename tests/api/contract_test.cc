// The programs of the API contract, as they are written there, compiled and run.
#include <gtest/gtest.h>

#include <weft/weft.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

using namespace std::chrono_literals;

namespace {

// 1. Running.
weft::task<int> add(int a, int b) { co_return a + b; }
weft::task<int> amain(int x) { co_return co_await add(x, 2); }

TEST(ContractTest, Running) { EXPECT_EQ(weft::run(amain, 1) == 3 ? 0 : 1, 0); }

// 2. Embedding.
TEST(ContractTest, Embedding) {
  weft::options opts;
  opts.processors = 2;
  absl::StatusOr<std::unique_ptr<weft::runtime>> rt = weft::runtime::create(opts);
  ASSERT_TRUE(rt.ok());
  weft::join_handle<int> h = (*rt)->spawn(amain, 1);
  int three = h.get();
  int also = (*rt)->run(amain, 1);
  EXPECT_EQ(three, 3);
  EXPECT_EQ(also, 3);
  weft::shutdown_report report = (*rt)->shutdown(5s);
  EXPECT_TRUE(report.clean());
  EXPECT_TRUE(report.stragglers.empty());

  opts.processors = 0;
  auto hosted = weft::runtime::create(opts);
  ASSERT_TRUE(hosted.ok());
  EXPECT_EQ((*hosted)->poll(), 0u);
  EXPECT_GE((*hosted)->wake_fd(), 0);
}

// 3. go, channels.
weft::task<> produce(weft::channel<int> out, int n) {
  for (int i = 0; i < n; ++i)
    if (!co_await out.send(i)) co_return;
  out.close();
}
weft::task<long> consume(int n) {
  weft::channel<int> ch(64);
  weft::go(produce, ch, n);
  long sum = 0;
  while (std::optional<int> v = co_await ch.receive()) sum += *v;
  co_return sum;
}

TEST(ContractTest, Channels) { EXPECT_EQ(weft::run(consume, 10000), 49995000); }

// 4. Fork and join.
weft::task<long> fib(int n) {
  if (n < 2) co_return n;
  auto [a, b] = co_await weft::join(fib(n - 1), fib(n - 2));
  co_return a + b;
}

TEST(ContractTest, ForkAndJoin) { EXPECT_EQ(weft::run(fib, 20), 6765); }

// 7. Semaphores, mutex, wait group.
weft::task<int> increment(weft::mutex& m, int& n, weft::wait_group& group) {
  auto lock = co_await m.lock();
  ++n;
  group.done();
  co_return n;
}

weft::task<> nothing() { co_return; }

weft::task<> permits() {
  weft::semaphore slots(4);
  if (weft::permit p = co_await slots.acquire(2)) {
    EXPECT_EQ(slots.available(), 2);
    std::optional<weft::permit> q = slots.try_acquire(1);
    EXPECT_TRUE(q);
  }
  EXPECT_EQ(slots.available(), 4);

  weft::mutex m;
  weft::wait_group group;
  int n = 0;
  for (int i = 0; i < 10; ++i) {
    group.add(1);
    weft::go(increment, std::ref(m), std::ref(n), std::ref(group));
  }
  const bool all = co_await group.wait();
  EXPECT_TRUE(all);
  auto lock = co_await m.lock();
  EXPECT_EQ(n, 10);
  lock.unlock();
  group.go(nothing);
  const bool again = co_await group.wait();
  EXPECT_TRUE(again);
}

TEST(ContractTest, SemaphoresAndTheirKin) { weft::run(permits); }

// 9. Time and yielding.
weft::task<bool> sleeps() {
  bool slept = co_await weft::sleep_for(1ms);
  bool until = co_await weft::sleep_until(std::chrono::steady_clock::now() + 1ms);
  co_await weft::yield();
  co_return slept&& until;
}

TEST(ContractTest, TimeAndYielding) { EXPECT_TRUE(weft::run(sleeps)); }

}  // namespace
