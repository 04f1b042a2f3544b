// The one table of metrics, and reading them.
//
// A row names, describes and reads a metric, so that nothing is described that is not reported or the reverse. Values
// are pulled from the counters that the layers below own; nothing is paused.
#include <weft/metrics.h>

#include <algorithm>
#include <array>
#include <memory>

#include <weft/detail/check.h>
#include "sched/scheduler.h"

namespace weft::detail {

// Defined by the layer above, which alone knows the runtime object.
scheduler* runtime_scheduler(const runtime& rt) noexcept;

}  // namespace weft::detail
namespace weft::metrics {

namespace {

using detail::processor;
using detail::processor_counters;
using detail::scheduler;

struct row {
  description about;
  value (*read)(scheduler& s);
};

template <base::counter processor_counters::* Counter>
uint64_t sum(scheduler& s) {
  uint64_t n = 0;
  for (const auto& p : s.processors()) n += (p->counters.*Counter).value();
  return n;
}

template <base::counter processor_counters::* Counter>
value counted(scheduler& s) {
  return value(sum<Counter>(s));
}

uint64_t running(scheduler& s) {
  uint64_t n = 0;
  // relaxed: a snapshot.
  for (const auto& p : s.processors()) n += p->running.load(std::memory_order_relaxed) != nullptr ? 1 : 0;
  return n;
}

uint64_t runnable(scheduler& s) {
  uint64_t n = s.global().size();
  for (const auto& p : s.processors()) n += p->ring.size() + (p->run_next.peek() != nullptr ? 1 : 0);
  return n;
}

value waiting(scheduler& s) {
  const uint64_t live = s.live_tasks();
  const uint64_t busy = running(s) + runnable(s);
  return value(live > busy ? live - busy : uint64_t{0});
}

double total_seconds(scheduler& s) {
  return static_cast<double>(s.now_ns() - s.start_ns()) * 1e-9 * static_cast<double>(s.processors().size());
}

double idle_seconds(scheduler& s) {
  int64_t ns = 0;
  for (const auto& p : s.processors()) {
    // relaxed: statistics.
    ns += p->idle_ns.load(std::memory_order_relaxed);
    // relaxed: as above.
    const int64_t since = p->idle_since_ns.load(std::memory_order_relaxed);
    if (since != 0) ns += std::max<int64_t>(s.now_ns() - since, 0);
  }
  return static_cast<double>(ns) * 1e-9;
}

value latencies(scheduler& s) {
  base::time_histogram::counts counts{};
  for (const auto& p : s.processors()) p->latencies.add_to(counts);
  auto h = std::make_shared<histogram>();
  h->counts.assign(counts.begin(), counts.end());
  h->buckets = base::time_histogram::boundaries();
  return value(std::shared_ptr<const histogram>(std::move(h)));
}

constexpr value_kind u64 = value_kind::uint64;
constexpr value_kind f64 = value_kind::float64;

// Sorted by name.
constexpr std::array rows{
    row{{"/cpu/classes/idle:cpu-seconds", "Time that processors were asleep without work.", f64, true},
        [](scheduler& s) { return value(idle_seconds(s)); }},
    row{{"/cpu/classes/total:cpu-seconds", "Processors times the wall time since the runtime's start.", f64, true},
        [](scheduler& s) { return value(total_seconds(s)); }},
    row{{"/cpu/classes/user:cpu-seconds", "Time that processors ran tasks or searched for them: total less idle.", f64,
         true},
        [](scheduler& s) { return value(std::max(0.0, total_seconds(s) - idle_seconds(s))); }},
    row{{"/gc/stack/starting-size:bytes",
         "Size of the first block (control block and stack) of a kind of task that was never started before.", u64,
         false},
        [](scheduler&) { return value(uint64_t{detail::starting_stack_bytes()}); }},
    row{{"/memory/classes/heap/stacks:bytes", "Memory set aside for coroutine stacks and task control blocks.", u64,
         false},
        [](scheduler& s) {
          const mem::heap_figures f = s.heap().figures();
          return value(f.strand_slab_bytes + f.segment_slab_bytes);
        }},
    row{{"/sched/gomaxprocs:threads", "Processors in force.", u64, false},
        [](scheduler& s) { return value(uint64_t{s.processors().size()}); }},
    row{{"/sched/goroutines-created:goroutines", "Tasks ever started.", u64, true},
        [](scheduler& s) { return value(s.created_tasks()); }},
    row{{"/sched/goroutines/runnable:goroutines", "Tasks that are ready and not running; approximate.", u64, false},
        [](scheduler& s) { return value(runnable(s)); }},
    row{{"/sched/goroutines/running:goroutines", "Tasks that are running; approximate.", u64, false},
        [](scheduler& s) { return value(running(s)); }},
    row{{"/sched/goroutines/waiting:goroutines", "Tasks that are parked; approximate.", u64, false}, waiting},
    row{{"/sched/goroutines:goroutines", "Live tasks.", u64, false},
        [](scheduler& s) { return value(s.live_tasks()); }},
    row{{"/sched/latencies:seconds", "Time from ready to running, of one readied task in 128.", value_kind::histogram,
         true},
        latencies},
    row{{"/sched/threads/total:threads", "Threads of the runtime: workers, the monitor, the blocking pool's.", u64,
         false},
        [](scheduler& s) { return value(uint64_t{s.thread_count() + s.blocking().threads()}); }},
    row{{"/weft/blocking/calls:calls", "Calls given to the blocking pool.", u64, true},
        [](scheduler& s) { return value(s.blocking().jobs()); }},
    row{{"/weft/blocking/queued:calls", "Calls that wait for a thread of the blocking pool.", u64, false},
        [](scheduler& s) { return value(uint64_t{s.blocking().queued()}); }},
    row{{"/weft/blocking/threads:threads", "Threads of the blocking pool, idle ones too.", u64, false},
        [](scheduler& s) { return value(uint64_t{s.blocking().threads()}); }},
    row{{"/weft/frames/elided:frames", "Coroutine calls whose frame the compiler put into the caller's.", u64, true},
        [](scheduler& s) { return value(s.elided_frames()); }},
    row{{"/weft/frames/stack:frames", "Coroutine frames put on a task's stack.", u64, true},
        [](scheduler& s) { return value(s.frames()); }},
    row{{"/weft/memory/stacks-peak:bytes", "The most that /memory/classes/heap/stacks ever was.", u64, true},
        [](scheduler& s) { return value(s.heap().figures().peak_stack_bytes); }},
    row{{"/weft/sched/budget-yields:yields", "Yields, asked for or forced by a spent budget.", u64, true},
        counted<&processor_counters::yields>},
    row{{"/weft/sched/dispatches:dispatches", "Resumptions of tasks (schedticks).", u64, true},
        counted<&processor_counters::dispatches>},
    row{{"/weft/sched/forks-published:forks", "Times that forks were offered to other processors.", u64, true},
        counted<&processor_counters::forks_published>},
    row{{"/weft/sched/forks-stolen:forks", "Forked children that another processor took.", u64, true},
        counted<&processor_counters::forks_stolen>},
    row{{"/weft/sched/hops:hops", "Dispatches straight from one task to the next, past the worker's loop.", u64, true},
        [](scheduler& s) {
          const uint64_t by_loop = sum<&processor_counters::loop_dispatches>(s);
          const uint64_t all = sum<&processor_counters::dispatches>(s);
          return value(all > by_loop ? all - by_loop : uint64_t{0});
        }},
    row{{"/weft/sched/long-resumes:resumes", "Resumptions that the monitor saw last over 10 ms.", u64, true},
        [](scheduler& s) { return value(s.long_resumes()); }},
    row{{"/weft/sched/overflows:strands", "Tasks moved from a full ring to the global queue.", u64, true},
        counted<&processor_counters::overflows>},
    row{{"/weft/sched/parks:parks", "Times that a task stopped running without ending or yielding.", u64, true},
        [](scheduler& s) {
          const uint64_t other = sum<&processor_counters::tasks_finished>(s) + sum<&processor_counters::yields>(s);
          const uint64_t all = sum<&processor_counters::dispatches>(s);
          return value(all > other ? all - other : uint64_t{0});
        }},
    row{{"/weft/sched/run-next-steals:strands", "Tasks taken from a computing processor's run-next slot.", u64, true},
        counted<&processor_counters::run_next_steals>},
    row{{"/weft/sched/searches:searches", "Times that a worker began to search other processors.", u64, true},
        counted<&processor_counters::searches>},
    row{{"/weft/sched/sleeps:sleeps", "Times that a worker went to sleep.", u64, true},
        counted<&processor_counters::sleeps>},
    row{{"/weft/sched/steals:steals", "Successful steals from another processor's ring.", u64, true},
        counted<&processor_counters::steals>},
    row{{"/weft/sched/stolen-strands:strands", "Tasks moved by those steals.", u64, true},
        counted<&processor_counters::stolen_strands>},
    row{{"/weft/sched/timers-fired:timers", "Timers whose deadline came.", u64, true},
        counted<&processor_counters::timers_fired>},
    row{{"/weft/sched/wakes:wakes", "Workers woken by other workers.", u64, true}, counted<&processor_counters::wakes>},
    row{{"/weft/stack/growths:segments", "Segments that growing stacks took from the heap.", u64, true},
        counted<&processor_counters::stack_growths>},
    row{{"/weft/stack/hot-splits:segments", "Segments that growing stacks took from the processor's spare.", u64, true},
        counted<&processor_counters::hot_splits>},
};

constexpr bool sorted =
    std::is_sorted(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.about.name < b.about.name; });
static_assert(sorted, "the rows must be in the order of their names");

constexpr auto descriptions = [] {
  std::array<description, rows.size()> all{};
  for (std::size_t i = 0; i < rows.size(); ++i) all[i] = rows[i].about;
  return all;
}();

}  // namespace

uint64_t value::as_uint64() const noexcept {
  WEFT_CHECK(kind_ == value_kind::uint64, "metrics::value::as_uint64 of a value of another kind");
  return uint_;
}

double value::as_float64() const noexcept {
  WEFT_CHECK(kind_ == value_kind::float64, "metrics::value::as_float64 of a value of another kind");
  return float_;
}

const histogram& value::as_histogram() const noexcept {
  WEFT_CHECK(kind_ == value_kind::histogram, "metrics::value::as_histogram of a value of another kind");
  return *histogram_;
}

std::span<const description> all() noexcept { return descriptions; }

void read(const runtime& rt, std::span<sample> samples) {
  scheduler& s = *detail::runtime_scheduler(rt);
  for (sample& wanted : samples) {
    const auto at = std::lower_bound(rows.begin(), rows.end(), wanted.name,
                                     [](const row& r, std::string_view name) { return r.about.name < name; });
    wanted.value = at != rows.end() && at->about.name == wanted.name ? at->read(s) : value();
  }
}

}  // namespace weft::metrics
