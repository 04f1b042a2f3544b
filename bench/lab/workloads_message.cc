// Workloads: tasks that send to each other over channels.
//
//   ping-pong   two tasks, two channels
//   ring        tasks in a circle, which pass tokens on
//   fan-out     one sends, to many
//   fan-in      many send, to one
//   select      one waits for several channels at once
//
// Pipelines have a file of their own, workloads_pipeline.cc.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/select.h>
#include <weft/task.h>

#include "work.h"
#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::compute;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::warm_up_and_measure;

using items = weft::channel<uint64_t>;

uint64_t sum_below(uint64_t count) { return count * (count - 1) / 2; }

// ping-pong -----------------------------------------------------------------------------------------------------------

weft::task<> answer(items in, items out, int64_t work) {
  while (auto value = co_await in.receive()) {
    compute(work);
    const bool sent = co_await out.send(*value + 1);
    check(sent, "a send was refused");
  }
}

weft::task<uint64_t> ask(uint64_t count, std::size_t capacity, int64_t work) {
  const items there(capacity);
  const items back(capacity);
  auto answering = weft::spawn(answer, there, back, work);
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
    weft_lab::work_parameter,
};

outcome run_ping_pong(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  const int64_t work = c["work"];
  return warm_up_and_measure(
      c, count, [&](uint64_t n) { return c.rt().run(ask, n, capacity, work); }, [](uint64_t n) { return n; },
      "wrong number of answers");
}

// ring ----------------------------------------------------------------------------------------------------------------

// A token is the number of hops that it still has to make; the last one goes to `done`.
weft::task<uint64_t> pass_on(items in, items out, items done) {
  uint64_t passed = 0;
  while (auto left = co_await in.receive()) {
    ++passed;
    const items& next = *left == 0 ? done : out;
    const bool sent = co_await next.send(*left == 0 ? 0 : *left - 1);
    check(sent, "a send was refused");
  }
  co_return passed;
}

// Returns how often a token was passed on.
weft::task<uint64_t> ring(uint64_t tasks, uint64_t tokens, uint64_t hops) {
  const items done(tokens);
  std::vector<items> channels;
  std::vector<weft::join_handle<uint64_t>> handles;
  for (uint64_t i = 0; i < tasks; ++i) channels.emplace_back(1);
  for (uint64_t i = 0; i < tasks; ++i)
    handles.push_back(weft::spawn(pass_on, channels[i], channels[(i + 1) % tasks], done));
  for (uint64_t i = 0; i < tokens; ++i) {
    const bool sent = co_await channels[i * tasks / tokens].send(hops - 1);
    check(sent, "a send was refused");
  }
  for (uint64_t i = 0; i < tokens; ++i) {
    const bool came = (co_await done.receive()).has_value();
    check(came, "a token is lost");
  }
  for (const items& channel : channels) channel.close();
  uint64_t passed = 0;
  for (auto& handle : handles) passed += co_await handle;
  co_return passed;
}

constexpr std::array ring_parameters{
    parameter{"count", 1, 1'000'000'000, 5'000'000, "hops of each token"},
    parameter{"tasks", 1, 1'000'000, 503, "in the ring, with a channel of capacity 1 before each"},
    parameter{"tokens", 1, 1'000'000, 1, "under way at the same time; at most half as many as there are tasks, or 1"},
};

outcome run_ring(context& c) {
  const auto hops = static_cast<uint64_t>(c["count"]);
  const auto tasks = static_cast<uint64_t>(c["tasks"]);
  const auto tokens = static_cast<uint64_t>(c["tokens"]);
  // With a token before each task, all would wait for room.
  check(tokens == 1 || tokens <= tasks / 2, "too many tokens for the ring: --tokens is at most half of --tasks");
  outcome out = warm_up_and_measure(
      c, hops, [&](uint64_t n) { return c.rt().run(ring, tasks, tokens, n); }, [&](uint64_t n) { return tokens * n; },
      "wrong number of hops");
  out.operations = tokens * hops;
  return out;
}

// fan-out -------------------------------------------------------------------------------------------------------------

// Adds what it gets until the channel is closed.
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
  return warm_up_and_measure(
      c, count, [&](uint64_t n) { return c.rt().run(fan_out, n, receivers, capacity); }, sum_below, "wrong sum");
}

// fan-in --------------------------------------------------------------------------------------------------------------

// Sends first, first + step, ... below end.
weft::task<> produce(items out, uint64_t first, uint64_t step, uint64_t end) {
  for (uint64_t i = first; i < end; i += step) {
    const bool sent = co_await out.send(i);
    check(sent, "a send was refused");
  }
}

weft::task<uint64_t> fan_in(uint64_t count, uint64_t senders, uint64_t receivers, std::size_t capacity) {
  const items channel(capacity);
  std::vector<weft::join_handle<void>> sending;
  std::vector<weft::join_handle<uint64_t>> receiving;
  for (uint64_t i = 0; i < receivers; ++i) receiving.push_back(weft::spawn(add_up, channel));
  for (uint64_t i = 0; i < senders; ++i) sending.push_back(weft::spawn(produce, channel, i, senders, count));
  for (auto& handle : sending) co_await handle;
  channel.close();
  uint64_t sum = 0;
  for (auto& handle : receiving) sum += co_await handle;
  co_return sum;
}

