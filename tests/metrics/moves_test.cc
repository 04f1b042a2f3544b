// Each metric moves when it should: for every name there is something that a program does and that changes its value.
//
// The list of these actions is complete by construction: a metric without one fails the test, and so does an action
// without a metric. What needs another thread waits for the metric to move, at most as long as the test may take.
#include <weft/metrics.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/weft.h>

#include "support/fault_system.h"
#include "support/metrics.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using metrics::value_kind;
using test::driven_runtime;
using test::eventually;
using test::make_runtime;

/// Looks at one metric and notices whether it has changed.
class watch {
 public:
  explicit watch(std::string_view name) : name_(name) {}

  /// From now on the values of this runtime count.
  void begin(const runtime& rt) { first_ = test::read_value(rt, name_); }

  /// Whether the value differs from the one at the beginning, now or at an earlier look.
  bool look(const runtime& rt) {
    moved_ = moved_ || differs(test::read_value(rt, name_));
    return moved_;
  }

  bool moved() const noexcept { return moved_; }
  const metrics::value& first() const noexcept { return first_; }

 private:
  bool differs(const metrics::value& now) const {
    switch (now.kind()) {
      case value_kind::bad: return false;
      case value_kind::uint64: return now.as_uint64() != first_.as_uint64();
      case value_kind::float64: return now.as_float64() != first_.as_float64();
      case value_kind::histogram: return now.as_histogram().counts != first_.as_histogram().counts;
      case value_kind::per_processor: return !std::ranges::equal(now.as_per_processor(), first_.as_per_processor());
      case value_kind::per_pool: return !std::ranges::equal(now.as_per_pool().values, first_.as_per_pool().values);
    }
    return false;
  }

  std::string_view name_;
  metrics::value first_;
  bool moved_ = false;
};

// What the actions are made of ----------------------------------------------------------------------------------------

task<> nothing() { co_return; }
task<> receive_one(channel<int> ch) { static_cast<void>(co_await ch.receive()); }
task<> send_one(channel<int> ch) { static_cast<void>(co_await ch.send(1)); }
task<> sleep_a_while() { static_cast<void>(co_await sleep_for(1ms)); }

task<> start_many(int n) {
  for (int i = 0; i < n; ++i) {
    auto h = spawn(nothing);
    co_await h;
  }
}

task<int> count_down(int n) {
  if (n == 0) co_return 0;
  co_return 1 + co_await count_down(n - 1);
}

/// A runtime that the test drives: `f` is done by a task, then all settles.
template <class F>
void by_a_task(watch& w, F f) {
  driven_runtime rt;
  w.begin(*rt);
  rt.start([&]() -> task<> { co_await f(rt); });
  rt.settle();
  w.look(*rt);
}

/// A task parks on a channel, and all is looked at while it waits, and once it has gone on.
void while_parked(watch& w) {
  driven_runtime rt;
  w.begin(*rt);
  const channel<int> ch(0);
  rt.start(receive_one, ch);
  rt.settle();
  w.look(*rt);
  rt.pass(1ms);
  rt.start(send_one, ch);
  rt.settle();
  w.look(*rt);
}

/// Looks from inside a task that has made others ready.
void inside_a_task(watch& w) {
  by_a_task(w, [&w](driven_runtime& rt) -> task<> {
    for (int i = 0; i < 600; ++i) go(nothing);
    w.look(*rt);
    co_return;
  });
}

task<> read_beginning(file& of) {
  std::array<std::byte, 16> buffer;
  const absl::Status s = co_await of.read_exactly_at(buffer, 0);
  EXPECT_TRUE(s.ok()) << s;
}

/// A task waits, time passes, and `release` ends the wait.
void waits(watch& w, task<> (*wait)(channel<int>), void (*release)(channel<int>)) {
  driven_runtime rt;
  w.begin(*rt);
  const channel<int> ch(0);
  const join_handle<void> h = rt->spawn(wait, ch);
  rt.settle();
  EXPECT_FALSE(w.look(*rt)) << "it moved before the wait had ended";
  rt.pass(1ms);
  release(ch);
  rt.settle();
  w.look(*rt);
  EXPECT_TRUE(h.done());
}

