// Options from the environment: every malformed variable is refused with a line that says what is allowed.
#include <weft/options.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <weft/weft.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>

#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Sets a variable for a scope, and clears all others of weft.
class environment {
 public:
  environment(const char* name, const char* value) {
    clear();
    ::setenv(name, value, 1);
  }
  ~environment() { clear(); }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;

  static void clear() {
    for (const char* name : {"WEFT_PROCS", "WEFT_GC", "WEFT_MEMLIMIT", "WEFT_IO", "WEFT_DEBUG", "WEFT_TRACE"})
      ::unsetenv(name);
  }
};

absl::StatusOr<options> with(const char* name, const char* value) {
  const environment env(name, value);
  return options::from_env();
}

TEST(OptionsTest, WithoutVariablesTheDefaultsHold) {
  environment::clear();
  const absl::StatusOr<options> opts = options::from_env();
  ASSERT_TRUE(opts.ok()) << opts.status();
  EXPECT_EQ(opts->processors, options::automatic);
  EXPECT_EQ(opts->gc_percent, 100);
  EXPECT_EQ(opts->memory_limit_bytes, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(opts->io, io_backend::automatic);
  EXPECT_EQ(opts->schedtrace, 0ms);
  EXPECT_FALSE(opts->detect_deadlock);
  EXPECT_TRUE(opts->validate().ok());
}

TEST(OptionsTest, WellFormedVariablesAreTaken) {
  EXPECT_EQ(with("WEFT_PROCS", "1")->processors, 1);
  EXPECT_EQ(with("WEFT_PROCS", "1024")->processors, 1024);
  EXPECT_EQ(with("WEFT_GC", "0")->gc_percent, 0);
  EXPECT_EQ(with("WEFT_GC", "50")->gc_percent, 50);
  EXPECT_EQ(with("WEFT_GC", "off")->gc_percent, -1);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "1048576")->memory_limit_bytes, 1 << 20);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "7B")->memory_limit_bytes, 7);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "3KiB")->memory_limit_bytes, 3 << 10);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "512MiB")->memory_limit_bytes, int64_t{512} << 20);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "2GiB")->memory_limit_bytes, int64_t{2} << 30);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "1TiB")->memory_limit_bytes, int64_t{1} << 40);
  EXPECT_EQ(with("WEFT_MEMLIMIT", "off")->memory_limit_bytes, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(with("WEFT_IO", "uring")->io, io_backend::uring);
  EXPECT_EQ(with("WEFT_IO", "epoll")->io, io_backend::epoll);
  EXPECT_EQ(with("WEFT_TRACE", "a trace")->trace_path, "a trace");
  EXPECT_EQ(with("WEFT_DEBUG", "schedtrace=1000")->schedtrace, 1000ms);
  EXPECT_EQ(with("WEFT_DEBUG", "")->schedtrace, 0ms);
  EXPECT_FALSE(with("WEFT_DEBUG", "")->memory_in_dumps);
  EXPECT_TRUE(with("WEFT_DEBUG", "schedtrace=5,memory")->memory_in_dumps);
}

struct malformed {
  const char* name;
  const char* value;
  const char* allowed;  // part of what the message says is allowed
};

class MalformedVariableTest : public ::testing::TestWithParam<malformed> {};

