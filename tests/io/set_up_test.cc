// The kernel refuses a step of what sets up the I/O of a processor: the ring, its memory, its descriptors, its first
// request, the stand-in. Each step in turn, with each error that kernels give: the next best is taken, and why is kept;
// nothing crashes, waits for ever or is left behind; without anything, operations say so, and the next one tries again.
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "support/descriptors.h"
#include "support/io_test.h"
#include "support/refused_calls.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::refused_calls;
using test::step;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::array errors{EPERM, ENOSYS, EINVAL, ENOMEM, EMFILE};

std::string words(int error) { return std::generic_category().message(error); }

// The memory that rings share with the kernel.
int mapped_rings() {
  std::ifstream maps("/proc/self/maps");
  int count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("io_uring") != std::string::npos;
  return count;
}

// Answers three times.
task<absl::Status> answer(unix_stream& on) {
  for (int i = 0; i < 3; ++i) {
    std::array<std::byte, 1> question;
    if (absl::Status s = co_await on.read_exactly(question); !s.ok()) co_return s;
    co_await yield();  // so that who asked waits by now, mostly
    if (absl::Status s = co_await on.write_all("!"); !s.ok()) co_return s;
  }
  co_return absl::OkStatus();
}

// Asks in each way to wait: with a buffer, with one from the runtime, and as an arm beside a timer.
task<absl::Status> ask(unix_stream& on) {
  std::array<std::byte, 1> one;
  if (absl::Status s = co_await on.write_all("?"); !s.ok()) co_return s;
  if (absl::Status s = co_await on.read_exactly(one); !s.ok()) co_return s;
  if (absl::Status s = co_await on.write_all("?"); !s.ok()) co_return s;
  absl::StatusOr<io_buffer> part = co_await on.read_some();
  if (!part.ok()) co_return part.status();
  if (absl::Status s = co_await on.write_all("?"); !s.ok()) co_return s;
  co_return (co_await within(1h, on.read_some(one))).status();
}

// The first error that was not one of the other end's making.
task<absl::Status> converse() {
  auto both = unix_stream::pair();
  if (!both.ok()) co_return both.status();
  const auto then_close = [](auto talk, unix_stream& on) -> task<absl::Status> {
    absl::Status s = co_await talk(on);
    on.close();
    co_return s;
  };
  join_handle<absl::Status> answering = spawn(then_close, answer, std::ref(both->second));
  const absl::Status asked = co_await then_close(ask, both->first);
  const absl::Status answered = co_await answering;
  const bool of_the_other_end =
      absl::IsOutOfRange(asked) || absl::IsUnavailable(asked) || absl::IsFailedPrecondition(asked);
  co_return asked.ok() || of_the_other_end ? answered : asked;
}

class SetUpTest : public ::testing::TestWithParam<std::tuple<io_backend, int>> {
 protected:
  void SetUp() override {
    if (!refused_calls::available()) GTEST_SKIP() << refused_calls::unavailable;
  }
  void TearDown() override { refused_calls::done(); }

  static io_backend backend() { return std::get<0>(GetParam()); }
  static int processors() { return std::get<1>(GetParam()); }
  static std::unique_ptr<runtime> make(os::system& sys = os::system::real()) {
    options opts;
    opts.io = backend();
    opts.processors = processors();
    os::seams seams = test::seeded_seams();
    seams.sys = &sys;
    return *runtime_access::create(opts, seams, processors() == 0 ? detail::drive::host : detail::drive::threads);
  }
};
INSTANTIATE_TEST_SUITE_P(On, SetUpTest,
                         ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll),
                                            ::testing::Values(0, 1, 2)),
                         test::io_test_name);

class RingSetUpTest : public SetUpTest {};
INSTANTIATE_TEST_SUITE_P(On, RingSetUpTest,
                         ::testing::Combine(::testing::Values(io_backend::uring), ::testing::Values(0, 1, 2)),
                         test::io_test_name);

class HostSetUpTest : public SetUpTest {};
INSTANTIATE_TEST_SUITE_P(On, HostSetUpTest,
                         ::testing::Combine(::testing::Values(io_backend::uring), ::testing::Values(0)),
                         test::io_test_name);