void send_now(channel<int> ch) { EXPECT_TRUE(ch.try_send(1)); }
void receive_now(channel<int> ch) { EXPECT_TRUE(ch.try_receive()); }

/// Somebody holds what another task wants, until something comes through the channel.
template <class Lock>
task<> hold(Lock lock, channel<int> ch) {
  auto held = co_await lock();
  static_cast<void>(co_await ch.receive());
}
template <class Lock>
task<> take(Lock lock) {
  auto held = co_await lock();
}
template <class First, class Second>
void waits_for_lock(watch& w, First first, Second second) {
  driven_runtime rt;
  w.begin(*rt);
  const channel<int> ch(0);
  rt.start(hold<First>, first, ch);
  rt.settle();
  rt.start(take<Second>, second);
  rt.settle();
  rt.pass(1ms);
  send_now(ch);
  rt.settle();
  w.look(*rt);
}

void waits_for_mutex(watch& w) {
  mutex m;
  const auto lock = [&m] { return m.lock(); };
  waits_for_lock(w, lock, lock);
}

/// Two processors, driven in turn: `f` is done by a task of the first, then the second one has its turn.
template <class F>
void on_two(watch& w, F f) {
  driven_runtime rt(2);
  w.begin(*rt);
  rt.start([&]() -> task<> { co_await f(); });
  rt.sched().drive_some(0, 1);
  w.look(*rt);
  rt.sched().drive_some(1, 100);
  w.look(*rt);
  rt.settle();
  w.look(*rt);
}

void steals(watch& w) {
  on_two(w, []() -> task<> {
    // More than are run in a row before the loop looks around.
    for (int i = 0; i < 200; ++i) go(nothing);
    co_return;
  });
}

void forks(watch& w) {
  on_two(w, []() -> task<> {
    const channel<int> ch(0);
    static_cast<void>(co_await join(receive_one(ch), send_one(ch), nothing()));
  });
}

void passes_locks(watch& w) {
  driven_runtime rt(2);
  w.begin(*rt);
  const channel<int> ch(1);
  const auto use = [&ch]() -> task<> {
    for (int i = 0; i < 100; ++i) {
      static_cast<void>(ch.try_send(1));
      static_cast<void>(ch.try_receive());
      co_await yield();
    }
  };
  // One comes to each processor, and stays there: a steal takes from a ring, and theirs are empty while they run.
  rt.start(use);
  rt.start(use);
  for (int i = 0; i < 200 && !w.look(*rt); ++i) {
    rt.clock.advance(1);
    rt.sched().drive_some(static_cast<uint32_t>(i % 2), 1);
  }
  rt.settle();
}

/// A runtime with threads: does it again until the metric has moved.
void until_moved(watch& w, int processors, const std::function<void(runtime&)>& act) {
  const std::unique_ptr<runtime> rt = make_runtime(processors);
  w.begin(*rt);
  eventually([&] {
    act(*rt);
    return w.look(*rt);
  });
}

/// A blocking call runs, and is looked at meanwhile; another one waits for the only thread.
void blocks(watch& w) {
  options opts;
  opts.processors = 1;
  opts.blocking_threads = 1;
  const std::unique_ptr<runtime> rt = make_runtime(opts);
  w.begin(*rt);
  std::latch release(1);
  const auto call = [&release]() -> task<> { co_await blocking([&release] { release.wait(); }); };
  join_handle<void> one = rt->spawn(call);
  join_handle<void> other = rt->spawn(call);
  eventually([&] { return test::read_count(*rt, "/weft/blocking/queued:calls") == 1; });
  eventually([&] { return test::read_count(*rt, "/sched/goroutines/not-in-go:goroutines") == 1; });
  w.look(*rt);
  release.count_down();
  one.get();
  other.get();
  w.look(*rt);
}

