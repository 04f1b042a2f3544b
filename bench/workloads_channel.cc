// Workloads of weft_workloads: select and streams through channels.
//
//   select2       select over 2 channels of capacity 1, all full: one receive, and a send that fills the channel again;
//                 ns per send and select
//   select8       the same with 8 channels
//   selectpark    two tasks answer each other over channels of capacity 1, each waits in a select over 2 receives, of
//                 which one never comes; ns per round trip. Not capacity 0: there the sends may come to do all the
//                 waiting, for as long as the program runs, and the selects none
//   chan128_4to4  4 producers, one channel of capacity 128, 4 consumers; ns per item
//   chan128_4to1  4 producers, one channel of capacity 128, one consumer; ns per item
//   pipeline3     three tasks, source, middle and sink, with two channels of capacity 64 between them; ns per item
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/task.h>

#include "peers/peer.h"
#include "workloads.h"

namespace {

using items = weft::channel<std::uint64_t>;
using counter = std::atomic<std::uint64_t>;

std::uint64_t sum_below(std::uint64_t count) { return count * (count - 1) / 2; }

// select --------------------------------------------------------------------------------------------------------------

template <std::size_t N>
std::array<items, N> full_channels() {
  std::array<items, N> made;
  for (items& c : made) {
    c = items(1);
    peer::check(c.try_send(1), "select: a channel is full from the start");
  }
  return made;
}

// Returns how many values came, and the channels are full again afterwards.
weft::task<std::uint64_t> select_of_two(std::uint64_t count) {
  const std::array<items, 2> c = full_channels<2>();
  std::uint64_t received = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto r = co_await weft::select(c[0].receive(), c[1].receive());
    const bool sent = co_await c[r.index()].send(1);
    if (sent) ++received;
  }
  for (const items& channel : c) peer::check(channel.size() == 1, "select2: a channel is not full at the end");
  co_return received;
}

weft::task<std::uint64_t> select_of_eight(std::uint64_t count) {
  const std::array<items, 8> c = full_channels<8>();
  std::uint64_t received = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto r = co_await weft::select(c[0].receive(), c[1].receive(), c[2].receive(), c[3].receive(), c[4].receive(),
                                         c[5].receive(), c[6].receive(), c[7].receive());
    const bool sent = co_await c[r.index()].send(1);
    if (sent) ++received;
  }
  for (const items& channel : c) peer::check(channel.size() == 1, "select8: a channel is not full at the end");
  co_return received;
}

double run_select2(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(select_of_two, count) == count, "select2: wrong count"); });
}

double run_select8(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(select_of_eight, count) == count, "select8: wrong count"); });
}

weft::task<> answer(items in, items never, items out, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    auto r = co_await weft::select(in.receive(), never.receive());
    const std::optional<std::uint64_t> value = r.get<0>();
    peer::check(value.has_value(), "selectpark: a channel is closed");
    const bool sent = co_await out.send(*value + 1);
    peer::check(sent, "selectpark: a send was refused");
  }
}

weft::task<std::uint64_t> ask(std::uint64_t count) {
  const items there(1);
  const items back(1);
  const items never(1);
  auto answering = weft::spawn(answer, there, never, back, count);
  std::uint64_t value = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await there.send(value);
    peer::check(sent, "selectpark: a send was refused");
    auto r = co_await weft::select(back.receive(), never.receive());
    value = r.get<0>().value_or(0);
  }
  co_await answering;
  co_return value;
}

double run_selectpark(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(ask, count) == count, "selectpark: wrong value"); });
}

// Streams -------------------------------------------------------------------------------------------------------------

// Sends first, first + step, ... below end.
weft::task<> produce(items out, std::uint64_t first, std::uint64_t step, std::uint64_t end) {
  for (std::uint64_t i = first; i < end; i += step) {
    const bool sent = co_await out.send(i);
    peer::check(sent, "chan128: a send was refused");
  }
}

weft::task<> consume(items in, counter* sum) {
  std::uint64_t mine = 0;
  while (auto item = co_await in.receive()) mine += *item;
  // relaxed: whoever reads the sum has joined this task.
  sum->fetch_add(mine, std::memory_order_relaxed);
}

weft::task<std::uint64_t> stream(std::uint64_t producers, std::uint64_t consumers, std::uint64_t count) {
  const items channel(128);
  counter sum{0};
  std::vector<weft::join_handle<void>> producing;
  std::vector<weft::join_handle<void>> consuming;
  for (std::uint64_t i = 0; i < producers; ++i) producing.push_back(weft::spawn(produce, channel, i, producers, count));
  for (std::uint64_t i = 0; i < consumers; ++i) consuming.push_back(weft::spawn(consume, channel, &sum));
  for (auto& handle : producing) co_await handle;
  channel.close();
  for (auto& handle : consuming) co_await handle;
  // relaxed: the joins have ordered the additions before this.
  co_return sum.load(std::memory_order_relaxed);
}

double run_stream(weft::runtime& rt, std::uint64_t producers, std::uint64_t consumers) {
  return peer::ns_per_op([&](std::uint64_t count) {
    peer::check(rt.run(stream, producers, consumers, count) == sum_below(count), "chan128: wrong sum");
  });
}

weft::task<> source(items out, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await out.send(i);
    peer::check(sent, "pipeline3: a send was refused");
  }
  out.close();
}

weft::task<> middle(items in, items out) {
  while (auto item = co_await in.receive()) {
    const bool sent = co_await out.send(*item + 1);
    peer::check(sent, "pipeline3: a send was refused");
  }
  out.close();
}

weft::task<std::uint64_t> sink(items in) {
  std::uint64_t sum = 0;
  while (auto item = co_await in.receive()) sum += *item;
  co_return sum;
}

weft::task<std::uint64_t> pipeline(std::uint64_t count) {
  const items first(64);
  const items second(64);
  auto sourcing = weft::spawn(source, first, count);
  auto between = weft::spawn(middle, first, second);
  const std::uint64_t sum = co_await sink(second);
  co_await sourcing;
  co_await between;
  co_return sum;
}

double run_pipeline3(weft::runtime& rt) {
  return peer::ns_per_op([&rt](std::uint64_t count) {
    peer::check(rt.run(pipeline, count) == sum_below(count) + count, "pipeline3: wrong sum");
  });
}

constexpr std::array<weft_bench::workload, 6> workloads{{
    {"select2", "ns/select", run_select2},
    {"select8", "ns/select", run_select8},
    {"selectpark", "ns/roundtrip", run_selectpark},
    {"chan128_4to4", "ns/item", [](weft::runtime& rt) { return run_stream(rt, 4, 4); }},
    {"chan128_4to1", "ns/item", [](weft::runtime& rt) { return run_stream(rt, 4, 1); }},
    {"pipeline3", "ns/item", run_pipeline3},
}};

}  // namespace

std::span<const weft_bench::workload> weft_bench::channel_workloads() { return workloads; }