constexpr malformed malformed_variables[] = {
    {"WEFT_PROCS", "0", "1 to 1024"},
    {"WEFT_PROCS", "-3", "1 to 1024"},
    {"WEFT_PROCS", "abc", "1 to 1024"},
    {"WEFT_PROCS", "99999999999", "1 to 1024"},
    {"WEFT_PROCS", "99999999999999999999999999", "1 to 1024"},
    {"WEFT_PROCS", "1025", "1 to 1024"},
    {"WEFT_PROCS", "", "1 to 1024"},
    {"WEFT_PROCS", " 2", "1 to 1024"},
    {"WEFT_PROCS", "2 ", "1 to 1024"},
    {"WEFT_PROCS", "+2", "1 to 1024"},
    {"WEFT_PROCS", "2.0", "1 to 1024"},
    {"WEFT_PROCS", "0x2", "1 to 1024"},
    {"WEFT_GC", "-1", "0 to 1000000, or off"},
    {"WEFT_GC", "abc", "0 to 1000000, or off"},
    {"WEFT_GC", "1000001", "0 to 1000000, or off"},
    {"WEFT_GC", "OFF", "0 to 1000000, or off"},
    {"WEFT_GC", "50%", "0 to 1000000, or off"},
    {"WEFT_GC", "", "0 to 1000000, or off"},
    {"WEFT_GC", "-5", "0 to 1000000, or off"},
    {"WEFT_GC", "12XB", "0 to 1000000, or off"},
    {"WEFT_GC", "1e9", "0 to 1000000, or off"},
    {"WEFT_GC", "99999999999999999999", "0 to 1000000, or off"},
    {"WEFT_MEMLIMIT", "12XB", "a number of bytes such as 4096, 64KiB, 16MiB, 2GiB or 1TiB, or off"},
    {"WEFT_MEMLIMIT", "-5", "a number of bytes such as 4096, 64KiB, 16MiB, 2GiB or 1TiB, or off"},
    {"WEFT_MEMLIMIT", "1e9", "a number of bytes such as 4096, 64KiB, 16MiB, 2GiB or 1TiB, or off"},
    {"WEFT_MEMLIMIT", "8388608TiB", "from 0 to 9223372036854775807 bytes, or off"},
    {"WEFT_MEMLIMIT", "99999999999999999999", "from 0 to 9223372036854775807 bytes, or off"},
    {"WEFT_MEMLIMIT", "-1", "bytes"},
    {"WEFT_MEMLIMIT", "12MB", "bytes"},
    {"WEFT_MEMLIMIT", "12mib", "bytes"},
    {"WEFT_MEMLIMIT", "MiB", "bytes"},
    {"WEFT_MEMLIMIT", "1.5GiB", "bytes"},
    {"WEFT_MEMLIMIT", "99999999TiB", "bytes"},
    {"WEFT_MEMLIMIT", "", "bytes"},
    {"WEFT_IO", "kqueue", "uring and epoll"},
    {"WEFT_IO", "URING", "uring and epoll"},
    {"WEFT_IO", "", "uring and epoll"},
    {"WEFT_DEBUG", "schedtrace", "schedtrace=MILLISECONDS"},
    {"WEFT_DEBUG", "schedtrace=", "1 to 86400000"},
    {"WEFT_DEBUG", "schedtrace=0", "1 to 86400000"},
    {"WEFT_DEBUG", "schedtrace=-5", "1 to 86400000"},
    {"WEFT_DEBUG", "schedtrace=1s", "1 to 86400000"},
    {"WEFT_DEBUG", "schedtrace=99999999999", "1 to 86400000"},
    {"WEFT_DEBUG", "nosuch=1", "schedtrace=MILLISECONDS"},
    {"WEFT_DEBUG", "schedtrace=1000,nosuch=1", "schedtrace=MILLISECONDS"},
    {"WEFT_TRACE", "", "the path of a file"},
};
INSTANTIATE_TEST_SUITE_P(All, MalformedVariableTest, ::testing::ValuesIn(malformed_variables),
                         [](const auto& tested) { return std::to_string(tested.index); });

TEST_P(MalformedVariableTest, IsRefusedWithItsNameItsValueAndWhatIsAllowed) {
  const malformed& m = GetParam();
  const absl::Status status = with(m.name, m.value).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  const std::string message(status.message());
  EXPECT_THAT(message, AllOf(HasSubstr(m.name), HasSubstr(m.allowed), ::testing::StartsWith("weft: ")));
  EXPECT_EQ(message.find('\n'), std::string::npos) << "one line";
  // A list's bad item is shown, not the whole list.
  std::string shown(m.value);
  if (const std::size_t comma = shown.find(','); comma != std::string::npos) shown.erase(0, comma + 1);
  if (const std::size_t equals = shown.find("e="); equals != std::string::npos) shown.erase(0, equals + 2);
  EXPECT_THAT(message, HasSubstr(shown));
}

TEST(MalformedVariableDeathTest, RunPrintsOneLineAndExitsWithStatusTwo) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const char* value : {"0", "-3", "abc", "99999999999"}) {
    EXPECT_EXIT(
        {
          ::setenv("WEFT_PROCS", value, 1);
          weft::run([]() -> task<> { co_return; });
        },
        ::testing::ExitedWithCode(2), std::string("^weft: WEFT_PROCS=\"") + value + "\": expected .* 1 to 1024\n$");
  }
}