TEST_P(SetUpTest, EachCallInTurnMayBeRefused) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (const int error : errors)
    for (int64_t n = 1;; ++n) {
      {
        std::unique_ptr<runtime> rt = make();
        refused_calls::plan(n, error);
        const absl::Status s = rt->run(converse);
        refused_calls::done();
        const std::string what = std::string(test::step_name(refused_calls::last_failed())) + ", call " +
                                 std::to_string(n) + ", " + words(error) + ": " + s.ToString();
        const step refused = refused_calls::last_failed();
        const std::string dump = rt->dump();
        // With a ring there is always something left to take; a descriptor that cannot be watched is another matter.
        const bool may_fail = backend() == io_backend::epoll || refused == step::watch;
        const bool says_so = absl::IsResourceExhausted(s) || s.code() == absl::ErrnoToStatusCode(error);
        EXPECT_TRUE(s.ok() || (may_fail && says_so)) << what;
        if (refused == step::make_ring || refused == step::map_ring) {
          EXPECT_THAT(dump, HasSubstr(": io_uring_setup: " + words(error))) << what;
        } else if (refused == step::event_fd && backend() == io_backend::uring) {
          EXPECT_THAT(dump, HasSubstr(": eventfd: " + words(error))) << what;
        }
        EXPECT_EQ(std::count(dump.begin(), dump.end(), '('), std::count(dump.begin(), dump.end(), ')')) << dump;
        const absl::Status again = rt->run(converse);
        EXPECT_TRUE(again.ok()) << what << "; then " << again;
        EXPECT_TRUE(rt->shutdown(10s).clean()) << what;
      }
      EXPECT_EQ(test::open_descriptors(), before) << error << ", " << n;
      EXPECT_EQ(mapped_rings(), 0) << error << ", " << n;
      if (refused_calls::failed() == 0) break;
    }
}

TEST_P(RingSetUpTest, WhereAStepOfARingIsAlwaysRefusedEpollStandsInAndSaysWhy) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (const int error : errors)
    for (const step refused : {step::make_ring, step::map_ring, step::enter}) {
      {
        std::unique_ptr<runtime> rt = make();
        refused_calls::plan(refused, error);
        const absl::Status s = rt->run(converse);
        EXPECT_TRUE(s.ok()) << test::step_name(refused) << ": " << s;
        EXPECT_THAT(rt->dump(), HasSubstr(": epoll ("));
        EXPECT_THAT(rt->dump(),
                    HasSubstr(std::string("plain: ") +
                              (refused == step::enter ? "io_uring_enter: " : "io_uring_setup: ") + words(error)));
        refused_calls::done();
        EXPECT_TRUE(rt->run(converse).ok());
        EXPECT_TRUE(rt->shutdown(10s).clean());
      }
      EXPECT_EQ(test::open_descriptors(), before) << test::step_name(refused);
      EXPECT_EQ(mapped_rings(), 0) << test::step_name(refused);
    }
}

TEST_P(SetUpTest, WhatARingCanDoWithoutIsMissedByNobody) {
  const std::ptrdiff_t before = test::open_descriptors();
  for (const int error : errors)
    for (const step refused : {step::keep_from_children, step::enroll}) {
      {
        std::unique_ptr<runtime> rt = make();
        refused_calls::plan(refused, error);
        const absl::Status s = rt->run(converse);
        EXPECT_TRUE(s.ok()) << test::step_name(refused) << ": " << s;
        EXPECT_EQ(refused_calls::failed() > 0, backend() == io_backend::uring);
        EXPECT_THAT(rt->dump(), HasSubstr(backend() == io_backend::uring ? ": io_uring, " : ": epoll (asked for)"));
        EXPECT_TRUE(rt->shutdown(10s).clean());
      }
      EXPECT_EQ(test::open_descriptors(), before) << test::step_name(refused);
    }
}

TEST_P(RingSetUpTest, ARingOfAnOldKernelIsNotTaken) {
  const std::ptrdiff_t before = test::open_descriptors();
  {
    std::unique_ptr<runtime> rt = make();
    refused_calls::plan_old_kernel();
    EXPECT_TRUE(rt->run(converse).ok());
    EXPECT_THAT(rt->dump(), HasSubstr("plain: io_uring of this kernel is older than Linux 5.19"));
  }
  EXPECT_EQ(test::open_descriptors(), before);
  EXPECT_EQ(mapped_rings(), 0);
}

TEST_P(SetUpTest, WithoutAnythingOperationsSayWhyAndTheNextOneTriesAgain) {
  for (const int error : errors)
    for (const step ring : {step::make_ring, step::map_ring, step::enter})
      for (const step stand_in : {step::epoll, step::watch, step::event_fd}) {
        std::unique_ptr<runtime> rt = make();
        const std::ptrdiff_t before = test::open_descriptors();
        refused_calls::plan(ring, error, stand_in);
        const absl::Status s = rt->run(converse);
        const std::string what = std::string(test::step_name(ring)) + " and " + test::step_name(stand_in) + ", " +
                                 words(error) + ": " + s.ToString();
        EXPECT_TRUE(absl::IsResourceExhausted(s)) << what;
        const std::string why = "epoll: " + std::string(test::step_name(stand_in)) + ": " + words(error) + ")";
        EXPECT_THAT(std::string(s.message()), HasSubstr(why));
        EXPECT_THAT(rt->dump(), AllOf(HasSubstr(": none ("), HasSubstr(why))) << what;
        EXPECT_EQ(test::open_descriptors(), before) << what;
        EXPECT_EQ(mapped_rings(), 0) << what;
        refused_calls::done();
        EXPECT_TRUE(rt->run(converse).ok()) << what;
        // The other processor of two may not have been asked again.
        if (processors() != 2) {
          EXPECT_THAT(rt->dump(), Not(HasSubstr(": none ("))) << what;
        }
        EXPECT_TRUE(rt->shutdown(10s).clean()) << what;
      }
}