void stacks_grow(watch& w) {
  by_a_task(w, [](driven_runtime&) -> task<> {
    for (int depth = 0; depth < 1000; ++depth) static_cast<void>(co_await count_down(depth));
  });
}

/// Many tasks live at once, and are gone.
void burst(driven_runtime& rt) {
  const channel<int> ch(0);
  for (int i = 0; i < 3000; ++i) rt.start(receive_one, ch);
  rt.settle();
  ch.close();
  rt.settle();
}

/// Memory grows, falls, and goes back to the system because the program asks for it.
void collects(watch& w) {
  driven_runtime rt;
  w.begin(*rt);
  burst(rt);
  for (int i = 0; i < 4; ++i) {
    rt->collect();
    w.look(*rt);
  }
}

/// The same because time passes. Something is pooled, so that something is cleared.
void collects_by_itself(watch& w) {
  driven_runtime rt;
  pool<int> p;
  w.begin(*rt);
  burst(rt);
  p.put(1);
  for (int i = 0; i < 5; ++i) {
    rt.start(nothing);
    rt.pass(3min);
    w.look(*rt);
  }
}

/// Less than is held is allowed, and epochs take much time.
void is_limited(watch& w) {
  driven_runtime rt;
  w.begin(*rt);
  pool<int> p([] { return 1; });
  std::vector<pooled<int>> in_use;
  rt->set_gc_percent(-1);
  rt->set_memory_limit(1);
  rt.kernel.step_ns = 5'000'000;
  for (int i = 0; i < 10'000 && !w.look(*rt); ++i) {
    in_use.push_back(p.get());
    rt.pass(10ms);
  }
}

/// A runtime with one processor, and one with two.
void with_more_processors(watch& w) {
  w.begin(*make_runtime(1));
  w.look(*make_runtime(2));
}

/// A task puts more into a pool than it may hold, gets more than it holds, and keeps one; then epochs take the rest.
void pools(watch& w) {
  pool_options<int> limited;
  limited.most_objects = 100;
  pool<int> p(limited);
  driven_runtime rt;
  w.begin(*rt);
  rt.start([&]() -> task<> {
    for (int i = 0; i < 200; ++i) p.put(i);
    w.look(*rt);
    std::vector<pooled<int>> taken;
    for (int i = 0; i < 200; ++i) taken.push_back(p.get());
    w.look(*rt);
    static_cast<void>(taken.front().keep());
    co_return;
  });
  rt.settle();
  w.look(*rt);
  for (int i = 0; i < 3; ++i) {
    rt->collect();
    w.look(*rt);
    rt.start([&]() -> task<> {
      auto one = p.get();
      co_return;
    });
    rt.settle();
    w.look(*rt);
  }
}

/// One processor puts, the other one gets.
void steals_from_pool(watch& w) {
  pool<int> p;
  driven_runtime rt(2);
  w.begin(*rt);
  rt.start([&]() -> task<> {
    for (int i = 0; i < 100; ++i) p.put(i);
    co_return;
  });
  rt.sched().drive_some(0, 100);
  rt.sched().drive_some(1, 100);
  for (int i = 0; i < 2; ++i) {
    const auto get = [&]() -> task<> {
      auto one = p.get();
      co_return;
    };
    rt.start(get);
    rt.sched().drive_some(static_cast<uint32_t>(i), 1);
    w.look(*rt);
  }
}

// I/O, with both back ends --------------------------------------------------------------------------------------------

task<> read_some(pipe_reader& from) {
  std::array<std::byte, 1> buffer;
  static_cast<void>(co_await from.read_some(buffer));
}
task<> read_or_receive(pipe_reader& from, channel<int> ch) {
  std::array<std::byte, 1> buffer;
  static_cast<void>(co_await select(from.read_some(buffer), ch.receive()));
}
task<> write_one(pipe_writer& to) {
  const absl::Status written = co_await to.write_all("x");
  EXPECT_TRUE(written.ok()) << written;
}

pipe_ends new_pipe() {
  absl::StatusOr<pipe_ends> made = make_pipe();
  if (!made.ok()) std::abort();
  return *std::move(made);
}

