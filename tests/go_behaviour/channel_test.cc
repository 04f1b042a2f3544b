// Channels behave as Go's: the behaviours that chan_test.go and test/chan define, by id.
//
// Where C++ differs from Go by design: a send on a closed channel returns false instead of panicking, and so does a
// second close; a non-blocking operation is try_send or try_receive, not a select with a default. docs/go_behaviour.md
// lists every id.
//
// "It parks" is shown with a hosted runtime: after settle() whatever can go on has gone on, so a task that has not
// ended is parked, and the registry says where.
#include <weft/channel.h>

#include <gtest/gtest.h>

#include <weft/weft.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "sched/scheduler.h"
#include "support/processors.h"

namespace weft {
namespace {

using test::make_runtime;
using test::processors_test;
using test::settle;
using test::tasks_in_state;

class GoChannelTest : public processors_test {};
INSTANTIATE_TEST_SUITE_P(With, GoChannelTest, test::some_processors(), test::processors_name);

constexpr std::size_t some_capacities[] = {0, 1, 2, 3, 7, 10};

task<std::optional<int>> receive_one(channel<int> ch) { co_return co_await ch.receive(); }
task<bool> send_one(channel<int> ch, int value) { co_return co_await ch.send(value); }

// C1
TEST(GoChannelParkTest, AReceiveFromAnEmptyOpenChannelParks) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    join_handle<std::optional<int>> h = rt->spawn(receive_one, ch);
    settle(*rt);
    EXPECT_FALSE(h.done());
    EXPECT_EQ(tasks_in_state(*rt, "chan receive"), 1u);
    EXPECT_TRUE(ch.try_send(5)) << "the parked receiver makes room";
    settle(*rt);
    EXPECT_EQ(h.get(), 5);
  }
}

// C2
TEST(GoChannelParkTest, ATryReceiveFromAnEmptyOpenChannelReturnsAtOnceWithNothing) {
  for (const std::size_t capacity : some_capacities) {
    channel<int> ch(capacity);
    const try_result<int> r = ch.try_receive();
    EXPECT_FALSE(r);
    EXPECT_FALSE(r.closed());
  }
}

// C3
TEST(GoChannelParkTest, ASendToAFullChannelParksAndWithoutBufferUntilAReceiverComes) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(ch.try_send(static_cast<int>(i)));
    join_handle<bool> h = rt->spawn(send_one, ch, 99);
    settle(*rt);
    EXPECT_FALSE(h.done());
    EXPECT_EQ(tasks_in_state(*rt, "chan send"), 1u);
    EXPECT_EQ(*ch.try_receive(), capacity == 0 ? 99 : 0);
    settle(*rt);
    EXPECT_TRUE(h.get());
  }
}

// C4
TEST(GoChannelParkTest, ATrySendToAFullChannelReturnsFalseAtOnce) {
  for (const std::size_t capacity : some_capacities) {
    channel<int> ch(capacity);
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_TRUE(ch.try_send(static_cast<int>(i)));
    EXPECT_FALSE(ch.try_send(99));
    EXPECT_EQ(ch.size(), capacity);
  }
}

task<> drain_closed(channel<int> ch, int buffered) {
  for (int i = 0; i < buffered; ++i) {
    const std::optional<int> v = co_await ch.receive();
    EXPECT_EQ(v, i);
  }
  for (int again = 0; again < 3; ++again) {
    const std::optional<int> v = co_await ch.receive();
    EXPECT_FALSE(v);
    const try_result<int> r = ch.try_receive();
    EXPECT_FALSE(r);
    EXPECT_TRUE(r.closed());
  }
}

// C5
TEST_P(GoChannelTest, AfterCloseBufferedValuesComeOutInOrderAndThenNothingForEver) {
  for (const std::size_t capacity : some_capacities) {
    channel<int> ch(capacity);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(ch.try_send(static_cast<int>(i)));
    EXPECT_TRUE(ch.close());
    run(drain_closed, ch, static_cast<int>(capacity));
  }
}

