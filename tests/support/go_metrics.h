// What Go's runtime/metrics lists, and why weft leaves out what it does.
//
// The list is that of Go 1.26 (runtime/metrics.All). A test holds it against weft's: a name of Go is either reported,
// as the same kind of value, or has a reason here. docs/metrics.md prints the reasons.
#pragma once

#include <array>
#include <string_view>

#include <weft/metrics.h>

namespace weft::metrics {

struct go_metric {
  std::string_view name;
  value_kind kind;
  bool cumulative;
  std::string_view left_out;  ///< why weft does not report it; empty: it does
};

inline constexpr auto go_metrics = std::to_array<go_metric>({
    {"/cgo/go-to-c-calls:calls", value_kind::uint64, true, ""},
    {"/cpu/classes/gc/mark/assist:cpu-seconds", value_kind::float64, true, "not reported yet: comes with epochs"},
    {"/cpu/classes/gc/mark/dedicated:cpu-seconds", value_kind::float64, true, "not reported yet: comes with epochs"},
    {"/cpu/classes/gc/mark/idle:cpu-seconds", value_kind::float64, true, "not reported yet: comes with epochs"},
    {"/cpu/classes/gc/pause:cpu-seconds", value_kind::float64, true, "nothing is paused"},
    {"/cpu/classes/gc/total:cpu-seconds", value_kind::float64, true, "not reported yet: comes with epochs"},
    {"/cpu/classes/idle:cpu-seconds", value_kind::float64, true, ""},
    {"/cpu/classes/scavenge/assist:cpu-seconds", value_kind::float64, true,
     "not reported yet: comes with giving memory back"},
    {"/cpu/classes/scavenge/background:cpu-seconds", value_kind::float64, true,
     "not reported yet: comes with giving memory back"},
    {"/cpu/classes/scavenge/total:cpu-seconds", value_kind::float64, true,
     "not reported yet: comes with giving memory back"},
    {"/cpu/classes/total:cpu-seconds", value_kind::float64, true, ""},
    {"/cpu/classes/user:cpu-seconds", value_kind::float64, true, ""},
    {"/gc/cleanups/executed:cleanups", value_kind::uint64, true, "not reported yet: comes with epochs"},
    {"/gc/cleanups/queued:cleanups", value_kind::uint64, true, "not reported yet: comes with epochs"},
    {"/gc/cycles/automatic:gc-cycles", value_kind::uint64, true, "not reported yet: comes with epochs"},
    {"/gc/cycles/forced:gc-cycles", value_kind::uint64, true, "not reported yet: comes with epochs"},
    {"/gc/cycles/total:gc-cycles", value_kind::uint64, true, "not reported yet: comes with epochs"},
    {"/gc/finalizers/executed:finalizers", value_kind::uint64, true, "nothing is finalized: destructors run at once"},
    {"/gc/finalizers/queued:finalizers", value_kind::uint64, true, "nothing is finalized: destructors run at once"},
    {"/gc/gogc:percent", value_kind::uint64, false, "not reported yet: comes with the pacer"},
    {"/gc/gomemlimit:bytes", value_kind::uint64, false, "not reported yet: comes with the pacer"},
    {"/gc/heap/allocs-by-size:bytes", value_kind::histogram, true,
     "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/allocs:bytes", value_kind::uint64, true, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/allocs:objects", value_kind::uint64, true, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/frees-by-size:bytes", value_kind::histogram, true,
     "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/frees:bytes", value_kind::uint64, true, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/frees:objects", value_kind::uint64, true, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/goal:bytes", value_kind::uint64, false, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/live:bytes", value_kind::uint64, false, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/objects:objects", value_kind::uint64, false, "not reported yet: comes with the accounting of memory"},
    {"/gc/heap/tiny/allocs:objects", value_kind::uint64, true, "small objects are not put together"},
    {"/gc/limiter/last-enabled:gc-cycle", value_kind::uint64, false, "not reported yet: comes with the pacer"},
    {"/gc/pauses:seconds", value_kind::histogram, true, "deprecated in Go, and nothing is paused"},
    {"/gc/scan/globals:bytes", value_kind::uint64, false, "nothing is marked"},
    {"/gc/scan/heap:bytes", value_kind::uint64, false, "nothing is marked"},
    {"/gc/scan/stack:bytes", value_kind::uint64, false, "nothing is marked"},
    {"/gc/scan/total:bytes", value_kind::uint64, false, "nothing is marked"},
    {"/gc/stack/starting-size:bytes", value_kind::uint64, false, ""},
    {"/godebug/non-default-behavior/<name>:events", value_kind::uint64, true,
     "there are no switches for compatibility"},
    {"/memory/classes/heap/free:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/heap/objects:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/heap/released:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/heap/stacks:bytes", value_kind::uint64, false, ""},
    {"/memory/classes/heap/unused:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/metadata/mcache/free:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/metadata/mcache/inuse:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/metadata/mspan/free:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/metadata/mspan/inuse:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/metadata/other:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/os-stacks:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/other:bytes", value_kind::uint64, false, "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/profiling/buckets:bytes", value_kind::uint64, false,
     "not reported yet: comes with the accounting of memory"},
    {"/memory/classes/total:bytes", value_kind::uint64, false, "not reported yet: comes with the accounting of memory"},
    {"/sched/gomaxprocs:threads", value_kind::uint64, false, ""},
    {"/sched/goroutines-created:goroutines", value_kind::uint64, true, ""},
    {"/sched/goroutines/not-in-go:goroutines", value_kind::uint64, false, ""},
    {"/sched/goroutines/runnable:goroutines", value_kind::uint64, false, ""},
    {"/sched/goroutines/running:goroutines", value_kind::uint64, false, ""},
    {"/sched/goroutines/waiting:goroutines", value_kind::uint64, false, ""},
    {"/sched/goroutines:goroutines", value_kind::uint64, false, ""},
    {"/sched/latencies:seconds", value_kind::histogram, true, ""},
    {"/sched/pauses/stopping/gc:seconds", value_kind::histogram, true,
     "nothing stops the processors: not a dump, not a stop of all tasks, not an epoch"},
    {"/sched/pauses/stopping/other:seconds", value_kind::histogram, true,
     "nothing stops the processors: not a dump, not a stop of all tasks, not an epoch"},
    {"/sched/pauses/total/gc:seconds", value_kind::histogram, true,
     "nothing stops the processors: not a dump, not a stop of all tasks, not an epoch"},
    {"/sched/pauses/total/other:seconds", value_kind::histogram, true,
     "nothing stops the processors: not a dump, not a stop of all tasks, not an epoch"},
    {"/sched/threads/total:threads", value_kind::uint64, false, ""},
    {"/sync/mutex/wait/total:seconds", value_kind::float64, true, ""},
});

}  // namespace weft::metrics
