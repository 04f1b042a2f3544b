// Workloads: tasks that send to each other over channels.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weft/channel.h>
#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/task.h>

#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;

using items = weft::channel<uint64_t>;

weft::task<> answer(items in, items out) {
  while (auto value = co_await in.receive()) {
    const bool sent = co_await out.send(*value + 1);
    check(sent, "a send was refused");
  }
}

weft::task<uint64_t> ask(uint64_t count, std::size_t capacity) {
  const items there(capacity);
  const items back(capacity);
  auto answering = weft::spawn(answer, there, back);
  uint64_t value = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await there.send(value);
    check(sent, "a send was refused");
    value = (co_await back.receive()).value_or(0);
  }
  there.close();
  co_await answering;
  co_return value;
}

constexpr std::array ping_pong_parameters{
    parameter{"count", 1, 1'000'000'000, 3'000'000, "round trips"},
    parameter{"capacity", 0, 1'000'000, 0, "of the two channels, in values"},
};

outcome run_ping_pong(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  const uint64_t warm_up = count / 10 + 1;
  check(c.rt().run(ask, warm_up, capacity) == warm_up, "wrong number of answers");
  uint64_t answers = 0;
  c.timed([&] { answers = c.rt().run(ask, count, capacity); });
  check(answers == count, "wrong number of answers");
  return {.operations = count, .latencies_ns = {}, .figures = {}};
}

// One receiver of a burst: adds what it gets until the channel is closed.
weft::task<uint64_t> add_up(items in) {
  uint64_t sum = 0;
  while (auto value = co_await in.receive()) sum += *value;
  co_return sum;
}

weft::task<uint64_t> fan_out(uint64_t count, uint64_t receivers, std::size_t capacity) {
  std::vector<items> channels;
  std::vector<weft::join_handle<uint64_t>> handles;
  for (uint64_t i = 0; i < receivers; ++i) {
    channels.emplace_back(capacity);
    handles.push_back(weft::spawn(add_up, channels.back()));
  }
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await channels[i % receivers].send(i);
    check(sent, "a send was refused");
  }
  for (const items& channel : channels) channel.close();
  uint64_t sum = 0;
  for (auto& handle : handles) sum += co_await handle;
  co_return sum;
}

constexpr std::array fan_out_parameters{
    parameter{"count", 1, 1'000'000'000, 5'000'000, "values sent"},
    parameter{"receivers", 1, 1'000'000, 100, "tasks that receive, each from a channel of its own"},
    parameter{"capacity", 0, 1'000'000, 16, "of each channel, in values"},
};

outcome run_fan_out(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto receivers = static_cast<uint64_t>(c["receivers"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  c.rt().run(fan_out, count / 10, receivers, capacity);
  uint64_t sum = 0;
  c.timed([&] { sum = c.rt().run(fan_out, count, receivers, capacity); });
  check(sum == count * (count - 1) / 2, "wrong sum");
  return {.operations = count, .latencies_ns = {}, .figures = {}};
}

constexpr std::array<weft_lab::workload, 2> workloads{{
    {.name = "ping-pong",
     .summary = "two tasks answer each other over two channels",
     .shows = "run-next: a readied task that runs at once, on the same processor, needs no queue and no wake-up",
     .unit = "round trip",
     .parameters = ping_pong_parameters,
     .run = run_ping_pong},
    {.name = "fan-out",
     .summary = "one task sends to many, in turn",
     .shows = "how ready tasks spread: stealing, waking, and the cost of channels that two processors share",
     .unit = "value",
     .parameters = fan_out_parameters,
     .run = run_fan_out},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::message_workloads() { return workloads; }