// C6
TEST(GoChannelParkTest, CloseWakesAParkedReceiverWithNothing) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    join_handle<std::optional<int>> one = rt->spawn(receive_one, ch);
    join_handle<std::optional<int>> other = rt->spawn(receive_one, ch);
    settle(*rt);
    EXPECT_TRUE(ch.close());
    settle(*rt);
    ASSERT_TRUE(one.done());
    ASSERT_TRUE(other.done());
    EXPECT_FALSE(one.get());
    EXPECT_FALSE(other.get());
  }
}

task<> send_count(channel<int> ch, int n) {
  for (int i = 0; i < n; ++i) {
    const bool sent = co_await ch.send(i);
    EXPECT_TRUE(sent);
  }
}

task<> receive_count(std::size_t capacity) {
  channel<int> ch(capacity);
  go(send_count, ch, 100);
  for (int i = 0; i < 100; ++i) {
    // Both forms in turn: the parking one, and the non-blocking one until it has something.
    if (i % 2 == 0) {
      const std::optional<int> v = co_await ch.receive();
      EXPECT_EQ(v, i);
    } else {
      try_result<int> r = ch.try_receive();
      while (!r) {
        co_await yield();
        r = ch.try_receive();
      }
      EXPECT_EQ(*r, i);
    }
  }
}

// C7
TEST_P(GoChannelTest, ValuesOfOneSenderArriveInOrder) {
  for (const std::size_t capacity : some_capacities) run(receive_count, capacity);
}

task<> receive_into(channel<int> ch, int n, channel<std::vector<int>> out) {
  std::vector<int> got;
  for (int i = 0; i < n; ++i) {
    const std::optional<int> v = co_await ch.receive();
    EXPECT_TRUE(v);
    got.push_back(v.value_or(-1));
  }
  static_cast<void>(co_await out.send(std::move(got)));
}

task<> four_by_four(std::size_t capacity) {
  constexpr int parties = 4;
  constexpr int each = 1000;
  channel<int> ch(capacity);
  channel<std::vector<int>> out(parties);
  for (int i = 0; i < parties; ++i) {
    go(send_count, ch, each);
    go(receive_into, ch, each, out);
  }
  std::map<int, int> seen;
  for (int i = 0; i < parties; ++i) {
    const std::optional<std::vector<int>> got = co_await out.receive();
    for (const int v : *got) ++seen[v];
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(each));
  for (const auto& [value, times] : seen) EXPECT_EQ(times, parties) << "value " << value;
}

// C8
TEST_P(GoChannelTest, FourSendersAndFourReceiversLoseAndDoubleNothing) {
  for (const std::size_t capacity : some_capacities) run(four_by_four, capacity);
}

// C9
TEST(GoChannelSizeTest, SizeIsTheBufferedCountAndCapacityIsFixedAndBothAreZeroForTheNilChannel) {
  for (const std::size_t capacity : some_capacities) {
    const channel<int> ch(capacity);
    EXPECT_EQ(ch.size(), 0u);
    EXPECT_EQ(ch.capacity(), capacity);
    for (std::size_t i = 0; i < capacity; ++i) {
      EXPECT_TRUE(ch.try_send(1));
      EXPECT_EQ(ch.size(), i + 1);
    }
    EXPECT_EQ(ch.capacity(), capacity);
  }
  const channel<int> nil;
  EXPECT_EQ(nil.size(), 0u);
  EXPECT_EQ(nil.capacity(), 0u);
}

task<> close_it(channel<int> ch) {
  ch.close();
  co_return;
}

task<> race_close_and_receive(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    channel<int> ch(1);
    EXPECT_TRUE(ch.try_send(1));
    go(close_it, ch);
    const try_result<int> r = ch.try_receive();
    EXPECT_TRUE(r) << "the value is there, whether or not the channel is closed by now";
    if (i % 16 == 0) co_await yield();
  }
}

// C10
TEST_P(GoChannelTest, ATryReceiveOfABufferedValueIsReadyWhileTheChannelIsClosed) { run(race_close_and_receive, 5000); }

