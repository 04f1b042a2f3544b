// Peers that misbehave, connections that come and go, and stops in the middle of it all.
#include <array>
#include <atomic>
#include <string>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "base/fast_random.h"
#include "support/descriptors.h"
#include "support/io_test.h"
#include "support/seed.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

constexpr int rounds = WEFT_TSAN || WEFT_ASAN ? 2'000 : 20'000;

class PeersTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, PeersTest, test::back_ends_and_processors(), test::io_test_name);

// The next close sends a reset.
void reset_on_close(const tcp_stream& s) {
  const ::linger none{1, 0};
  ASSERT_EQ(::setsockopt(s.fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
}

struct connection {
  tcp_stream ours, peers;
};

task<connection> connect(tcp_listener& l) {
  join_handle<absl::StatusOr<tcp_stream>> accepting =
      spawn([](tcp_listener& on) -> task<absl::StatusOr<tcp_stream>> { co_return co_await on.accept(); }, std::ref(l));
  absl::StatusOr<tcp_stream> peer = co_await tcp_stream::connect(l.local_address());
  absl::StatusOr<tcp_stream> ours = co_await accepting;
  co_return connection{*std::move(ours), *std::move(peer)};
}

TEST_P(PeersTest, AResetEndsReadsAndWritesWithItsReason) {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  run([&]() -> task<> {
    connection c = co_await connect(*l);
    join_handle<absl::Status> reading = spawn(
        [](tcp_stream& on) -> task<absl::Status> {
          std::array<std::byte, 8> buffer;
          absl::StatusOr<std::size_t> n = co_await on.read_some(buffer);
          co_return n.status();
        },
        std::ref(c.ours));
    for (int i = 0; i < 5; ++i) co_await yield();
    reset_on_close(c.peers);
    c.peers.close();
    const absl::Status read = co_await reading;
    EXPECT_NE(read.message().find("Connection reset by peer"), std::string::npos) << read;
    const absl::Status written = co_await c.ours.write_all("x");
    EXPECT_NE(written.message().find("Broken pipe"), std::string::npos) << written;
  });
}

TEST_P(PeersTest, AWriterThatAStallingPeerHoldsUpIsFreedByItsDeadlineAStopOrAClose) {
  run([]() -> task<> {
    const auto write_much = [](unix_stream* to) -> task<absl::Status> {
      std::vector<std::byte> much(1 << 22);
      co_return co_await to->write_all(much);
    };
    auto first = unix_stream::pair();
    EXPECT_EQ((co_await within(5ms, write_much, &first->first)).code(), absl::StatusCode::kDeadlineExceeded);
    auto second = unix_stream::pair();
    join_handle<absl::Status> stopped = spawn(write_much, &second->first);
    auto third = unix_stream::pair();
    join_handle<absl::Status> closed = spawn(write_much, &third->first);
    for (int i = 0; i < 20; ++i) co_await yield();
    stopped.request_stop();
    third->first.close();
    EXPECT_EQ((co_await stopped).code(), absl::StatusCode::kCancelled);
    EXPECT_EQ((co_await closed).code(), absl::StatusCode::kFailedPrecondition);
  });
}

TEST_P(PeersTest, ATricklingPeerIsReadAsAWhole) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    join_handle<void> trickling = spawn(
        [](unix_stream& to) -> task<> {
          for (int i = 0; i < 100; ++i) {
            const absl::Status s = co_await to.write_all("x");
            EXPECT_TRUE(s.ok());
            co_await yield();
          }
          to.close();
        },
        std::ref(both->second));
    std::array<std::byte, 99> buffer;
    EXPECT_TRUE((co_await both->first.read_exactly(buffer)).ok());
    EXPECT_EQ((co_await both->first.read_exactly(buffer)).code(), absl::StatusCode::kOutOfRange);
    co_await trickling;
  });
}

TEST_P(PeersTest, GarbageIsRefusedByTheReadersLimit) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    join_handle<void> sending = spawn(
        [](unix_stream& to) -> task<> {
          const std::vector<std::byte> garbage(100'000, std::byte{0xff});
          (void)co_await to.write_all(garbage);
        },
        std::ref(both->second));
    buffered_reader reader(both->first, 1024);
    EXPECT_EQ((co_await reader.read_until('\n')).status().code(), absl::StatusCode::kResourceExhausted);
    both->first.close();
    co_await sending;
  });
}