/// Does it again until the metric has moved, with one back end. `ring_entries`: 0 is as always.
void until_moved_by(io_backend backend, watch& w, const std::function<void(watch&, runtime&)>& act,
                    uint32_t ring_entries = 0) {
  SCOPED_TRACE(backend == io_backend::uring ? "uring" : "epoll");
  test::fault_system kernel;
  kernel.io.ring_entries = ring_entries;
  os::seams seams = test::seeded_seams();
  seams.sys = &kernel;
  options opts;
  opts.processors = 1;
  opts.io = backend;
  auto made = runtime_access::create(opts, seams, detail::drive::threads);
  if (!made.ok()) std::abort();
  const std::unique_ptr<runtime> rt = *std::move(made);
  w.begin(*rt);
  eventually([&] {
    act(w, *rt);
    return w.look(*rt);
  });
}

/// With each of them.
void until_moved_by_both(watch& w, const std::function<void(watch&, runtime&)>& act) {
  for (const io_backend backend : {io_backend::uring, io_backend::epoll}) {
    watch one = w;
    until_moved_by(backend, one, act);
    EXPECT_TRUE(one.moved());
    if (backend == io_backend::epoll) w = one;
  }
}

/// A task waits for another's byte.
void converse(watch& w, runtime& rt) {
  pipe_ends ends = new_pipe();
  join_handle<void> reader = rt.spawn(read_some, std::ref(ends.reader));
  rt.run(nothing);  // wakes the worker where it sleeps
  w.look(rt);
  rt.run(write_one, std::ref(ends.writer));
  reader.get();
}

void converses(watch& w) { until_moved_by_both(w, converse); }

/// A task that waits for what never comes is stopped.
void stops_a_reader(watch& w) {
  until_moved_by_both(w, [](watch&, runtime& rt) {
    pipe_ends ends = new_pipe();
    join_handle<void> reader = rt.spawn(read_some, std::ref(ends.reader));
    rt.run(nothing);
    reader.request_stop();
    reader.get();
  });
}

/// Many wait for the same byte, and one gets it.
void race_for_a_byte(runtime& rt, int readers) {
  pipe_ends ends = new_pipe();
  const channel<int> ch(0);
  std::vector<join_handle<void>> waiting;
  for (int i = 0; i < readers; ++i) waiting.push_back(rt.spawn(read_or_receive, std::ref(ends.reader), ch));
  rt.run(nothing);
  rt.run(write_one, std::ref(ends.writer));
  rt.run(nothing);
  ch.close();
  for (join_handle<void>& h : waiting) h.get();
}

/// A worker computes while another task's I/O is under way.
void computes_before_io(watch& w) {
  until_moved_by_both(w, [](watch& one, runtime& rt) {
    pipe_ends ends = new_pipe();
    join_handle<void> reader = rt.spawn(read_some, std::ref(ends.reader));
    rt.run(nothing);
    rt.run([&]() -> task<> {
      eventually([&] { return one.look(rt); });
      co_return;
    });
    rt.run(write_one, std::ref(ends.writer));
    reader.get();
  });
}

/// Where the kernel refuses a ring there is epoll, for that one, too.
bool kernel_has_rings() {
  options opts;
  opts.processors = 1;
  opts.io = io_backend::uring;
  const std::unique_ptr<runtime> rt = make_runtime(opts);
  watch unused("/weft/io/reaps:reaps");
  unused.begin(*rt);
  converse(unused, *rt);
  return test::read_count(*rt, "/weft/io/uring:processors") == 1;
}

// The list ------------------------------------------------------------------------------------------------------------

enum class required : uint8_t {
  yes,
  no,  // not on every machine or with every compiler: the action is done, and the metric may stay
};

struct action {
  std::string_view name;
  std::function<void(watch&)> act;
  required moves = required::yes;
};