// C10, with a plain thread that closes, so that the two really run at the same time.
TEST(GoChannelRaceTest, ATryReceiveOfABufferedValueIsReadyWhileAnotherThreadCloses) {
  constexpr int rounds = 2000;
  std::atomic<int> turn = 0;
  std::vector<channel<int>> channels;
  for (int i = 0; i < rounds; ++i) {
    channels.emplace_back(1u);
    ASSERT_TRUE(channels.back().try_send(1));
  }
  std::jthread closer([&] {
    for (int i = 0; i < rounds; ++i) {
      while (turn.load() < i) std::this_thread::yield();
      channels[static_cast<std::size_t>(i)].close();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    turn = i;
    EXPECT_TRUE(channels[static_cast<std::size_t>(i)].try_receive());
  }
}

task<> pass_on(channel<int> in, channel<int> out, int modulus, wait_group& done) {
  while (std::optional<int> v = co_await in.receive()) {
    // Some work of different lengths, so that the consumers get out of step.
    if (*v % modulus == 0) co_await yield();
    if (!co_await out.send(*v)) break;
  }
  done.done();
}

task<> close_after(wait_group& done, channel<int> out) {
  co_await done.wait();
  out.close();
}

task<> feed(channel<int> in, int items, std::atomic<int64_t>& expected) {
  int64_t sum = 0;
  for (int i = 0; i < items; ++i) {
    const int v = i % 1000;
    sum += v;
    if (!co_await in.send(v)) break;
  }
  expected = sum;
  in.close();
}

task<int64_t> many_consumers(int items, std::atomic<int64_t>& expected) {
  constexpr std::array primes = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37,
                                 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83};
  static_assert(primes.size() == 23);
  channel<int> in(23 * 3);
  channel<int> out(23 * 3);
  wait_group done;
  for (const int p : primes) {
    done.add(1);
    go(pass_on, in, out, p, std::ref(done));
  }
  join_handle<void> closer = spawn(close_after, std::ref(done), out);
  go(feed, in, items, std::ref(expected));
  int64_t sum = 0;
  while (std::optional<int> v = co_await out.receive()) sum += *v;
  co_await closer;
  co_return sum;
}

// C17
TEST_P(GoChannelTest, TwentyThreeConsumersKeepTheSumAndTheCloseReachesTheEnd) {
  std::atomic<int64_t> expected = 0;
  EXPECT_EQ(run(many_consumers, 271828, std::ref(expected)), expected);
}

// C26
TEST(GoChannelParkTest, WithRoomASendDoesNotParkAndWithValuesAReceiveDoesNotPark) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<int> ch(10);
  join_handle<void> h = rt->spawn([ch]() -> task<> {
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 10; ++i) {
        const bool sent = co_await ch.send(i);
        EXPECT_TRUE(sent);
      }
      for (int i = 0; i < 10; ++i) {
        const std::optional<int> v = co_await ch.receive();
        EXPECT_EQ(v, i);
      }
    }
  });
  EXPECT_EQ(settle(*rt), 1u) << "one resumption from its start to its end";
  EXPECT_TRUE(h.done());
}

// C37
TEST(GoChannelParkTest, WaitingReceiversAreServedInTheOrderOfTheirArrival) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    std::vector<join_handle<std::optional<int>>> waiting;
    for (int i = 0; i < 10; ++i) {
      waiting.push_back(rt->spawn(receive_one, ch));
      settle(*rt);
    }
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(ch.try_send(i));
    settle(*rt);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(waiting[static_cast<std::size_t>(i)].get(), i);
  }
}

// C37
TEST(GoChannelParkTest, WaitingSendersAreServedInTheOrderOfTheirArrival) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    std::vector<join_handle<bool>> waiting;
    const int all = static_cast<int>(capacity) + 10;
    for (int i = 0; i < all; ++i) {
      waiting.push_back(rt->spawn(send_one, ch, i));
      settle(*rt);
    }
    for (int i = 0; i < all; ++i) {
      try_result<int> r = ch.try_receive();
      ASSERT_TRUE(r);
      EXPECT_EQ(*r, i);
    }
    settle(*rt);
    for (join_handle<bool>& h : waiting) EXPECT_TRUE(h.get());
  }
}