TEST(MalformedVariableDeathTest, RunSaysOnOneLineThatTheTraceCannotBeWritten) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ::setenv("WEFT_TRACE", "/nope/x", 1);
        weft::run([]() -> task<> { co_return; });
      },
      ::testing::ExitedWithCode(2),
      "^weft: the trace of tasks: cannot write \"/nope/x\": No such file or directory\n$");
}

TEST(MalformedVariableDeathTest, RunSaysOnOneLineWhatIsWrongWithTheMemoryKnobs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto run_with = [](const char* name, const char* value) {
    ::setenv(name, value, 1);
    weft::run([]() -> task<> { co_return; });
  };
  EXPECT_EXIT(run_with("WEFT_GC", "-5"), ::testing::ExitedWithCode(2),
              "^weft: WEFT_GC=\"-5\": expected an integer from 0 to 1000000, or off\n$");
  EXPECT_EXIT(run_with("WEFT_MEMLIMIT", "12XB"), ::testing::ExitedWithCode(2),
              "^weft: WEFT_MEMLIMIT=\"12XB\": expected a number of bytes such as .* 16MiB, .* or off\n$");
}

struct out_of_range {
  const char* field;
  std::function<void(options&)> set;
};

TEST(OptionsValidateTest, EveryFieldOutOfRangeIsRefusedByName) {
  const out_of_range cases[] = {
      {"processors", [](options& o) { o.processors = -2; }},
      {"processors", [](options& o) { o.processors = 1025; }},
      {"stack_limit_bytes", [](options& o) { o.stack_limit_bytes = 0; }},
      {"stack_limit_bytes", [](options& o) { o.stack_limit_bytes = (64 << 10) - 1; }},
      {"stack_limit_bytes", [](options& o) { o.stack_limit_bytes = (std::size_t{1} << 40) + 1; }},
      {"stack_limit_bytes", [](options& o) { o.stack_limit_bytes = SIZE_MAX; }},
      {"schedtrace", [](options& o) { o.schedtrace = -1ms; }},
      {"schedtrace", [](options& o) { o.schedtrace = 25h; }},
      {"gc_percent", [](options& o) { o.gc_percent = -2; }},
      {"gc_percent", [](options& o) { o.gc_percent = 1'000'001; }},
      {"memory_limit_bytes", [](options& o) { o.memory_limit_bytes = -1; }},
      {"memory_limit_percent_of_cgroup", [](options& o) { o.memory_limit_percent_of_cgroup = -1; }},
      {"memory_limit_percent_of_cgroup", [](options& o) { o.memory_limit_percent_of_cgroup = 101; }},
      {"scheduling.run_next_in_a_row", [](options& o) { o.scheduling.run_next_in_a_row = 0; }},
      {"scheduling.global_queue_interval", [](options& o) { o.scheduling.global_queue_interval = 0; }},
      {"blocking_threads", [](options& o) { o.blocking_threads = 0; }},
      {"blocking_threads", [](options& o) { o.blocking_threads = 10'001; }},
      {"scheduling.budget", [](options& o) { o.scheduling.budget = 0; }},
      {"scheduling.budget", [](options& o) { o.scheduling.budget = 1'000'001; }},
      {"scheduling.search_passes", [](options& o) { o.scheduling.search_passes = 0; }},
      {"scheduling.search_passes", [](options& o) { o.scheduling.search_passes = 1001; }},
      {"scheduling.run_next_steal_delay", [](options& o) { o.scheduling.run_next_steal_delay = -1ns; }},
      {"scheduling.gather_above", [](options& o) { o.scheduling.gather_above = 0; }},
      {"scheduling.idle_spin", [](options& o) { o.scheduling.idle_spin = -1ns; }},
      {"scheduling.idle_spin", [](options& o) { o.scheduling.idle_spin = 2s; }},
      {"scheduling.timer_slack", [](options& o) { o.scheduling.timer_slack = -1ns; }},
      {"scheduling.timer_slack", [](options& o) { o.scheduling.timer_slack = 1001ms; }},
      {"scheduling.io_interval", [](options& o) { o.scheduling.io_interval = 0; }},
      {"scheduling.io_interval", [](options& o) { o.scheduling.io_interval = 1'000'001; }},
      {"scheduling.steal is 3", [](options& o) { o.scheduling.steal = static_cast<steal_share>(3); }},
      {"scheduling.victims is 2", [](options& o) { o.scheduling.victims = static_cast<victim_order>(2); }},
      {"scheduling.wakes is 200", [](options& o) { o.scheduling.wakes = static_cast<wake_policy>(200); }},
      {"scheduling.timers is 2", [](options& o) { o.scheduling.timers = static_cast<timer_placement>(2); }},
      {"scheduling.monitor",
       [](options& o) {
         o.scheduling.monitor = false;
         o.detect_deadlock = true;
       }},
      {"scheduling.monitor",
       [](options& o) {
         o.scheduling.monitor = false;
         o.schedtrace = 1s;
       }},
  };
  for (const out_of_range& c : cases) {
    options opts;
    opts.processors = 1;
    c.set(opts);
    const absl::Status status = opts.validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.field;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("weft: options."), HasSubstr(c.field), HasSubstr("allowed")));
    EXPECT_EQ(runtime::create(opts).status(), status) << "create() asks validate()";
  }
}

