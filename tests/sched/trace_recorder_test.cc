// The trace of tasks: who is in it, when it arrived, what its slices add up to, and what becomes of the rest.
//
// With a manual clock a slice lasts as long as the task in it says, and everything is exact.
#include <weft/weft.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "api/runtime.h"
#include "sched/trace_recorder.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// A file of its own, gone afterwards.
class trace_file {
 public:
  trace_file()
      : path_(std::filesystem::temp_directory_path() /
              ("weft_trace_" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "_" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~trace_file() { std::filesystem::remove(path_); }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;

  std::string path() const { return path_.string(); }
  std::string text() const {
    std::ifstream file(path_);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }

 private:
  std::filesystem::path path_;
};

constexpr const char* heading = "weft-trace 1\n# arrival ns   work ns   bytes\n";

// One thread drives the processors, and time goes on when a task says so.
class recorded {
 public:
  recorded(const std::string& path, int processors) {
    options opts;
    opts.processors = processors;
    opts.trace_path = path;
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    rt_ = *runtime_access::create(opts, seams, detail::drive::test);
  }
  runtime& rt() { return *rt_; }
  test::manual_clock& clock() { return clock_; }
  void settle() {
    detail::scheduler& sched = runtime_access::sched(*rt_);
    for (bool ran = true; ran;) {
      ran = false;
      for (const auto& p : sched.processors()) ran |= sched.drive_some(p->index, 1000) != 0;
    }
  }
  void end() { rt_.reset(); }

 private:
  test::manual_clock clock_{5'000'000};
  std::unique_ptr<runtime> rt_;
};

task<> work(test::manual_clock& clock, int64_t ns) {
  clock.advance(ns);
  co_return;
}

task<> work_in_two_slices(test::manual_clock& clock, int64_t first, int64_t second) {
  clock.advance(first);
  static_cast<void>(co_await sleep_for(1ms));
  clock.advance(second);
}

TEST(TraceRecorderTest, ATaskArrivesWhenItIsStartedAndItsSlicesAddUp) {
  const trace_file file;
  recorded r(file.path(), 1);
  r.clock().advance(700);  // the first task's arrival is the trace's beginning
  auto first = r.rt().spawn(work, std::ref(r.clock()), 1500);
  r.clock().advance(100);
  auto second = r.rt().spawn(work_in_two_slices, std::ref(r.clock()), 20, 30);
  r.settle();
  r.clock().advance(1'000'000);  // asleep: no work
  r.settle();
  auto third = r.rt().spawn(work, std::ref(r.clock()), 0);
  r.settle();
  r.end();
  EXPECT_EQ(file.text(), std::string(heading) + "0 1500 0\n100 50 0\n1001650 0 0\n");
}

task<> start_another(test::manual_clock& clock, channel<int> line) {
  clock.advance(40);
  go(work, std::ref(clock), 7);
  clock.advance(2);
  const std::optional<int> got = co_await line.receive();
  clock.advance(got.value_or(0));
}

task<> feed(test::manual_clock& clock, channel<int> line) {
  clock.advance(1000);
  const bool sent = co_await line.send(300);
  if (sent) clock.advance(5);
}

TEST(TraceRecorderTest, WhatHandsOverToAnotherIsChargedNoMoreThanItsOwn) {
  const trace_file file;
  recorded r(file.path(), 1);
  const channel<int> line(0);
  auto receiving = r.rt().spawn(start_another, std::ref(r.clock()), line);
  auto sending = r.rt().spawn(feed, std::ref(r.clock()), line);
  r.settle();
  r.end();
  EXPECT_EQ(file.text(), std::string(heading) + "0 342 0\n0 1005 0\n40 7 0\n");
}

task<> wait_and_work(test::manual_clock& clock, channel<int> line, int64_t ns) {
  clock.advance(ns);
  static_cast<void>(co_await line.receive());
  clock.advance(ns);
}

task<> fork_two(test::manual_clock& clock, channel<int> line) {
  co_await join(wait_and_work(clock, line, 10), wait_and_work(clock, line, 100));
}

TEST(TraceRecorderTest, ForksThatOthersTakeAreTheirTasksWork) {
  const trace_file file;
  recorded r(file.path(), 2);
  const channel<int> line(0);
  auto forking = r.rt().spawn(fork_two, std::ref(r.clock()), line);
  detail::scheduler& sched = runtime_access::sched(r.rt());
  sched.drive_some(0, 1);  // one waits; the other is offered
  EXPECT_EQ(sched.drive_some(1, 1), 1u);
  line.close();
  r.settle();
  r.end();
  EXPECT_EQ(file.text(), std::string(heading) + "0 220 0\n");
}

TEST(TraceRecorderTest, ATaskThatHasNotEndedHasTheWorkThatItDid) {
  const trace_file file;
  recorded r(file.path(), 1);
  const channel<int> line(0);
  auto waiting = r.rt().spawn(
      [](test::manual_clock& clock, channel<int> in) -> task<> {
        clock.advance(60);
        co_await shielded([](channel<int> c) -> task<> { static_cast<void>(co_await c.receive()); }, in);
        clock.advance(1000);
      },
      std::ref(r.clock()), line);
  r.settle();
  EXPECT_FALSE(r.rt().shutdown(0s).clean());
  EXPECT_EQ(file.text(), std::string(heading) + "0 60 0\n");
}

TEST(TraceRecorderTest, ATaskThatIsRefusedDidNotArrive) {
  const trace_file file;
  recorded r(file.path(), 1);
  auto one = r.rt().spawn(work, std::ref(r.clock()), 1);
  runtime_access::sched(r.rt()).close_admission();
  auto refused = r.rt().spawn(work, std::ref(r.clock()), 1);
  r.settle();
  r.end();
  EXPECT_EQ(file.text(), std::string(heading) + "0 1 0\n");
}

TEST(TraceRecorderTest, WhatComesTooLateOrIsTooManyIsCounted) {
  const trace_file file;
  detail::trace_recorder recorder(*os::output_file::open(file.path()), 0);
  recorder.arrived(1, 10);
  recorder.arrived(2, detail::trace_recorder::longest_ns + 1);
  recorder.arrived(detail::trace_recorder::most_tasks, 10);
  recorder.arrived(70'000, 9);
  recorder.worked(1, 2 * detail::trace_recorder::longest_ns);
  recorder.worked(2, 5);
  recorder.worked(detail::trace_recorder::most_tasks, 5);
  EXPECT_EQ(recorder.left_out(), 2u);
  ASSERT_TRUE(recorder.write().ok());
  EXPECT_EQ(file.text(), std::string(heading) + "0 0 0\n1 3600000000000 0\n");
}

TEST(TraceRecorderTest, APathThatCannotBeWrittenIsRefusedWithTheReason) {
  options opts;
  opts.processors = 1;
  opts.trace_path = "/nope/x";
  const auto made = runtime::create(opts);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("\"/nope/x\": No such file or directory"));
}

TEST(TraceRecorderTest, AFullDiskIsSaid) {
  detail::trace_recorder recorder(*os::output_file::open("/dev/full"), 0);
  recorder.arrived(1, 10);
  const absl::Status written = recorder.write();
  EXPECT_THAT(std::string(written.message()), HasSubstr("\"/dev/full\": No space left on device"));
}

task<> spread(int count, std::atomic<int>& done) {
  for (int i = 0; i < count; ++i) {
    go(
        [](std::atomic<int>& ended) -> task<> {
          for (int k = 0; k < 3; ++k) co_await yield();
          ++ended;
        },
        std::ref(done));
    if (i % 16 == 0) co_await yield();
  }
}

// All at once: tasks from outside and from inside, on several processors, whose slices others steal.
TEST(TraceRecorderTest, EveryTaskIsInTheTraceOnce) {
  const trace_file file;
  constexpr int count = 5000;
  std::atomic<int> done{0};
  {
    options opts;
    opts.processors = 4;
    opts.trace_path = file.path();
    const std::unique_ptr<runtime> rt = test::make_runtime(opts);
    auto one = rt->spawn(spread, count, std::ref(done));
    auto two = rt->spawn(spread, count, std::ref(done));
    test::eventually([&] { return done == 2 * count; });
  }
  std::istringstream lines(file.text().substr(std::string(heading).size()));
  int tasks = 0;
  int64_t before = 0, at = 0, ns = 0, bytes = 0, worked = 0;
  for (; lines >> at >> ns >> bytes; ++tasks) {
    EXPECT_GE(at, before);
    before = at;
    worked += ns > 0 ? 1 : 0;
  }
  EXPECT_EQ(tasks, 2 * count + 2);
  EXPECT_EQ(worked, tasks);
}

}  // namespace
}  // namespace weft