template <std::size_t Bytes>
struct sized {
  std::array<unsigned char, Bytes> bytes{};
  explicit sized(unsigned char fill = 0) { bytes.fill(fill); }
  bool filled_with(unsigned char v) const {
    return std::all_of(bytes.begin(), bytes.end(), [v](unsigned char b) { return b == v; });
  }
};

template <class T>
task<bool> send_value(channel<T> ch, T value) {
  co_return co_await ch.send(std::move(value));
}
template <class T>
task<std::optional<T>> receive_value(channel<T> ch) {
  co_return co_await ch.receive();
}

// With capacity 0 a non-blocking operation finds only a parked partner.
template <std::size_t Bytes>
void non_blocking_with_size() {
  using value = sized<Bytes>;
  SCOPED_TRACE(testing::Message() << Bytes << " bytes");
  const std::unique_ptr<runtime> rt = make_runtime(0);
  for (const std::size_t capacity : {0u, 1u}) {
    channel<value> ch(capacity);
    EXPECT_FALSE(ch.try_receive());
    if (capacity == 1) {
      EXPECT_TRUE(ch.try_send(value(1)));
      EXPECT_FALSE(ch.try_send(value(2)));
      EXPECT_TRUE((*ch.try_receive()).filled_with(1));
    } else {
      EXPECT_FALSE(ch.try_send(value(2)));
    }
    join_handle<std::optional<value>> receiver = rt->spawn(receive_value<value>, ch);
    settle(*rt);
    EXPECT_TRUE(ch.try_send(value(3)));
    settle(*rt);
    EXPECT_TRUE(receiver.get()->filled_with(3));
    if (capacity == 1) {
      ASSERT_TRUE(ch.try_send(value(4)));
    }
    join_handle<bool> sender = rt->spawn(send_value<value>, ch, value(5));
    settle(*rt);
    if (capacity == 1) {
      EXPECT_TRUE((*ch.try_receive()).filled_with(4));
    }
    EXPECT_TRUE((*ch.try_receive()).filled_with(5));
    settle(*rt);
    EXPECT_TRUE(sender.get());
    EXPECT_FALSE(ch.try_receive());
  }
}

// C38
TEST(GoChannelParkTest, NonBlockingOperationsWorkForEveryElementSize) {
  non_blocking_with_size<1>();
  non_blocking_with_size<2>();
  non_blocking_with_size<3>();
  non_blocking_with_size<4>();
  non_blocking_with_size<8>();
  non_blocking_with_size<24>();
  non_blocking_with_size<256>();
  non_blocking_with_size<1000>();
}

// C39: the views are enforced by the compiler, in requires-expressions that must not hold.
template <class C>
concept can_send = requires(C c) { c.send(1); };
template <class C>
concept can_try_send = requires(C c) { c.try_send(1); };
template <class C>
concept can_receive = requires(C c) { c.receive(); };
template <class C>
concept can_try_receive = requires(C c) { c.try_receive(); };
template <class C>
concept can_close = requires(C c) { c.close(); };
static_assert(can_send<channel<int>> && can_try_send<channel<int>> && can_close<channel<int>>);
static_assert(can_receive<channel<int>> && can_try_receive<channel<int>>);
static_assert(can_send<send_only<int>> && can_try_send<send_only<int>> && can_close<send_only<int>>);
static_assert(!can_receive<send_only<int>> && !can_try_receive<send_only<int>>);
static_assert(can_receive<receive_only<int>> && can_try_receive<receive_only<int>>);
static_assert(!can_send<receive_only<int>> && !can_try_send<receive_only<int>> && !can_close<receive_only<int>>);
static_assert(std::is_convertible_v<channel<int>, send_only<int>>);
static_assert(std::is_convertible_v<channel<int>, receive_only<int>>);
static_assert(!std::is_convertible_v<send_only<int>, channel<int>>);
static_assert(!std::is_convertible_v<receive_only<int>, channel<int>>);
static_assert(!std::is_convertible_v<send_only<int>, receive_only<int>>);
static_assert(!std::is_convertible_v<receive_only<int>, send_only<int>>);