constexpr std::array fan_in_parameters{
    parameter{"count", 1, 1'000'000'000, 10'000'000, "values sent, by all senders together"},
    parameter{"senders", 1, 1'000'000, 8, "tasks that send"},
    parameter{"receivers", 1, 1'000'000, 1, "tasks that receive"},
    parameter{"capacity", 0, 1'000'000, 128, "of the channel, in values"},
};

outcome run_fan_in(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto senders = static_cast<uint64_t>(c["senders"]);
  const auto receivers = static_cast<uint64_t>(c["receivers"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  return warm_up_and_measure(
      c, count, [&](uint64_t n) { return c.rt().run(fan_in, n, senders, receivers, capacity); }, sum_below,
      "wrong sum");
}

// select --------------------------------------------------------------------------------------------------------------

constexpr std::size_t select_arms = 8;
using arms = std::array<items, select_arms>;

// Sends 0, 1, ... over the channels in turn.
weft::task<> send_in_turn(const arms* to, uint64_t channels, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await (*to)[i % channels].send(i);
    check(sent, "a send was refused");
  }
}

// Those beyond `channels` stay empty: an arm that never wins costs as much as others do.
weft::task<uint64_t> receive_from_any(const arms& from, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    auto r = co_await weft::select(from[0].receive(), from[1].receive(), from[2].receive(), from[3].receive(),
                                   from[4].receive(), from[5].receive(), from[6].receive(), from[7].receive());
    check(static_cast<bool>(r), "asked to stop");
    std::optional<uint64_t> value;
    switch (r.index()) {
      case 0: value = r.get<0>(); break;
      case 1: value = r.get<1>(); break;
      case 2: value = r.get<2>(); break;
      case 3: value = r.get<3>(); break;
      case 4: value = r.get<4>(); break;
      case 5: value = r.get<5>(); break;
      case 6: value = r.get<6>(); break;
      default: value = r.get<7>(); break;
    }
    check(value.has_value(), "a channel is closed");
    sum += *value;
  }
  co_return sum;
}

weft::task<uint64_t> receive_from_two(const arms& from, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    auto r = co_await weft::select(from[0].receive(), from[1].receive());
    check(static_cast<bool>(r), "asked to stop");
    const std::optional<uint64_t> value = r.index() == 0 ? r.get<0>() : r.get<1>();
    check(value.has_value(), "a channel is closed");
    sum += *value;
  }
  co_return sum;
}

weft::task<uint64_t> receive_from_one(const arms& from, uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const std::optional<uint64_t> value = co_await from[0].receive();
    check(value.has_value(), "a channel is closed");
    sum += *value;
  }
  co_return sum;
}

weft::task<uint64_t> send_and_select(uint64_t count, uint64_t channels, std::size_t capacity) {
  arms all;  // outlives whoever refers to it
  for (items& channel : all) channel = items(capacity);
  auto sending = weft::spawn(send_in_turn, &all, channels, count);
  uint64_t sum = 0;
  if (channels == 1) {
    sum = co_await receive_from_one(all, count);
  } else if (channels == 2) {
    sum = co_await receive_from_two(all, count);
  } else {
    sum = co_await receive_from_any(all, count);
  }
  co_await sending;
  co_return sum;
}

constexpr std::array select_parameters{
    parameter{"count", 1, 1'000'000'000, 3'000'000, "values sent"},
    parameter{"channels", 1, select_arms, 2,
              "that values come from; 1: received without select; 3 to 8: select looks at 8 channels"},
    parameter{"capacity", 0, 1'000'000, 1, "of each channel, in values"},
};

outcome run_select(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto channels = static_cast<uint64_t>(c["channels"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  return warm_up_and_measure(
      c, count, [&](uint64_t n) { return c.rt().run(send_and_select, n, channels, capacity); }, sum_below, "wrong sum");
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 5> workloads{{
    {.name = "ping-pong",
     .summary = "two tasks answer each other over two channels",
     .shows = "run-next: a readied task that runs at once, on the same processor, needs no queue and no wake-up",
     .unit = "round trip",
     .parameters = ping_pong_parameters,
     .run = run_ping_pong},
    {.name = "ring",
     .summary = "tasks in a circle pass tokens on",
     .shows =
         "run-next and wake-ups, as ping-pong does, with more stacks than a cache holds; several --tokens: stealing",
     .unit = "hop",
     .parameters = ring_parameters,
     .run = run_ring},
    {.name = "fan-out",
     .summary = "one task sends to many, in turn",
     .shows = "how ready tasks spread: stealing, waking, and the cost of channels that two processors share",
     .unit = "value",
     .parameters = fan_out_parameters,
     .run = run_fan_out},
    {.name = "fan-in",
     .summary = "many tasks send over one channel",
     .shows = "contention for a channel's lock: gather-above, and few processors against many",
     .unit = "value",
     .parameters = fan_in_parameters,
     .run = run_fan_in},
    {.name = "select",
     .summary = "one task sends over several channels in turn, another takes from whichever has a value",
     .shows = "what waiting for several things costs more than waiting for one: --channels=1 against 2 and 8",
     .unit = "value",
     .parameters = select_parameters,
     .run = run_select},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::message_workloads() { return workloads; }
