// Channels: hand-offs between tasks, buffered streams, and the benchmarks of Go's runtime/chan_test.go by Go's names.
//
//   BM_PingPong           two tasks, two channels of capacity 0; ns per round trip
//   BM_PingPongHog        the same beside a task that computes all the time (2 processors only)
//   BM_Channel128         a channel of capacity 128, from senders to receivers; ns per item
//   BM_Pipeline           three tasks, source, middle and sink, with two channels of capacity 64 between them; ns per
//                         item
//   BM_ChanUncontended    each task fills and drains its own channel of capacity 100; ns per item
//   BM_ChanContended      as many tasks as processors fill and drain one channel; ns per item
//   BM_ChanSync           two tasks send to and receive from each other on one channel of capacity 0; ns per item
//   BM_ChanProdCons0, 10, 100   as many producers as consumers as processors, by capacity; ns per item
//   BM_ChanSem            a channel used as a semaphore; ns per acquire and release
//   BM_ChanCreation       make a channel of capacity 1, send, receive; ns per channel
//   BM_ChanClosed         receive from a closed channel; ns per receive
//   BM_ChanNonblocking    try_receive from an empty channel; ns per try
//
// Go reports the uncontended and contended ones per 100 items and their tasks number GOMAXPROCS, as here.
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/task.h>
#include <weft/wait_group.h>

#include "bench_support.h"

namespace {

using items = weft::channel<int64_t>;

void require_sent(bool sent) { weft_bench::require(sent, "a send was refused"); }

// Ping-pong -----------------------------------------------------------------------------------------------------------

weft::task<> echo(items in, items out) {
  while (auto v = co_await in.receive()) require_sent(co_await out.send(*v + 1));
}

weft::task<int64_t> ping_pong(int64_t rounds) {
  const items ping(0);
  const items pong(0);
  weft::go(echo, ping, pong);
  int64_t value = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    require_sent(co_await ping.send(value));
    value = (co_await pong.receive()).value_or(-1);
  }
  ping.close();
  co_return value;
}

void BM_PingPong(benchmark::State& state) {
  const int64_t rounds = 500'000;
  weft_bench::run_batches(state, state.range(0), "ns/roundtrip", rounds, rounds, ping_pong, rounds);
}
BENCHMARK(BM_PingPong)->Apply(weft_bench::on_processors);

weft::task<> hog(const std::atomic<bool>* stop, weft::wait_group* running) {
  // relaxed: nothing else is read; the hog only has to see it at some time.
  while (!stop->load(std::memory_order_relaxed)) benchmark::ClobberMemory();
  running->done();
  co_return;
}

weft::task<int64_t> ping_pong_beside_hog(int64_t rounds) {
  std::atomic<bool> stop{false};
  weft::wait_group running;
  running.add();
  weft::go(hog, &stop, &running);
  const int64_t value = co_await ping_pong(rounds);
  // relaxed: as in hog().
  stop.store(true, std::memory_order_relaxed);
  require_sent(co_await running.wait());
  co_return value;
}

void BM_PingPongHog(benchmark::State& state) {
  const int64_t rounds = 500'000;
  weft_bench::run_batches(state, state.range(0), "ns/roundtrip", rounds, rounds, ping_pong_beside_hog, rounds);
}
BENCHMARK(BM_PingPongHog)->Apply(weft_bench::wall_time)->ArgName("processors")->Arg(2);

// Streams -------------------------------------------------------------------------------------------------------------

weft::task<> produce(items out, int64_t first, int64_t step, int64_t end, weft::wait_group* producers) {
  for (int64_t i = first; i < end; i += step) require_sent(co_await out.send(i));
  producers->done();
}

weft::task<> consume(items in, std::atomic<int64_t>* sum, weft::wait_group* consumers) {
  int64_t mine = 0;
  while (auto v = co_await in.receive()) mine += *v;
  // relaxed: the wait group orders it before the reader.
  sum->fetch_add(mine, std::memory_order_relaxed);
  consumers->done();
}

weft::task<int64_t> stream(int64_t producer_count, int64_t consumer_count, int64_t capacity, int64_t count) {
  const items channel(static_cast<std::size_t>(capacity));
  std::atomic<int64_t> sum{0};
  weft::wait_group producers;
  weft::wait_group consumers;
  producers.add(producer_count);
  consumers.add(consumer_count);
  for (int64_t i = 0; i < producer_count; ++i) weft::go(produce, channel, i, producer_count, count, &producers);
  for (int64_t i = 0; i < consumer_count; ++i) weft::go(consume, channel, &sum, &consumers);
  (void)co_await producers.wait();
  channel.close();
  (void)co_await consumers.wait();
  // relaxed: the wait group has ordered the additions before this.
  co_return sum.load(std::memory_order_relaxed);
}

