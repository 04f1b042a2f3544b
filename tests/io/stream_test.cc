// TCP and local connections.
#include <array>
#include <atomic>
#include <chrono>
#include <vector>

#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::text_of;

class StreamTest : public test::io_test {};
INSTANTIATE_TEST_SUITE_P(On, StreamTest, test::back_ends_and_processors(), test::io_test_name);

tcp_listener listen() {
  absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
  EXPECT_TRUE(l.ok()) << l.status();
  return *std::move(l);
}

task<> echo(tcp_stream s) {
  std::array<std::byte, 100> buffer;
  for (;;) {
    absl::StatusOr<std::size_t> n = co_await s.read_some(buffer);
    if (!n.ok() || *n == 0) co_return;
    const absl::Status written = co_await s.write_all(std::span(buffer).first(*n));
    if (!written.ok()) co_return;
  }
}

task<> serve_echo(tcp_listener& l) {
  for (;;) {
    absl::StatusOr<tcp_stream> s = co_await l.accept();
    if (!s.ok()) co_return;
    go(echo, *std::move(s));
  }
}

task<bool> talk(socket_address to, int rounds) {
  absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(to);
  if (!s.ok()) co_return false;
  for (int i = 0; i < rounds; ++i) {
    const std::string text = "message " + std::to_string(i) + std::string(static_cast<std::size_t>(i % 200), '.');
    const absl::Status written = co_await s->write_all(text);
    if (!written.ok()) co_return false;
    std::string back(text.size(), 0);
    const absl::Status read = co_await s->read_exactly(std::as_writable_bytes(std::span(back)));
    if (!read.ok() || back != text) co_return false;
  }
  co_return true;
}

TEST_P(StreamTest, ManyConnectionsGetBackWhatTheySend) {
  tcp_listener l = listen();
  EXPECT_EQ(run([&]() -> task<int> {
              join_handle<void> server = spawn(serve_echo, std::ref(l));
              std::vector<join_handle<bool>> clients;
              for (int i = 0; i < 50; ++i) clients.push_back(spawn(talk, l.local_address(), 40));
              int good = 0;
              for (join_handle<bool>& c : clients) good += co_await c ? 1 : 0;
              server.request_stop();
              co_await server;
              co_return good;
            }),
            50);
}

TEST_P(StreamTest, ALargeWriteArrivesWholeWhileTheReaderIsSlow) {
  tcp_listener l = listen();
  run([&]() -> task<> {
    join_handle<std::size_t> reader = spawn(
        [](tcp_listener& from) -> task<std::size_t> {
          absl::StatusOr<tcp_stream> s = co_await from.accept();
          std::size_t all = 0;
          std::array<std::byte, 4096> buffer;
          for (;;) {
            absl::StatusOr<std::size_t> n = co_await s->read_some(buffer);
            if (!n.ok() || *n == 0) co_return all;
            for (std::size_t i = 0; i < *n; ++i) EXPECT_EQ(buffer[i], static_cast<std::byte>((all + i) % 251));
            all += *n;
            co_await yield();
          }
        },
        std::ref(l));
    absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(l.local_address());
    std::vector<std::byte> data(4 << 20);
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i % 251);
    EXPECT_TRUE((co_await s->write_all(data)).ok());
    EXPECT_TRUE(s->shutdown_write().ok());
    EXPECT_EQ(co_await reader, data.size());
  });
}

TEST_P(StreamTest, SeveralBuffersArriveInOrderAndWhole) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    // More buffers than one call takes, empty ones among them, and more bytes than the socket holds.
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 50; ++i)
      texts.emplace_back(i % 7 == 0 ? 0 : i * 997, static_cast<char>('0' + static_cast<char>(i)));
    std::string all;
    std::vector<const_buffer> buffers;
    for (const std::string& text : texts) {
      all += text;
      buffers.push_back(bytes_of(text));
    }
    join_handle<std::string> reading = spawn(
        [](unix_stream& from, std::size_t bytes) -> task<std::string> {
          std::string got(bytes, 0);
          const absl::Status read = co_await from.read_exactly(std::as_writable_bytes(std::span(got)));
          EXPECT_TRUE(read.ok()) << read;
          co_return got;
        },
        std::ref(b), all.size());
    const absl::Status written = co_await a.write_all(buffers);
    EXPECT_TRUE(written.ok()) << written;
    const std::string got = co_await reading;
    EXPECT_TRUE(got == all);
    const std::array none{const_buffer(), const_buffer()};
    EXPECT_TRUE((co_await a.write_all(none)).ok());
    b.close();
    EXPECT_FALSE((co_await a.write_all(std::span(buffers).subspan(1, 2))).ok());
  });
}

