// The list of choices. Each line names a field of weft::options once; range and default come from there.
#include "choice.h"

#include <chrono>
#include <limits>
#include <utility>

#include "values.h"

namespace weft_lab {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

template <class T>
using field = std::function<T&(settings&)>;

template <class T>
T value_of(const field<T>& f, settings s) {
  return f(s);
}

choice on_off(std::string name, std::string meaning, field<bool> f) {
  return {.name = name,
          .allowed = "on or off",
          .meaning = std::move(meaning),
          .swept = {"on", "off"},
          .get = [f](const settings& s) { return std::string(value_of(f, s) ? "on" : "off"); },
          .set = [f, name](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<bool> value = parse_switch("--" + name, text);
            if (!value.ok()) return value.status();
            f(out) = *value;
            return absl::OkStatus();
          }};
}

choice number(std::string name, int least, int most, std::vector<std::string> swept, std::string meaning,
              field<int> f) {
  return {.name = name,
          .allowed = std::to_string(least) + " to " + std::to_string(most),
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get = [f](const settings& s) { return std::to_string(value_of(f, s)); },
          .set = [f, name, least, most](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<int64_t> value = parse_number("--" + name, text, least, most);
            if (!value.ok()) return value.status();
            f(out) = static_cast<int>(*value);
            return absl::OkStatus();
          }};
}

choice time(std::string name, nanoseconds least, nanoseconds most, std::vector<std::string> swept, std::string meaning,
            field<nanoseconds> f) {
  return {.name = name,
          .allowed = format_time(least) + " to " + format_time(most),
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get = [f](const settings& s) { return format_time(value_of(f, s)); },
          .set = [f, name, least, most](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<nanoseconds> value = parse_time("--" + name, text, least, most);
            if (!value.ok()) return value.status();
            f(out) = *value;
            return absl::OkStatus();
          }};
}

// One of several words, for an enumeration.
template <class T>
choice one_of(std::string name, std::vector<std::pair<std::string, T>> words, std::string meaning, field<T> f) {
  std::string allowed;
  std::vector<std::string> swept;
  for (const auto& [word, value] : words) {
    allowed += (allowed.empty() ? "" : ", ") + word;
    swept.push_back(word);
  }
  return {.name = name,
          .allowed = allowed,
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get =
              [f, words](const settings& s) {
                for (const auto& [word, value] : words)
                  if (value == value_of(f, s)) return word;
                return std::string("?");
              },
          .set = [f, name, words, allowed](std::string_view text, settings& out) -> absl::Status {
            for (const auto& [word, value] : words) {
              if (word != text) continue;
              f(out) = value;
              return absl::OkStatus();
            }
            return absl::InvalidArgumentError("--" + name + " is '" + std::string(text) + "'; allowed are " + allowed);
          }};
}

// A whole number, or `off` for the value that means so.
choice number_or_off(std::string name, int least, int most, int off, std::vector<std::string> swept,
                     std::string meaning, field<int> f) {
  choice c = number(name, least, most, std::move(swept), std::move(meaning), f);
  c.allowed += ", or off";
  c.get = [f, off](const settings& s) {
    const int value = value_of(f, s);
    return value == off ? std::string("off") : std::to_string(value);
  };
  c.set = [f, off, set = c.set](std::string_view text, settings& out) -> absl::Status {
    if (text == "off") {
      f(out) = off;
      return absl::OkStatus();
    }
    absl::Status s = set(text, out);
    return s.ok() ? s : absl::InvalidArgumentError(std::string(s.message()) + ", or off");
  };
  return c;
}

choice processors() {
  choice c = number("processors", 1, 1024, {"1", "2"}, "processors, and worker threads",
                    [](settings& s) -> int& { return s.options.processors; });
  c.allowed += ", or automatic";
  c.get = [](const settings& s) {
    const int n = s.options.processors;
    return n == weft::options::automatic ? std::string("automatic") : std::to_string(n);
  };
  c.set = [set = c.set](std::string_view text, settings& out) -> absl::Status {
    if (text == "automatic") {
      out.options.processors = weft::options::automatic;
      return absl::OkStatus();
    }
    absl::Status s = set(text, out);
    return s.ok() ? s : absl::InvalidArgumentError(std::string(s.message()) + ", or automatic");
  };
  return c;
}

choice memory_limit() {
  constexpr int64_t none = std::numeric_limits<int64_t>::max();
  return {.name = "memory-limit",
          .allowed = "a size, or off",
          .meaning = "soft limit of the memory that weft holds",
          .swept = {"off", "256MiB", "64MiB"},
          .get =
              [](const settings& s) {
                const int64_t bytes = s.options.memory_limit_bytes;
                return bytes == none ? std::string("off") : format_size(bytes);
              },
          .set = [](std::string_view text, settings& out) -> absl::Status {
            if (text == "off") {
              out.options.memory_limit_bytes = none;
              return absl::OkStatus();
            }
            absl::StatusOr<int64_t> bytes = parse_size("--memory-limit", text, 0, int64_t{1} << 50);
            if (!bytes.ok()) return absl::InvalidArgumentError(std::string(bytes.status().message()) + ", or off");
            out.options.memory_limit_bytes = *bytes;
            return absl::OkStatus();
          }};
}

choice stack_limit() {
  return {.name = "stack-limit",
          .allowed = "64KiB to 1024GiB",
          .meaning = "largest coroutine stack of one task",
          .swept = {"1GiB"},
          .get = [](const settings& s) { return format_size(static_cast<int64_t>(s.options.stack_limit_bytes)); },
          .set = [](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<int64_t> bytes = parse_size("--stack-limit", text, int64_t{64} << 10, int64_t{1} << 40);
            if (!bytes.ok()) return bytes.status();
            out.options.stack_limit_bytes = static_cast<std::size_t>(*bytes);
            return absl::OkStatus();
          }};
}

choice expecting(choice c, std::vector<expectation> expectations) {
  c.expectations = std::move(expectations);
  return c;
}

constexpr auto more = expectation::effect::more;
constexpr auto less = expectation::effect::less;
constexpr auto none = expectation::effect::none;

void add_run_next(std::vector<choice>& all) {
  all.push_back(expecting(on_off("run-next", "a readied task runs next; off: it goes to the end of the queue",
                                 [](settings& s) -> bool& { return s.options.scheduling.run_next; }),
                          {{"ping-pong --count=2M vs --run-next=off", more,
                            "each message goes through the queue, where the other processor may take its receiver"}}));
  all.push_back(expecting(number("run-next-in-a-row", 1, 1'000'000, {"1", "3", "16", "61", "1000"},
                                 "dispatches before run-next goes behind the queue",
                                 [](settings& s) -> int& { return s.options.scheduling.run_next_in_a_row; }),
                          {{"victim --count=1M --processors=1 vs --run-next-in-a-row=1", less,
                            "the pair lets go after each hand-off, so who waits behind it has its turn sooner"}}));
  all.push_back(expecting(time("run-next-steal-delay", nanoseconds(0), seconds(1), {"0", "3us", "100us"},
                               "how long run-next must stay untouched before another processor takes it",
                               [](settings& s) -> nanoseconds& { return s.options.scheduling.run_next_steal_delay; }),
                          {{"wake-latency --count=300 --hog=on vs --run-next-steal-delay=500us", more,
                            "whoever comes for a task behind one that computes waits that much longer"}}));
}

void add_turns(std::vector<choice>& all) {
  all.push_back(expecting(number("global-queue-interval", 1, 1'000'000, {"1", "31", "61", "127"},
                                 "dispatches between looks at the global queue first",
                                 [](settings& s) -> int& { return s.options.scheduling.global_queue_interval; }),
                          {{"ping-pong --count=2M vs --global-queue-interval=1", more,
                            "each hand-off ends a slice, and goes by way of the worker's loop"}}));
  all.push_back(
      expecting(number("io-interval", 1, 1'000'000, {"1", "61", "1000"}, "dispatches between looks at completed I/O",
                       [](settings& s) -> int& { return s.options.scheduling.io_interval; }),
                {{"ping-pong --count=2M vs --io-interval=1", more,
                  "each hand-off ends a slice, and goes by way of the worker's loop"},
                 {"echo --count=10k vs --io-interval=1000", none,
                  "processors that run out of ready tasks look for completions anyway"}}));
  all.push_back(expecting(number("budget", 1, 1'000'000, {"1", "16", "128", "1000000"},
                                 "operations that never parked before a task must yield",
                                 [](settings& s) -> int& { return s.options.scheduling.budget; }),
                          {{"fan-in --count=3M --processors=1 vs --budget=1", more,
                            "a task gives way after each value, though its channel has more"}}));
}

void add_stealing(std::vector<choice>& all) {
  all.push_back(expecting(
      one_of<weft::steal_share>(
          "steal",
          {{"half", weft::steal_share::half}, {"quarter", weft::steal_share::quarter}, {"one", weft::steal_share::one}},
          "how much of a processor's queue a thief takes",
          [](settings& s) -> weft::steal_share& { return s.options.scheduling.steal; }),
      {{"spawn-storm --tasks=200 --work=20000 --processors=2 vs --steal=one", more,
        "a thief comes back for each task, where it would have had half of the queue at once",
        "/weft/sched/steals:steals"}}));
  all.push_back(expecting(
      one_of<weft::victim_order>("victim-order",
                                 {{"random", weft::victim_order::random}, {"in-turn", weft::victim_order::in_turn}},
                                 "where a worker that searches begins to look",
                                 [](settings& s) -> weft::victim_order& { return s.options.scheduling.victims; }),
      {{"tree-search --children=1000 vs --victim-order=in-turn", none,
        "with few processors there is little to choose from"}}));
  all.push_back(expecting(on_off("stealing", "processors take ready tasks and forks from each other",
                                 [](settings& s) -> bool& { return s.options.scheduling.stealing; }),
                          {{"fib --n=34 --processors=2 vs --stealing=off", more,
                            "forks stay where they were made, and the other processor has nothing to do"}}));
  all.push_back(expecting(
      on_off("global-fifo", "every ready task goes through one global queue, one at a time",
             [](settings& s) -> bool& { return s.options.scheduling.global_fifo; }),
      {{"ping-pong --count=1M vs --global-fifo=on", more, "each hand-off takes the queue's lock twice"},
       {"spawn-storm --tasks=500k vs --global-fifo=on", more, "all processors share one queue and its lock"}}));
}

void add_waking(std::vector<choice>& all) {
  all.push_back(expecting(
      one_of<weft::wake_policy>(
          "wakes",
          {{"chain", weft::wake_policy::chain}, {"one", weft::wake_policy::one}, {"eager", weft::wake_policy::eager}},
          "whom ready tasks wake: one worker, which wakes the next; only one; one each",
          [](settings& s) -> weft::wake_policy& { return s.options.scheduling.wakes; }),
      {{"ping-pong --count=1M --processors=2 vs --wakes=eager", more,
        "each hand-off wakes the other worker, and a pair is torn apart", "cpu_per_operation_ns"},
       {"fan-out --count=2M --processors=2 vs --wakes=one", none,
        "where there are two workers there is no next one to wake"}}));
  all.push_back(expecting(number("search-passes", 1, 1000, {"1", "4", "16"},
                                 "passes over the other processors before an idle worker sleeps",
                                 [](settings& s) -> int& { return s.options.scheduling.search_passes; }),
                          {{"wake-latency --count=1k --outside=on vs --search-passes=1", none,
                            "it is the time of idle-spin that decides how long an idle worker is awake"}}));
  all.push_back(expecting(
      time("idle-spin", nanoseconds(0), seconds(1), {"0", "20us", "200us"}, "how long an idle worker searches at most",
           [](settings& s) -> nanoseconds& { return s.options.scheduling.idle_spin; }),
      {{"wake-latency --count=1k --outside=on vs --idle-spin=1ms", less, "whoever is still awake need not be woken"},
       {"wake-latency --count=1k --outside=on vs --idle-spin=1ms", more,
        "a worker that finds nothing is busy searching meanwhile", "cpu_per_operation_ns"}}));
  all.push_back(expecting(
      number("gather-above", 1, 1000, {"10", "40", "101"},
             "percent of its time that a processor waits for locks before tasks are gathered; above 100: never",
             [](settings& s) -> int& { return s.options.scheduling.gather_above; }),
      {{"mutex --count=2M --yields=on --processors=2 vs --gather-above=101", more,
        "the lock goes back and forth between processors"}}));
  all.push_back(expecting(on_off("pin-workers", "each worker stays on a CPU of its own",
                                 [](settings& s) -> bool& { return s.options.scheduling.pin_workers; }),
                          {{"fib --n=34 vs --pin-workers=on", none,
                            "the kernel leaves busy threads where they are while no others want the CPUs"}}));
  all.push_back(
      expecting(on_off("monitor", "the thread that moves what waits behind a task that computes",
                       [](settings& s) -> bool& { return s.options.scheduling.monitor; }),
                {{"wake-latency --count=300 --hog=on vs --monitor=off", more,
                  "nobody looks for a task behind one that computes while the other workers sleep"},
                 {"ping-pong --count=2M vs --monitor=off", none, "it looks around too seldom to cost anything"}}));
}

void add_timers(std::vector<choice>& all) {
  all.push_back(
      expecting(time("timer-slack", nanoseconds(0), seconds(1), {"0", "1ms", "10ms"},
                     "how much later a timer may fire while all workers are idle and many are due",
                     [](settings& s) -> nanoseconds& { return s.options.scheduling.timer_slack; }),
                {{"sleepers --tasks=2k vs --timer-slack=0", less, "nobody waits for others that are due soon"},
                 {"sleepers --tasks=2k vs --timer-slack=0", more, "a worker wakes for almost every timer",
                  "context_switches_voluntary"}}));
  all.push_back(expecting(
      one_of<weft::timer_placement>(
          "timer-placement",
          {{"per-processor", weft::timer_placement::per_processor}, {"global", weft::timer_placement::global}},
          "where timers are: with the processor that set them, or in one queue",
          [](settings& s) -> weft::timer_placement& { return s.options.scheduling.timers; }),
      {{"timer-churn --count=500k --pairs=8 --processors=2 vs --timer-placement=global", more,
        "all processors share one queue and its lock"}}));
}

void add_memory(std::vector<choice>& all) {
  all.push_back(expecting(
      on_off("stack-hint", "stacks of new tasks are as large as earlier ones of the same function grew",
             [](settings& s) -> bool& { return s.options.scheduling.stack_hint; }),
      {{"spawn-storm --tasks=500k vs --stack-hint=off", more, "each task's size is worked out anew when it starts"}}));
  all.push_back(expecting(
      number_or_off("gc-percent", 0, 1'000'000, -1, {"25", "100", "400", "off"},
                    "how much memory may grow before the next epoch, in percent",
                    [](settings& s) -> int& { return s.options.gc_percent; }),
      {{"burst --count=1 vs --gc-percent=off", more, "what pools hold is never given back", "peak_resident_bytes"}}));
  all.push_back(expecting(
      memory_limit(),
      {{"burst --count=1 --gc-percent=off vs --memory-limit=32MiB", less,
        "epochs come when memory does not suffice, though nothing else asks for them", "peak_resident_bytes"}}));
  all.push_back(expecting(
      on_off("pools", "pools keep what tasks give back; off: each get makes an object and each give-back destroys one",
             [](settings& s) -> bool& { return s.options.pools; }),
      {{"buffers --owner=pool --buffers=1M vs --pools=off", more, "each record has a new buffer"},
       {"burst --count=1 vs --pools=off", less, "buffers of a size that is not needed any more are gone",
        "peak_resident_bytes"}}));
  all.push_back(expecting(stack_limit(), {{"fib --n=34 vs --stack-limit=1MiB", none,
                                           "it is looked at only when a stack takes memory for a new segment"}}));
}

std::vector<choice> make_choices() {
  std::vector<choice> all;
  all.push_back(expecting(processors(), {{"fib --n=34 --processors=1 vs --processors=2", less, "the work is shared"},
                                         {"ping-pong --count=2M --processors=1 vs --processors=2", none,
                                          "a pair that answers each other stays on one processor"}}));
  add_run_next(all);
  add_turns(all);
  add_stealing(all);
  add_waking(all);
  add_timers(all);
  add_memory(all);
  all.push_back(expecting(one_of<weft::io_backend>("io",
                                                   {{"automatic", weft::io_backend::automatic},
                                                    {"uring", weft::io_backend::uring},
                                                    {"epoll", weft::io_backend::epoll}},
                                                   "back end of files and sockets",
                                                   [](settings& s) -> weft::io_backend& { return s.options.io; }),
                          {{"echo --count=20k --processors=1 --io=uring vs --io=epoll", more,
                            "each read and each write is a system call of its own"}}));
  all.push_back(expecting(
      number("blocking-threads", 1, 10'000, {"1", "4", "512"}, "most threads that run blocking calls at the same time",
             [](settings& s) -> int& { return s.options.blocking_threads; }),
      {{"ping-pong --count=2M vs --blocking-threads=1", none,
        "threads are started by calls that block, of which there are none here"}}));
  return all;
}

}  // namespace

const std::vector<choice>& all_choices() {
  static const std::vector<choice> all = make_choices();
  return all;
}

const choice* find_choice(std::string_view name) {
  for (const choice& c : all_choices())
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace weft_lab