// What is not at once in the caches, in the ways that know of no plain call.
task<absl::Status> keep_a_note(const std::string& path) {
  absl::StatusOr<file> f =
      co_await file::open(path, open_mode::read | open_mode::write | open_mode::create | open_mode::truncate);
  if (!f.ok()) co_return f.status();
  if (absl::Status s = co_await f->write_all("a note"); !s.ok()) co_return s;
  if (absl::Status s = co_await f->sync(); !s.ok()) co_return s;
  const absl::StatusOr<file_figures> figures = co_await f->stat();
  if (!figures.ok()) co_return figures.status();
  EXPECT_EQ(figures->bytes, 6u);
  std::array<std::byte, 16> buffer;
  const absl::StatusOr<std::size_t> n = co_await f->read_at(buffer, 2);
  if (!n.ok()) co_return n.status();
  EXPECT_EQ(test::text_of(std::span(buffer).first(*n)), "note");
  co_return absl::OkStatus();
}

TEST_P(SetUpTest, WithoutAnythingFilesAreLeftToThePool) {
  const std::string path = "/tmp/weft_set_up_test_" + std::to_string(::getpid());
  for (const int error : errors) {
    std::unique_ptr<runtime> rt = make();
    refused_calls::plan(step::make_ring, error, step::epoll);
    const absl::Status s = rt->run(keep_a_note, std::cref(path));
    refused_calls::done();
    EXPECT_TRUE(s.ok()) << s;
    EXPECT_THAT(rt->dump(), HasSubstr(": none ("));
    EXPECT_TRUE(rt->shutdown(10s).clean());
  }
  ::unlink(path.c_str());
}

// Whose eventfds, while it is told so, nobody can wait for.
class blind_system final : public os::system {
 public:
  std::atomic<bool> blind{false};
  absl::StatusOr<int> create_event_fd() noexcept override {
    return blind ? ::open("/", O_PATH | O_CLOEXEC) : os::system::create_event_fd();
  }
};

TEST_P(SetUpTest, ARingThatRefusesItsFirstRequestIsNotTaken) {
  blind_system sys;
  std::unique_ptr<runtime> rt = make(sys);
  const std::ptrdiff_t before = test::open_descriptors();
  sys.blind = true;
  const absl::Status s = rt->run(converse);
  sys.blind = false;
  EXPECT_TRUE(absl::IsResourceExhausted(s)) << s;
  if (backend() == io_backend::uring) {
    EXPECT_THAT(rt->dump(), HasSubstr("plain: a poll by io_uring: " + words(EBADF) + "; epoll: epoll_ctl: "));
  }
  EXPECT_EQ(test::open_descriptors(), before);
  EXPECT_EQ(mapped_rings(), 0);
  EXPECT_TRUE(rt->run(converse).ok());
}

TEST_P(HostSetUpTest, AHostIsToldOfARequestThatTheKernelWouldNotTakeAtOnce) {
  for (const int error : errors) {
    std::unique_ptr<runtime> rt = make();
    ASSERT_TRUE(rt->run(converse).ok());
    auto both = *unix_stream::pair();
    join_handle<absl::Status> reading = rt->spawn(
        [](unix_stream& on) -> task<absl::Status> {
          std::array<std::byte, 1> one;
          co_return co_await on.read_exactly(one);
        },
        std::ref(both.first));
    refused_calls::plan(1, error);
    EXPECT_EQ(rt->poll(), 1u);
    EXPECT_EQ(refused_calls::failed(), 1);
    ASSERT_EQ(::write(both.second.fd(), "x", 1), 1);
    while (!reading.done()) {
      pollfd host{rt->wake_fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&host, 1, 5000), 1) << words(error) << ": the host waits for ever";
      rt->poll();
    }
    EXPECT_TRUE(reading.get().ok());
  }
}

TEST_P(HostSetUpTest, ARuntimeThatIsRefusedLeavesNothingBehind) {
  const std::ptrdiff_t before = test::open_descriptors();
  options opts;
  opts.processors = 0;
  for (const int error : errors)
    for (int64_t n = 1;; ++n) {
      refused_calls::plan(n, error);
      {
        absl::StatusOr<std::unique_ptr<runtime>> rt = runtime::create(opts);
        if (refused_calls::failed() == 0) {
          EXPECT_TRUE(rt.ok()) << rt.status();
          break;
        }
        EXPECT_EQ(rt.status().code(), absl::StatusCode::kResourceExhausted) << rt.status();
        EXPECT_THAT(rt.status().message(), HasSubstr(test::step_name(refused_calls::last_failed())));
      }
      EXPECT_EQ(test::open_descriptors(), before) << error << ", " << n;
    }
}

}  // namespace
}  // namespace weft
