// Every workload runs, small, on one processor and on two: its own check of its result holds, it has done as many
// operations as its parameters say, and no task is left that shutdown has to end.
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "child.h"
#include "trace.h"
#include "variant.h"

namespace {

using namespace weft_lab;

struct small_run {
  std::string workload;
  std::vector<std::pair<std::string, std::string>> given;
  double operations;  // that this makes
};

void PrintTo(const small_run& r, std::ostream* out) {
  *out << r.workload;
  for (const auto& [name, value] : r.given) *out << " --" << name << "=" << value;
}

const std::vector<small_run>& small_runs() {
  static const std::vector<small_run> runs{
      {"ping-pong", {{"count", "500"}}, 500},
      {"ping-pong", {{"count", "500"}, {"capacity", "3"}, {"work", "10"}}, 500},
      {"ring", {{"count", "300"}, {"tasks", "7"}}, 300},
      {"ring", {{"count", "300"}, {"tasks", "1"}}, 300},
      {"ring", {{"count", "300"}, {"tasks", "8"}, {"tokens", "4"}}, 1200},
      {"fan-out", {{"count", "500"}, {"receivers", "5"}}, 500},
      {"fan-out", {{"count", "500"}, {"receivers", "5"}, {"capacity", "0"}}, 500},
      {"fan-in", {{"count", "500"}, {"capacity", "4"}}, 500},
      {"fan-in", {{"count", "500"}, {"senders", "3"}, {"receivers", "2"}, {"capacity", "0"}}, 500},
      {"select", {{"count", "300"}, {"channels", "1"}}, 300},
      {"select", {{"count", "300"}, {"channels", "2"}}, 300},
      {"select", {{"count", "300"}, {"channels", "3"}}, 300},
      {"select", {{"count", "300"}, {"channels", "8"}, {"capacity", "0"}}, 300},
      {"pipeline", {{"count", "300"}}, 300},
      {"pipeline", {{"count", "300"}, {"stages", "2"}, {"capacity", "0"}, {"work", "10"}}, 300},
      {"pipeline", {{"count", "300"}, {"stages", "6"}, {"capacity", "1"}}, 300},
      // 96 KiB hold 12, 8, 6, 4, 3, 2, 1 and 1 buffers.
      {"burst", {{"count", "1"}, {"bursts", "2"}, {"in-flight-kib", "96"}}, 74},
      {"burst", {{"count", "1"}, {"bursts", "2"}, {"in-flight-kib", "96"}, {"pooled", "off"}}, 74},
      {"fib", {{"n", "12"}}, 465},
      {"skynet", {{"depth", "3"}, {"work", "10"}}, 1111},
      {"nqueens", {{"size", "6"}}, 153},
      {"nqueens", {{"size", "1"}}, 2},
      {"tree-search", {{"children", "4"}}, 0},
      {"matmul", {{"doublings", "1"}}, 8},
      {"spawn-storm", {{"tasks", "300"}, {"starters", "2"}, {"work", "10"}}, 600},
      {"spawn-storm", {{"tasks", "300"}, {"joined", "on"}}, 300},
      {"mutex", {{"count", "300"}, {"tasks", "3"}, {"work", "10"}}, 303},
      {"mutex", {{"count", "300"}, {"tasks", "3"}, {"yields", "on"}}, 303},
      {"semaphore", {{"count", "300"}, {"tasks", "5"}, {"permits", "2"}}, 305},
      {"semaphore", {{"count", "300"}, {"tasks", "5"}, {"permits", "2"}, {"yields", "on"}}, 305},
      {"timer-churn", {{"count", "100"}, {"timers", "0"}}, 101},
      {"timer-churn", {{"count", "100"}, {"pairs", "3"}, {"timers", "8"}}, 102},
      {"sleepers", {{"tasks", "30"}, {"count", "2"}, {"shortest-us", "10"}, {"longest-us", "500"}}, 60},
      {"wake-latency", {{"count", "20"}, {"rest-us", "10"}}, 20},
      {"wake-latency", {{"count", "20"}, {"rest-us", "0"}, {"hog", "on"}}, 20},
      {"wake-latency", {{"count", "20"}, {"outside", "on"}}, 20},
      {"inject", {{"count", "100"}, {"starters", "2"}, {"in-flight", "5"}}, 200},
      {"inject", {{"count", "100"}, {"in-flight", "1"}, {"work", "10"}}, 100},
      {"echo", {{"count", "90"}, {"connections", "3"}, {"bytes", "5"}}, 93},
      {"echo", {{"count", "9"}, {"connections", "2"}, {"bytes", "100000"}}, 10},
      {"victim", {{"count", "300"}, {"victims", "2"}}, 300},
      {"mixed", {{"tasks", "50"}, {"bytes", "5000"}}, 50},
      {"mixed", {{"tasks", "50"}, {"outside", "on"}}, 50},
      {"call-site", {{"shape", "task"}, {"calls", "500"}}, 500},
      {"buffers", {{"buffers", "100"}, {"bytes", "50"}}, 100},
      {"recursion", {{"depth", "20"}, {"breadth", "2"}, {"descents", "5"}}, 115},
      {"replay", {}, 3},
  };
  return runs;
}

class WorkloadTest : public testing::TestWithParam<std::tuple<small_run, int>> {
 protected:
  ~WorkloadTest() override {
    if (!trace_.empty()) std::remove(trace_.c_str());
  }