// C40
task<> link(receive_only<int> right, send_only<int> left) {
  const std::optional<int> v = co_await right.receive();
  static_cast<void>(co_await left.send(v.value_or(-100000) + 1));
}

task<int> chain(int n) {
  channel<int> leftmost(0);
  channel<int> left = leftmost;
  channel<int> right = left;
  for (int i = 0; i < n; ++i) {
    right = channel<int>(0);
    go(link, right, left);
    left = right;
  }
  const bool sent = co_await right.send(0);
  EXPECT_TRUE(sent);
  const std::optional<int> v = co_await leftmost.receive();
  co_return *v;
}

// C40
TEST_P(GoChannelTest, AChainOfTenThousandTasksPassesAValueFromEndToEnd) { EXPECT_EQ(run(chain, 10000), 10000); }

task<> generate(send_only<int> out) {
  for (int i = 2;; ++i)
    if (!co_await out.send(i)) co_return;
}

task<> filter(receive_only<int> in, send_only<int> out, int prime) {
  while (std::optional<int> v = co_await in.receive())
    if (*v % prime != 0)
      if (!co_await out.send(*v)) break;
  static_cast<void>(out.close());
}

// Go's program leaves its tasks behind; here the sieve is closed from its end, and each stage's refused send ends it.
task<std::vector<int>> sieve(int count) {
  std::vector<channel<int>> stages;
  stages.emplace_back(0u);
  go(generate, stages.back());
  std::vector<int> primes;
  for (int i = 0; i < count; ++i) {
    const std::optional<int> prime = co_await stages.back().receive();
    primes.push_back(*prime);
    channel<int> next(0);
    go(filter, stages.back(), next, *prime);
    stages.push_back(next);
  }
  for (channel<int>& stage : stages) stage.close();
  co_return primes;
}

// C41
TEST_P(GoChannelTest, AChainOfFiltersSievesThePrimes) {
  const std::vector<int> primes = run(sieve, 100);
  EXPECT_EQ(primes.front(), 2);
  EXPECT_EQ(primes[24], 97);
  EXPECT_EQ(primes.back(), 541);
  EXPECT_TRUE(test::all_tasks_end(rt()));
}

// A power series is a channel of coefficients, made on demand; the sum, product and derivative are made of small tasks.
// Coefficients are integers here, so the series are those that need no fractions.
using series = channel<int64_t>;

task<> constant_series(series out, int64_t c) {
  bool open = true;
  while (open) open = co_await out.send(c);
}

task<> add_series(series a, series b, series out) {
  for (;;) {
    const std::optional<int64_t> x = co_await a.receive();
    const std::optional<int64_t> y = co_await b.receive();
    if (!x || !y) break;
    if (!co_await out.send(*x + *y)) break;
  }
  a.close();
  b.close();
  out.close();
}

task<> copy_series(series in, series one, series other) {
  bool open = true;
  while (open) {
    const std::optional<int64_t> v = co_await in.receive();
    if (!v) break;
    const bool first = co_await one.send(*v);
    const bool second = co_await other.send(*v);
    open = first && second;
  }
  in.close();
  one.close();
  other.close();
}

task<> scale_series(series in, int64_t by, series out) {
  while (std::optional<int64_t> v = co_await in.receive())
    if (!co_await out.send(*v * by)) break;
  in.close();
  out.close();
}

task<> delayed_series(series in, series out) {
  const bool open = co_await out.send(0);
  if (open)
    while (std::optional<int64_t> v = co_await in.receive())
      if (!co_await out.send(*v)) break;
  in.close();
  out.close();
}

// (f0 + x f) (g0 + x g) = f0 g0 + x (f0 g + g0 f + x f g), with a new product for the tails at every coefficient.
task<> multiply_series(series f, series g, series out) {
  const std::optional<int64_t> f0 = co_await f.receive();
  const std::optional<int64_t> g0 = co_await g.receive();
  if (f0 && g0) {
    if (co_await out.send(*f0 * *g0)) {
      std::array<series, 4> half;
      for (series& s : half) s = series(0);
      go(copy_series, f, half[0], half[1]);
      go(copy_series, g, half[2], half[3]);
      series scaled_f(0), scaled_g(0), both(0), product(0), delayed(0), sum(0);
      go(scale_series, half[0], *g0, scaled_f);
      go(scale_series, half[2], *f0, scaled_g);
      go(add_series, scaled_f, scaled_g, both);
      go(multiply_series, half[1], half[3], product);
      go(delayed_series, product, delayed);
      go(add_series, both, delayed, sum);
      while (std::optional<int64_t> v = co_await sum.receive())
        if (!co_await out.send(*v)) break;
      sum.close();
    }
  }
  f.close();
  g.close();
  out.close();
}

