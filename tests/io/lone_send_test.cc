// Sends by a task that a completion has woken alone: they are done at once, by a plain call.
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "io/figures.h"
#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;

class LoneSendTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, LoneSendTest, test::back_ends_and_processors(), test::io_test_name);

/// What its test writes without the runtime, so that the task that reads it is woken by a completion.
struct outside {
  explicit outside(unix_stream s) : fd(s.release()) {}
  ~outside() { ::close(fd); }
  outside(const outside&) = delete;
  outside& operator=(const outside&) = delete;
  void write(std::string_view text) const {
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  const int fd;
};

/// Of the sends that went through the ring, or epoll.
uint64_t sends_begun(runtime& rt) {
  const detail::io_figures figures = detail::io_figures_of(runtime_access::sched(rt));
  return figures.kinds[static_cast<std::size_t>(detail::io_op::send)].begun;
}

task<> wait_for_byte(unix_stream& s) {
  std::array<std::byte, 1> byte;
  absl::StatusOr<std::size_t> n = co_await s.read_some(byte);
  EXPECT_TRUE(n.ok() && *n == 1) << n.status();
}

TEST_P(LoneSendTest, RepliesToASingleClientDoNotGoThroughTheRing) {
  constexpr int rounds = 1000;
  run([]() -> task<> {
    auto both = unix_stream::pair();
    EXPECT_TRUE(both.ok());
    const int client_end = both->second.fd();
    EXPECT_EQ(::fcntl(client_end, F_SETFL, 0), 0);  // so that its thread waits
    std::thread client([fd = client_end] {
      for (int i = 0; i < rounds; ++i) {
        char byte = 'x';
        EXPECT_EQ(::write(fd, &byte, 1), 1);
        EXPECT_EQ(::read(fd, &byte, 1), 1);
      }
    });
    for (int i = 0; i < rounds; ++i) {
      co_await wait_for_byte(both->first);
      EXPECT_TRUE((co_await both->first.write_all("y")).ok());
    }
    client.join();
  });
  // What wakes a processor may come beside a completion, so a few may.
  EXPECT_LE(sends_begun(rt()), static_cast<uint64_t>(rounds) / 2);
}

// Each plain call is followed by a look for completions, so that what others wait for is not left lying.
TEST_P(LoneSendTest, WhoSendsWithoutEndLetsOthersRead) {
  run([]() -> task<> {
    auto first = unix_stream::pair();
    auto second = unix_stream::pair();
    const outside wakes_sender(std::move(first->second));
    const outside wakes_reader(std::move(second->second));
    std::atomic<bool> has_read{false};
    std::atomic<const detail::processor*> waits_at{nullptr};
    join_handle<void> reader = spawn(
        [](unix_stream& from, std::atomic<bool>& done, std::atomic<const detail::processor*>& at) -> task<> {
          at = detail::this_context.proc;
          co_await wait_for_byte(from);
          done = true;
        },
        std::ref(second->first), std::ref(has_read), std::ref(waits_at));
    wakes_sender.write("x");
    co_await wait_for_byte(first->first);
    wakes_reader.write("x");
    absl::StatusOr<udp_socket> socket = udp_socket::bind(socket_address::loopback(0));
    EXPECT_TRUE(socket.ok()) << socket.status();
    int sent_beside = 0;  // by the processor that has to look; another one may have to wait for a CPU first
    for (int sent = 0; sent < 100'000 && !has_read; ++sent) {
      const absl::StatusOr<std::size_t> n = co_await socket->send_to(socket->local_address(), bytes_of("datagram"));
      EXPECT_TRUE(n.ok()) << n.status();
      sent_beside += detail::this_context.proc == waits_at;
    }
    EXPECT_LT(sent_beside, 1000);
    co_await reader;
  });
}

TEST_P(LoneSendTest, WhatFindsNoPlaceWaits) {
  run([this]() -> task<> {
    auto pair = unix_stream::pair();
    auto waking = unix_stream::pair();
    const outside wakes(std::move(waking->second));
    std::size_t bytes = 0;
    const std::vector<char> filling(4096, 'f');
    for (ssize_t n; (n = ::write(pair->first.fd(), filling.data(), filling.size())) > 0;)
      bytes += static_cast<std::size_t>(n);
    EXPECT_EQ(errno, EAGAIN);
    std::atomic<bool> sent{false};
    join_handle<void> sender = spawn(
        [](unix_stream& waits, unix_stream& full, std::atomic<bool>& done) -> task<> {
          co_await wait_for_byte(waits);
          const absl::StatusOr<std::size_t> n = co_await full.write_some(bytes_of("x"));
          EXPECT_TRUE(n.ok() && *n == 1) << n.status();
          done = true;
        },
        std::ref(waking->first), std::ref(pair->first), std::ref(sent));
    wakes.write("x");
    // This task parks between its looks, so that the sender is woken alone.
    while (sends_begun(rt()) == 0 && !sent) static_cast<void>(co_await sleep_for(1ms));
    EXPECT_FALSE(sent);
    if (sent) co_return;
    std::vector<std::byte> all(bytes + 1);
    const absl::Status drained = co_await pair->second.read_exactly(all);
    EXPECT_TRUE(drained.ok()) << drained;
    EXPECT_EQ(all.back(), std::byte{'x'});
    co_await sender;
  });
}

TEST_P(LoneSendTest, AfterAStopOrACloseNothingIsSent) {
  for (const bool close : {false, true}) {
    run([close]() -> task<> {
      auto pair = unix_stream::pair();
      auto waking = unix_stream::pair();
      const outside wakes(std::move(waking->second));
      std::atomic<join_handle<absl::Status>*> own{nullptr};
      join_handle<absl::Status> sender = spawn(
          [](unix_stream& waits, unix_stream& s, std::atomic<join_handle<absl::Status>*>& handle,
             bool closes) -> task<absl::Status> {
            co_await wait_for_byte(waits);
            if (closes)
              s.close();
            else
              handle.load()->request_stop();
            co_return (co_await s.write_some(bytes_of("x"))).status();
          },
          std::ref(waking->first), std::ref(pair->first), std::ref(own), close);
      own = &sender;
      wakes.write("x");
      const absl::Status s = co_await sender;
      EXPECT_EQ(s.code(), close ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kCancelled) << s;
      pair->first.close();
      std::array<std::byte, 1> byte;
      const absl::StatusOr<std::size_t> n = co_await pair->second.read_some(byte);
      EXPECT_TRUE(n.ok() && *n == 0) << n.status();
    });
  }
}

}  // namespace
}  // namespace weft