TEST_P(StreamTest, SeveralBuffersAreFilledInOrder) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    std::array<std::byte, 4> head;
    std::array<std::byte, 32> body;
    const std::array<mutable_buffer, 3> buffers{head, mutable_buffer(), body};
    join_handle<absl::StatusOr<std::size_t>> reading = spawn(
        [](unix_stream& from, std::span<const mutable_buffer> into) -> task<absl::StatusOr<std::size_t>> {
          co_return co_await from.read_some(into);
        },
        std::ref(b), std::span<const mutable_buffer>(buffers));
    EXPECT_TRUE((co_await a.write_all("headthe body")).ok());
    absl::StatusOr<std::size_t> n = co_await reading;
    EXPECT_EQ(*n, 12u);
    EXPECT_EQ(text_of(head), "head");
    EXPECT_EQ(text_of(std::span(body).first(8)), "the body");
    EXPECT_EQ(*co_await b.read_some(std::span<const mutable_buffer>(buffers).subspan(1, 1)), 0u);
    a.close();
    EXPECT_EQ(*co_await b.read_some(std::span<const mutable_buffer>(buffers)), 0u);
    b.close();
    n = co_await b.read_some(std::span<const mutable_buffer>(buffers));
    EXPECT_EQ(n.status().code(), absl::StatusCode::kFailedPrecondition) << n.status();
  });
}

TEST_P(StreamTest, HalfCloseEndsOneDirectionOnly) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    EXPECT_TRUE((co_await a.write_all("last words")).ok());
    EXPECT_TRUE(a.shutdown_write().ok());
    std::array<std::byte, 32> buffer;
    absl::StatusOr<std::size_t> n = co_await b.read_some(buffer);
    EXPECT_EQ(text_of(std::span(buffer).first(*n)), "last words");
    n = co_await b.read_some(buffer);
    EXPECT_EQ(*n, 0u);
    EXPECT_TRUE((co_await b.write_all("still here")).ok());
    n = co_await a.read_some(buffer);
    EXPECT_EQ(text_of(std::span(buffer).first(*n)), "still here");
  });
}

TEST_P(StreamTest, ErrorsNameTheOperationTheAddressAndTheReason) {
  run([]() -> task<> {
    // Bound but not listening: nobody accepts there, and nobody else can get the port meanwhile.
    absl::StatusOr<udp_socket> unrelated = udp_socket::bind(socket_address::loopback(0));
    absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
    const socket_address closed = l->local_address();
    l->close();
    absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(closed);
    EXPECT_FALSE(s.ok());
    EXPECT_EQ(s.status().message(), "connect to " + closed.to_string() + ": Connection refused");
  });
  absl::StatusOr<tcp_listener> first = tcp_listener::bind(socket_address::loopback(0));
  absl::StatusOr<tcp_listener> second = tcp_listener::bind(first->local_address());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(), "bind to " + first->local_address().to_string() + ": Address already in use");
}

TEST_P(StreamTest, AStopEndsReadsAcceptsAndConnectsAsCancelled) {
  tcp_listener l = listen();
  run([&]() -> task<> {
    join_handle<absl::StatusCode> accepting =
        spawn([](tcp_listener& on) -> task<absl::StatusCode> { co_return (co_await on.accept()).status().code(); },
              std::ref(l));
    auto both = unix_stream::pair();
    join_handle<absl::StatusCode> reading = spawn(
        [](unix_stream& on) -> task<absl::StatusCode> {
          std::array<std::byte, 8> buffer;
          absl::StatusOr<std::size_t> n = co_await on.read_some(buffer);
          EXPECT_TRUE(this_task::stop_requested());
          // From now on at once.
          n = co_await on.read_some(buffer);
          co_return n.status().code();
        },
        std::ref(both->first));
    for (int i = 0; i < 20; ++i) co_await yield();
    accepting.request_stop();
    reading.request_stop();
    EXPECT_EQ(co_await accepting, absl::StatusCode::kCancelled);
    EXPECT_EQ(co_await reading, absl::StatusCode::kCancelled);
    // The connection is as good as before.
    EXPECT_TRUE((co_await both->second.write_all("x")).ok());
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(*(co_await both->first.read_some(buffer)), 1u);
  });
}