task<std::vector<int64_t>> square_of_ones(int terms) {
  series a(0), b(0), product(0);
  go(constant_series, a, 1);
  go(constant_series, b, 1);
  go(multiply_series, a, b, product);
  std::vector<int64_t> got;
  for (int i = 0; i < terms; ++i) {
    const std::optional<int64_t> v = co_await product.receive();
    got.push_back(v.value_or(-1));
  }
  product.close();
  co_return got;
}

// C41
TEST_P(GoChannelTest, PowerSeriesOfManySmallTasksMultiplyRight) {
  const std::vector<int64_t> got = run(square_of_ones, 20);
  // (1 + x + x^2 + ...)^2 = 1 + 2 x + 3 x^2 + ...
  for (int i = 0; i < 20; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], i + 1);
  EXPECT_TRUE(test::all_tasks_end(rt())) << "closing the end closes the whole network";
}

struct nothing {};

task<int> count_nothings(channel<nothing> ch) {
  int n = 0;
  while (std::optional<nothing> v = co_await ch.receive()) ++n;
  co_return n;
}

// C42: C++ has no objects of size zero; an empty class is the nearest.
TEST(GoChannelParkTest, ElementsWithoutContentCountAgainstTheCapacity) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  channel<nothing> ch(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ch.try_send({}));
  EXPECT_FALSE(ch.try_send({}));
  EXPECT_EQ(ch.size(), 3u);
  ch.close();
  EXPECT_EQ(rt->run(count_nothings, ch), 3);
}

// C45: the failed sends must not put anything in. The forms with select are tested with select.
TEST_P(GoChannelTest, AClosedEmptyChannelIsReadyForEveryReceiveAndStaysSoAfterFailedSends) {
  for (const std::size_t capacity : some_capacities) {
    run([capacity]() -> task<> {
      channel<int> ch(capacity);
      EXPECT_TRUE(ch.close());
      for (int i = 0; i < 3; ++i) {
        const std::optional<int> v = co_await ch.receive();
        EXPECT_FALSE(v);
        const try_result<int> r = ch.try_receive();
        EXPECT_TRUE(!r && r.closed());
        // Where Go panics.
        const bool sent = co_await ch.send(i);
        EXPECT_FALSE(sent);
        EXPECT_FALSE(ch.try_send(i));
        EXPECT_FALSE(ch.close());
        EXPECT_EQ(ch.size(), 0u);
      }
    });
  }
}

// C22: the select forms are tested with select.
TEST(GoChannelParkTest, TheNilChannelParksItsSendersAndReceiversUntilAStop) {
  const std::unique_ptr<runtime> rt = make_runtime(0);
  const channel<int> nil;
  join_handle<std::optional<int>> receiver = rt->spawn(receive_one, nil);
  join_handle<bool> sender = rt->spawn(send_one, nil, 1);
  settle(*rt);
  EXPECT_EQ(tasks_in_state(*rt, "chan receive (nil chan)"), 1u);
  EXPECT_EQ(tasks_in_state(*rt, "chan send (nil chan)"), 1u);
  EXPECT_FALSE(nil.try_send(1));
  const try_result<int> r = nil.try_receive();
  EXPECT_TRUE(!r && !r.closed());
  settle(*rt);
  EXPECT_FALSE(receiver.done() || sender.done());
  receiver.request_stop();
  sender.request_stop();
  settle(*rt);
  ASSERT_TRUE(receiver.done() && sender.done());
  EXPECT_FALSE(receiver.get());
  EXPECT_FALSE(sender.get());
}