const std::vector<action>& actions() {
  static const auto* all = new std::vector<action>{
      {"/cgo/go-to-c-calls:calls", blocks},
      {"/cpu/classes/gc/mark/assist:cpu-seconds", collects},
      {"/cpu/classes/gc/mark/dedicated:cpu-seconds", collects_by_itself},
      {"/cpu/classes/gc/mark/idle:cpu-seconds", collects_by_itself},
      {"/cpu/classes/gc/total:cpu-seconds", collects},
      {"/cpu/classes/idle:cpu-seconds", while_parked},
      {"/cpu/classes/scavenge/assist:cpu-seconds", collects},
      {"/cpu/classes/scavenge/background:cpu-seconds", collects_by_itself},
      {"/cpu/classes/scavenge/total:cpu-seconds", collects},
      {"/cpu/classes/total:cpu-seconds", while_parked},
      {"/cpu/classes/user:cpu-seconds",
       [](watch& w) {
         by_a_task(w, [](driven_runtime& rt) -> task<> {
           rt.clock.advance(1000);
           co_return;
         });
       }},
      {"/gc/cleanups/executed:cleanups", collects_by_itself},
      {"/gc/cleanups/queued:cleanups", collects_by_itself},
      {"/gc/cycles/automatic:gc-cycles", collects_by_itself},
      {"/gc/cycles/forced:gc-cycles", collects},
      {"/gc/cycles/total:gc-cycles", collects},
      {"/gc/gogc:percent",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt->set_gc_percent(w.first().as_uint64() == 50 ? 60 : 50);
         w.look(*rt);
       }},
      {"/gc/gomemlimit:bytes",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt->set_memory_limit(int64_t{1} << 40);
         w.look(*rt);
       }},
      {"/gc/heap/allocs-by-size:bytes", while_parked},
      {"/gc/heap/allocs:bytes", while_parked},
      {"/gc/heap/allocs:objects", while_parked},
      {"/gc/heap/frees-by-size:bytes", while_parked},
      {"/gc/heap/frees:bytes", while_parked},
      {"/gc/heap/frees:objects", while_parked},
      {"/gc/heap/goal:bytes",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt->set_gc_percent(400);
         rt->collect();
         w.look(*rt);
       }},
      {"/gc/heap/live:bytes", collects},
      {"/gc/heap/objects:objects", while_parked},
      {"/gc/limiter/last-enabled:gc-cycle", is_limited},
      // A constant of the build: there is nothing to move it, but it is not zero.
      {"/gc/stack/starting-size:bytes",
       [](watch& w) {
         const driven_runtime rt;
         w.begin(*const_cast<driven_runtime&>(rt));
         EXPECT_GT(w.first().as_uint64(), 0u);
       },
       required::no},
      {"/memory/classes/heap/free:bytes", collects},
      {"/memory/classes/heap/objects:bytes", while_parked},
      {"/memory/classes/heap/released:bytes", while_parked},
      {"/memory/classes/heap/stacks:bytes", stacks_grow},
      {"/memory/classes/heap/unused:bytes", while_parked},
      {"/memory/classes/metadata/mcache/inuse:bytes", with_more_processors},
      {"/memory/classes/metadata/mspan/inuse:bytes", while_parked},
      {"/memory/classes/metadata/other:bytes", with_more_processors},
      {"/memory/classes/other:bytes", pools},
      {"/memory/classes/total:bytes", while_parked},
      {"/sched/gomaxprocs:threads", with_more_processors},
      {"/sched/goroutines-created:goroutines", while_parked},
      {"/sched/goroutines/not-in-go:goroutines", blocks},
      {"/sched/goroutines/runnable:goroutines", inside_a_task},
      {"/sched/goroutines/running:goroutines", inside_a_task},
      {"/sched/goroutines/waiting:goroutines", while_parked},
      {"/sched/goroutines:goroutines", while_parked},
      {"/sched/latencies:seconds", while_parked},
      {"/sched/threads/total:threads", blocks},
      {"/sync/mutex/wait/total:seconds", waits_for_mutex},
      {"/weft/blocking/queued:calls", blocks},
      {"/weft/blocking/threads:threads", blocks},
      {"/weft/channels/bytes:bytes",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         const channel<int> made(1000);
         w.look(*rt);
       }},
      {"/weft/epochs/limited:epochs", is_limited},
      // Whether a call is elided is the compiler's choice.
      {"/weft/frames/elided:frames", stacks_grow, required::no},
      {"/weft/frames/stack:frames", stacks_grow},
      {"/weft/io/begun-again:operations",
       [](watch& w) { until_moved_by_both(w, [](watch&, runtime& rt) { race_for_a_byte(rt, 2); }); }},
      {"/weft/io/cancelled:operations", stops_a_reader},
      {"/weft/io/completed:operations", converses},
      {"/weft/io/completions:completions", converses},
      {"/weft/io/enters:calls", converses},
      {"/weft/io/epoll:processors", [](watch& w) { until_moved_by(io_backend::epoll, w, converse); }},
      {"/weft/io/from-caches:operations",
       [](watch& w) {
         until_moved_by(io_backend::epoll, w, [](watch&, runtime& rt) {
           // The test's own program, which is running, so some of it is in memory.
           absl::StatusOr<file> program = rt.run(file::open, "/proc/self/exe", open_mode::read);
           EXPECT_TRUE(program.ok()) << program.status();
           rt.run(read_beginning, std::ref(*program));
         });
       }},
      {"/weft/io/operations:operations", converses},
      // With io_uring only.
      {"/weft/io/overflows:flushes",
       [](watch& w) {
         if (kernel_has_rings())
           until_moved_by(io_backend::uring, w, [](watch&, runtime& rt) { race_for_a_byte(rt, 100); }, 1);
       },
       required::no},
      {"/weft/io/reaps:reaps", converses},
      {"/weft/io/sleeps:sleeps", converses},
      {"/weft/io/under-way:operations", converses},
      {"/weft/io/uring:processors",
       [](watch& w) {
         if (kernel_has_rings()) until_moved_by(io_backend::uring, w, converse);
       },
       required::no},
      {"/weft/io/wakes:wakes", converses},
      {"/weft/locks/crossings:locks", passes_locks},
      // Whether two processors wait for each other's locks depends on how the machine runs them.
      {"/weft/locks/gatherings:gatherings",
       [](watch& w) {
         options opts;
         opts.processors = 2;
         opts.scheduling.gather_above = 1;
         const std::unique_ptr<runtime> rt = make_runtime(opts);
         w.begin(*rt);
         for (int i = 0; i < 20 && !w.look(*rt); ++i) {
           rt->run([]() -> task<> {
             const channel<int> there(1);
             const channel<int> back(1);
             go([there, back]() -> task<> {
               while (auto v = co_await there.receive()) static_cast<void>(co_await back.send(*v));
             });
             for (int k = 0; k < 10'000; ++k) {
               static_cast<void>(co_await there.send(k));
               static_cast<void>(co_await back.receive());
             }
             there.close();
           });
         }
       },
       required::no},
      {"/weft/locks/wait:seconds",
       [](watch& w) {
         // The time is that of the real clock, so it is looked at on a runtime with threads.
         until_moved(w, 2, [](runtime& rt) {
           const channel<int> ch(1);
           const auto use = [&ch]() -> task<> {
             for (int i = 0; i < 1000; ++i) {
               static_cast<void>(ch.try_send(1));
               static_cast<void>(ch.try_receive());
               co_await yield();
             }
           };
           join_handle<void> one = rt.spawn(use);
           join_handle<void> other = rt.spawn(use);
           one.get();
           other.get();
         });
       }},
      {"/weft/memory/given-back:bytes", collects},
      {"/weft/memory/held:bytes", while_parked},
      {"/weft/memory/program-heap:bytes",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         EXPECT_EQ(w.first().as_uint64(), 0u) << "nothing counts the heap of this program";
       },
       required::no},
      {"/weft/memory/stacks-peak:bytes", while_parked},
      {"/weft/memory/stacks:bytes", while_parked},
      {"/weft/pool/bytes:bytes", pools},
      {"/weft/pool/cleared:objects", pools},
      {"/weft/pool/drops:objects", pools},
      {"/weft/pool/gets:gets", pools},
      {"/weft/pool/held:objects", pools},
      {"/weft/pool/kept:objects", pools},
      {"/weft/pool/misses:gets", pools},
      {"/weft/pool/private:gets", pools},
      {"/weft/pool/puts:puts", pools},
      {"/weft/pool/shared:gets", pools},
      {"/weft/pool/stolen:gets", steals_from_pool},
      {"/weft/pool/victim:gets", pools},
      {"/weft/processors/dispatches:dispatches", while_parked},
      {"/weft/processors/queue:tasks", inside_a_task},
      {"/weft/processors/sleeps:sleeps", [](watch& w) { until_moved(w, 1, [](runtime& rt) { rt.run(nothing); }); }},
      {"/weft/processors/stolen-strands:strands", steals},
      {"/weft/processors/timers:timers",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt.start(sleep_a_while);
         rt.settle();
         w.look(*rt);
         rt.pass(2ms);
         EXPECT_EQ(test::read_value(*rt, "/weft/processors/timers:timers").as_per_processor()[0], 0u);
       }},
      {"/weft/sched/budget-yields:yields",
       [](watch& w) { by_a_task(w, [](driven_runtime&) -> task<> { co_await yield(); }); }},
      {"/weft/sched/dispatches:dispatches", while_parked},
      {"/weft/sched/forks-published:forks", forks},
      {"/weft/sched/forks-stolen:forks", forks},
      {"/weft/sched/global-queue:tasks", inside_a_task},
      {"/weft/sched/hand-offs:hops", while_parked},
      {"/weft/sched/hops:hops", inside_a_task},
      {"/weft/sched/idle:processors",
       [](watch& w) {
         until_moved(w, 1, [&w](runtime& rt) {
           rt.run([&]() -> task<> {
             w.look(rt);
             co_return;
           });
         });
       }},
      {"/weft/sched/long-resumes-before-io:resumes", computes_before_io},
      {"/weft/sched/long-resumes:resumes",
       [](watch& w) {
         until_moved(w, 1, [&w](runtime& rt) {
           rt.run([&]() -> task<> {
             eventually([&] { return w.look(rt); });
             co_return;
           });
         });
       }},
      {"/weft/sched/overflows:strands", inside_a_task},
      {"/weft/sched/parks:parks", while_parked},
      {"/weft/sched/run-next-steals:strands",
       [](watch& w) {
         driven_runtime rt(2);
         w.begin(*rt);
         rt.start([&rt]() -> task<> {
           go(nothing);                    // into the run-next slot
           rt.sched().drive_some(1, 100);  // while this task computes on
           co_return;
         });
         rt.sched().drive_some(0, 1);
         w.look(*rt);
         rt.settle();
       }},
      {"/weft/sched/searches:searches",
       [](watch& w) { until_moved(w, 2, [](runtime& rt) { rt.run(start_many, 10); }); }},
      {"/weft/sched/sleeps:sleeps", [](watch& w) { until_moved(w, 1, [](runtime& rt) { rt.run(nothing); }); }},
      {"/weft/sched/steals:steals", steals},
      {"/weft/sched/stolen-strands:strands", steals},
      {"/weft/sched/wakes:wakes",
       [](watch& w) {
         until_moved(w, 2, [](runtime& rt) {
           rt.run([]() -> task<> {
             for (int i = 0; i < 100; ++i) go(nothing);
             co_await yield();
           });
         });
       }},
      {"/weft/stack/growths:segments", stacks_grow},
      {"/weft/stack/hot-splits:segments", stacks_grow},
      {"/weft/timers/armed:timers", [](watch& w) { by_a_task(w, [](driven_runtime&) { return sleep_a_while(); }); }},
      {"/weft/timers/fired:timers",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt.start(sleep_a_while);
         rt.settle();
         EXPECT_FALSE(w.look(*rt));
         rt.pass(1ms);
         w.look(*rt);
       }},
      {"/weft/timers/lateness:seconds",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt.start(sleep_a_while);
         rt.settle();
         EXPECT_FALSE(w.look(*rt));
         rt.pass(5ms);
         w.look(*rt);
       }},
      {"/weft/timers/live:timers",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt.start(sleep_a_while);
         rt.settle();
         w.look(*rt);
         rt.pass(1ms);
       }},
      {"/weft/wait/blocking:seconds", blocks},
      {"/weft/wait/chan-receive:seconds", [](watch& w) { waits(w, receive_one, send_now); }},
      {"/weft/wait/chan-send:seconds", [](watch& w) { waits(w, send_one, receive_now); }},
      {"/weft/wait/condition:seconds",
       [](watch& w) {
         static mutex m;
         static condition_variable changed;
         waits(
             w,
             [](channel<int>) -> task<> {
               auto lock = co_await m.lock();
               static_cast<void>(co_await changed.wait(lock));
             },
             [](channel<int>) { changed.notify_one(); });
       }},
      {"/weft/wait/for-ever:seconds",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         join_handle<void> h = rt->spawn(receive_one, channel<int>());
         rt.settle();
         rt.pass(1ms);
         h.request_stop();
         rt.settle();
         w.look(*rt);
       }},
      {"/weft/wait/join:seconds",
       [](watch& w) {
         waits(
             w,
             [](channel<int> ch) -> task<> {
               auto h = spawn(receive_one, ch);
               co_await yield();
               co_await h;
             },
             send_now);
       }},
      {"/weft/wait/mutex:seconds", waits_for_mutex},
      {"/weft/wait/select:seconds",
       [](watch& w) {
         waits(
             w,
             [](channel<int> ch) -> task<> {
               const channel<int> other(0);
               static_cast<void>(co_await select(ch.receive(), other.receive()));
             },
             send_now);
       }},
      {"/weft/wait/semaphore:seconds",
       [](watch& w) {
         semaphore s(1);
         const auto acquire = [&s] { return s.acquire(); };
         waits_for_lock(w, acquire, acquire);
       }},
      {"/weft/wait/shared-mutex-shared:seconds",
       [](watch& w) {
         shared_mutex m;
         waits_for_lock(w, [&m] { return m.lock(); }, [&m] { return m.lock_shared(); });
       }},
      {"/weft/wait/shared-mutex:seconds",
       [](watch& w) {
         shared_mutex m;
         waits_for_lock(w, [&m] { return m.lock_shared(); }, [&m] { return m.lock(); });
       }},
      {"/weft/wait/sleep:seconds",
       [](watch& w) {
         driven_runtime rt;
         w.begin(*rt);
         rt.start(sleep_a_while);
         rt.settle();
         rt.pass(1ms);
         w.look(*rt);
       }},
      {"/weft/wait/wait-group:seconds",
       [](watch& w) {
         static wait_group group;
         group.add();
         waits(
             w, [](channel<int>) -> task<> { static_cast<void>(co_await group.wait()); },
             [](channel<int>) { group.done(); });
       }},
  };
  return *all;
}

TEST(MetricsMoveTest, EveryMetricHasAnActionAndEveryActionAMetric) {
  std::vector<std::string_view> described;
  std::vector<std::string_view> moved;
  for (const metrics::description& d : metrics::all()) described.push_back(d.name);
  for (const action& a : actions()) moved.push_back(a.name);
  EXPECT_EQ(described, moved) << "the actions must be those of all metrics, in the order of their names";
}

class MetricMoveTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(MetricMoveTest, ItMovesWhenItShould) {
  const action& a = actions()[GetParam()];
  SCOPED_TRACE(a.name);
  watch w(a.name);
  a.act(w);
  if (a.moves == required::yes) {
    EXPECT_TRUE(w.moved());
  }
}

std::string name_of(const ::testing::TestParamInfo<std::size_t>& info) {
  std::string name;
  for (const char c : actions()[info.param].name)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Each, MetricMoveTest, ::testing::Range(std::size_t{0}, actions().size()), name_of);

}  // namespace
}  // namespace weft
