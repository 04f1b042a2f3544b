// Workloads: what comes from outside the runtime, and who is kept waiting meanwhile.
//
//   inject   plain threads start tasks
//   echo     messages over TCP connections, to this process itself
//   victim   a ping-pong, beside tasks that want a turn now and then
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/runtime.h>
#include <weft/socket_address.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/this_task.h>

#include "work.h"
#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::compute;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::warm_up_and_measure;

uint64_t now_ns() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

// inject --------------------------------------------------------------------------------------------------------------

weft::task<uint64_t> give_back(uint64_t value, int64_t work) {
  compute(work);
  co_return value;
}

// One plain thread: starts tasks 0, 1, ... and waits for the oldest when so many are open. The sum of their results.
uint64_t start_from_outside(weft::runtime& rt, uint64_t count, uint64_t in_flight, int64_t work) {
  std::deque<weft::join_handle<uint64_t>> open;
  uint64_t sum = 0;
  const auto take_oldest = [&] {
    sum += open.front().get();
    open.pop_front();
  };
  for (uint64_t i = 0; i < count; ++i) {
    if (open.size() == in_flight) take_oldest();
    open.push_back(rt.spawn(give_back, i, work));
  }
  while (!open.empty()) take_oldest();
  return sum;
}

uint64_t start_from_threads(weft::runtime& rt, uint64_t starters, uint64_t each, uint64_t in_flight, int64_t work) {
  std::vector<uint64_t> sums(starters);
  {
    std::vector<std::jthread> threads;
    for (uint64_t& sum : sums)
      threads.emplace_back([&rt, &sum, each, in_flight, work] { sum = start_from_outside(rt, each, in_flight, work); });
  }
  uint64_t all = 0;
  for (const uint64_t sum : sums) all += sum;
  return all;
}