// C23, where Go panics: false, and the value is destroyed. The select forms are tested with select.
TEST_P(GoChannelTest, ASendOnAClosedChannelIsRefused) {
  for (const std::size_t capacity : some_capacities) {
    channel<std::shared_ptr<int>> ch(capacity);
    EXPECT_TRUE(ch.close());
    const auto value = std::make_shared<int>(1);
    run([&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        const bool sent = co_await ch.send(value);
        EXPECT_FALSE(sent);
        EXPECT_FALSE(ch.try_send(value));
      }
    });
    EXPECT_FALSE(ch.blocking_send(value));
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(ch.size(), 0u);
  }
}

// C24: a second close, where Go panics, is false and changes nothing.
TEST(GoChannelCloseTest, OnlyTheFirstCloseIsTrue) {
  channel<int> ch(2);
  EXPECT_TRUE(ch.try_send(1));
  EXPECT_FALSE(ch.closed());
  EXPECT_TRUE(ch.close());
  EXPECT_FALSE(ch.close());
  EXPECT_TRUE(ch.closed());
  EXPECT_EQ(*ch.try_receive(), 1);
  EXPECT_TRUE(ch.try_receive().closed());
  EXPECT_FALSE(ch.close());
}

// C24, C46: what Go makes a run-time panic, and what is no ordinary outcome here either, ends the process with a
// message that says what was wrong. It is no exception: nobody could go on after it.
TEST(GoChannelDeathTest, MisuseEndsTheProcessAndSaysWhatItWas) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(channel<int>().close(), "weft: .*close of a nil channel");
  EXPECT_DEATH(send_only<int>().close(), "weft: .*close of a nil channel");
  EXPECT_DEATH(channel<int>(static_cast<std::size_t>(-1)), "weft: .*the capacity of a channel is too large");
  EXPECT_DEATH(make_runtime(1)->run([]() -> task<> {
    channel<int>().close();
    co_return;
  }),
               "weft: .*close of a nil channel");
}

// C43: senders that are parked when the channel is closed, of every kind: a task, a task in a select, a plain thread.
TEST(GoChannelParkTest, CloseWakesParkedSendersWithFalseAndKeepsWhatIsBuffered) {
  for (const std::size_t capacity : some_capacities) {
    const std::unique_ptr<runtime> rt = make_runtime(0);
    channel<int> ch(capacity);
    const channel<int> idle(0);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(ch.try_send(static_cast<int>(i)));
    std::vector<join_handle<bool>> senders;
    for (int i = 0; i < 3; ++i) senders.push_back(rt->spawn(send_one, ch, 99));
    senders.push_back(rt->spawn([&]() -> task<bool> {
      auto r = co_await select(idle.receive(), ch.send(99));
      EXPECT_EQ(r.index(), 1u);
      co_return r.get<1>();
    }));
    settle(*rt);
    ASSERT_EQ(tasks_in_state(*rt, "chan send"), 3u);
    ASSERT_EQ(tasks_in_state(*rt, "select"), 1u);
    std::atomic<bool> thread_sent = true;
    {
      const int others = detail::blocked_plain_threads;
      std::jthread sender([&] { thread_sent = ch.blocking_send(99); });
      test::eventually([&] { return detail::blocked_plain_threads > others || !thread_sent; });
      EXPECT_TRUE(ch.close());
    }
    EXPECT_FALSE(thread_sent);
    settle(*rt);
    for (join_handle<bool>& h : senders) {
      ASSERT_TRUE(h.done());
      EXPECT_FALSE(h.get());
    }
    for (std::size_t i = 0; i < capacity; ++i) EXPECT_EQ(*ch.try_receive(), static_cast<int>(i));
    EXPECT_TRUE(ch.try_receive().closed());
  }
}

