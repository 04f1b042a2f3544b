// What meets what inside the engine: stops, closes, retries, arms of selects, and the end of a runtime.
//
// The first part hands the completions in by itself (scripted_port.h), so that each test is one interleaving. The
// second is about what the real back ends tell a host.
#include <array>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/io_test.h"
#include "support/scripted_port.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::settle;

class EngineTest : public ::testing::Test {
 protected:
  static std::unique_ptr<runtime> make(os::system& sys) {
    options opts;
    opts.processors = 0;
    os::seams seams = test::seeded_seams();
    seams.sys = &sys;
    return *runtime_access::create(opts, seams, detail::drive::host);
  }

  runtime& rt() noexcept { return *rt_; }
  test::scripted_port& port() noexcept { return sys_.port(); }

  /// A task that reads from a pair's first end.
  join_handle<absl::Status> read() {
    return rt().spawn(
        [](unix_stream& on) -> task<absl::Status> {
          std::array<std::byte, 8> buffer;
          co_return (co_await on.read_some(buffer)).status();
        },
        std::ref(both_.first));
  }

  test::scripted_system sys_;
  std::unique_ptr<runtime> rt_ = make(sys_);
  std::pair<unix_stream, unix_stream> both_ = *unix_stream::pair();
};

bool is_readable(int fd) {
  ::pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

TEST_F(EngineTest, AStopThatComesBesideTheEndOfARetrysPollEndsTheOperation) {
  join_handle<absl::Status> reading = read();
  settle(rt());
  port().complete(port().only().tag, -EAGAIN);
  settle(rt());
  ASSERT_EQ(port().only().request.op, detail::io_op::poll);
  // The poll is over before its cancellation is handed over, so the cancellation meets nothing.
  port().complete(port().only().tag, POLLIN);
  reading.request_stop();
  settle(rt());
  EXPECT_TRUE(port().begun().empty());
  EXPECT_EQ(reading.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTest, ACloseWhileTheFirstArmsRingIsMadeEndsTheSelect) {
  sys_.meanwhile = [this] { both_.first.close(); };
  join_handle<absl::Status> selecting = rt().spawn(
      [](unix_stream& on) -> task<absl::Status> {
        std::array<std::byte, 8> buffer;
        auto r = co_await select(on.read_some(buffer), sleep_for(1h));
        co_return r&& r.index() == 0 ? r.get<0>().status() : absl::UnknownError("not ended by the close");
      },
      std::ref(both_.first));
  settle(rt());
  EXPECT_TRUE(port().begun().empty());
  selecting.request_stop();
  settle(rt());
  EXPECT_EQ(selecting.get().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, WhatIsBegunAgainIsHandedOverBeforeTheHostSleeps) {
  join_handle<absl::Status> reading = read();
  settle(rt());
  port().complete(port().only().tag, -EAGAIN);
  EXPECT_EQ(rt().poll(), 0u);
  EXPECT_EQ(port().only().request.op, detail::io_op::poll);
  port().complete(port().only().tag, POLLIN);
  EXPECT_EQ(rt().poll(), 0u);
  EXPECT_EQ(port().only().request.op, detail::io_op::receive);
  port().complete(port().only().tag, -EINTR);
  EXPECT_EQ(rt().poll(), 0u);
  port().complete(port().only().tag, 1);
  EXPECT_TRUE(reading.get().ok());
}

TEST_F(EngineTest, AnOperationThatNobodyCancelledIsBegunAgain) {
  // So the kernel ends what a thread began that has ended itself.
  join_handle<absl::Status> reading = read();
  settle(rt());
  port().complete(port().only().tag, -ECANCELED);
  settle(rt());
  port().complete(port().only().tag, 1);
  EXPECT_TRUE(reading.get().ok());
}

TEST_F(EngineTest, OfThoseThatCameTogetherWhoHasSentGoesOnLast) {
  std::vector<int> order;
  const auto send = [](unix_stream& on, int who, std::vector<int>& went_on) -> task<> {
    EXPECT_TRUE((co_await on.write_some(bytes_of("x"))).ok());
    went_on.push_back(who);
  };
  const auto receive = [](unix_stream& on, int who, std::vector<int>& went_on) -> task<> {
    std::array<std::byte, 8> buffer;
    EXPECT_TRUE((co_await on.read_some(buffer)).ok());
    went_on.push_back(who);
  };
  std::vector<join_handle<void>> all;
  all.push_back(rt().spawn(send, std::ref(both_.first), 1, std::ref(order)));
  all.push_back(rt().spawn(receive, std::ref(both_.first), 2, std::ref(order)));
  all.push_back(rt().spawn(send, std::ref(both_.second), 3, std::ref(order)));
  all.push_back(rt().spawn(receive, std::ref(both_.second), 4, std::ref(order)));
  settle(rt());
  const std::vector<test::scripted_port::entry> begun = port().begun();
  ASSERT_EQ(begun.size(), 4u);
  std::vector<bool> sends;
  for (const auto& one : begun) {
    sends.push_back(one.request.op == detail::io_op::send);
    port().complete(one.tag, 1);
  }
  ASSERT_EQ(sends, (std::vector<bool>{true, false, true, false}));
  for (auto& one : all) one.get();
  EXPECT_EQ(order, (std::vector<int>{2, 4, 1, 3}));
}

TEST_F(EngineTest, AnArmThatNobodyCancelledGoesOnWaiting) {
  join_handle<std::size_t> waiting = rt().spawn(
      [](unix_stream& on) -> task<std::size_t> {
        std::array<std::byte, 8> buffer;
        auto r = co_await select(on.read_some(buffer), sleep_for(1h));
        co_return r.index() == 0 && r.get<0>().ok() ? *r.get<0>() : 99;
      },
      std::ref(both_.first));
  settle(rt());
  port().complete(port().only().tag, -ECANCELED);
  settle(rt());
  ASSERT_EQ(::write(both_.second.fd(), "abc", 3), 3);
  port().complete(port().only().tag, POLLIN);
  EXPECT_EQ(waiting.get(), 3u);
}

TEST_F(EngineTest, ASelectIsNotWonByWhatIsGoneAlready) {
  join_handle<std::size_t> waiting = rt().spawn(
      [](unix_stream& on) -> task<std::size_t> {
        std::array<std::byte, 8> buffer;
        auto r = co_await select(on.read_some(buffer), sleep_for(1h));
        co_return r.index() == 0 && r.get<0>().ok() ? *r.get<0>() : 99;
      },
      std::ref(both_.first));
  settle(rt());
  port().complete(port().only().tag, POLLIN);  // but somebody else has taken it
  settle(rt());
  ASSERT_EQ(::write(both_.second.fd(), "abc", 3), 3);
  port().complete(port().only().tag, POLLIN);
  EXPECT_EQ(waiting.get(), 3u);
}

TEST_F(EngineTest, AStopIsHandedOverOnceAndTheResultThatCameMeanwhileCounts) {
  join_handle<absl::Status> reading = read();
  settle(rt());
  reading.request_stop();
  reading.request_stop();
  settle(rt());
  EXPECT_TRUE(port().only().cancelled);
  EXPECT_EQ(test::tasks_in_state(rt(), "IO wait"), 1u);  // the kernel may still write to the buffer
  port().complete(port().only().tag, 5);
  EXPECT_TRUE(reading.get().ok());
}

TEST_F(EngineTest, AStopThatComesInAFlushIsHandedOverInThatTurn) {
  // The flush may have taken the wake that came with it, so that nobody would come here again.
  join_handle<absl::Status> reading = read();
  settle(rt());
  port().meanwhile = [&] { reading.request_stop(); };
  rt().poll();
  EXPECT_TRUE(port().only().cancelled);
  port().complete(port().only().tag, -ECANCELED);
  EXPECT_EQ(reading.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTest, ACloseBesideAStopAsksOnce) {
  join_handle<absl::Status> reading = read();
  settle(rt());
  reading.request_stop();
  both_.first.close();
  settle(rt());
  EXPECT_TRUE(port().only().cancelled);
  port().complete(port().only().tag, -ECANCELED);
  EXPECT_EQ(reading.get().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, TheKernelIsDoneWithAllOperationsBeforeStragglersAreDestroyed) {
  // In the straggler's frame, beside the buffer.
  struct witness {
    test::scripted_port** port;
    std::size_t* under_way;
    ~witness() { *under_way = (*port)->begun().size(); }
  };
  test::scripted_port* made = nullptr;
  std::size_t under_way = 99;
  join_handle<void> h = rt().spawn(
      [](unix_stream& on, test::scripted_port** p, std::size_t* n) -> task<> {
        const detail::stop_shield shield;
        const witness w{p, n};
        std::array<std::byte, 8> buffer;
        (void)co_await on.read_some(buffer);
      },
      std::ref(both_.first), &made, &under_way);
  settle(rt());
  made = &port();
  EXPECT_EQ(port().begun().size(), 1u);
  EXPECT_EQ(rt().shutdown(1ms).stragglers.size(), 1u);
  EXPECT_EQ(under_way, 0u);
}

TEST_F(EngineTest, AStragglersSelectLeavesNothingBehind) {
  // The arm's poll ends before the select's frame is destroyed, which then must not look at it.
  join_handle<void> h = rt().spawn(
      [](unix_stream& on) -> task<> {
        const detail::stop_shield shield;
        std::array<std::byte, 8> buffer;
        (void)co_await select(on.read_some(buffer), sleep_for(1h));
      },
      std::ref(both_.first));
  settle(rt());
  EXPECT_EQ(rt().shutdown(1ms).stragglers.size(), 1u);
}

TEST_F(EngineTest, AConnectionThatNobodyTookAtTheEndIsClosed) {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  const int accepted = ::dup(0);
  join_handle<void> h = rt().spawn(
      [](tcp_listener& on) -> task<> {
        const detail::stop_shield shield;
        (void)co_await on.accept();
      },
      std::ref(*l));
  settle(rt());
  port().ends_as = accepted;  // it came just when everything is cancelled
  EXPECT_EQ(rt().shutdown(1ms).stragglers.size(), 1u);
  EXPECT_EQ(::close(accepted), -1);
}

TEST_F(EngineTest, ADescriptorMayDieBeforeTheStragglerThatWaitsForIt) {
  // The younger task, which is destroyed first, owns what the older one reads from.
  join_handle<void> reader = rt().spawn([]() -> task<> {
    const detail::stop_shield shield;
    unix_stream* on = nullptr;
    channel<unix_stream*> handed(1);
    join_handle<void> owner = spawn(
        [](channel<unix_stream*> to) -> task<> {
          const detail::stop_shield inner;
          auto both = unix_stream::pair();
          (void)co_await to.send(&both->first);
          (void)co_await sleep_for(1h);
        },
        handed);
    if (auto got = co_await handed.receive()) on = *got;
    std::array<std::byte, 8> buffer;
    (void)co_await on->read_some(buffer);
  });
  settle(rt());
  EXPECT_EQ(rt().shutdown(1ms).stragglers.size(), 2u);
}

TEST_F(EngineTest, AnArmDoesNotTouchADescriptorThatWasClosedMeanwhile) {
  std::array<std::byte, 8> buffer;
  auto reading = both_.first.read_some(buffer);
  const int number = both_.first.fd();
  both_.first.close();
  // The number is somebody else's now.
  std::array<int, 2> other{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, other.data()), 0);
  ASSERT_EQ(other[0], number);
  ASSERT_EQ(::write(other[1], "abc", 3), 3);
  auto r = try_select(reading);
  ASSERT_TRUE(r);
  EXPECT_EQ(r.get<0>().status().code(), absl::StatusCode::kFailedPrecondition);
  for (const int fd : other) ::close(fd);
}

TEST_F(EngineTest, APlainThreadTriesASelectOfDescriptors) {
  std::array<std::byte, 8> buffer;
  EXPECT_FALSE(try_select(both_.first.read_some(buffer)));
  ASSERT_EQ(::write(both_.second.fd(), "abc", 3), 3);
  auto r = try_select(both_.first.read_some(buffer));
  ASSERT_TRUE(r);
  EXPECT_EQ(*r.get<0>(), 3u);
}

TEST_F(EngineTest, AConnectThatIsBegunAgainFindsWhatTheFirstTimeCameTo) {
  join_handle<absl::Status> connecting = rt().spawn([]() -> task<absl::Status> {
    absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(socket_address::loopback(1));
    co_return s.status();
  });
  for (const int32_t result : {-EINTR, -EALREADY, POLLOUT, -EISCONN}) {
    settle(rt());
    port().complete(port().only().tag, result);
  }
  EXPECT_TRUE(connecting.get().ok());
}

TEST_F(EngineTest, AnAcceptedConnectionThatIsGoneIsNoError) {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  join_handle<absl::Status> accepting = rt().spawn(
      [](tcp_listener& on) -> task<absl::Status> { co_return (co_await on.accept()).status(); }, std::ref(*l));
  settle(rt());
  port().complete(port().only().tag, -ECONNABORTED);
  settle(rt());
  port().complete(port().only().tag, ::dup(0));
  EXPECT_TRUE(accepting.get().ok());
}

TEST(EngineDeathTest, ADescriptorThatIsDestroyedUnderAnOperationAborts) {
  // With one processor, so that the reader has parked when its turn is over.
  EXPECT_DEATH(test::make_runtime(1)->run([]() -> task<> {
    auto both = unix_stream::pair();
    auto* on = new unix_stream(std::move(both->first));
    join_handle<void> h = spawn(
        [](unix_stream& from) -> task<> {
          std::array<std::byte, 8> buffer;
          (void)co_await from.read_some(buffer);
        },
        std::ref(*on));
    co_await yield();
    co_await yield();
    delete on;
  }),
               "a descriptor was destroyed while an operation is under way on it");
}

// --- the real back ends, driven by a host ----------------------------------------------------------------------------

class HostedEngineTest : public ::testing::TestWithParam<io_backend> {
 protected:
  static std::unique_ptr<runtime> make() {
    options opts;
    opts.processors = 0;
    opts.io = GetParam();
    return test::make_runtime(opts);
  }
  runtime& rt() noexcept { return *rt_; }

  /// A host that polls only when its descriptor says so, until the condition holds.
  template <class Condition>
  void host_until(Condition condition) {
    settle(rt());
    while (!condition()) {
      ::pollfd one{rt().wake_fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&one, 1, 10'000), 1) << "the host was not told";
      rt().poll();
    }
  }

  std::unique_ptr<runtime> rt_ = make();
};
INSTANTIATE_TEST_SUITE_P(On, HostedEngineTest, ::testing::Values(io_backend::uring, io_backend::epoll),
                         [](const auto& made) { return made.param == io_backend::uring ? "Uring" : "Epoll"; });

TEST_P(HostedEngineTest, AReaderOfAPipeIsToldThroughTheHostsDescriptor) {
  absl::StatusOr<pipe_ends> p = make_pipe();
  std::size_t got = 0;
  join_handle<void> reading = rt().spawn(
      [](pipe_reader& from, std::size_t& n) -> task<> {
        std::array<std::byte, 8> buffer;
        for (int i = 0; i < 3; ++i) n += *(co_await from.read_some(buffer));
      },
      std::ref(p->reader), std::ref(got));
  for (std::size_t i = 0; i < 3; ++i) {
    host_until([&] { return got == i; });
    ASSERT_EQ(::write(p->writer.fd(), "x", 1), 1);
  }
  host_until([&] { return got == 3; });
}

TEST_P(HostedEngineTest, AWakeThatCameLateDoesNotKeepTheHostAwake) {
  auto both = unix_stream::pair();
  rt().run(
      [](unix_stream& a, unix_stream& b) -> task<> {
        std::array<std::byte, 8> buffer;
        EXPECT_TRUE((co_await a.write_all("x")).ok());
        (void)co_await b.read_some(buffer);
      },
      std::ref(both->first), std::ref(both->second));
  runtime_access::sched(rt()).processors()[0]->io.load()->wake();
  for (int i = 0; i < 3; ++i) rt().poll();
  EXPECT_FALSE(is_readable(rt().wake_fd()));
}

TEST_P(HostedEngineTest, AWriterWhosePeerHasClosedItsEndDoesNotKeepTheHostAwake) {
  auto both = unix_stream::pair();
  bool ended = false;
  join_handle<void> writing = rt().spawn(
      [](unix_stream& to, bool& done) -> task<> {
        std::vector<std::byte> much(1 << 20);
        EXPECT_TRUE((co_await to.write_all(much)).ok());
        done = true;
      },
      std::ref(both->first), std::ref(ended));
  settle(rt());
  ASSERT_EQ(::shutdown(both->second.fd(), SHUT_WR), 0);
  for (int i = 0; i < 10; ++i) rt().poll();
  EXPECT_FALSE(is_readable(rt().wake_fd()));
  // It goes on when there is room.
  std::thread reader([fd = both->second.fd()] {
    std::vector<char> buffer(1 << 16);
    for (std::size_t all = 0; all < (1 << 20);) {
      ::pollfd one{fd, POLLIN, 0};
      (void)::poll(&one, 1, -1);
      const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0) break;
      all += static_cast<std::size_t>(n);
    }
  });
  host_until([&] { return ended; });
  reader.join();
}

TEST_P(HostedEngineTest, WhatOneThreadBeganGoesOnWhenItHasEnded) {
  auto both = unix_stream::pair();
  join_handle<absl::StatusOr<std::size_t>> reading = rt().spawn(
      [](unix_stream& on) -> task<absl::StatusOr<std::size_t>> {
        std::array<std::byte, 8> buffer;
        co_return co_await on.read_some(buffer);
      },
      std::ref(both->first));
  std::thread([&] { settle(rt()); }).join();
  for (int i = 0; i < 3; ++i) rt().poll();
  ASSERT_EQ(::write(both->second.fd(), "abc", 3), 3);
  const absl::StatusOr<std::size_t> n = reading.get();
  EXPECT_EQ(n.value_or(0), 3u) << n.status();
}

TEST_P(HostedEngineTest, NothingIsWrittenToABufferAfterShutdown) {
  auto both = unix_stream::pair();
  std::array<std::byte, 8> buffer{};
  join_handle<void> h = rt().spawn(
      [](unix_stream& on, std::span<std::byte> to) -> task<> {
        const detail::stop_shield shield;
        (void)co_await on.read_some(to);
      },
      std::ref(both->first), std::span(buffer));
  settle(rt());
  EXPECT_EQ(rt().shutdown(1ms).stragglers.size(), 1u);
  ASSERT_EQ(::write(both->second.fd(), "abc", 3), 3);
  for (int i = 0; i < 100; ++i) (void)is_readable(both->first.fd());
  EXPECT_EQ(buffer[0], std::byte{0});
}

TEST_P(HostedEngineTest, ALocalConnectWaitsForRoomInTheListenersQueueWithoutComputing) {
  const std::string name = "@weft-engine-test-" + std::to_string(::getpid());
  absl::StatusOr<unix_listener> l = unix_listener::bind(*socket_address::local(name));
  ASSERT_TRUE(l.ok());
  ASSERT_EQ(::listen(l->fd(), 0), 0);
  std::vector<join_handle<absl::Status>> connecting;
  for (int i = 0; i < 4; ++i)
    connecting.push_back(rt().spawn(
        [](socket_address to) -> task<absl::Status> {
          absl::StatusOr<unix_stream> s = co_await unix_stream::connect(to);
          co_return s.status();
        },
        l->local_address()));
  settle(rt());
  EXPECT_GE(test::tasks_in_state(rt(), "IO wait") + test::tasks_in_state(rt(), "sleep"), 2u);
  join_handle<void> accepting = rt().spawn(
      [](unix_listener& on) -> task<> {
        for (int i = 0; i < 4; ++i) {
          absl::StatusOr<unix_stream> s = co_await on.accept();
          EXPECT_TRUE(s.ok());
        }
      },
      std::ref(*l));
  accepting.get();
  for (join_handle<absl::Status>& h : connecting) {
    const absl::Status s = h.get();
    EXPECT_TRUE(s.ok()) << s;
  }
}

TEST_P(HostedEngineTest, TwoSelectsShareAListener) {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  std::vector<join_handle<int>> accepting;
  for (int i = 0; i < 2; ++i)
    accepting.push_back(rt().spawn(
        [](tcp_listener& on) -> task<int> {
          auto r = co_await select(on.accept(), sleep_for(1h));
          co_return r.index() == 0 && r.get<0>().ok() ? 1 : 99;
        },
        std::ref(*l)));
  settle(rt());
  const auto connect = [](socket_address to) -> task<bool> { co_return (co_await tcp_stream::connect(to)).ok(); };
  EXPECT_TRUE(rt().run(connect, l->local_address()));
  settle(rt());
  EXPECT_EQ(rt().tasks().size(), 1u);  // one of them waits on
  EXPECT_TRUE(rt().run(connect, l->local_address()));
  for (join_handle<int>& h : accepting) EXPECT_EQ(h.get(), 1);
}

}  // namespace
}  // namespace weft