TEST_P(StreamTest, CloseEndsTheOperationsOfOtherTasks) {
  tcp_listener l = listen();
  run([&]() -> task<> {
    const auto accept_on = [](tcp_listener& on) -> task<absl::Status> { co_return (co_await on.accept()).status(); };
    join_handle<absl::Status> a = spawn(accept_on, std::ref(l));
    join_handle<absl::Status> b = spawn(accept_on, std::ref(l));
    for (int i = 0; i < 20; ++i) co_await yield();
    l.close();
    for (join_handle<absl::Status>* h : {&a, &b}) {
      const absl::Status s = co_await *h;
      EXPECT_EQ(s.code(), absl::StatusCode::kFailedPrecondition) << s;
    }
    EXPECT_FALSE(l.is_open());
    EXPECT_EQ((co_await l.accept()).status().code(), absl::StatusCode::kFailedPrecondition);
  });
}

TEST_P(StreamTest, AnArmThatLosesTakesNothing) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    std::array<std::byte, 8> buffer;
    for (int i = 0; i < 50; ++i) {
      channel<int> other(1);
      EXPECT_TRUE(co_await other.send(i));
      {
        auto r = co_await select_first(other.receive(), a.read_some(buffer));
        EXPECT_EQ(r.index(), 0u);
      }
      {
        auto r = co_await select(a.read_some(buffer), sleep_for(1us));
        EXPECT_EQ(r.index(), 1u);
      }
      EXPECT_TRUE((co_await b.write_all("q")).ok());
      auto r = co_await select(a.read_some(buffer), other.receive());
      EXPECT_EQ(r.index(), 0u);
      EXPECT_EQ(*r.get<0>(), 1u);
    }
  });
}

TEST_P(StreamTest, ASelectThatParksIsWokenByItsDescriptor) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    join_handle<std::size_t> waiting = spawn(
        [](unix_stream& on) -> task<std::size_t> {
          std::array<std::byte, 8> buffer;
          channel<int> never;
          auto r = co_await select(never.receive(), on.read_some(buffer), sleep_for(1h));
          co_return r.index() == 1 ? *r.get<1>() : 0;
        },
        std::ref(a));
    for (int i = 0; i < 20; ++i) co_await yield();
    EXPECT_TRUE((co_await b.write_all("abc")).ok());
    EXPECT_EQ(co_await waiting, 3u);
  });
}

TEST_P(StreamTest, CloseEndsASelect) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    join_handle<absl::StatusCode> waiting = spawn(
        [](unix_stream& on) -> task<absl::StatusCode> {
          std::array<std::byte, 8> buffer;
          auto r = co_await select(on.read_some(buffer), sleep_for(1h));
          co_return r.index() == 0 ? r.get<0>().status().code() : absl::StatusCode::kUnknown;
        },
        std::ref(both->first));
    for (int i = 0; i < 20; ++i) co_await yield();
    both->first.close();
    EXPECT_EQ(co_await waiting, absl::StatusCode::kFailedPrecondition);
  });
}

