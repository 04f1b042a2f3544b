// Operations with a deadline. Time is the test's own.
#include <weft/within.h>

#include <array>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include "support/io_test.h"
#include "support/manual_clock.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::settle;

class WithinTest : public ::testing::TestWithParam<io_backend> {
 protected:
  runtime& rt() noexcept { return *rt_; }
  void pass(std::chrono::milliseconds time) {
    clock_.advance(std::chrono::nanoseconds(time).count());
    settle(rt());
  }

  join_handle<absl::Status> read_within(std::chrono::milliseconds limit) {
    return rt().spawn(
        [](unix_stream& on, std::chrono::milliseconds time) -> task<absl::Status> {
          std::array<std::byte, 8> buffer;
          absl::StatusOr<std::size_t> n = co_await within(time, on.read_some(buffer));
          co_return n.status();
        },
        std::ref(both_.first), limit);
  }

  test::manual_clock clock_;
  std::unique_ptr<runtime> rt_ = [this] {
    options opts;
    opts.processors = 0;
    opts.io = GetParam();
    os::seams seams = test::seeded_seams();
    seams.time = &clock_;
    return *runtime_access::create(opts, seams, detail::drive::host);
  }();
  std::pair<unix_stream, unix_stream> both_ = *unix_stream::pair();
};
INSTANTIATE_TEST_SUITE_P(On, WithinTest, ::testing::Values(io_backend::uring, io_backend::epoll),
                         [](const auto& made) { return made.param == io_backend::uring ? "Uring" : "Epoll"; });

TEST_P(WithinTest, ADeadlineEndsAReadAndLosesNothing) {
  join_handle<absl::Status> reading = read_within(100ms);
  settle(rt());
  pass(99ms);
  EXPECT_EQ(rt().tasks().size(), 1u);
  pass(1ms);
  EXPECT_EQ(reading.get(), absl::DeadlineExceededError("not done within 100 ms"));
  ASSERT_EQ(::write(both_.second.fd(), "x", 1), 1);
  EXPECT_TRUE(read_within(0ms).get().ok());
}

TEST_P(WithinTest, WhatComesInTimeIsRead) {
  join_handle<absl::Status> reading = read_within(100ms);
  settle(rt());
  pass(99ms);
  ASSERT_EQ(::write(both_.second.fd(), "x", 1), 1);
  EXPECT_TRUE(reading.get().ok());
  pass(10ms);
}

TEST_P(WithinTest, WithoutTimeOnlyWhatIsThereIsTaken) {
  EXPECT_EQ(read_within(0ms).get().code(), absl::StatusCode::kDeadlineExceeded);
  ASSERT_EQ(::write(both_.second.fd(), "x", 1), 1);
  EXPECT_TRUE(read_within(-1ms).get().ok());
}

TEST_P(WithinTest, AStopAndACloseEndItBeforeItsTime) {
  join_handle<absl::Status> reading = read_within(100ms);
  settle(rt());
  reading.request_stop();
  EXPECT_EQ(reading.get().code(), absl::StatusCode::kCancelled);
  join_handle<absl::Status> another = read_within(100ms);
  settle(rt());
  both_.first.close();
  EXPECT_EQ(another.get().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(WithinTest, AWholeCallIsStoppedWhenItsTimeIsOver) {
  const auto read_all = [](unix_stream* on) -> task<absl::Status> {
    std::array<std::byte, 4> buffer;
    co_return co_await on->read_exactly(buffer);
  };
  join_handle<absl::Status> reading =
      rt().spawn([read_all](unix_stream* on) -> task<absl::Status> { co_return co_await within(100ms, read_all, on); },
                 &both_.first);
  settle(rt());
  ASSERT_EQ(::write(both_.second.fd(), "abc", 3), 3);
  settle(rt());
  pass(100ms);
  EXPECT_EQ(reading.get(), absl::DeadlineExceededError("not done within 100 ms"));
  EXPECT_TRUE(rt().tasks().empty());
}

TEST_P(WithinTest, AConnectHasADeadline) {
  // Nobody accepts, and the queue is full: the connect waits.
  const std::string name = "@weft-within-test-" + std::to_string(::getpid());
  absl::StatusOr<unix_listener> l = unix_listener::bind(*socket_address::local(name));
  ASSERT_TRUE(l.ok());
  ASSERT_EQ(::listen(l->fd(), 0), 0);
  const auto connect = [](socket_address to) -> task<absl::Status> {
    absl::StatusOr<unix_stream> s = co_await within(1s, &unix_stream::connect, to);
    co_return s.status();
  };
  EXPECT_TRUE(rt().run(connect, l->local_address()).ok());
  join_handle<absl::Status> connecting = rt().spawn(connect, l->local_address());
  settle(rt());
  for (int i = 0; i < 200 && !rt().tasks().empty(); ++i) pass(10ms);
  EXPECT_EQ(connecting.get().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_P(WithinTest, AStopOfTheCallerReachesTheCall) {
  join_handle<absl::Status> reading = rt().spawn(
      [](unix_stream* on) -> task<absl::Status> {
        const auto read_all = [](unix_stream* from) -> task<absl::Status> {
          std::array<std::byte, 4> buffer;
          co_return co_await from->read_exactly(buffer);
        };
        co_return co_await within(100ms, read_all, on);
      },
      &both_.first);
  settle(rt());
  reading.request_stop();
  EXPECT_EQ(reading.get().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(rt().tasks().empty());
}

}  // namespace
}  // namespace weft
