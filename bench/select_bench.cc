// select, timers and locks.
//
//   BM_SelectReady/two, eight   channels of capacity 1, all full: select one, fill it again; ns per send and select
//   BM_SelectParks              two tasks answer each other, each in a select over 2 channels of capacity 1; ns per
//                               round trip
//   BM_TimerLoses/timers:0, 1, 8
//                               two tasks answer each other, the asker in a select over the answer and that many timers
//                               of an hour, which always lose; ns per round trip. What a timer costs to arm and disarm
//                               is the difference of two of these over the timers between them
//   BM_SleepMillion             1,000,000 tasks sleep once each, 0.2 to 0.4 s; CPU time in ns per task
//   BM_Mutex/uncontended        lock and unlock by one task; ns per lock
//   BM_Mutex/contended          8 tasks, nobody yields inside
//   BM_Mutex/held_over_yield    8 tasks that yield inside
//   BM_SemaphoreHeldOverYield   8 tasks, 4 permits, each yields inside; ns per acquire
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/select.h>
#include <weft/semaphore.h>
#include <weft/task.h>
#include <weft/this_task.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include "bench_support.h"
#include "cpu_time.h"

namespace {

using namespace std::chrono_literals;

using items = weft::channel<int64_t>;

void require_sent(bool sent) { weft_bench::require(sent, "a send was refused"); }

weft::task<int64_t> select_of_two(int64_t rounds) {
  const std::array<items, 2> c{items(1), items(1)};
  for (const items& ch : c) require_sent(ch.try_send(1));
  int64_t sum = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    const auto r = co_await weft::select(c[0].receive(), c[1].receive());
    require_sent(co_await c[r.index()].send(1));
    sum += 1;
  }
  co_return sum;
}

weft::task<int64_t> select_of_eight(int64_t rounds) {
  std::array<items, 8> c;
  for (items& ch : c) {
    ch = items(1);
    require_sent(ch.try_send(1));
  }
  int64_t sum = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    const auto r = co_await weft::select(c[0].receive(), c[1].receive(), c[2].receive(), c[3].receive(), c[4].receive(),
                                         c[5].receive(), c[6].receive(), c[7].receive());
    require_sent(co_await c[r.index()].send(1));
    sum += 1;
  }
  co_return sum;
}

void BM_SelectReady(benchmark::State& state, weft::task<int64_t> (*f)(int64_t)) {
  const int64_t rounds = 500'000;
  weft_bench::run_batches(state, state.range(0), "ns/select", rounds, rounds, f, rounds);
}
BENCHMARK_CAPTURE(BM_SelectReady, two, select_of_two)->Apply(weft_bench::on_processors);
BENCHMARK_CAPTURE(BM_SelectReady, eight, select_of_eight)->Apply(weft_bench::on_processors);

weft::task<> answer(items in, items never, items out) {
  for (;;) {
    auto r = co_await weft::select(in.receive(), never.receive());
    const std::optional<int64_t> v = r ? r.get<0>() : std::nullopt;
    if (!v) co_return;
    require_sent(co_await out.send(*v + 1));
  }
}

weft::task<int64_t> select_ping_pong(int64_t rounds) {
  // Not capacity 0: there the sends may come to do all the waiting, and the selects none.
  const items there(1), back(1), never(1);
  weft::go(answer, there, never, back);
  int64_t value = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    require_sent(co_await there.send(value));
    auto r = co_await weft::select(back.receive(), never.receive());
    value = r.get<0>().value_or(-1);
  }
  there.close();
  co_return value;
}

void BM_SelectParks(benchmark::State& state) {
  const int64_t rounds = 200'000;
  weft_bench::run_batches(state, state.range(0), "ns/roundtrip", rounds, rounds, select_ping_pong, rounds);
}
BENCHMARK(BM_SelectParks)->Apply(weft_bench::on_processors);

weft::task<> echo(items in, items out) {
  while (auto v = co_await in.receive()) require_sent(co_await out.send(*v + 1));
}

// There is room for the question, so the select parks before the answer comes, and its timers are armed. (With a peer
// that sends all the time every other select would find a value at once.)
template <int Timers>
weft::task<int64_t> ask_beside_timers(int64_t rounds) {
  const items there(1);
  const items back(1);
  weft::go(echo, there, back);
  int64_t value = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    require_sent(co_await there.send(value));
    if constexpr (Timers == 0) {
      auto r = co_await weft::select(back.receive());
      value = r.template get<0>().value_or(-1);
    } else if constexpr (Timers == 1) {
      auto r = co_await weft::select(back.receive(), weft::sleep_for(1h));
      value = r.template get<0>().value_or(-1);
    } else {
      static_assert(Timers == 8);
      auto r = co_await weft::select(back.receive(), weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h),
                                     weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h), weft::sleep_for(1h),
                                     weft::sleep_for(1h));
      value = r.template get<0>().value_or(-1);
    }
  }
  there.close();
  co_return value;
}