int64_t sum_below(int64_t count) { return count * (count - 1) / 2; }

void BM_Channel128(benchmark::State& state) {
  const int64_t count = 1'000'000;
  weft_bench::run_batches(state, state.range(2), "ns/item", count, sum_below(count), stream, state.range(0),
                          state.range(1), int64_t{128}, count);
}
BENCHMARK(BM_Channel128)
    ->Apply(weft_bench::wall_time)
    ->ArgNames({"senders", "receivers", "processors"})
    ->Args({1, 1, 1})
    ->Args({1, 1, 2})
    ->Args({4, 1, 1})
    ->Args({4, 1, 2})
    ->Args({4, 4, 1})
    ->Args({4, 4, 2});

weft::task<> source(items out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) require_sent(co_await out.send(i));
  out.close();
}

weft::task<> middle(items in, items out) {
  while (auto v = co_await in.receive()) require_sent(co_await out.send(*v + 1));
  out.close();
}

// The sink; source and middle have nothing left to do once their channels are closed.
weft::task<int64_t> pipeline(int64_t count) {
  const items first(64);
  const items second(64);
  weft::go(source, first, count);
  weft::go(middle, first, second);
  int64_t sum = 0;
  while (auto v = co_await second.receive()) sum += *v;
  co_return sum;
}

void BM_Pipeline(benchmark::State& state) {
  const int64_t count = 500'000;
  weft_bench::run_batches(state, state.range(0), "ns/item", count, sum_below(count) + count, pipeline, count);
}
BENCHMARK(BM_Pipeline)->Apply(weft_bench::on_processors);

// Go's ----------------------------------------------------------------------------------------------------------------

// `work(args...)` in as many tasks as there are processors; the sum of what they return.
template <class... Args>
weft::task<int64_t> in_parallel(int64_t tasks, weft::task<int64_t> (*work)(Args...), Args... args) {
  std::atomic<int64_t> sum{0};
  weft::wait_group running;
  running.add(tasks);
  for (int64_t i = 0; i < tasks; ++i) {
    weft::go(
        [](weft::task<int64_t> (*f)(Args...), std::atomic<int64_t>* total, weft::wait_group* group,
           Args... a) -> weft::task<> {
          const int64_t mine = co_await f(a...);
          // relaxed: the wait group orders it before the reader.
          total->fetch_add(mine, std::memory_order_relaxed);
          group->done();
        },
        work, &sum, &running, args...);
  }
  (void)co_await running.wait();
  // relaxed: as above.
  co_return sum.load(std::memory_order_relaxed);
}

constexpr int64_t burst = 100;

weft::task<int64_t> fill_and_drain(items channel, int64_t bursts) {
  int64_t received = 0;
  for (int64_t b = 0; b < bursts; ++b) {
    for (int64_t i = 0; i < burst; ++i) require_sent(co_await channel.send(1));
    for (int64_t i = 0; i < burst; ++i) received += (co_await channel.receive()).value_or(0);
  }
  co_return received;
}

weft::task<int64_t> fill_and_drain_own(int64_t bursts) {
  const items channel(burst);
  co_return co_await fill_and_drain(channel, bursts);
}

weft::task<int64_t> uncontended(int64_t tasks, int64_t bursts) {
  co_return co_await in_parallel(tasks, fill_and_drain_own, bursts);
}

weft::task<int64_t> contended(int64_t tasks, int64_t bursts) {
  const items channel(static_cast<std::size_t>(burst * tasks));
  co_return co_await in_parallel(tasks, fill_and_drain, channel, bursts);
}

void BM_ChanUncontended(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t bursts = 10'000 / tasks;
  const int64_t count = tasks * bursts * burst;
  weft_bench::run_batches(state, state.range(0), "ns/item", count, count, uncontended, tasks, bursts);
}
BENCHMARK(BM_ChanUncontended)->Apply(weft_bench::on_processors);

void BM_ChanContended(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t bursts = 10'000 / tasks;
  const int64_t count = tasks * bursts * burst;
  weft_bench::run_batches(state, state.range(0), "ns/item", count, count, contended, tasks, bursts);
}
BENCHMARK(BM_ChanContended)->Apply(weft_bench::on_processors);

// One of the two receives first, the other sends first, and both do each as often.
weft::task<int64_t> sync_side(items channel, bool sends_first, int64_t pairs, weft::wait_group* running) {
  int64_t received = 0;
  for (int64_t i = 0; i < pairs; ++i) {
    if (sends_first) require_sent(co_await channel.send(1));
    received += (co_await channel.receive()).value_or(0);
    if (!sends_first) require_sent(co_await channel.send(1));
  }
  running->done();
  co_return received;
}