constexpr std::array inject_parameters{
    parameter{"count", 1, 100'000'000, 300'000, "tasks that each thread starts"},
    parameter{"starters", 1, 1000, 1, "plain threads that start tasks"},
    parameter{"in-flight", 1, 1'000'000, 64, "tasks of a thread that are open; then it waits for the oldest"},
    weft_lab::work_parameter,
};

outcome run_inject(context& c) {
  const auto each = static_cast<uint64_t>(c["count"]);
  const auto starters = static_cast<uint64_t>(c["starters"]);
  const auto in_flight = static_cast<uint64_t>(c["in-flight"]);
  const int64_t work = c["work"];
  outcome out = warm_up_and_measure(
      c, each, [&](uint64_t n) { return start_from_threads(c.rt(), starters, n, in_flight, work); },
      [&](uint64_t n) { return starters * (n * (n - 1) / 2); }, "wrong sum");
  out.operations = starters * each;
  return out;
}

// echo ----------------------------------------------------------------------------------------------------------------

struct conversation {
  uint64_t each;  // messages of a connection
  std::size_t bytes;
  weft::socket_address address{};
  std::atomic<uint64_t> echoed_bytes{0};
};

weft::task<> echo(conversation* c, weft::tcp_stream socket) {
  const auto buffer = std::make_unique<std::byte[]>(c->bytes);
  uint64_t bytes = 0;
  for (;;) {
    const absl::StatusOr<std::size_t> n = co_await socket.read_some(std::span(buffer.get(), c->bytes));
    check(n.ok(), "a connection cannot be read");
    if (*n == 0) break;
    const absl::Status sent = co_await socket.write_all(std::span<const std::byte>(buffer.get(), *n));
    check(sent.ok(), "a connection cannot be written");
    bytes += *n;
  }
  // relaxed: whoever reads the sum has joined this task.
  c->echoed_bytes.fetch_add(bytes, std::memory_order_relaxed);
}

weft::task<> accept_all(conversation* c, weft::tcp_listener* listener, uint64_t connections) {
  std::vector<weft::join_handle<void>> handles;
  for (uint64_t i = 0; i < connections; ++i) {
    absl::StatusOr<weft::tcp_stream> socket = co_await listener->accept();
    check(socket.ok(), "no connection came");
    handles.push_back(weft::spawn(echo, c, *std::move(socket)));
  }
  for (auto& handle : handles) co_await handle;
}

// Sends messages that all differ, each when the last has come back as it was. When each came back, in ns.
weft::task<> converse(conversation* c, uint64_t connection, std::vector<uint64_t>* latencies_ns) {
  absl::StatusOr<weft::tcp_stream> socket = co_await weft::tcp_stream::connect(c->address);
  check(socket.ok(), "no connection to loopback");
  std::vector<std::byte> sent(c->bytes);
  std::vector<std::byte> came(c->bytes);
  for (uint64_t i = 0; i < c->each; ++i) {
    const uint64_t mark = connection * c->each + i;
    std::memcpy(sent.data(), &mark, std::min(sizeof mark, sent.size()));
    const uint64_t began_ns = now_ns();
    const absl::Status written = co_await socket->write_all(std::span<const std::byte>(sent));
    check(written.ok(), "a connection cannot be written");
    const absl::Status read = co_await socket->read_exactly(came);
    check(read.ok(), "a connection cannot be read");
    check(came == sent, "another message came back than was sent");
    latencies_ns->push_back(now_ns() - began_ns);
  }
}

using latency_lists = std::vector<std::vector<uint64_t>>;

weft::task<> converse_all(conversation* c, latency_lists* latencies_ns) {
  absl::StatusOr<weft::tcp_listener> listener = weft::tcp_listener::bind(weft::socket_address::loopback(0));
  check(listener.ok(), "cannot listen on loopback");
  c->address = listener->local_address();
  auto accepting = weft::spawn(accept_all, c, &*listener, latencies_ns->size());
  std::vector<weft::join_handle<void>> handles;
  for (uint64_t i = 0; i < latencies_ns->size(); ++i)
    handles.push_back(weft::spawn(converse, c, i, &(*latencies_ns)[i]));
  for (auto& handle : handles) co_await handle;
  co_await accepting;
}

constexpr std::array echo_parameters{
    parameter{"count", 1, 100'000'000, 40'000, "messages, on all connections together"},
    parameter{"connections", 1, 10'000, 16, "open at the same time, one message under way on each"},
    parameter{"bytes", 1, 1 << 20, 64, "of a message"},
};

outcome run_echo(context& c) {
  const auto connections = static_cast<std::size_t>(c["connections"]);
  const auto bytes = static_cast<std::size_t>(c["bytes"]);
  const auto exchange = [&](uint64_t each, latency_lists& latencies_ns) {
    conversation talk{each, bytes};
    c.rt().run(converse_all, &talk, &latencies_ns);
    // relaxed: the run has joined all tasks.
    return talk.echoed_bytes.load(std::memory_order_relaxed) == connections * each * bytes;
  };
  const uint64_t each = static_cast<uint64_t>(c["count"]) / connections + 1;
  latency_lists before(connections);
  check(exchange(each / 10 + 1, before), "wrong number of bytes");
  latency_lists latencies_ns(connections);
  for (auto& list : latencies_ns) list.reserve(each);
  bool right = false;
  c.timed([&] { right = exchange(each, latencies_ns); });
  check(right, "wrong number of bytes");
  outcome out;
  for (const auto& list : latencies_ns) out.latencies_ns.insert(out.latencies_ns.end(), list.begin(), list.end());
  out.operations = out.latencies_ns.size();
  return out;
}

// victim --------------------------------------------------------------------------------------------------------------

// Some of many latencies, evenly taken: every one at first, then every second, every fourth, ...
class thinned {
 public:
  thinned() { kept_.reserve(most); }

  void add(uint64_t ns) {
    if (seen_++ % stride_ != 0) return;
    if (kept_.size() == most) {
      for (std::size_t i = 0; i < most / 2; ++i) kept_[i] = kept_[2 * i];
      kept_.resize(most / 2);
      stride_ *= 2;
    }
    kept_.push_back(ns);
  }

  uint64_t seen() const { return seen_; }
  const std::vector<uint64_t>& kept() const { return kept_; }

 private:
  static constexpr std::size_t most = 1 << 16;
  std::vector<uint64_t> kept_;
  uint64_t seen_ = 0;
  uint64_t stride_ = 1;
};

using items = weft::channel<uint64_t>;

struct bystanders {
  uint64_t count;  // of round trips
  std::atomic<bool> over{false};
  std::vector<thinned> waits;
};

weft::task<> want_turns(bystanders* b, std::size_t i) {
  do {
    const uint64_t began_ns = now_ns();
    co_await weft::yield();
    b->waits[i].add(now_ns() - began_ns);
    // relaxed: it is only about when to end.
  } while (!b->over.load(std::memory_order_relaxed));
}

weft::task<> answer(items in, items out) {
  for (;;) {
    const std::optional<uint64_t> value = co_await in.receive();
    if (!value) break;
    const bool sent = co_await out.send(*value + 1);
    check(sent, "a send was refused");
  }
}

weft::task<uint64_t> ask_beside_victims(bystanders* b) {
  const items there(0);
  const items back(0);
  std::vector<weft::join_handle<void>> handles;
  for (std::size_t i = 0; i < b->waits.size(); ++i) handles.push_back(weft::spawn(want_turns, b, i));
  auto answering = weft::spawn(answer, there, back);
  uint64_t value = 0;
  for (uint64_t i = 0; i < b->count; ++i) {
    const bool sent = co_await there.send(value);
    check(sent, "a send was refused");
    value = (co_await back.receive()).value_or(0);
  }
  // relaxed: as in want_turns().
  b->over.store(true, std::memory_order_relaxed);
  there.close();
  co_await answering;
  for (auto& handle : handles) co_await handle;
  co_return value;
}

constexpr std::array victim_parameters{
    parameter{"count", 1, 1'000'000'000, 3'000'000, "round trips of the ping-pong"},
    parameter{"victims", 1, 1000, 1, "tasks beside it, which yield all the time"},
};

outcome run_victim(context& c) {
  bystanders b{.count = static_cast<uint64_t>(c["count"]), .waits = {}};
  b.waits.resize(static_cast<std::size_t>(c["victims"]));
  uint64_t answers = 0;
  c.timed([&] { answers = c.rt().run(ask_beside_victims, &b); });
  check(answers == b.count, "wrong number of answers");
  outcome out;
  out.operations = b.count;
  uint64_t turns = 0;
  for (const thinned& w : b.waits) {
    check(w.seen() > 0, "a victim had no turn at all");
    turns += w.seen();
    out.latencies_ns.insert(out.latencies_ns.end(), w.kept().begin(), w.kept().end());
  }
  out.figures.emplace_back("victims' turns per round trip", static_cast<double>(turns) / static_cast<double>(b.count));
  return out;
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 3> workloads{{
    {.name = "inject",
     .summary = "plain threads start tasks and wait for them",
     .shows = "the way in from outside: global-queue-interval, idle-spin, and waking; --in-flight=1: one at a time",
     .unit = "task",
     .parameters = inject_parameters,
     .run = run_inject},
    {.name = "echo",
     .summary = "messages over TCP connections on loopback, and back",
     .shows = "io, uring against epoll; how I/O and ready tasks share a processor",
     .unit = "message",
     .parameters = echo_parameters,
     .run = run_echo},
    {.name = "victim",
     .summary = "a ping-pong, beside tasks that yield; a latency is how long one of those waits for its turn",
     .shows = "fairness of run-next, on one processor: run-next-in-a-row bounds how long the pair goes on",
     .unit = "round trip",
     .parameters = victim_parameters,
     .run = run_victim,
     .judged = weft_lab::judged_by::p99},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::outside_workloads() { return workloads; }