TEST_P(StreamTest, StopsThatRaceWithDataLoseNoByte) {
  std::atomic<std::size_t> received{0};
  run([&]() -> task<> {
    auto both = unix_stream::pair();
    auto& [a, b] = *both;
    for (int i = 0; i < 300; ++i) {
      join_handle<void> reading = spawn(
          [](unix_stream& on, std::atomic<std::size_t>& count) -> task<> {
            std::array<std::byte, 8> buffer;
            absl::StatusOr<std::size_t> n = co_await on.read_some(buffer);
            if (n.ok()) count += *n;
          },
          std::ref(a), std::ref(received));
      if (i % 3 == 0) co_await yield();
      EXPECT_TRUE((co_await b.write_all("x")).ok());
      reading.request_stop();
      co_await reading;
    }
    b.close();
    std::array<std::byte, 64> buffer;
    for (;;) {
      absl::StatusOr<std::size_t> n = co_await a.read_some(buffer);
      if (!n.ok() || *n == 0) break;
      received += *n;
    }
  });
  EXPECT_EQ(received, 300u);
}

TEST_P(StreamTest, ShutdownOfTheRuntimeEndsWhatIsUnderWay) {
  tcp_listener l = listen();
  join_handle<absl::StatusCode> h =
      rt().spawn([](tcp_listener& on) -> task<absl::StatusCode> { co_return (co_await on.accept()).status().code(); },
                 std::ref(l));
  if (rt().wake_fd() >= 0)
    test::settle(rt());
  else
    test::eventually([&] { return test::tasks_in_state(rt(), "IO wait") == 1; });
  EXPECT_TRUE(rt().shutdown(10s).clean());
  EXPECT_EQ(h.get(), absl::StatusCode::kCancelled);
}

TEST_P(StreamTest, ShieldedStragglersAreDestroyedWithTheirOperations) {
  auto both = unix_stream::pair();
  join_handle<void> h = rt().spawn(
      [](unix_stream& on) -> task<> {
        co_await shielded(
            [](unix_stream& s) -> task<> {
              std::array<std::byte, 8> buffer;
              (void)co_await s.read_some(buffer);
            },
            std::ref(on));
      },
      std::ref(both->first));
  if (rt().wake_fd() >= 0)
    test::settle(rt());
  else
    test::eventually([&] { return test::tasks_in_state(rt(), "IO wait") == 1; });
  EXPECT_EQ(rt().shutdown(10ms).stragglers.size(), 1u);
}

TEST_P(StreamTest, LocalListenersServeAbstractNamesAndPaths) {
  for (const std::string& path : {"@weft-test-" + std::to_string(::getpid()), directory() + "/socket"}) {
    absl::StatusOr<unix_listener> l = unix_listener::bind(*socket_address::local(path));
    ASSERT_TRUE(l.ok()) << l.status();
    EXPECT_EQ(l->local_address().to_string(), "unix:" + path);
    run([&]() -> task<> {
      join_handle<absl::Status> client = spawn(
          [](socket_address to) -> task<absl::Status> {
            absl::StatusOr<unix_stream> s = co_await unix_stream::connect(to);
            if (!s.ok()) co_return s.status();
            co_return co_await s->write_all("hello");
          },
          l->local_address());
      absl::StatusOr<unix_stream> s = co_await l->accept();
      std::array<std::byte, 5> buffer;
      EXPECT_TRUE((co_await s->read_exactly(buffer)).ok());
      EXPECT_EQ(text_of(buffer), "hello");
      EXPECT_TRUE((co_await client).ok());
    });
  }
}

TEST_P(StreamTest, ABufferedReaderSplitsLines) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    EXPECT_TRUE((co_await both->second.write_all("one\ntwo\n\nlast")).ok());
    both->second.close();
    buffered_reader reader(both->first, 8);
    std::vector<std::string> lines;
    for (;;) {
      absl::StatusOr<std::string_view> line = co_await reader.read_until('\n');
      if (!line.ok()) {
        EXPECT_EQ(line.status().code(), absl::StatusCode::kOutOfRange);
        break;
      }
      lines.emplace_back(*line);
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"one\n", "two\n", "\n", "last"}));
  });
}

TEST_P(StreamTest, ARecordLongerThanTheReaderIsRefused) {
  run([]() -> task<> {
    auto both = unix_stream::pair();
    EXPECT_TRUE((co_await both->second.write_all("0123456789")).ok());
    buffered_reader reader(both->first, 8);
    EXPECT_EQ((co_await reader.read_until('\n')).status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(reader.held(), "01234567");
  });
}

}  // namespace
}  // namespace weft
