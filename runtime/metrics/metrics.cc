// The one table of metrics, and reading them.
//
// A row names, describes and reads a metric, so that nothing is described that is not reported or the reverse. Values
// are pulled from the counters that the layers below own; nothing is paused. docs/metrics.md is printed from the table.
//
// To add a metric, add its row at the place of its name. A test asks for an action that moves it, and for the name in
// docs/metrics.md.
#include <weft/metrics.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include <weft/detail/check.h>

#include "metrics/reading.h"

namespace weft::detail {

// Defined by the layer above, which alone knows the runtime object.
scheduler* runtime_scheduler(const runtime& rt) noexcept;

}  // namespace weft::detail
namespace weft::metrics {

uint64_t reading::running() {
  if (!running_) {
    running_ = 0;
    // relaxed: a snapshot.
    for (const auto& p : sched.processors()) *running_ += p->running.load(std::memory_order_relaxed) != nullptr ? 1 : 0;
  }
  return *running_;
}

namespace {

uint64_t queue_of(const detail::processor& p) noexcept {
  return p.ring.size() + (p.run_next.peek() != nullptr ? 1 : 0);
}

}  // namespace

uint64_t reading::runnable() {
  if (!runnable_) {
    runnable_ = sched.global().size();
    for (const auto& p : sched.processors()) *runnable_ += queue_of(*p);
  }
  return *runnable_;
}

cpu_times reading::read_cpu() {
  int64_t total_ns = 0;
  int64_t idle_ns = 0;
  for (const auto& p : sched.processors()) {
    const auto [idle, now] = p->idle.read(*sched.seams().time);
    total_ns += now - sched.start_ns();
    idle_ns += idle;
  }
  return {.total = static_cast<double>(total_ns) * 1e-9,
          .idle = static_cast<double>(idle_ns) * 1e-9,
          .user = static_cast<double>(total_ns - idle_ns) * 1e-9};
}

namespace {

using base::statistic;
using base::time_histogram;
using detail::processor;
using detail::processor_counters;
using detail::wait_reason;

using read_function = void (*)(reading& r, writer out);

struct row {
  description about;
  read_function read;
};

// Ways to read --------------------------------------------------------------------------------------------------------

template <auto Counter>
uint64_t sum(reading& r) {
  uint64_t n = 0;
  for (const auto& p : r.sched.processors()) n += (p->counters.*Counter).value();
  return n;
}

/// A counter of the processors, summed.
template <auto Counter>
void counted(reading& r, writer out) {
  out.uint64(sum<Counter>(r));
}

/// A figure for each processor.
template <auto Figure>
void each(reading& r, writer out) {
  std::span<uint64_t> values = out.per_processor(r.sched.processors().size());
  for (const auto& p : r.sched.processors()) values[p->index] = Figure(*p);
}

/// What one sum has more than others. They are read one after the other while they grow, so the difference is off by a
/// little, and might fall: the most that was ever reported, at `Place`, is the least that will be.
template <std::size_t Place, auto All, auto... Without>
void remaining(reading& r, writer out) {
  const uint64_t all = sum<All>(r);
  const uint64_t without = (sum<Without>(r) + ...);
  const uint64_t now = all > without ? all - without : 0;
  std::atomic<uint64_t>& most = r.sched.reported()[Place];
  // relaxed: a statistic, by itself.
  uint64_t before = most.load(std::memory_order_relaxed);
  // relaxed: as above.
  while (before < now && !most.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
  }
  out.uint64(std::max(before, now));
}

/// A histogram of the processors, summed.
template <time_histogram processor::* Histogram>
void times(reading& r, writer out) {
  histogram& h = out.histogram(time_histogram::boundaries());
  for (const auto& p : r.sched.processors()) ((*p).*Histogram).add_to(h.counts);
}

/// The waits for any of these reasons.
template <wait_reason... Reasons>
void waited(reading& r, writer out) {
  histogram& h = out.histogram(time_histogram::boundaries());
  double seconds = 0;
  for (const wait_reason reason : {Reasons...}) {
    const auto i = static_cast<std::size_t>(reason);
    r.sched.waits().lengths[i].add_to(h.counts);
    // relaxed: a statistic.
    seconds += static_cast<double>(r.sched.waits().sums_ns[i].load(std::memory_order_relaxed)) * 1e-9;
  }
  h.sum = seconds;
}

double mutex_wait_seconds(reading& r) {
  // relaxed: a statistic.
  return static_cast<double>(r.sched.waits().mutexes_ns.load(std::memory_order_relaxed)) * 1e-9;
}

double lock_wait_seconds(reading& r) { return static_cast<double>(sum<&processor_counters::lock_wait_ns>(r)) * 1e-9; }

uint64_t timers_live(const processor& p) {
  const uint64_t ended = p.timers_ended.value();
  const uint64_t begun = p.timers_begun.value();
  return begun > ended ? begun - ended : 0;
}

template <statistic processor::* Counter>
void counted_timers(reading& r, writer out) {
  uint64_t n = 0;
  for (const auto& p : r.sched.processors()) n += ((*p).*Counter).value();
  out.uint64(n);
}

// The table, sorted by name -------------------------------------------------------------------------------------------

constexpr value_kind u64 = value_kind::uint64;
constexpr value_kind f64 = value_kind::float64;
constexpr value_kind hist = value_kind::histogram;
constexpr value_kind list = value_kind::per_processor;
constexpr bool total = true;   // cumulative
constexpr bool gauge = false;  // not

constexpr std::array rows{
    row{{"/cgo/go-to-c-calls:calls", "Calls given to the blocking pool.", u64, total},
        [](reading& r, writer out) { out.uint64(r.blocking().calls); }},
    row{{"/cpu/classes/idle:cpu-seconds",
         "Time that processors were asleep without work; in a runtime that its host drives, time outside poll().", f64,
         total},
        [](reading& r, writer out) { out.float64(r.cpu().idle); }},
    row{{"/cpu/classes/total:cpu-seconds", "Processors times the wall time since the runtime's start.", f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().total); }},
    row{{"/cpu/classes/user:cpu-seconds",
         "Time that processors ran tasks or searched for them: total less all other classes.", f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().user); }},
    row{{"/gc/stack/starting-size:bytes",
         "Size of the first block (control block and stack) of a kind of task that was never started before.", u64,
         gauge},
        [](reading&, writer out) { out.uint64(detail::starting_stack_bytes()); }},
    row{{"/memory/classes/heap/stacks:bytes", "Memory set aside for coroutine stacks and task control blocks.", u64,
         gauge},
        [](reading& r, writer out) { out.uint64(r.heap().strand_slab_bytes + r.heap().segment_slab_bytes); }},
    row{{"/sched/gomaxprocs:threads", "Processors in force.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.sched.processors().size()); }},
    row{{"/sched/goroutines-created:goroutines", "Tasks ever started.", u64, total},
        [](reading& r, writer out) { out.uint64(r.sched.created_tasks()); }},
    row{{"/sched/goroutines/not-in-go:goroutines", "Tasks whose blocking call runs; approximate.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.blocking().running); }},
    row{{"/sched/goroutines/runnable:goroutines", "Tasks that are ready and not running; approximate.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.runnable()); }},
    row{{"/sched/goroutines/running:goroutines", "Tasks that are running; approximate.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.running()); }},
    row{{"/sched/goroutines/waiting:goroutines", "Tasks that are parked, but for running blocking calls; approximate.",
         u64, gauge},
        [](reading& r, writer out) {
          const uint64_t live = r.sched.live_tasks();
          const uint64_t busy = r.running() + r.runnable() + r.blocking().running;
          out.uint64(live > busy ? live - busy : 0);
        }},
    row{{"/sched/goroutines:goroutines", "Live tasks.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.sched.live_tasks()); }},
    row{{"/sched/latencies:seconds",
         "Time from ready to running, of one in 256 of the tasks that begin, and of those whose wait has ended.", hist,
         total},
        times<&processor::latencies>},
    row{{"/sched/threads/total:threads", "Threads of the runtime: workers, the monitor, the blocking pool's.", u64,
         gauge},
        [](reading& r, writer out) { out.uint64(r.sched.thread_count() + r.blocking().threads); }},
    row{{"/sync/mutex/wait/total:seconds",
         "Time that tasks were parked for a mutex or shared_mutex, and that processors waited for weft's own locks "
         "(/weft/locks/wait); estimated from one wait in 8.",
         f64, total},
        [](reading& r, writer out) { out.float64(mutex_wait_seconds(r) + lock_wait_seconds(r)); }},
    row{{"/weft/blocking/queued:calls", "Calls that wait for a thread of the blocking pool.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.blocking().queued); }},
    row{{"/weft/blocking/threads:threads", "Threads of the blocking pool, idle ones too.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.blocking().threads); }},
    row{{"/weft/frames/elided:frames", "Coroutine calls whose frame the compiler put into the caller's.", u64, total},
        [](reading& r, writer out) { out.uint64(r.sched.elided_frames()); }},
    row{{"/weft/frames/stack:frames", "Coroutine frames put on a task's stack.", u64, total},
        [](reading& r, writer out) { out.uint64(r.sched.frames()); }},
    row{{"/weft/locks/crossings:locks",
         "Locks of channels, mutexes, timers and so on that a processor took after another thread had held them.", u64,
         total},
        counted<&processor_counters::lock_crossings>},
    row{{"/weft/locks/gatherings:gatherings",
         "Times that a processor handed all its tasks to another one, because both spent their time passing locks.",
         u64, total},
        counted<&processor_counters::retreats>},
    row{{"/weft/locks/wait:seconds", "Time that those crossings took; estimated from one in 8.", f64, total},
        [](reading& r, writer out) { out.float64(lock_wait_seconds(r)); }},
    row{{"/weft/memory/stacks-peak:bytes", "The most that /memory/classes/heap/stacks ever was.", u64, total},
        [](reading& r, writer out) { out.uint64(r.heap().peak_stack_bytes); }},
    row{{"/weft/processors/dispatches:dispatches", "Resumptions of tasks, by processor.", list, total},
        each<[](const processor& p) { return p.counters.dispatches.value(); }>},
    row{{"/weft/processors/queue:tasks", "Ready tasks in the processor's queue and run-next slot.", list, gauge},
        each<queue_of>},
    row{{"/weft/processors/sleeps:sleeps", "Times that the processor's worker went to sleep.", list, total},
        each<[](const processor& p) { return p.counters.sleeps.value(); }>},
    row{{"/weft/processors/stolen-strands:strands", "Tasks that the processor took from others' queues.", list, total},
        each<[](const processor& p) { return p.counters.stolen_strands.value(); }>},
    row{{"/weft/processors/timers:timers", "Timers that are armed, by the processor that armed them.", list, gauge},
        each<timers_live>},
    row{{"/weft/sched/budget-yields:yields", "Yields, asked for or forced by a spent budget.", u64, total},
        counted<&processor_counters::yields>},
    row{{"/weft/sched/dispatches:dispatches", "Resumptions of tasks (schedticks).", u64, total},
        counted<&processor_counters::dispatches>},
    row{{"/weft/sched/forks-published:forks", "Times that forks were offered to other processors.", u64, total},
        counted<&processor_counters::forks_published>},
    row{{"/weft/sched/forks-stolen:forks", "Forked children that another processor took.", u64, total},
        counted<&processor_counters::forks_stolen>},
    row{{"/weft/sched/global-queue:tasks", "Ready tasks in the queue that all processors share.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.sched.global().size()); }},
    row{{"/weft/sched/hand-offs:hops", "Hops to the task that was readied or joined last.", u64, total},
        remaining<0, &processor_counters::dispatches, &processor_counters::loop_dispatches,
                  &processor_counters::queue_hops>},
    row{{"/weft/sched/hops:hops", "Dispatches straight from one task to the next, past the worker's loop.", u64, total},
        remaining<1, &processor_counters::dispatches, &processor_counters::loop_dispatches>},
    row{{"/weft/sched/idle:processors", "Processors whose worker sleeps.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.sched.idle_workers()); }},
    row{{"/weft/sched/long-resumes:resumes", "Resumptions that the monitor saw last over 10 ms.", u64, total},
        [](reading& r, writer out) { out.uint64(r.sched.long_resumes()); }},
    row{{"/weft/sched/overflows:strands", "Tasks moved from a full ring to the global queue.", u64, total},
        counted<&processor_counters::overflows>},
    row{{"/weft/sched/parks:parks", "Times that a task stopped running without ending or yielding.", u64, total},
        remaining<2, &processor_counters::dispatches, &processor_counters::tasks_finished,
                  &processor_counters::yields>},
    row{{"/weft/sched/run-next-steals:strands", "Tasks taken from a computing processor's run-next slot.", u64, total},
        counted<&processor_counters::run_next_steals>},
    row{{"/weft/sched/searches:searches", "Times that a worker began to search other processors.", u64, total},
        counted<&processor_counters::searches>},
    row{{"/weft/sched/sleeps:sleeps", "Times that a worker went to sleep.", u64, total},
        counted<&processor_counters::sleeps>},
    row{{"/weft/sched/steals:steals", "Successful steals from another processor's ring.", u64, total},
        counted<&processor_counters::steals>},
    row{{"/weft/sched/stolen-strands:strands", "Tasks moved by those steals.", u64, total},
        counted<&processor_counters::stolen_strands>},
    row{{"/weft/sched/wakes:wakes", "Workers woken by other workers.", u64, total},
        counted<&processor_counters::wakes>},
    row{{"/weft/stack/growths:segments", "Segments that growing stacks took from the heap.", u64, total},
        counted<&processor_counters::stack_growths>},
    row{{"/weft/stack/hot-splits:segments", "Segments that growing stacks took from the processor's spare.", u64,
         total},
        counted<&processor_counters::hot_splits>},
    row{{"/weft/timers/armed:timers", "Timers ever armed.", u64, total}, counted_timers<&processor::timers_begun>},
    row{{"/weft/timers/fired:timers", "Timers whose deadline came and woke a task.", u64, total},
        counted<&processor_counters::timers_fired>},
    row{{"/weft/timers/lateness:seconds", "Time from a timer's deadline until its task was made ready.", hist, total},
        times<&processor::lateness>},
    row{{"/weft/timers/live:timers", "Timers that are armed.", u64, gauge},
        [](reading& r, writer out) {
          uint64_t n = 0;
          for (const auto& p : r.sched.processors()) n += timers_live(*p);
          out.uint64(n);
        }},
    row{{"/weft/wait/blocking:seconds", "Waits for the end of a blocking call, of one in 256.", hist, total},
        waited<wait_reason::blocking>},
    row{{"/weft/wait/chan-receive:seconds", "Waits of receivers for a value, of one in 256.", hist, total},
        waited<wait_reason::chan_receive>},
    row{{"/weft/wait/chan-send:seconds", "Waits of senders for room or a receiver, of one in 256.", hist, total},
        waited<wait_reason::chan_send>},
    row{{"/weft/wait/condition:seconds", "Waits in a condition_variable, of one in 256.", hist, total},
        waited<wait_reason::condition_wait>},
    row{{"/weft/wait/for-ever:seconds",
         "Waits that only a stop ends: for a channel that is nil, in a select of nothing else; of one in 256.", hist,
         total},
        waited<wait_reason::chan_receive_nil, wait_reason::chan_send_nil, wait_reason::select_none>},
    row{{"/weft/wait/join:seconds", "Waits for the end of a task, of one in 256.", hist, total},
        waited<wait_reason::join_task>},
    row{{"/weft/wait/mutex:seconds", "Waits for a mutex, of one in 8.", hist, total}, waited<wait_reason::mutex_lock>},
    row{{"/weft/wait/select:seconds", "Waits in a select, of one in 256.", hist, total}, waited<wait_reason::select>},
    row{{"/weft/wait/semaphore:seconds", "Waits for permits, of one in 256.", hist, total},
        waited<wait_reason::semacquire>},
    row{{"/weft/wait/shared-mutex-shared:seconds", "Waits to share a shared_mutex, of one in 8.", hist, total},
        waited<wait_reason::shared_mutex_lock_shared>},
    row{{"/weft/wait/shared-mutex:seconds", "Waits to have a shared_mutex alone, of one in 8.", hist, total},
        waited<wait_reason::shared_mutex_lock>},
    row{{"/weft/wait/sleep:seconds", "Sleeps, of one in 256.", hist, total}, waited<wait_reason::sleep>},
    row{{"/weft/wait/wait-group:seconds", "Waits for a wait_group, of one in 256.", hist, total},
        waited<wait_reason::wait_group_wait>},
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

std::span<const uint64_t> value::as_per_processor() const noexcept {
  WEFT_CHECK(kind_ == value_kind::per_processor, "metrics::value::as_per_processor of a value of another kind");
  return list_;
}

std::span<const description> all() noexcept { return descriptions; }

void read(const runtime& rt, std::span<sample> samples) {
  reading r(*detail::runtime_scheduler(rt));
  auto at = rows.begin();
  for (sample& wanted : samples) {
    // Most ask for all metrics in their order: then the row is the next one.
    if (at == rows.end() || at->about.name != wanted.name)
      at = std::lower_bound(rows.begin(), rows.end(), wanted.name,
                            [](const row& one, std::string_view name) { return one.about.name < name; });
    if (at != rows.end() && at->about.name == wanted.name)
      (at++)->read(r, writer(wanted.value));
    else
      writer(wanted.value).bad();
  }
}

}  // namespace weft::metrics