TEST_P(PeersTest, ManyConnectionsComeAndGoAndLeaveNoDescriptor) {
  const std::ptrdiff_t before = test::open_descriptors();
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  std::atomic<int> served{0};
  run([&]() -> task<> {
    join_handle<void> server = spawn(
        [](tcp_listener& on, std::atomic<int>& count) -> task<> {
          for (;;) {
            absl::StatusOr<tcp_stream> s = co_await on.accept();
            if (!s.ok()) co_return;
            std::array<std::byte, 8> buffer;
            absl::StatusOr<std::size_t> n = co_await s->read_some(buffer);
            if (n.ok()) ++count;
          }
        },
        std::ref(*l), std::ref(served));
    std::vector<join_handle<void>> clients;
    for (int c = 0; c < 4; ++c)
      clients.push_back(spawn(
          [](socket_address to, int times) -> task<> {
            for (int i = 0; i < times; ++i) {
              absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(to);
              EXPECT_TRUE(s.ok()) << s.status();
              if (!s.ok()) co_return;
              const absl::Status w = co_await s->write_all("x");
              EXPECT_TRUE(w.ok()) << w;
              // Every other one waits for the end; the rest resets, which no port has to be remembered for.
              std::array<std::byte, 1> end;
              if (i % 2 == 0) (void)co_await s->read_some(end);
              reset_on_close(*s);
            }
          },
          l->local_address(), rounds / 40));
    for (join_handle<void>& c : clients) co_await c;
    server.request_stop();
    co_await server;
  });
  EXPECT_GE(served, rounds / 20);
  l->close();
  // The rings stay open until the runtime ends.
  EXPECT_LE(test::open_descriptors() - before, 3 * (rt().processors() + 1));
}

TEST_P(PeersTest, DescriptorsAreOpenedAndClosedAgainAndAgain) {
  run([this]() -> task<> {
    const std::ptrdiff_t before = test::open_descriptors();
    for (int i = 0; i < rounds / 2; ++i) {
      auto both = unix_stream::pair();
      std::array<std::byte, 2> buffer;
      const absl::Status w = co_await both->first.write_all("x");
      EXPECT_TRUE(w.ok());
      absl::StatusOr<std::size_t> n = co_await both->second.read_some(buffer);
      EXPECT_EQ(n.value_or(0), 1u);
    }
    // The task may have been on every processor, and their rings stay open.
    EXPECT_LE(test::open_descriptors() - before, 3 * (rt().processors() + 1));
  });
}

TEST_P(PeersTest, BytesAreConservedWhileReadersAreStoppedAtRandom) {
  std::atomic<std::size_t> received{0};
  constexpr std::size_t pairs = 8, bytes = 2'000;
  run([&]() -> task<> {
    const auto converse = [](std::size_t number, std::atomic<std::size_t>& all) -> task<> {
      base::fast_random random(test::seed_or(1) + number);
      auto both = unix_stream::pair();
      join_handle<void> writing = spawn(
          [](unix_stream& to) -> task<> {
            for (std::size_t i = 0; i < bytes; ++i) {
              const absl::Status s = co_await to.write_all("x");
              EXPECT_TRUE(s.ok()) << s;
              if (i % 7 == 0) co_await yield();
            }
            to.close();
          },
          std::ref(both->second));
      for (bool end = false; !end;) {
        join_handle<bool> reading = spawn(
            [](unix_stream& on, std::atomic<std::size_t>& count, uint32_t how) -> task<bool> {
              std::array<std::byte, 16> buffer;
              for (;;) {
                absl::StatusOr<std::size_t> n(0);
                if (how == 0)
                  n = co_await on.read_some(buffer);
                else if (how == 1)
                  n = co_await within(20us, on.read_some(buffer));
                else
                  n = co_await within(1h, on.read_some(buffer));
                if (!n.ok()) co_return false;
                if (*n == 0) co_return true;
                count += *n;
              }
            },
            std::ref(both->first), std::ref(all), random.below(3));
        for (uint32_t i = random.below(8); i > 0; --i) co_await yield();
        reading.request_stop();
        end = co_await reading;
      }
      co_await writing;
    };
    std::vector<join_handle<void>> all;
    for (std::size_t i = 0; i < pairs; ++i) all.push_back(spawn(converse, i, std::ref(received)));
    for (join_handle<void>& h : all) co_await h;
  });
  EXPECT_EQ(received, pairs * bytes);
}

TEST_P(PeersTest, APlainThreadClosesUnderReaders) {
  for (int round = 0; round < 20; ++round) {
    auto both = unix_stream::pair();
    std::vector<join_handle<absl::StatusCode>> reading;
    for (int i = 0; i < 3; ++i)
      reading.push_back(rt().spawn(
          [](unix_stream& on, int how) -> task<absl::StatusCode> {
            std::array<std::byte, 8> buffer;
            absl::StatusOr<std::size_t> n(0);
            do {
              if (how == 0)
                n = co_await on.read_some(buffer);
              else
                n = co_await within(1h, on.read_some(buffer));
            } while (n.ok());
            co_return n.status().code();
          },
          std::ref(both->first), i));
    if (round % 2 == 0 && rt().wake_fd() >= 0) test::settle(rt());
    both->first.close();
    for (join_handle<absl::StatusCode>& h : reading) EXPECT_EQ(h.get(), absl::StatusCode::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace weft