  // A trace of three tasks.
  const std::string& trace_file() {
    trace_ = testing::TempDir() + "weft_lab_workloads_test_trace_" + std::to_string(::getpid());
    const trace t{{{0, 1000, 0}, {20'000, 2000, 5000}, {20'000, 0, 1}}};
    EXPECT_TRUE(write_trace(t, trace_).ok());
    return trace_;
  }

 private:
  std::string trace_;
};

TEST_P(WorkloadTest, ChecksItsResultAndLeavesNoStraggler) {
  const auto& [run, processors] = GetParam();
  absl::StatusOr<variant> v = variant_of(run.workload);
  ASSERT_TRUE(v.ok()) << v.status().message();
  for (const auto& [name, value] : run.given) {
    const absl::Status assigned = assign(*v, name, value);
    ASSERT_TRUE(assigned.ok()) << assigned.message();
  }
  ASSERT_TRUE(assign(*v, "processors", std::to_string(processors)).ok());
  if (run.workload == "replay") v->trace = trace_file();
  const absl::StatusOr<record> r = run_here(*v, 1);
  ASSERT_TRUE(r.ok()) << r.status().message();
  if (run.operations > 0)
    EXPECT_EQ(figure(*r, "operations"), run.operations);
  else
    EXPECT_GT(figure(*r, "operations"), 0);
  EXPECT_GT(figure(*r, "time_per_operation_ns"), 0);
  if (v->work->judged != judged_by::time) {
    EXPECT_FALSE(r->latencies.empty());
    EXPECT_GE(figure(*r, "latency_p99_ns"), figure(*r, "latency_p50_ns"));
  }
  EXPECT_EQ(figure(*r, "stragglers"), 0);
}

std::string name_of(const testing::TestParamInfo<std::tuple<small_run, int>>& info) {
  const auto& [run, processors] = info.param;
  std::string name;
  for (const char c : run.workload) name += c == '-' ? '_' : c;
  return name + "_" + std::to_string(info.index) + "_on_" + std::to_string(processors);
}

INSTANTIATE_TEST_SUITE_P(All, WorkloadTest, testing::Combine(testing::ValuesIn(small_runs()), testing::Values(1, 2)),
                         name_of);

TEST(WorkloadsTest, EveryWorkloadIsAmongThoseThatRun) {
  std::set<std::string_view> run;
  for (const small_run& r : small_runs()) run.insert(r.workload);
  for (const workload* w : all_workloads()) EXPECT_TRUE(run.contains(w->name)) << w->name;
}

outcome count_wrongly(context& c) {
  c.timed([] {});
  check(2 + 2 == 5, "wrong sum");
  return {.operations = 1, .latencies_ns = {}, .figures = {}};
}

TEST(WorkloadsTest, AWrongResultIsNoRecordButAFailureWithItsReason) {
  const workload wrong{.name = "wrong",
                       .summary = "counts wrongly",
                       .shows = "nothing",
                       .unit = "count",
                       .parameters = {},
                       .run = count_wrongly};
  variant v;
  v.work = &wrong;
  const absl::StatusOr<record> r = run_here(v, 1);
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.status().message(), "wrong: wrong sum");
}

TEST(WorkloadsTest, ARingIsNotFilledWithTokens) {
  variant v = *variant_of("ring");
  ASSERT_TRUE(assign(v, "tasks", "4").ok());
  ASSERT_TRUE(assign(v, "tokens", "3").ok());
  const absl::StatusOr<record> r = run_here(v, 1);
  ASSERT_FALSE(r.ok());
  EXPECT_NE(r.status().message().find("at most half of --tasks"), std::string_view::npos) << r.status().message();
}

}  // namespace
