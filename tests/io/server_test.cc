// A server under load whose connection tasks are stopped at random, beside clients that reset, half-close, trickle,
// stall and send garbage.
//
// Answers are compared byte by byte. A connection that behaves may end early only because its task was stopped, so no
// more of them do than there were stops. In the end the server answers as before, and every descriptor is closed.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/socket.h>

#include "base/fast_random.h"
#include "support/descriptors.h"
#include "support/io_test.h"
#include "support/seed.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::text_of;

constexpr std::size_t longest_head = 1024;
constexpr std::size_t longest_body = 20'000;

std::string answer_to(std::size_t number) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(number) + "\r\n\r\n" +
         std::string(number, static_cast<char>('a' + number % 26));
}

// Speaks as much of HTTP as wrk does: GET /N is answered by N bytes.
class server {
 public:
  static constexpr std::size_t seats = 12;

  explicit server(tcp_listener& listener) : listener_(listener) {}

  task<> run() {
    std::vector<join_handle<void>> all;
    for (seat& s : seats_) all.push_back(spawn(&server::serve_in_turn, this, std::ref(s)));
    for (join_handle<void>& h : all) co_await h;
  }

  /// No more connections are taken, and those that are served may end.
  void close() {
    closing_ = true;
    listener_.close();
  }

  /// Stops tasks until it is stopped itself: one for some requests.
  task<> stop_at_random(uint64_t seed) {
    base::fast_random random(seed);
    for (;;) {
      for (uint32_t i = random.below(12); i < 12; ++i) {
        const std::optional<int> asked = co_await requests_.receive();
        if (!asked) co_return;
      }
      for (uint32_t i = random.below(4); i > 0; --i) co_await yield();
      seat& s = seats_[random.below(seats)];
      std::lock_guard guard(s.lock);
      if (s.serves == nullptr) continue;
      s.serves->request_stop();
      ++stops_;
    }
  }

  std::size_t stops() const { return stops_; }

 private:
  struct seat {
    std::mutex lock;
    task_group* serves = nullptr;  // guarded by lock
    bool by_select = false;        // how it reads
  };

  static void set(seat& s, task_group* serves) {
    std::lock_guard guard(s.lock);
    s.serves = serves;
  }

  task<> serve_in_turn(seat& s) {
    while (!closing_) {
      task_group turn;
      EXPECT_TRUE(turn.try_go([](server* self, bool by_select) { return self->serve(by_select); }, this, s.by_select));
      set(s, &turn);
      co_await turn.wait();
      set(s, nullptr);
      s.by_select = !s.by_select;
    }
  }

  task<> serve(bool by_select) {
    absl::StatusOr<tcp_stream> s = co_await listener_.accept();
    if (!s.ok()) co_return;
    std::string heads;
    std::array<std::byte, 256> buffer;
    for (;;) {
      const std::size_t end = heads.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (heads.size() > longest_head) co_return;
        if (by_select) {
          const absl::StatusOr<std::size_t> n = co_await within(1h, s->read_some(buffer));
          if (!n.ok() || *n == 0) co_return;
          heads += text_of(std::span(buffer).first(*n));
        } else {
          const absl::StatusOr<io_buffer> got = co_await s->read_some();
          if (!got.ok() || got->empty()) co_return;
          heads += text_of(got->bytes());
        }
        continue;
      }
      if (!heads.starts_with("GET /")) co_return;
      const std::string answer = answer_to(std::strtoul(heads.c_str() + 5, nullptr, 10) % longest_body);
      heads.erase(0, end + 4);
      (void)requests_.try_send(1);
      const absl::Status written = co_await s->write_all(answer);
      if (!written.ok()) co_return;
    }
  }

  tcp_listener& listener_;
  std::array<seat, seats> seats_;
  channel<int> requests_{64};  // tells of some of them
  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> stops_{0};
};

