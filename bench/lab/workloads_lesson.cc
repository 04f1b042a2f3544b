// Workloads of the lessons (docs/lessons): what a call, a buffer and a recursion cost.
//
//   call-site   the same small call, in the shapes that C++ offers
//   buffers     a buffer for each record that is read, with different owners
//   recursion   calls of coroutines to a depth, and calls that cross the end of a stack's segment
#include <algorithm>
#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/go.h>
#include <weft/join_handle.h>
#include <weft/memory_report.h>
#include <weft/metrics.h>
#include <weft/pool.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/this_task.h>

#include "absl/functional/any_invocable.h"
#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;

// The value passes through a register that the compiler knows nothing about.
template <class T>
T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

uint64_t total(const weft::runtime& rt, std::string_view metric) {
  std::array samples{weft::metrics::sample{metric}};
  weft::metrics::read(rt, samples);
  return samples[0].value.as_uint64();
}

// What a metric counted while something was done, for each of so many.
class counted {
 public:
  counted(const weft::runtime& rt, std::string_view metric) : rt_(rt), metric_(metric), before_(total(rt, metric)) {}

  uint64_t sum() const { return total(rt_, metric_) - before_; }
  double per(uint64_t many) const { return static_cast<double>(sum()) / static_cast<double>(many); }

 private:
  const weft::runtime& rt_;
  std::string_view metric_;
  uint64_t before_;
};

// The warm-up is several tasks: each teaches how large the first block of the next one has to be, and one that began
// with too small a block might cross the end of a segment with every call (docs/lessons/1-stacks.md).
constexpr int warm_ups = 4;

// call-site ----------------------------------------------------------------------------------------------------------
//
// Each shape is a loop of its own that is not inlined, and that gets its callee in a way in which the compiler cannot
// see which one it is, where the shape is meant to hide it.

enum class shape : uint8_t {
  direct,
  out_of_line,
  from_template,
  pointer,
  std_function,
  any_invocable,
  virtual_call,
  task,
  elided,
  new_function,
};

constexpr std::array<std::string_view, 10> shape_names{"direct",       "out-of-line",   "template", "pointer",
                                                       "std-function", "any-invocable", "virtual",  "task",
                                                       "elided",       "new-function"};

inline uint64_t small(uint64_t i) { return i ^ (i >> 7); }

[[gnu::noinline]] uint64_t small_out_of_line(uint64_t i) { return small(i); }