TEST(OptionsValidateTest, TheEndsOfTheRangesAreAllowed) {
  options opts;
  opts.processors = 0;
  opts.stack_limit_bytes = 64 << 10;
  opts.gc_percent = -1;
  opts.memory_limit_bytes = 0;
  opts.scheduling.run_next_in_a_row = 1;
  opts.scheduling.global_queue_interval = 1;
  opts.scheduling.budget = 1;
  opts.scheduling.search_passes = 1;
  opts.scheduling.run_next_steal_delay = 0ns;
  opts.scheduling.idle_spin = 0ns;
  opts.scheduling.timer_slack = 0ns;
  EXPECT_TRUE(opts.validate().ok()) << opts.validate();
  opts.processors = 1024;
  opts.scheduling.timer_slack = 1s;
  opts.stack_limit_bytes = std::size_t{1} << 40;
  EXPECT_TRUE(opts.validate().ok()) << opts.validate();
}

task<int> hand_over(channel<int> in, channel<int> out, int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) {
    const std::optional<int> v = co_await in.receive();
    sum += v.value_or(0);
    const bool sent = co_await out.send(1);
    if (!sent) break;
  }
  co_return sum;
}

// The smallest constants make every counter run out all the time.
TEST(OptionsValidateTest, ARuntimeWithTheSmallestConstantsWorks) {
  for (const bool run_next : {false, true}) {
    for (const int processors : {1, 2}) {
      options opts;
      opts.processors = processors;
      opts.scheduling.run_next = run_next;
      opts.scheduling.run_next_in_a_row = 1;
      opts.scheduling.global_queue_interval = 1;
      opts.scheduling.budget = 1;
      opts.scheduling.search_passes = 1;
      opts.scheduling.run_next_steal_delay = 0ns;
      opts.scheduling.idle_spin = 0ns;
      const std::unique_ptr<runtime> rt = test::make_runtime(opts);
      channel<int> there(0);
      channel<int> back(1);
      ASSERT_TRUE(back.try_send(1));
      join_handle<int> one = rt->spawn(hand_over, there, back, 1000);
      join_handle<int> other = rt->spawn(hand_over, back, there, 1000);
      EXPECT_EQ(one.get(), 1000);
      EXPECT_EQ(other.get(), 1000);
    }
  }
}

// The files are planted in a folder that plays "/".
TEST(OptionsCgroupTest, TheLimitIsThePercentageOfTheContainersUnlessItIsGivenAndSmaller) {
  namespace fs = std::filesystem;
  std::string root = (fs::temp_directory_path() / "weft_options_XXXXXX").string();
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  const auto plant = [&](const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  };
  options opts;
  constexpr int64_t none = std::numeric_limits<int64_t>::max();
  const auto limit = [&](int percent, int64_t given) {
    opts.memory_limit_percent_of_cgroup = percent;
    opts.memory_limit_bytes = given;
    return runtime_access::memory_limit_of(opts, root);
  };
  EXPECT_EQ(limit(90, none), none) << "there is no container";
  plant("/proc/self/cgroup", "0::/a\n");
  plant("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  plant("/sys/fs/cgroup/a/memory.max", "1000000050\n");
  EXPECT_EQ(limit(0, none), none) << "not asked for";
  EXPECT_EQ(limit(90, none), 900'000'045);
  EXPECT_EQ(limit(100, none), 1'000'000'050);
  EXPECT_EQ(limit(90, 5), 5);
  EXPECT_EQ(limit(90, 900'000'046), 900'000'045);
  fs::remove_all(root);
}

}  // namespace
}  // namespace weft