void reset_on_close(const tcp_stream& s) {
  const ::linger none{1, 0};
  ASSERT_EQ(::setsockopt(s.fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
}

// A client that asks until it has had its answers, on one connection after another.
class client {
 public:
  client(socket_address server, uint64_t seed) : server_(server), random_(seed) {}

  task<> run(int answers) {
    while (answers_ < answers) {
      absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(server_);
      EXPECT_TRUE(s.ok()) << s.status();
      if (!s.ok()) co_return;
      bool goes_on = true;
      while (goes_on && answers_ < answers) goes_on = co_await do_something(*s);
      if (random_.below(2) == 0) reset_on_close(*s);
    }
  }

  /// One request that nothing disturbs.
  static task<bool> is_answered(socket_address server) {
    client c(server, 1);
    absl::StatusOr<tcp_stream> s = co_await tcp_stream::connect(server);
    co_return s.ok() && co_await c.ask(*s, false);
  }

  /// Connections that behaved and were ended by the server.
  int cut_off() const { return cut_off_; }

 private:
  // False: the connection is over.
  task<bool> do_something(tcp_stream& s) {
    switch (random_.below(24)) {
      case 0:  // leaves in the middle of a head, or of an answer
        (void)co_await s.write_all(random_.below(2) == 0 ? "GET /5 HT" : "GET /15000 HTTP/1.1\r\n\r\n");
        for (uint32_t i = random_.below(20); i > 0; --i) co_await yield();
        co_return false;
      case 1: {  // garbage, which ends the connection
        const std::string garbage(longest_head + 1, '\xff');
        (void)co_await s.write_all(garbage);
        std::array<std::byte, 64> buffer;
        const absl::StatusOr<std::size_t> n = co_await s.read_some(buffer);
        EXPECT_EQ(n.value_or(0), 0u);
        co_return false;
      }
      case 2:  // closes its direction
        (void)co_await ask(s, true);
        co_return false;
      default: co_return co_await ask(s, false);
    }
  }

  task<bool> ask(tcp_stream& s, bool half_close) {
    const std::size_t number = random_.below(random_.below(4) == 0 ? longest_body : 200);
    const std::string head = "GET /" + std::to_string(number) + " HTTP/1.1\r\nHost: x\r\n\r\n";
    bool sent = true;
    if (random_.below(16) == 0) {
      for (std::size_t i = 0; sent && i < head.size(); ++i) {  // trickles
        sent = (co_await s.write_all(head.substr(i, 1))).ok();
        co_await yield();
      }
    } else {
      sent = (co_await s.write_all(head)).ok();
    }
    if (sent && half_close) (void)s.shutdown_write();
    const std::string expected = answer_to(number);
    std::string got;
    std::array<std::byte, 4096> buffer;
    while (sent && got.size() < expected.size()) {
      const absl::StatusOr<std::size_t> n = co_await s.read_some(buffer);
      if (!n.ok() || *n == 0) break;
      got += text_of(std::span(buffer).first(*n));
      EXPECT_TRUE(expected.starts_with(got));
    }
    const bool answered = got == expected;
    ++(answered ? answers_ : cut_off_);
    co_return answered;
  }

  const socket_address server_;
  base::fast_random random_;
  int answers_ = 0;
  int cut_off_ = 0;
};

class ServerTest : public test::io_test {
 protected:
  /// Has a server under `load(address)` whose tasks are stopped meanwhile; returns how many were.
  template <class Load>
  std::size_t stops_under(const Load& load) {
    const std::ptrdiff_t before = test::open_descriptors();
    absl::StatusOr<tcp_listener> l = tcp_listener::bind(socket_address::loopback(0));
    EXPECT_TRUE(l.ok()) << l.status();
    server serving(*l);
    run([&]() -> task<> {
      join_handle<void> running = spawn(&server::run, &serving);
      join_handle<void> stopping = spawn(&server::stop_at_random, &serving, test::seed_or(1));
      co_await load(l->local_address());
      stopping.request_stop();
      co_await stopping;
      // A task that was asked to stop may take one connection more, if that comes before the cancellation.
      std::size_t unanswered = 0;
      for (std::size_t i = 0; i < 3 * server::seats; ++i) {
        const bool answered = co_await client::is_answered(l->local_address());
        unanswered += answered ? 0 : 1;
      }
      EXPECT_LE(unanswered, server::seats);
      serving.close();
      co_await running;
    });
    // The rings stay open until the runtime ends.
    EXPECT_LE(test::open_descriptors() - before, 3 * (rt().processors() + 1));
    return serving.stops();
  }
};
INSTANTIATE_TEST_SUITE_P(On, ServerTest, test::back_ends_and_processors(), test::io_test_name);

TEST_P(ServerTest, TasksThatAreStoppedAtRandomCostTheirConnectionsOnly) {
  constexpr std::size_t count = 8;
  constexpr int answers = test::slow_build ? 100 : 500;
  std::deque<client> clients;
  const std::size_t stops = stops_under([&](socket_address server) -> task<> {
    std::vector<join_handle<void>> all;
    for (std::size_t i = 0; i < count; ++i) {
      clients.emplace_back(server, test::seed_or(1) + i);
      all.push_back(spawn(&client::run, &clients.back(), answers));
    }
    for (join_handle<void>& h : all) co_await h;
  });
  std::size_t cut_off = 0;
  for (const client& c : clients) cut_off += static_cast<std::size_t>(c.cut_off());
  EXPECT_GT(stops, 10u);
  EXPECT_LE(cut_off, stops);
}

struct wrk_result {
  int status;
  std::string text;
};

wrk_result run_wrk(socket_address server) {
  const std::string command = "wrk -t1 -c20 -d1s http://" + server.to_string() + "/100 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, "popen"};
  wrk_result result;
  std::array<char, 256> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) result.text += part.data();
  result.status = ::pclose(pipe);
  return result;
}

TEST_P(ServerTest, WrkIsAnsweredWhileTasksAreStoppedAtRandom) {
  if (std::system("command -v wrk > /dev/null") != 0) GTEST_SKIP() << "wrk is not installed";
  wrk_result result;
  const std::size_t stops = stops_under(
      [&](socket_address server) -> task<> { result = co_await blocking([server] { return run_wrk(server); }); });
  EXPECT_EQ(result.status, 0) << result.text;
  EXPECT_NE(result.text.find("requests in"), std::string::npos) << result.text;
  EXPECT_EQ(result.text.find("Non-2xx"), std::string::npos) << result.text;
  EXPECT_GT(stops, 10u);
  RecordProperty("stops", static_cast<int>(stops));
}

}  // namespace
}  // namespace weft