template <int Timers>
void BM_TimerLoses(benchmark::State& state) {
  const int64_t rounds = 200'000;
  weft_bench::run_batches(state, state.range(0), "ns/roundtrip", rounds, rounds, ask_beside_timers<Timers>, rounds);
}
BENCHMARK(BM_TimerLoses<0>)->Name("BM_TimerLoses/timers:0")->Apply(weft_bench::on_processors);
BENCHMARK(BM_TimerLoses<1>)->Name("BM_TimerLoses/timers:1")->Apply(weft_bench::on_processors);
BENCHMARK(BM_TimerLoses<8>)->Name("BM_TimerLoses/timers:8")->Apply(weft_bench::on_processors);

constexpr int64_t million = 1'000'000;

weft::task<> sleep_once(int64_t i, std::atomic<int64_t>* slept, weft::wait_group* done) {
  // Spread by Fibonacci hashing, so that a heap of timers has to work.
  const auto hash = static_cast<int64_t>(static_cast<uint32_t>(i) * uint32_t{2'654'435'761});
  if (co_await weft::sleep_for(200ms + std::chrono::nanoseconds((hash * 200'000'000) >> 32))) {
    // relaxed: a plain count; the wait group orders it before the reader.
    slept->fetch_add(1, std::memory_order_relaxed);
  }
  done->done();
}

weft::task<int64_t> sleep_by_million() {
  std::atomic<int64_t> slept = 0;
  weft::wait_group done;
  done.add(million);
  for (int64_t i = 0; i < million; ++i) weft::go(sleep_once, i, &slept, &done);
  weft_bench::require(co_await done.wait(), "asked to stop");
  co_return slept;
}

void BM_SleepMillion(benchmark::State& state) {
  const auto rt = weft_bench::make_runtime(state.range(0));
  double cpu = 0;
  for (auto _ : state) {
    const double before = weft_bench::cpu_ns();
    weft_bench::require(rt->run(sleep_by_million) == million, "a sleep was cut short");
    cpu += weft_bench::cpu_ns() - before;
  }
  state.counters["ns-cpu/task"] = cpu / static_cast<double>(million * state.iterations());
}
BENCHMARK(BM_SleepMillion)->Apply(weft_bench::on_processors);

weft::task<> lock_often(weft::mutex* m, int64_t* count, int64_t rounds, bool yields, weft::wait_group* done) {
  for (int64_t i = 0; i < rounds; ++i) {
    const weft::mutex_guard lock = co_await m->lock();
    ++*count;
    if (yields) co_await weft::yield();
  }
  done->done();
}

weft::task<int64_t> lock_by(int64_t tasks, int64_t rounds, bool yields) {
  weft::mutex m;
  weft::wait_group done;
  int64_t count = 0;
  done.add(tasks);
  for (int64_t i = 0; i < tasks; ++i) weft::go(lock_often, &m, &count, rounds / tasks, yields, &done);
  weft_bench::require(co_await done.wait(), "asked to stop");
  co_return count;
}

void BM_Mutex(benchmark::State& state, int64_t tasks, bool yields) {
  const int64_t rounds = 400'000;
  weft_bench::run_batches(state, state.range(0), "ns/lock", rounds, rounds, lock_by, tasks, rounds, yields);
}
BENCHMARK_CAPTURE(BM_Mutex, uncontended, 1, false)->Apply(weft_bench::on_processors);
BENCHMARK_CAPTURE(BM_Mutex, contended, 8, false)->Apply(weft_bench::on_processors);
BENCHMARK_CAPTURE(BM_Mutex, held_over_yield, 8, true)->Apply(weft_bench::on_processors);

weft::task<> acquire_often(weft::semaphore* s, std::atomic<int64_t>* count, int64_t rounds, weft::wait_group* done) {
  for (int64_t i = 0; i < rounds; ++i) {
    const weft::permit p = co_await s->acquire(1);
    // relaxed: a plain count.
    count->fetch_add(1, std::memory_order_relaxed);
    co_await weft::yield();
  }
  done->done();
}

weft::task<int64_t> acquire_by_eight(int64_t rounds) {
  weft::semaphore s(4);
  weft::wait_group done;
  std::atomic<int64_t> count = 0;
  done.add(8);
  for (int i = 0; i < 8; ++i) weft::go(acquire_often, &s, &count, rounds / 8, &done);
  weft_bench::require(co_await done.wait(), "asked to stop");
  co_return count;
}

void BM_SemaphoreHeldOverYield(benchmark::State& state) {
  const int64_t rounds = 400'000;
  weft_bench::run_batches(state, state.range(0), "ns/acquire", rounds, rounds, acquire_by_eight, rounds);
}
BENCHMARK(BM_SemaphoreHeldOverYield)->Apply(weft_bench::on_processors);

}  // namespace
