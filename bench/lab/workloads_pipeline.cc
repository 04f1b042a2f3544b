// Workloads: pipelines, whose stages are tasks with channels between them.
//
//   pipeline   values go through three stages and more, in a steady stream
//   burst      buffers from a pool go through two stages in bursts, and come back
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/pool.h>
#include <weft/runtime.h>
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

// pipeline ------------------------------------------------------------------------------------------------------------

using items = weft::channel<uint64_t>;

weft::task<> source(items out, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const bool sent = co_await out.send(i);
    check(sent, "a send was refused");
  }
  out.close();
}

weft::task<> add_one(items in, items out, int64_t work) {
  for (;;) {
    const std::optional<uint64_t> value = co_await in.receive();
    if (!value) break;
    compute(work);
    const bool sent = co_await out.send(*value + 1);
    check(sent, "a send was refused");
  }
  out.close();
}

// The sum of what leaves the last stage.
weft::task<uint64_t> pipeline(uint64_t count, uint64_t stages, std::size_t capacity, int64_t work) {
  std::vector<items> channels;
  std::vector<weft::join_handle<void>> handles;
  for (uint64_t i = 0; i + 1 < stages; ++i) channels.emplace_back(capacity);
  handles.push_back(weft::spawn(source, channels[0], count));
  for (uint64_t i = 1; i + 1 < stages; ++i) handles.push_back(weft::spawn(add_one, channels[i - 1], channels[i], work));
  uint64_t sum = 0;
  for (;;) {
    const std::optional<uint64_t> value = co_await channels.back().receive();
    if (!value) break;
    sum += *value;
  }
  for (auto& handle : handles) co_await handle;
  co_return sum;
}

constexpr std::array pipeline_parameters{
    parameter{"count", 1, 1'000'000'000, 5'000'000, "values that go through"},
    parameter{"stages", 2, 100'000, 3, "tasks, the first of which only sends and the last only receives"},
    parameter{"capacity", 0, 1'000'000, 64, "of each channel, in values"},
    weft_lab::work_parameter,
};

outcome run_pipeline(context& c) {
  const auto count = static_cast<uint64_t>(c["count"]);
  const auto stages = static_cast<uint64_t>(c["stages"]);
  const auto capacity = static_cast<std::size_t>(c["capacity"]);
  const int64_t work = c["work"];
  return warm_up_and_measure(
      c, count, [&](uint64_t n) { return c.rt().run(pipeline, n, stages, capacity, work); },
      [&](uint64_t n) { return n * (n - 1) / 2 + n * (stages - 2); }, "wrong sum");
}

// burst ---------------------------------------------------------------------------------------------------------------

// In a phase all buffers have one of these sizes, so a pool that forgets nothing comes to hold each size's most.
constexpr std::array<std::size_t, 8> sizes = {8 << 10,  12 << 10, 16 << 10, 24 << 10,
                                              32 << 10, 48 << 10, 64 << 10, 96 << 10};

// Bytes from a pool, or from the heap.
struct buffer {
  weft::pooled_buffer pooled;
  std::unique_ptr<std::byte[]> own;
  std::size_t size = 0;

  // A constructor keeps it from being an aggregate, of which g++-12 destroys temporaries twice (docs/pitfalls.md).
  buffer() {}

  std::byte* data() const { return own != nullptr ? own.get() : pooled.data(); }
};

buffer make_buffer(weft::buffer_pool* pool, std::size_t size) {
  buffer b;
  b.size = size;
  if (pool != nullptr)
    b.pooled = pool->get(size);
  else
    b.own = std::make_unique_for_overwrite<std::byte[]>(size);
  return b;
}

constexpr std::size_t line = 64;

// One byte of each cache line.
uint64_t read_through(const buffer& b) {
  uint64_t sum = 0;
  for (std::size_t i = 0; i < b.size; i += line) sum += static_cast<uint64_t>(b.data()[i]);
  return sum;
}

weft::task<uint64_t> read_and_pass(weft::channel<buffer> in, weft::channel<buffer> out) {
  uint64_t sum = 0;
  for (;;) {
    std::optional<buffer> b = co_await in.receive();
    if (!b) break;
    sum += read_through(*b);
    const bool sent = co_await out.send(*std::move(b));
    check(sent, "a send was refused");
  }
  co_return sum;
}

struct burst_work {
  weft::buffer_pool* pool;  // null: the heap
  std::size_t in_flight_bytes;
  int64_t rounds;
  int64_t bursts;
};

// What the stages have read, and what they ought to have read.
struct read_sums {
  uint64_t read = 0;
  uint64_t written = 0;
  uint64_t buffers = 0;
};

weft::task<read_sums> send_bursts(const burst_work* w) {
  const weft::channel<buffer> first(64);
  const weft::channel<buffer> second(64);
  const weft::channel<buffer> last(w->in_flight_bytes / sizes[0] + 1);
  auto reading = weft::spawn(read_and_pass, first, second);
  auto reading_again = weft::spawn(read_and_pass, second, last);
  read_sums sums;
  for (int64_t burst = 0; burst < w->rounds * static_cast<int64_t>(sizes.size()) * w->bursts; ++burst) {
    const std::size_t size = sizes[static_cast<std::size_t>(burst / w->bursts) % sizes.size()];
    const std::size_t count = w->in_flight_bytes / size;
    for (std::size_t i = 0; i < count; ++i) {
      buffer b = make_buffer(w->pool, size);
      const auto mark = static_cast<unsigned char>(i + 1);
      std::memset(b.data(), mark, size);
      sums.written += 2 * (size / line) * mark;
      const bool sent = co_await first.send(std::move(b));
      check(sent, "a send was refused");
    }
    for (std::size_t i = 0; i < count; ++i) {
      const std::optional<buffer> back = co_await last.receive();
      check(back.has_value(), "a buffer is lost");
    }
    sums.buffers += count;
  }
  first.close();
  sums.read += co_await reading;
  second.close();
  sums.read += co_await reading_again;
  co_return sums;
}

constexpr std::array burst_parameters{
    parameter{"count", 1, 1'000'000, 3, "times that each of eight buffer sizes has its turn"},
    parameter{"bursts", 1, 1'000'000, 4, "in a turn: that many buffers as fit are sent, read twice, and come back"},
    parameter{"in-flight-kib", 96, 1 << 24, 24 << 10, "buffers in a burst, in KiB"},
    parameter{"pooled", 0, 1, 1, "on: buffers come from a weft::buffer_pool; off: from the heap"},
};

outcome run_burst(context& c) {
  weft::buffer_pool pool;
  burst_work work{c["pooled"] != 0 ? &pool : nullptr, static_cast<std::size_t>(c["in-flight-kib"]) << 10, c["count"],
                  c["bursts"]};
  read_sums sums;
  c.timed([&] { sums = c.rt().run(send_bursts, &work); });
  check(sums.read == sums.written, "the stages did not read what was written");
  return {.operations = sums.buffers, .latencies_ns = {}, .figures = {}};
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 2> workloads{{
    {.name = "pipeline",
     .summary = "values go through stages with channels between them",
     .shows = "what a hop costs, and with --work whether stages run at the same time: wake-ups, run-next, --capacity",
     .unit = "value",
     .parameters = pipeline_parameters,
     .run = run_pipeline},
    {.name = "burst",
     .summary = "bursts of buffers go through two stages; their size changes from time to time",
     .shows =
         "memory against CPU time: gc-percent, memory-limit, pools, and --pooled=off; look at the peak of the memory",
     .unit = "buffer",
     .parameters = burst_parameters,
     .run = run_burst},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::pipeline_workloads() { return workloads; }