// With `Chained` each call needs the result of the one before.
template <bool Chained, class F>
inline uint64_t loop(uint64_t count, F&& f) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if constexpr (Chained)
      sum = f(sum + i);
    else
      sum += f(i);
  }
  return sum;
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_direct(uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if constexpr (Chained)
      sum = small(sum + i);
    else
      sum += small(i);
  }
  return sum;
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_out_of_line(uint64_t count) {
  return loop<Chained>(count, small_out_of_line);
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_template(uint64_t count) {
  return loop<Chained>(count, [](uint64_t i) { return small(i); });
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_pointer(uint64_t count) {
  uint64_t (*const f)(uint64_t) = opaque(&small_out_of_line);
  return loop<Chained>(count, f);
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_std_function(uint64_t count) {
  const std::function<uint64_t(uint64_t)> f([](uint64_t i) { return small(i); });
  return loop<Chained>(count, *opaque(&f));
}

template <bool Chained>
[[gnu::noinline]] uint64_t call_any_invocable(uint64_t count) {
  absl::AnyInvocable<uint64_t(uint64_t)> f([](uint64_t i) { return small(i); });
  return loop<Chained>(count, *opaque(&f));
}

class callee {
 public:
  virtual ~callee() = default;
  virtual uint64_t call(uint64_t i) const = 0;
};

class small_callee final : public callee {
 public:
  uint64_t call(uint64_t i) const override { return small(i); }
};

template <bool Chained>
[[gnu::noinline]] uint64_t call_virtual(uint64_t count) {
  const small_callee one;
  const callee* const known_by_its_base = opaque(static_cast<const callee*>(&one));
  return loop<Chained>(count, [known_by_its_base](uint64_t i) { return known_by_its_base->call(i); });
}

weft::task<uint64_t> small_task(uint64_t i) { co_return small(i); }

template <bool Chained>
weft::task<uint64_t> call_task(uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if constexpr (Chained)
      sum = co_await small_task(sum + i);
    else
      sum += co_await small_task(i);
  }
  co_return sum;
}

// A coroutine that never waits, and whose handle stays with its caller: clang puts its frame into the caller's. g++
// asks operator new for it.
class here {
 public:
  struct promise_type {
    uint64_t value = 0;

    here get_return_object() { return here(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_value(uint64_t v) { value = v; }
    [[noreturn]] void unhandled_exception() { std::terminate(); }
  };

  explicit here(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  here(const here&) = delete;
  here& operator=(const here&) = delete;
  ~here() { handle_.destroy(); }

  uint64_t get() {
    handle_.resume();
    return handle_.promise().value;
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

here small_here(uint64_t i) { co_return small(i); }

template <bool Chained>
[[gnu::noinline]] uint64_t call_elided(uint64_t count) {
  return loop<Chained>(count, [](uint64_t i) { return small_here(i).get(); });
}

// Four words of captures are more than std::function keeps inside.
template <bool Chained>
[[gnu::noinline]] uint64_t call_new_function(uint64_t count) {
  const uint64_t zero = opaque(uint64_t{0});
  const std::array<uint64_t, 4> captures{zero, zero, zero, zero};
  return loop<Chained>(count, [&captures](uint64_t i) {
    const std::function<uint64_t(uint64_t)> f(
        [captures](uint64_t x) { return small(x) + captures[0] + captures[1] + captures[2] + captures[3]; });
    return (*opaque(&f))(i);
  });
}

weft::task<uint64_t> in_task(uint64_t (*function)(uint64_t), uint64_t count) { co_return function(count); }

template <bool Chained>
uint64_t call_in_shape(weft::runtime& rt, shape s, uint64_t count) {
  switch (s) {
    case shape::direct: return rt.run(in_task, call_direct<Chained>, count);
    case shape::out_of_line: return rt.run(in_task, call_out_of_line<Chained>, count);
    case shape::from_template: return rt.run(in_task, call_template<Chained>, count);
    case shape::pointer: return rt.run(in_task, call_pointer<Chained>, count);
    case shape::std_function: return rt.run(in_task, call_std_function<Chained>, count);
    case shape::any_invocable: return rt.run(in_task, call_any_invocable<Chained>, count);
    case shape::virtual_call: return rt.run(in_task, call_virtual<Chained>, count);
    case shape::task: return rt.run(call_task<Chained>, count);
    case shape::elided: return rt.run(in_task, call_elided<Chained>, count);
    case shape::new_function: return rt.run(in_task, call_new_function<Chained>, count);
  }
  return 0;
}

constexpr std::array call_site_parameters{
    parameter{"shape", 0, shape_names.size() - 1, 0, "how the function is called", shape_names},
    parameter{"calls", 1, 10'000'000'000, 50'000'000, "calls"},
    parameter{"chained", 0, 1, 0, "on: each call needs the result of the one before"},
};

outcome run_call_site(context& c) {
  const auto s = static_cast<shape>(c["shape"]);
  const auto calls = static_cast<uint64_t>(c["calls"]);
  const auto call = [&](uint64_t count) {
    return c["chained"] != 0 ? call_in_shape<true>(c.rt(), s, count) : call_in_shape<false>(c.rt(), s, count);
  };
  for (int i = 0; i < warm_ups; ++i) call(calls / 40 + 1);
  uint64_t result = 0;
  c.timed([&] { result = call(calls); });
  // What the calls compute, one by one, by a loop that is compiled apart from all of the above.
  uint64_t expected = 0;
  for (uint64_t i = 0; i < calls; ++i)
    expected = c["chained"] != 0 ? opaque(small(expected + i)) : opaque(expected + small(i));
  check(result == expected, "the calls returned something else");
  return {.operations = calls, .latencies_ns = {}, .figures = {}};
}

// buffers ------------------------------------------------------------------------------------------------------------
//
// A record is read into a buffer by a coroutine, and looked at by its caller. The rounds hold so many of them at once.
// What is read is a byte that repeats; the caller adds up the first and the last byte of each buffer.

enum class owner : uint8_t { caller, vector, unique, shared, pool, buffer_pool, task };

constexpr std::array<std::string_view, 7> owner_names{"caller", "vector",      "unique", "shared",
                                                      "pool",   "buffer-pool", "task"};

constexpr std::size_t most_in_task = 4096;

using bytes_of_one = std::span<std::byte>;

std::byte content(uint64_t i) { return static_cast<std::byte>(i % 251); }

void read_into(bytes_of_one to, uint64_t i) { std::memset(to.data(), static_cast<int>(content(i)), to.size()); }

uint64_t look_at(bytes_of_one b) {
  return static_cast<uint64_t>(*opaque(&b.front())) + static_cast<uint64_t>(b.back());
}

// A source reads record i into a buffer and hands its owner back; `slot` is the record's number among those that are
// held at the same time, `largest` what the longest record has.

class callers_source {
 public:
  using owned = bytes_of_one;

  callers_source(std::size_t held, std::size_t largest) : largest_(largest), memory_(held * largest) {}
  weft::task<owned> read(std::size_t slot, std::size_t bytes, uint64_t i) {
    const bytes_of_one into = bytes_of_one(memory_).subspan(slot * largest_, bytes);
    read_into(into, i);
    co_return into;
  }
  static bytes_of_one span_of(bytes_of_one b) { return b; }

 private:
  std::size_t largest_;
  std::vector<std::byte> memory_;
};

class vector_source {
 public:
  using owned = std::vector<std::byte>;

  vector_source(std::size_t, std::size_t) {}
  static weft::task<owned> read(std::size_t, std::size_t bytes, uint64_t i) {
    std::vector<std::byte> b(bytes);
    read_into(b, i);
    co_return b;
  }
  static bytes_of_one span_of(owned& b) { return b; }
};

// A pointer that owns, and the number of bytes. A class, for g++-12's sake (docs/pitfalls.md).
template <class Pointer>
class counted_bytes {
 public:
  counted_bytes() = default;
  counted_bytes(Pointer p, std::size_t bytes) : p_(std::move(p)), bytes_(bytes) {}
  bytes_of_one span() const { return {p_.get(), bytes_}; }

 private:
  Pointer p_;
  std::size_t bytes_ = 0;
};

template <class Pointer>
class pointer_source {
 public:
  using owned = counted_bytes<Pointer>;

  pointer_source(std::size_t, std::size_t) {}
  static weft::task<owned> read(std::size_t, std::size_t bytes, uint64_t i) {
    owned b(make(bytes), bytes);
    read_into(b.span(), i);
    co_return b;
  }
  static bytes_of_one span_of(const owned& b) { return b.span(); }

 private:
  static Pointer make(std::size_t bytes) {
    if constexpr (std::is_same_v<Pointer, std::shared_ptr<std::byte[]>>)
      return std::make_shared<std::byte[]>(bytes);
    else
      return std::make_unique<std::byte[]>(bytes);
  }
};

class pool_source {
 public:
  pool_source(std::size_t, std::size_t largest) : pool_([largest] { return std::vector<std::byte>(largest); }) {}

  // The vector, of which the first bytes are the record.
  class owned {
   public:
    owned() = default;
    owned(weft::pooled<std::vector<std::byte>> v, std::size_t bytes) : v_(std::move(v)), bytes_(bytes) {}
    bytes_of_one span() const { return bytes_of_one(*v_).first(bytes_); }

   private:
    weft::pooled<std::vector<std::byte>> v_;
    std::size_t bytes_ = 0;
  };

  weft::task<owned> read(std::size_t, std::size_t bytes, uint64_t i) {
    owned b(pool_.get(), bytes);
    read_into(b.span(), i);
    co_return b;
  }
  static bytes_of_one span_of(const owned& b) { return b.span(); }

 private:
  weft::pool<std::vector<std::byte>> pool_;
};

class buffer_pool_source {
 public:
  using owned = weft::pooled_buffer;

  buffer_pool_source(std::size_t, std::size_t) {}
  weft::task<owned> read(std::size_t, std::size_t bytes, uint64_t i) {
    weft::pooled_buffer b = pool_.get(bytes);
    read_into({b.data(), b.size()}, i);
    co_return b;
  }
  static bytes_of_one span_of(owned& b) { return {b.data(), b.size()}; }

 private:
  weft::buffer_pool pool_;
};

struct rounds {
  uint64_t buffers;
  std::size_t held;
  std::size_t bytes;
  std::size_t sizes;
  std::size_t of_one_size;

  std::size_t bytes_in_round(uint64_t round) const { return bytes << (round / of_one_size % sizes); }
  std::size_t largest() const { return bytes << (sizes - 1); }
};

// Between rounds the task lets its processor come round now and then, or no epoch would ever end.
constexpr uint64_t records_between_yields = 100;

template <class Source>
weft::task<uint64_t> read_all(Source* source, rounds r) {
  std::vector<typename Source::owned> held(r.held);
  uint64_t sum = 0;
  uint64_t round = 0;
  uint64_t yield_at = records_between_yields;
  for (uint64_t i = 0; i < r.buffers; ++round) {
    if (i >= yield_at) {
      co_await weft::yield();
      yield_at = i + records_between_yields;
    }
    const std::size_t bytes = r.bytes_in_round(round);
    const std::size_t now = static_cast<std::size_t>(std::min<uint64_t>(r.held, r.buffers - i));
    for (std::size_t k = 0; k < now; ++k) {
      held[k] = co_await source->read(k, bytes, i);
      ++i;
    }
    for (std::size_t k = 0; k < now; ++k) {
      sum += look_at(Source::span_of(held[k]));
      held[k] = typename Source::owned();
    }
  }
  co_return sum;
}

weft::task<> fill(bytes_of_one into, uint64_t i) {
  read_into(into, i);
  co_return;
}

// The buffer is a variable of a task that is started for the record; since it lives across a co_await, it is in the
// task's frame.
weft::task<uint64_t> read_in_task(std::size_t bytes, uint64_t i) {
  std::array<std::byte, most_in_task> b;
  const bytes_of_one used = bytes_of_one(b).first(bytes);
  co_await fill(used, i);
  co_return look_at(used);
}

weft::task<uint64_t> read_all_in_tasks(rounds r) {
  std::vector<weft::join_handle<uint64_t>> held(r.held);
  uint64_t sum = 0;
  uint64_t round = 0;
  uint64_t yield_at = records_between_yields;
  for (uint64_t i = 0; i < r.buffers; ++round) {
    if (i >= yield_at) {
      co_await weft::yield();
      yield_at = i + records_between_yields;
    }
    const std::size_t bytes = r.bytes_in_round(round);
    const std::size_t now = static_cast<std::size_t>(std::min<uint64_t>(r.held, r.buffers - i));
    for (std::size_t k = 0; k < now; ++k) held[k] = weft::spawn(read_in_task, bytes, i++);
    for (std::size_t k = 0; k < now; ++k) sum += co_await held[k];
  }
  co_return sum;
}

template <class Source>
void read_all_from(context& c, rounds r, uint64_t expected_sum(rounds)) {
  Source source(r.held, r.largest());
  rounds warm_up = r;
  warm_up.buffers = r.buffers / 40 + 1;
  for (int i = 0; i < warm_ups; ++i)
    check(c.rt().run(read_all<Source>, &source, warm_up) == expected_sum(warm_up), "wrong contents");
  uint64_t sum = 0;
  c.timed([&] { sum = c.rt().run(read_all<Source>, &source, r); });
  check(sum == expected_sum(r), "wrong contents");
}

void read_all_in_tasks_of(context& c, rounds r, uint64_t expected_sum(rounds)) {
  check(r.largest() <= most_in_task, "--owner=task has buffers of 4096 bytes at most");
  rounds warm_up = r;
  warm_up.buffers = r.buffers / 40 + 1;
  for (int i = 0; i < warm_ups; ++i)
    check(c.rt().run(read_all_in_tasks, warm_up) == expected_sum(warm_up), "wrong contents");
  uint64_t sum = 0;
  c.timed([&] { sum = c.rt().run(read_all_in_tasks, r); });
  check(sum == expected_sum(r), "wrong contents");
}

uint64_t sum_of_contents(rounds r) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < r.buffers; ++i) sum += 2 * static_cast<uint64_t>(content(i));
  return sum;
}

constexpr std::array buffers_parameters{
    parameter{"owner", 0, owner_names.size() - 1, 1, "who owns a buffer", owner_names},
    parameter{"buffers", 1, 10'000'000'000, 5'000'000, "records that are read"},
    parameter{"bytes", 1, 1 << 20, 1024, "of a record, in bytes"},
    parameter{"held", 1, 1'000'000, 1, "buffers in use at the same time"},
    parameter{"sizes", 1, 8, 1, "of records, which take turns, each twice the one before"},
    parameter{"batches", 1, 1'000'000, 1, "of one size, before it is the next one's turn; a batch is what is held"},
};

outcome run_buffers(context& c) {
  const rounds r{static_cast<uint64_t>(c["buffers"]), static_cast<std::size_t>(c["held"]),
                 static_cast<std::size_t>(c["bytes"]), static_cast<std::size_t>(c["sizes"]),
                 static_cast<std::size_t>(c["batches"])};
  const counted epochs(c.rt(), "/gc/cycles/total:gc-cycles");
  switch (static_cast<owner>(c["owner"])) {
    case owner::caller: read_all_from<callers_source>(c, r, sum_of_contents); break;
    case owner::vector: read_all_from<vector_source>(c, r, sum_of_contents); break;
    case owner::unique: read_all_from<pointer_source<std::unique_ptr<std::byte[]>>>(c, r, sum_of_contents); break;
    case owner::shared: read_all_from<pointer_source<std::shared_ptr<std::byte[]>>>(c, r, sum_of_contents); break;
    case owner::pool: read_all_from<pool_source>(c, r, sum_of_contents); break;
    case owner::buffer_pool: read_all_from<buffer_pool_source>(c, r, sum_of_contents); break;
    case owner::task: read_all_in_tasks_of(c, r, sum_of_contents); break;
  }
  return {.operations = r.buffers, .latencies_ns = {}, .figures = {{"epochs", static_cast<double>(epochs.sum())}}};
}

// recursion ----------------------------------------------------------------------------------------------------------
//
// A descent is a coroutine that calls itself to a depth. At the bottom it calls another one, the leaf, so many times:
// the breadth. Each frame carries locals, and checks at its end that they still are what it wrote.
//
// At some depths each call of the leaf needs room that the stack's segment does not have, and its return frees the new
// segment again: a hot split. Where that is depends on the frames' sizes, so the depth is searched for.

template <std::size_t Bytes>
class locals {
 public:
  explicit locals(uint64_t mark) {
    bytes_[0] = bytes_[Bytes - 1] = static_cast<unsigned char>(mark);
    asm volatile("" : : "r"(&bytes_) : "memory");
  }
  bool intact(uint64_t mark) const {
    asm volatile("" : : "r"(&bytes_) : "memory");
    return bytes_[0] == static_cast<unsigned char>(mark) && bytes_[Bytes - 1] == static_cast<unsigned char>(mark);
  }

 private:
  std::array<unsigned char, Bytes> bytes_;
};

// A frame that is larger than that of descend<Bytes>, so that at one depth at least it does not fit.
template <std::size_t Bytes>
weft::task<uint64_t> leaf(uint64_t again) {
  const locals<Bytes + 128> mine(again);
  uint64_t calls = 1;
  // Never, but the compiler does not know: so the locals live across a co_await, which puts them into the frame.
  if (again != 0) calls += co_await leaf<Bytes>(again - 1);
  co_return mine.intact(again) ? calls : 0;
}

// How many calls were made, this one too; less if locals were overwritten.
template <std::size_t Bytes>
weft::task<uint64_t> descend(uint64_t depth, uint64_t breadth) {
  const locals<Bytes> mine(depth);
  uint64_t calls = 1;
  if (depth > 0)
    calls += co_await descend<Bytes>(depth - 1, breadth);
  else
    for (uint64_t i = 0; i < breadth; ++i) calls += co_await leaf<Bytes>(opaque(uint64_t{0}));
  co_return mine.intact(depth) ? calls : 0;
}

struct descents {
  uint64_t count;
  uint64_t depth;
  uint64_t breadth;
  bool fresh;

  uint64_t calls_each() const { return depth + 1 + breadth; }
};

template <std::size_t Bytes>
weft::task<uint64_t> descend_often(descents d) {
  uint64_t calls = 0;
  for (uint64_t i = 0; i < d.count; ++i) {
    if (d.fresh)
      calls += co_await weft::spawn(descend<Bytes>, d.depth, d.breadth);
    else
      calls += co_await descend<Bytes>(d.depth, d.breadth);
  }
  co_return calls;
}

constexpr std::string_view hot_splits = "/weft/stack/hot-splits:segments";

// The first depth from `d.depth` on at which every call of the leaf crosses the end of a segment, or none does.
//
// Several descents are tried, since one after the other begin with different spare segments, and a second time, since
// the first one teaches how large a first block has to be.
template <std::size_t Bytes>
uint64_t depth_that_crosses(weft::runtime& rt, descents d, bool crossing) {
  constexpr uint64_t leaves = 1000;
  constexpr uint64_t farthest = 20'000;
  const uint64_t count = std::min<uint64_t>(d.count, 5);
  for (uint64_t depth = d.depth; depth < d.depth + farthest; ++depth) {
    const descents tried{count, depth, leaves, d.fresh};
    check(rt.run(descend_often<Bytes>, tried) == count * tried.calls_each(), "a call or its locals got lost");
    const counted splits(rt, hot_splits);
    check(rt.run(descend_often<Bytes>, tried) == count * tried.calls_each(), "a call or its locals got lost");
    if (crossing ? splits.sum() >= count * leaves * 9 / 10 : splits.sum() < count * leaves / 10) return depth;
  }
  check(false, "there is no such depth");
  return 0;
}

constexpr std::array<std::string_view, 3> crossing_names{"any", "no", "yes"};
constexpr std::array<std::string_view, 4> locals_names{"8", "256", "1024", "4096"};

constexpr std::array recursion_parameters{
    parameter{"depth", 0, 10'000'000, 1000, "calls below the first one"},
    parameter{"breadth", 0, 1'000'000'000, 0, "calls of a leaf at the bottom"},
    parameter{"descents", 1, 1'000'000'000, 20'000, "times down and up"},
    parameter{"fresh", 0, 1, 0, "on: each descent is a task of its own, with a new stack"},
    parameter{"crossing", 0, crossing_names.size() - 1, 0,
              "yes, no: the first depth from --depth on where the leaf crosses a segment's end, or does not",
              crossing_names},
    parameter{"locals", 0, locals_names.size() - 1, 0, "of each frame, in bytes", locals_names},
};

template <std::size_t Bytes>
outcome run_descents(context& c, descents d, std::string_view crossing) {
  if (crossing != "any") d.depth = depth_that_crosses<Bytes>(c.rt(), d, crossing == "yes");
  descents warm_up = d;
  warm_up.count = d.count / 40 + 1;
  for (int i = 0; i < warm_ups; ++i)
    check(c.rt().run(descend_often<Bytes>, warm_up) == warm_up.count * warm_up.calls_each(), "a call got lost");
  const counted growths(c.rt(), "/weft/stack/growths:segments");
  const counted splits(c.rt(), hot_splits);
  uint64_t calls = 0;
  c.timed([&] { calls = c.rt().run(descend_often<Bytes>, d); });
  const double crossings = splits.per(d.count);
  const double grown = growths.per(d.count);
  check(calls == d.count * d.calls_each(), "a call or its locals got lost");
  // Growth other than in the leaf's calls takes a few segments of a descent.
  if (crossing != "any")
    check((crossings >= static_cast<double>(d.breadth) / 2) == (crossing == "yes"), "not the depth that was wanted");
  double first_block = 0;
  for (const weft::entry_usage& e : weft::memory_report(c.rt()).entries)
    if (e.function.find("descend") != std::string::npos)
      first_block = std::max(first_block, static_cast<double>(e.first_block_bytes));
  return {.operations = calls,
          .latencies_ns = {},
          .figures = {{"depth", static_cast<double>(d.depth)},
                      {"segments taken", grown},
                      {"spare taken", crossings},
                      {"first_block_bytes", first_block}}};
}

outcome run_recursion(context& c) {
  const descents d{static_cast<uint64_t>(c["descents"]), static_cast<uint64_t>(c["depth"]),
                   static_cast<uint64_t>(c["breadth"]), c["fresh"] != 0};
  const std::string_view crossing = crossing_names[static_cast<std::size_t>(c["crossing"])];
  switch (c["locals"]) {
    case 0: return run_descents<8>(c, d, crossing);
    case 1: return run_descents<256>(c, d, crossing);
    case 2: return run_descents<1024>(c, d, crossing);
    default: return run_descents<4096>(c, d, crossing);
  }
}

constexpr std::array<weft_lab::workload, 3> workloads{{
    {.name = "call-site",
     .summary = "the same small call as direct, template, pointer, std::function, virtual, task and more",
     .shows = "what a call's shape costs: a callee that the compiler does not see is neither inlined nor vectorised; "
              "no choice matters",
     .unit = "call",
     .parameters = call_site_parameters,
     .run = run_call_site},
    {.name = "buffers",
     .summary = "records are read into buffers of the caller's, the heap's, a pool's or a task's",
     .shows = "what a buffer's owner costs; with pools and several sizes: what epochs keep and clear (--gc-percent, "
              "--memory-limit)",
     .unit = "record",
     .parameters = buffers_parameters,
     .run = run_buffers},
    {.name = "recursion",
     .summary = "calls of coroutines down to a depth, and calls that cross the end of a stack's segment",
     .shows =
         "what growth of a stack costs, in a new task and in one that goes on; no choice matters but --stack-limit",
     .unit = "call",
     .parameters = recursion_parameters,
     .run = run_recursion},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::lesson_workloads() { return workloads; }