weft::task<int64_t> sync_both(int64_t pairs) {
  const items channel(0);
  weft::wait_group running;
  running.add(2);
  auto first = weft::spawn(sync_side, channel, true, pairs, &running);
  auto second = weft::spawn(sync_side, channel, false, pairs, &running);
  const int64_t a = co_await first;
  const int64_t b = co_await second;
  co_return a + b;
}

void BM_ChanSync(benchmark::State& state) {
  const int64_t pairs = 500'000;
  weft_bench::run_batches(state, state.range(0), "ns/item", 2 * pairs, 2 * pairs, sync_both, pairs);
}
BENCHMARK(BM_ChanSync)->Apply(weft_bench::on_processors);

void prod_cons(benchmark::State& state, int64_t capacity) {
  const int64_t count = 500'000;
  const int64_t tasks = state.range(0);
  weft_bench::run_batches(state, state.range(0), "ns/item", count, sum_below(count), stream, tasks, tasks, capacity,
                          count);
}
void BM_ChanProdCons0(benchmark::State& state) { prod_cons(state, 0); }
BENCHMARK(BM_ChanProdCons0)->Apply(weft_bench::on_processors);
void BM_ChanProdCons10(benchmark::State& state) { prod_cons(state, 10); }
BENCHMARK(BM_ChanProdCons10)->Apply(weft_bench::on_processors);
void BM_ChanProdCons100(benchmark::State& state) { prod_cons(state, 100); }
BENCHMARK(BM_ChanProdCons100)->Apply(weft_bench::on_processors);

weft::task<int64_t> acquire_and_release(items slots, int64_t count) {
  int64_t released = 0;
  for (int64_t i = 0; i < count; ++i) {
    require_sent(co_await slots.send(1));
    released += (co_await slots.receive()).value_or(0);
  }
  co_return released;
}

weft::task<int64_t> channel_semaphore(int64_t tasks, int64_t count) {
  const items slots(static_cast<std::size_t>(tasks));
  co_return co_await in_parallel(tasks, acquire_and_release, slots, count);
}

void BM_ChanSem(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t count = 1'000'000 / tasks;
  weft_bench::run_batches(state, state.range(0), "ns/item", tasks * count, tasks * count, channel_semaphore, tasks,
                          count);
}
BENCHMARK(BM_ChanSem)->Apply(weft_bench::on_processors);

weft::task<int64_t> create_and_use(int64_t count) {
  int64_t received = 0;
  for (int64_t i = 0; i < count; ++i) {
    const items channel(1);
    require_sent(co_await channel.send(1));
    received += (co_await channel.receive()).value_or(0);
  }
  co_return received;
}

weft::task<int64_t> creation(int64_t tasks, int64_t count) {
  co_return co_await in_parallel(tasks, create_and_use, count);
}

void BM_ChanCreation(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t count = 500'000 / tasks;
  weft_bench::run_batches(state, state.range(0), "ns/channel", tasks * count, tasks * count, creation, tasks, count);
}
BENCHMARK(BM_ChanCreation)->Apply(weft_bench::on_processors);

weft::task<int64_t> receive_nothing(items closed, int64_t count) {
  int64_t empty = 0;
  for (int64_t i = 0; i < count; ++i) empty += (co_await closed.receive()).has_value() ? 0 : 1;
  co_return empty;
}

weft::task<int64_t> closed_channel(int64_t tasks, int64_t count) {
  const items channel(0);
  channel.close();
  co_return co_await in_parallel(tasks, receive_nothing, channel, count);
}

void BM_ChanClosed(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t count = 1'000'000 / tasks;
  weft_bench::run_batches(state, state.range(0), "ns/receive", tasks * count, tasks * count, closed_channel, tasks,
                          count);
}
BENCHMARK(BM_ChanClosed)->Apply(weft_bench::on_processors);

weft::task<int64_t> try_empty(items empty, int64_t count) {
  int64_t misses = 0;
  for (int64_t i = 0; i < count; ++i) misses += empty.try_receive() ? 0 : 1;
  co_return misses;
}

weft::task<int64_t> nonblocking(int64_t tasks, int64_t count) {
  const items channel(0);
  co_return co_await in_parallel(tasks, try_empty, channel, count);
}

void BM_ChanNonblocking(benchmark::State& state) {
  const int64_t tasks = state.range(0);
  const int64_t count = 1'000'000 / tasks;
  weft_bench::run_batches(state, state.range(0), "ns/try", tasks * count, tasks * count, nonblocking, tasks, count);
}
BENCHMARK(BM_ChanNonblocking)->Apply(weft_bench::on_processors);

}  // namespace
