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
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weft/detail/check.h>

#include "metrics/reading.h"

namespace weft::detail {

// Defined by the layer above, which alone knows the runtime object.
scheduler* runtime_scheduler(const runtime& rt) noexcept;

}  // namespace weft::detail
namespace weft::metrics {

namespace {

using detail::rising_figure;

double seconds(int64_t ns) noexcept { return static_cast<double>(ns) * 1e-9; }

/// The most that `most` ever was, `now` included.
uint64_t raise_to(std::atomic<uint64_t>& most, uint64_t now) noexcept {
  // relaxed: a statistic, by itself.
  uint64_t before = most.load(std::memory_order_relaxed);
  // relaxed: as above.
  while (before < now && !most.compare_exchange_weak(before, now, std::memory_order_relaxed)) {
  }
  return std::max(before, now);
}

void add(pool_stats& to, const pool_stats& s) noexcept {
  to.gets += s.gets;
  to.hits_private += s.hits_private;
  to.hits_shared += s.hits_shared;
  to.hits_stolen += s.hits_stolen;
  to.hits_victim += s.hits_victim;
  to.misses += s.misses;
  to.puts += s.puts;
  to.drops += s.drops;
  to.cleared += s.cleared;
  to.kept += s.kept;
  to.held_objects += s.held_objects;
  to.held_bytes += s.held_bytes;
}

// What Go would have on its heap: control blocks of tasks. Segments that stacks grow by are stacks.
constexpr std::array object_kinds{mem::block_kind::strand, mem::block_kind::queue};

}  // namespace

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

// A reader may be ahead of a worker that looked at the clock and has yet to say that it is idle no more, so the idle
// time might fall; and epochs' work is also done by threads that are no processors, so the rest of the processors' time
// might: the most that was ever reported is the least that will be. The total is what the classes sum up to.
cpu_times reading::read_cpu() {
  int64_t total_ns = 0;
  int64_t read_idle_ns = 0;
  for (const auto& p : sched.processors()) {
    const auto [idle, now] = p->idle.read(*sched.seams().time);
    total_ns += now - sched.start_ns();
    read_idle_ns += idle;
  }
  const auto idle_ns = static_cast<int64_t>(
      raise_to(sched.most_reported(rising_figure::idle_ns), static_cast<uint64_t>(std::max<int64_t>(read_idle_ns, 0))));
  const int64_t gc_ns = epoch_cpu_ns(detail::epoch_work::assist) + epoch_cpu_ns(detail::epoch_work::dedicated) +
                        epoch_cpu_ns(detail::epoch_work::idle);
  const int64_t scavenge_ns =
      epoch_cpu_ns(detail::epoch_work::scavenge_assist) + epoch_cpu_ns(detail::epoch_work::scavenge_background);
  const int64_t rest_ns = std::max<int64_t>(total_ns - idle_ns - gc_ns - scavenge_ns, 0);
  const auto user_ns =
      static_cast<int64_t>(raise_to(sched.most_reported(rising_figure::user_ns), static_cast<uint64_t>(rest_ns)));
  return {.total = seconds(idle_ns + gc_ns + scavenge_ns + user_ns),
          .idle = seconds(idle_ns),
          .user = seconds(user_ns),
          .gc = seconds(gc_ns),
          .scavenge = seconds(scavenge_ns)};
}

memory_classes reading::read_memory() {
  const mem::heap_figures& h = heap();
  const mem::kind_figures& segments = h.of(mem::block_kind::segment);
  memory_classes m;
  m.stacks = segments.in_use_bytes + segments.cached_bytes + h.large_bytes;
  m.released = h.uncut_bytes;
  for (const mem::kind_figures& k : h.kinds) {
    m.unused += k.rest_bytes;
    m.free += k.free_bytes;
    m.released += k.fresh_bytes + k.released_bytes;
    if (&k == &segments) continue;
    m.objects += k.in_use_bytes;
    m.unused += k.cached_bytes;
  }
  m.slabs = h.metadata_bytes;
  m.caches = sched.processors().size() * sizeof(mem::block_cache);
  m.metadata = sched.epochs().runtime_bytes() - m.caches;
  m.other = epochs().held.pooled + epochs().held.channels + epochs().held.empty_spans;
  return m;
}

object_counts reading::read_objects() {
  object_counts n;
  for (const mem::block_kind kind : object_kinds) {
    const mem::kind_figures& k = heap().of(kind);
    n.allocs.objects += k.all.allocs;
    n.allocs.bytes += k.allocated_bytes;
    n.frees.objects += k.all.frees;
    n.frees.bytes += k.freed_bytes;
  }
  return n;
}

pools_by_name reading::read_pools() {
  std::vector<pool_info> all = all_pools();
  std::ranges::sort(all, {}, &pool_info::name);
  std::vector<std::string> names;
  pools_by_name pools;
  for (pool_info& one : all) {
    if (names.empty() || names.back() != one.name) {
      names.push_back(std::move(one.name));
      pools.stats.emplace_back();
    }
    add(pools.stats.back(), one.stats);
  }
  pools.names = std::make_shared<const std::vector<std::string>>(std::move(names));
  return pools;
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
/// little, and might fall: the most that was ever reported is the least that will be.
template <rising_figure Figure, auto All, auto... Without>
void remaining(reading& r, writer out) {
  const uint64_t all = sum<All>(r);
  const uint64_t without = (sum<Without>(r) + ...);
  const uint64_t now = all > without ? all - without : 0;
  out.uint64(raise_to(r.sched.most_reported(Figure), now));
}

/// A histogram of the processors, summed.
template <time_histogram processor::* Histogram>
void times(reading& r, writer out) {
  histogram& h = out.histogram(time_histogram::boundaries());
  for (const auto& p : r.sched.processors()) ((*p).*Histogram).add_to(h.counts);
}

/// CPU time of epochs.
template <detail::epoch_work... Kinds>
void epoch_seconds(reading& r, writer out) {
  out.float64(seconds((r.epoch_cpu_ns(Kinds) + ...)));
}

/// A class of memory.
template <uint64_t memory_classes::* Class>
void memory(reading& r, writer out) {
  out.uint64(r.memory().*Class);
}

/// A figure of each pool.
template <uint64_t pool_stats::* Figure>
void pools(reading& r, writer out) {
  const std::span<uint64_t> values = out.per_pool(r.pools().names);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = r.pools().stats[i].*Figure;
}

/// A figure of the I/O of all processors.
template <uint64_t detail::io_figures::* Figure>
void io(reading& r, writer out) {
  out.uint64(r.io().*Figure);
}

// One bucket for each size of block, and one for larger ones. A bound is a byte more than a size.
constexpr auto size_boundaries = [] {
  std::array<double, mem::class_count + 2> bounds{};
  bounds[0] = 1;
  for (std::size_t i = 0; i < mem::class_count; ++i) bounds[i + 1] = mem::class_sizes[i] + 1;
  bounds[mem::class_count + 1] = std::numeric_limits<double>::infinity();
  return bounds;
}();

/// Allocations or frees by size.
template <uint64_t mem::size_figures::* Count>
void sizes(reading& r, writer out) {
  histogram& h = out.histogram(size_boundaries);
  for (const mem::block_kind kind : object_kinds)
    for (std::size_t i = 0; i < mem::class_count; ++i) h.counts[i] += r.heap().of(kind).by_size[i].*Count;
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
constexpr value_kind pooled = value_kind::per_pool;
constexpr bool total = true;   // cumulative
constexpr bool gauge = false;  // not

constexpr std::array rows{
    row{{"/cgo/go-to-c-calls:calls", "Calls given to the blocking pool.", u64, total},
        [](reading& r, writer out) { out.uint64(r.blocking().calls); }},
    row{{"/cpu/classes/gc/mark/assist:cpu-seconds",
         "CPU time of epochs' work done by tasks that take memory, and in collect().", f64, total},
        epoch_seconds<detail::epoch_work::assist>},
    row{{"/cpu/classes/gc/mark/dedicated:cpu-seconds",
         "CPU time of epochs' work done by processors at their turns, and by the monitor.", f64, total},
        epoch_seconds<detail::epoch_work::dedicated>},
    row{{"/cpu/classes/gc/mark/idle:cpu-seconds",
         "CPU time of epochs' work done by processors that found nothing to run.", f64, total},
        epoch_seconds<detail::epoch_work::idle>},
    row{{"/cpu/classes/gc/total:cpu-seconds", "CPU time of epochs: the sum of the classes below gc.", f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().gc); }},
    row{{"/cpu/classes/idle:cpu-seconds",
         "Time that processors were asleep without work; in a runtime that its host drives, time outside poll().", f64,
         total},
        [](reading& r, writer out) { out.float64(r.cpu().idle); }},
    row{{"/cpu/classes/scavenge/assist:cpu-seconds",
         "CPU time to give memory back to the system, by tasks that take memory, and in collect().", f64, total},
        epoch_seconds<detail::epoch_work::scavenge_assist>},
    row{{"/cpu/classes/scavenge/background:cpu-seconds", "CPU time to give memory back to the system, otherwise.", f64,
         total},
        epoch_seconds<detail::epoch_work::scavenge_background>},
    row{{"/cpu/classes/scavenge/total:cpu-seconds", "The sum of the classes below scavenge.", f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().scavenge); }},
    row{{"/cpu/classes/total:cpu-seconds",
         "The sum of all classes: processors times the time since the start, and what other threads do for epochs.",
         f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().total); }},
    row{{"/cpu/classes/user:cpu-seconds",
         "Time that processors ran tasks or searched for them: total less all other classes.", f64, total},
        [](reading& r, writer out) { out.float64(r.cpu().user); }},
    row{{"/gc/cleanups/executed:cleanups",
         "Objects of pools that epochs have cleared and that are destroyed; of the process.", u64, total},
        [](reading& r, writer out) { out.uint64(r.cleanups().executed); }},
    row{{"/gc/cleanups/queued:cleanups",
         "Objects of pools that epochs have cleared, to be destroyed in the background; of the process.", u64, total},
        [](reading& r, writer out) { out.uint64(r.cleanups().queued); }},
    row{{"/gc/cycles/automatic:gc-cycles", "Epochs that the runtime began.", u64, total},
        [](reading& r, writer out) { out.uint64(r.epochs().automatic()); }},
    row{{"/gc/cycles/forced:gc-cycles", "Epochs that collect() began.", u64, total},
        [](reading& r, writer out) { out.uint64(r.epochs().forced()); }},
    row{{"/gc/cycles/total:gc-cycles", "Epochs that have ended.", u64, total},
        [](reading& r, writer out) { out.uint64(r.epochs().total()); }},
    row{{"/gc/gogc:percent", "The percentage in force; 2^64 - 1: off.", u64, gauge},
        [](reading& r, writer out) { out.uint64(static_cast<uint64_t>(r.epochs().gc_percent)); }},
    row{{"/gc/gomemlimit:bytes", "The memory limit in force; 2^63 - 1: none.", u64, gauge},
        [](reading& r, writer out) { out.uint64(static_cast<uint64_t>(r.epochs().memory_limit_bytes)); }},
    row{{"/gc/heap/allocs-by-size:bytes", "Blocks that /gc/heap/allocs:objects counts, by their size.", hist, total},
        sizes<&mem::size_figures::allocs>},
    row{{"/gc/heap/allocs:bytes", "Bytes of those blocks.", u64, total},
        [](reading& r, writer out) { out.uint64(r.objects().allocs.bytes); }},
    row{{"/gc/heap/allocs:objects",
         "Blocks taken for tasks and forks (control block and first part of the stack) and their queues.", u64, total},
        [](reading& r, writer out) { out.uint64(r.objects().allocs.objects); }},
    row{{"/gc/heap/frees-by-size:bytes", "Blocks that /gc/heap/frees:objects counts, by their size.", hist, total},
        sizes<&mem::size_figures::frees>},
    row{{"/gc/heap/frees:bytes", "Bytes of those blocks that were given back.", u64, total},
        [](reading& r, writer out) { out.uint64(r.objects().frees.bytes); }},
    row{{"/gc/heap/frees:objects", "Those blocks that were given back.", u64, total},
        [](reading& r, writer out) { out.uint64(r.objects().frees.objects); }},
    row{{"/gc/heap/goal:bytes", "Memory at which the next epoch ought to have ended; 2^64 - 1: none.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().goal_bytes); }},
    row{{"/gc/heap/live:bytes",
         "Memory that epochs are paced by, right after the last one: free blocks, pools, channels or the program's "
         "heap.",
         u64, gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().live_bytes); }},
    row{{"/gc/heap/objects:objects", "Blocks in use: allocs less frees.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.objects().live().objects); }},
    row{{"/gc/limiter/last-enabled:gc-cycle",
         "Number of epochs begun when epochs last took too much CPU time for more of them; 0: never.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().limiter_last_enabled); }},
    row{{"/gc/stack/starting-size:bytes",
         "Size of the first block (control block and stack) of a kind of task that was never started before.", u64,
         gauge},
        [](reading&, writer out) { out.uint64(detail::starting_stack_bytes()); }},
    row{{"/memory/classes/heap/free:bytes", "Free blocks that no processor keeps.", u64, gauge},
        memory<&memory_classes::free>},
    row{{"/memory/classes/heap/objects:bytes", "Blocks in use: /gc/heap/allocs:bytes less /gc/heap/frees:bytes.", u64,
         gauge},
        memory<&memory_classes::objects>},
    row{{"/memory/classes/heap/released:bytes", "Mapped, but given back to the system, or never used.", u64, gauge},
        memory<&memory_classes::released>},
    row{{"/memory/classes/heap/stacks:bytes",
         "Segments that tasks' stacks have grown by, and those that processors keep for it.", u64, gauge},
        memory<&memory_classes::stacks>},
    row{{"/memory/classes/heap/unused:bytes",
         "Set aside for objects and not in use: blocks that processors keep, and what a slab's blocks leave.", u64,
         gauge},
        memory<&memory_classes::unused>},
    row{{"/memory/classes/metadata/mcache/inuse:bytes", "Heads of processors' lists of blocks.", u64, gauge},
        memory<&memory_classes::caches>},
    row{{"/memory/classes/metadata/mspan/inuse:bytes", "What the heap knows of its slabs.", u64, gauge},
        memory<&memory_classes::slabs>},
    row{{"/memory/classes/metadata/other:bytes", "The runtime's objects: scheduler, processors, queues.", u64, gauge},
        memory<&memory_classes::metadata>},
    row{{"/memory/classes/other:bytes",
         "Objects of pools, those in use too, free memory for buffers, channels; of the process.", u64, gauge},
        memory<&memory_classes::other>},
    row{{"/memory/classes/total:bytes", "The sum of the other classes.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.memory().total()); }},
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
    row{{"/weft/channels/bytes:bytes", "Channels: their states and the buffers behind them; of the process.", u64,
         gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().held.channels); }},
    row{{"/weft/epochs/limited:epochs",
         "Times that an epoch was due for the memory limit, and epochs took too much CPU time for it.", u64, total},
        [](reading& r, writer out) { out.uint64(r.epochs().limited_epochs); }},
    row{{"/weft/frames/elided:frames", "Coroutine calls whose frame the compiler put into the caller's.", u64, total},
        [](reading& r, writer out) {
          out.uint64(raise_to(r.sched.most_reported(rising_figure::elided_frames), r.sched.elided_frames()));
        }},
    row{{"/weft/frames/stack:frames",
         "Coroutine frames put on a task's stack, counted when the coroutine is awaited, forked or started.", u64,
         total},
        [](reading& r, writer out) { out.uint64(r.sched.frames()); }},
    row{{"/weft/io/begun-again:operations",
         "Operations begun again: interrupted, or told to wait until the descriptor is ready.", u64, total},
        io<&detail::io_figures::begun_again>},
    row{{"/weft/io/cancelled:operations", "Operations that ended because they were cancelled.", u64, total},
        [](reading& r, writer out) { out.uint64(r.io().all().cancelled); }},
    row{{"/weft/io/completed:operations", "Operations that ended in another way, errors too.", u64, total},
        [](reading& r, writer out) { out.uint64(r.io().all().completed); }},
    row{{"/weft/io/completions:completions", "Completions taken from the kernel.", u64, total},
        io<&detail::io_figures::completions>},
    row{{"/weft/io/enters:calls", "Calls of io_uring_enter, or of epoll's waiting and arming.", u64, total},
        io<&detail::io_figures::enters>},
    row{{"/weft/io/epoll:processors", "Processors whose I/O goes through epoll; the dump says why.", u64, gauge},
        io<&detail::io_figures::epolls>},
    row{{"/weft/io/from-caches:operations",
         "Operations on files that were done at once, with what is in the kernel's caches.", u64, total},
        counted<&processor_counters::from_caches>},
    row{{"/weft/io/operations:operations",
         "Operations that parked a task, and arms of selects that did; what needs no waiting may be done at once and "
         "not counted.",
         u64, total},
        [](reading& r, writer out) { out.uint64(r.io().all().begun); }},
    row{{"/weft/io/overflows:flushes", "Looks into a ring that had been too small for the completions.", u64, total},
        io<&detail::io_figures::overflows>},
    row{{"/weft/io/reaps:reaps", "Times that completions were found: completions per reap is their batching.", u64,
         total},
        io<&detail::io_figures::reaps>},
    row{{"/weft/io/sleeps:sleeps", "Times that a worker went to sleep in its ring or in epoll.", u64, total},
        io<&detail::io_figures::sleeps>},
    row{{"/weft/io/under-way:operations", "Operations that have begun and not ended.", u64, gauge},
        io<&detail::io_figures::under_way>},
    row{{"/weft/io/uring:processors", "Processors whose I/O goes through io_uring; the dump says in which mode.", u64,
         gauge},
        io<&detail::io_figures::rings>},
    row{{"/weft/io/wakes:wakes", "Times that another thread woke a worker from there.", u64, total},
        io<&detail::io_figures::wakes>},
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
    row{{"/weft/memory/given-back:bytes", "Memory of stacks given back to the system.", u64, total},
        [](reading& r, writer out) { out.uint64(r.heap().given_back_bytes); }},
    row{{"/weft/memory/held:bytes",
         "What counts against the memory limit: stacks, the runtime, and pools and channels or the program's heap.",
         u64, gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().held.total()); }},
    row{{"/weft/memory/program-heap:bytes",
         "Live bytes of the program's heap; 0 unless it links weft::counting_allocator.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.epochs().held.program_heap); }},
    row{{"/weft/memory/stacks-peak:bytes", "The most that /weft/memory/stacks ever was.", u64, total},
        [](reading& r, writer out) { out.uint64(r.heap().peak_stack_bytes); }},
    row{{"/weft/memory/stacks:bytes", "Memory set aside for coroutine stacks and task control blocks, used or not.",
         u64, gauge},
        [](reading& r, writer out) { out.uint64(r.heap().strand_slab_bytes + r.heap().segment_slab_bytes); }},
    row{{"/weft/pool/bytes:bytes", "Bytes that the pool holds, as it was told to count them.", pooled, gauge},
        pools<&pool_stats::held_bytes>},
    row{{"/weft/pool/cleared:objects", "Objects destroyed after epochs.", pooled, total}, pools<&pool_stats::cleared>},
    row{{"/weft/pool/drops:objects", "Puts that were dropped, over a limit.", pooled, total},
        pools<&pool_stats::drops>},
    row{{"/weft/pool/gets:gets", "Gets: hits of the four kinds, and misses.", pooled, total}, pools<&pool_stats::gets>},
    row{{"/weft/pool/held:objects", "Objects that the pool holds.", pooled, gauge}, pools<&pool_stats::held_objects>},
    row{{"/weft/pool/kept:objects", "Objects taken out for good.", pooled, total}, pools<&pool_stats::kept>},
    row{{"/weft/pool/misses:gets", "Gets that found nothing.", pooled, total}, pools<&pool_stats::misses>},
    row{{"/weft/pool/private:gets", "Gets of the processor's own objects.", pooled, total},
        pools<&pool_stats::hits_private>},
    row{{"/weft/pool/puts:puts", "Objects that came back or were donated.", pooled, total}, pools<&pool_stats::puts>},
    row{{"/weft/pool/shared:gets", "Gets from a batch that the processor had put aside.", pooled, total},
        pools<&pool_stats::hits_shared>},
    row{{"/weft/pool/stolen:gets", "Gets that took from another processor.", pooled, total},
        pools<&pool_stats::hits_stolen>},
    row{{"/weft/pool/victim:gets", "Gets of what was last used before the latest epoch.", pooled, total},
        pools<&pool_stats::hits_victim>},
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
        remaining<rising_figure::hand_offs, &processor_counters::dispatches, &processor_counters::loop_dispatches,
                  &processor_counters::queue_hops>},
    row{{"/weft/sched/hops:hops", "Dispatches straight from one task to the next, past the worker's loop.", u64, total},
        remaining<rising_figure::hops, &processor_counters::dispatches, &processor_counters::loop_dispatches>},
    row{{"/weft/sched/idle:processors", "Processors whose worker sleeps.", u64, gauge},
        [](reading& r, writer out) { out.uint64(r.sched.idle_workers()); }},
    row{{"/weft/sched/long-resumes-before-io:resumes",
         "Those of long-resumes while the processor had I/O under way, whose completions nobody else takes.", u64,
         total},
        [](reading& r, writer out) { out.uint64(r.sched.long_resumes_before_io()); }},
    row{{"/weft/sched/long-resumes:resumes", "Resumptions that the monitor saw last over 10 ms.", u64, total},
        [](reading& r, writer out) { out.uint64(r.sched.long_resumes()); }},
    row{{"/weft/sched/overflows:strands", "Tasks moved from a full ring to the global queue.", u64, total},
        counted<&processor_counters::overflows>},
    row{{"/weft/sched/parks:parks", "Times that a task stopped running without ending or yielding.", u64, total},
        remaining<rising_figure::parks, &processor_counters::dispatches, &processor_counters::tasks_finished,
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

pool_values value::as_per_pool() const noexcept {
  WEFT_CHECK(kind_ == value_kind::per_pool, "metrics::value::as_per_pool of a value of another kind");
  return {*names_, list_};
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