// C43, C6: the close races with those who come, and everybody is told.
task<int> send_until_refused(channel<int> ch) {
  int sent = 0;
  while (co_await ch.send(1)) ++sent;
  co_return sent;
}
task<int> receive_until_closed(channel<int> ch) {
  int got = 0;
  while (co_await ch.receive()) ++got;
  co_return got;
}
TEST_P(GoChannelTest, ACloseAmidSendersAndReceiversReachesThemAllAndNoSentValueIsLost) {
  for (int round = 0; round < 40; ++round) {
    channel<int> ch(some_capacities[static_cast<std::size_t>(round) % 6]);
    std::vector<join_handle<int>> senders, receivers;
    for (int i = 0; i < 3; ++i) senders.push_back(rt().spawn(send_until_refused, ch));
    for (int i = 0; i < 3; ++i) receivers.push_back(rt().spawn(receive_until_closed, ch));
    for (int i = 0; i < round % 8; ++i) std::this_thread::yield();
    EXPECT_TRUE(ch.close());
    int sent = 0, got = 0;
    for (join_handle<int>& h : senders) sent += h.get();
    for (join_handle<int>& h : receivers) got += h.get();
    EXPECT_EQ(sent, got);
  }
}

// C44: the four rules of Go's memory model. The data beside the channel is ordinary memory, so ThreadSanitizer sees
// whether an order is promised, whatever the hardware would have done.
TEST_P(GoChannelTest, ASendHappensBeforeTheReceiveThatReturnsItsValue) {
  for (const std::size_t capacity : some_capacities) {
    constexpr int n = 500;
    std::vector<int> data(n);
    const auto writer = [&data](channel<int> ch) -> task<> {
      for (int i = 0; i < n; ++i) {
        data[static_cast<std::size_t>(i)] = i + 1;
        const bool sent = co_await ch.send(i);
        EXPECT_TRUE(sent);
      }
      ch.close();
    };
    channel<int> ch(capacity);
    join_handle<void> h = rt().spawn(writer, ch);
    rt().run([&]() -> task<> {
      while (const std::optional<int> i = co_await ch.receive()) EXPECT_EQ(data[static_cast<std::size_t>(*i)], *i + 1);
    });
    h.get();
    // Once more to a plain thread.
    channel<int> other(capacity);
    std::fill(data.begin(), data.end(), 0);
    h = rt().spawn(writer, other);
    while (const std::optional<int> i = other.blocking_receive()) EXPECT_EQ(data[static_cast<std::size_t>(*i)], *i + 1);
    h.get();
  }
}

// C44
TEST_P(GoChannelTest, ACloseHappensBeforeAReceiveThatReportsIt) {
  for (int round = 0; round < 100; ++round) {
    channel<int> ch(some_capacities[static_cast<std::size_t>(round) % 6]);
    int data = 0;
    join_handle<void> h = rt().spawn([&data, ch]() -> task<> {
      data = 1;
      ch.close();
      co_return;
    });
    if (round % 2 == 0) {
      rt().run([&]() -> task<> {
        const std::optional<int> v = co_await ch.receive();
        EXPECT_FALSE(v);
        EXPECT_EQ(data, 1);
      });
    } else {
      test::eventually([&] { return ch.try_receive().closed(); });
      EXPECT_EQ(data, 1);
    }
    h.get();
  }
}

// C44: with a capacity of C the k-th receive happens before the end of the (k+C)-th send; with 0, before that of its
// own send. The sender overwrites what the receiver has read, without anything else between the two.
TEST_P(GoChannelTest, AReceiveHappensBeforeTheEndOfTheSendThatItMadeRoomFor) {
  for (const std::size_t capacity : some_capacities) {
    constexpr std::size_t n = 500;
    std::vector<int> data(n);
    channel<int> ch(capacity);
    join_handle<void> receiver = rt().spawn([&data, ch]() -> task<> {
      for (std::size_t k = 0; k < n; ++k) {
        data[k] = static_cast<int>(k) + 1;
        const std::optional<int> v = co_await ch.receive();
        EXPECT_TRUE(v);
      }
    });
    rt().run([&]() -> task<> {
      for (std::size_t k = 0; k < n; ++k) {
        const bool sent = co_await ch.send(1);
        EXPECT_TRUE(sent);
        if (k >= capacity) {
          EXPECT_EQ(data[k - capacity], static_cast<int>(k - capacity) + 1);
        }
      }
    });
    receiver.get();
  }
}

}  // namespace
}  // namespace weft
