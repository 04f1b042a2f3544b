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
      {"/cpu/classes/idle:cpu-seconds", while_parked},
      {"/cpu/classes/total:cpu-seconds", while_parked},
      {"/cpu/classes/user:cpu-seconds",
       [](watch& w) {
         by_a_task(w, [](driven_runtime& rt) -> task<> {
           rt.clock.advance(1000);
           co_return;
         });
       }},
      // A constant of the build: there is nothing to move it, but it is not zero.
      {"/gc/stack/starting-size:bytes",
       [](watch& w) {
         const driven_runtime rt;
         w.begin(*const_cast<driven_runtime&>(rt));
         EXPECT_GT(w.first().as_uint64(), 0u);
       },
       required::no},
      {"/memory/classes/heap/stacks:bytes", while_parked},
      {"/sched/gomaxprocs:threads",
       [](watch& w) {
         w.begin(*make_runtime(1));
         w.look(*make_runtime(2));
       }},
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
      // Whether a call is elided is the compiler's choice.
      {"/weft/frames/elided:frames", stacks_grow, required::no},
      {"/weft/frames/stack:frames", stacks_grow},
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
      {"/weft/memory/stacks-peak:bytes", while_parked},
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
