// What a workload of weft-lab is, and what it may use while it runs.
//
// A workload states the work and checks what came out; the lab makes the runtime, measures, and repeats. Each run is a
// process of its own (measure.h), so a workload runs once and need not clean up what the process's end cleans up.
//
//   outcome run_ping_pong(context& c) {
//     return warm_up_and_measure(
//         c, static_cast<uint64_t>(c["count"]), [&](uint64_t n) { return c.rt().run(ask, n); },
//         [](uint64_t n) { return n; }, "wrong number of answers");
//   }
//
// To add one: write it in a workloads_*.cc, put it into that file's span, and if the file is new, add its function to
// all_workloads() in workload.cc. Parameters' names must differ from those of choices and of the lab's own options; a
// test checks that.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weft/runtime.h>

namespace weft_lab {

/// A number that the workload's work depends on, or one of several names: `--name=value` on the command line.
struct parameter {
  std::string_view name;  ///< as typed, without the dashes
  int64_t least;
  int64_t most;
  int64_t preset;            ///< in force when not given
  std::string_view meaning;  ///< one line, with the unit
  /// If there are any: how the values least, least + 1, ... to most are typed and shown.
  std::span<const std::string_view> names = {};
};

/// The value as it is typed.
std::string text_of(const parameter& p, int64_t value);

/// What a run hands back besides what the lab measured itself.
struct outcome {
  uint64_t operations = 0;             ///< done in timed(), in the workload's unit; never 0
  std::vector<uint64_t> latencies_ns;  ///< of single operations, where the workload measures them; in any order
  std::vector<std::pair<std::string, double>> figures;  ///< more that is worth a line, e.g. {"fairness (Jain)", 0.98}
};

/// Thrown by check(): the runtime, or the workload, is wrong, and its figures mean nothing.
class wrong_result : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Ends the run as failed unless the condition holds.
inline void check(bool condition, const char* message) {
  if (!condition) throw wrong_result(message);
}

class trace;

/// One run, as its workload sees it. Used by the thread that called run(), which belongs to no runtime.
class context {
 public:
  /// What the lab does around the measured part.
  struct observer {
    virtual void begin() = 0;
    virtual void end() = 0;

   protected:
    ~observer() = default;
  };

  using parameter_values = std::vector<std::pair<std::string_view, int64_t>>;

  context(weft::runtime& rt, const parameter_values& parameters, uint64_t seed, observer& around)
      : rt_(rt), parameters_(parameters), seed_(seed), around_(around) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// The runtime under test, made with the chosen options.
  weft::runtime& rt() const noexcept { return rt_; }

  /// The value of one of the workload's own parameters; throws std::logic_error for any other name.
  int64_t operator[](std::string_view name) const;

  /// For the workload's random numbers: the same for both sides of a comparison, another one in each round.
  uint64_t seed() const noexcept { return seed_; }

  /// Calls body() and measures meanwhile: time, CPU time, allocations, metrics. Exactly once in a run.
  template <class Body>
  void timed(Body&& body) {
    around_.begin();
    body();
    around_.end();
  }

  /// The trace that is replayed: only for the workload `replay`.
  const trace* replayed() const noexcept { return replayed_; }
  void set_replayed(const trace* t) noexcept { replayed_ = t; }

  /// Where a workload that can be recorded writes what its tasks did; null: nobody wants to know.
  trace* recorded() const noexcept { return recorded_; }
  void set_recorded(trace* t) noexcept { recorded_ = t; }

 private:
  weft::runtime& rt_;
  const parameter_values& parameters_;
  uint64_t seed_;
  observer& around_;
  const trace* replayed_ = nullptr;
  trace* recorded_ = nullptr;
};

/// A run as most workloads do it: a tenth of the work to warm up, then all of it, measured. `work(n)` does so much and
/// returns what came of it, which must be `right(n)`; `wrong` says what is wrong else.
template <class Work, class Right>
outcome warm_up_and_measure(context& c, uint64_t count, Work&& work, Right&& right, const char* wrong) {
  const uint64_t fewer = count / 10 + 1;
  check(work(fewer) == right(fewer), wrong);
  uint64_t came = 0;
  c.timed([&] { came = work(count); });
  check(came == right(count), wrong);
  return {.operations = count, .latencies_ns = {}, .figures = {}};
}

/// What comparisons look at first.
enum class judged_by : uint8_t {
  time,  ///< wall time per operation
  p50,   ///< the median of the latencies
  p99,   ///< the 99th percentile of the latencies; for arrivals at a fixed rate, where time says nothing
};

struct workload {
  std::string_view name;     ///< lower case, with dashes
  std::string_view summary;  ///< one line: what is done
  std::string_view shows;    ///< one or two lines: which choices it is known to be sensitive to, and why
  std::string_view unit;     ///< what an operation is, in the singular: "round trip"
  std::span<const parameter> parameters;
  outcome (*run)(context& c);
  judged_by judged = judged_by::time;
};

/// workloads_message.cc: tasks that send to each other.
std::span<const workload> message_workloads();

/// workloads_pipeline.cc: stages with channels between them.
std::span<const workload> pipeline_workloads();

/// workloads_fork.cc: fork and join, and many tasks at once.
std::span<const workload> fork_workloads();

/// workloads_contention.cc: locks and permits.
std::span<const workload> contention_workloads();

/// workloads_time.cc: timers and wake-ups.
std::span<const workload> time_workloads();

/// workloads_outside.cc: plain threads, sockets, and who is kept waiting.
std::span<const workload> outside_workloads();

/// workloads_lesson.cc: what a call, a buffer and a recursion cost.
std::span<const workload> lesson_workloads();

/// workloads_replay.cc: arrivals that do not wait.
std::span<const workload> replay_workloads();

/// Every workload, in the order in which files and spans list them.
const std::vector<const workload*>& all_workloads();

/// Null: there is none of that name.
const workload* find_workload(std::string_view name);

}  // namespace weft_lab
