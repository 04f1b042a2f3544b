// embed: a program that has an epoll loop of its own, and lets it drive a weft runtime, too.
//
//   embed                100 messages through an echo connection in weft, beside a timer of the host's
//   embed 100000
//
// The host's loop waits for three things: its timer, its own end of a connection that it reads with plain read(2), and
// the runtime's wake_fd(), which is readable whenever poll() has work: a task is ready, a weft timer is due, or the
// kernel has completed what a task waits for. There is one thread, so the host's handlers and the tasks never run at the
// same time and may share data without locks.
//
// The host connects to a server that runs as tasks in weft, sends it messages and reads the echoes; a task of weft does
// the same beside it. The host's timer ticks meanwhile. The program ends when both have had all their echoes and the
// timer has come a few times, and it says how often the loop woke, and how often for nothing.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/go.h>
#include <weft/options.h>
#include <weft/runtime.h>
#include <weft/socket_address.h>
#include <weft/task.h>
#include <weft/tcp.h>

#include "common/descriptor.h"

namespace embed {
namespace {

constexpr int64_t tick_ns = 2'000'000;
constexpr int ticks_wanted = 3;
constexpr std::string_view message = "over and over again\n";

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "embed: %s\n", what.c_str());
  std::exit(2);
}

int checked(int result, const char* what) {
  if (result < 0) die(std::string(what) + ": " + std::strerror(errno));
  return result;
}

// Tasks of weft -----------------------------------------------------------------------------------------------------

weft::task<> echo(weft::tcp_stream socket) {
  std::array<std::byte, 4096> buffer;
  for (;;) {
    const absl::StatusOr<std::size_t> n = co_await socket.read_some(buffer);
    if (!n.ok() || *n == 0) co_return;
    const absl::Status sent = co_await socket.write_all(std::span(buffer).first(*n));
    if (!sent.ok()) co_return;
  }
}

weft::task<> serve(weft::tcp_listener& listener) {
  for (;;) {
    absl::StatusOr<weft::tcp_stream> socket = co_await listener.accept();
    if (!socket.ok()) co_return;
    weft::go(echo, *std::move(socket));
  }
}

// Counts its echoes in `echoes`, which the host reads: they are never at work at the same time.
weft::task<> talk(weft::socket_address to, int messages, int& echoes) {
  absl::StatusOr<weft::tcp_stream> socket = co_await weft::tcp_stream::connect(to);
  if (!socket.ok()) co_return;
  std::array<std::byte, message.size()> back;
  for (int i = 0; i < messages; ++i) {
    const absl::Status sent = co_await socket->write_all(message);
    if (!sent.ok()) co_return;
    const absl::Status came = co_await socket->read_exactly(back);
    if (!came.ok()) co_return;
    ++echoes;
  }
}

// The host ----------------------------------------------------------------------------------------------------------

// A connection as the host itself does it: sends a message, and the next one when its echo is there.
class host_client {
 public:
  host_client(const weft::socket_address& to, int messages)
      : socket_(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")), left_(messages) {
    checked(::connect(fd(), reinterpret_cast<const sockaddr*>(to.bytes().data()),
                      static_cast<socklen_t>(to.bytes().size())),
            "connect");
    checked(::fcntl(fd(), F_SETFL, O_NONBLOCK), "fcntl");
  }

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] bool done() const noexcept { return left_ == 0; }

  void send_message() const {
    if (::write(fd(), message.data(), message.size()) != static_cast<ssize_t>(message.size())) die("write: too short");
  }

  void on_readable() {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd(), buffer.data(), buffer.size());
    if (n == 0) die("the server closed the connection");
    if (n < 0) return;
    came_ += static_cast<std::size_t>(n);
    if (came_ < message.size()) return;
    came_ -= message.size();
    if (--left_ != 0) send_message();
  }

 private:
  samples::descriptor socket_;
  int left_;
  std::size_t came_ = 0;
};

// An epoll loop such as many programs have: a function for each descriptor that is readable.
class event_loop {
 public:
  void add(int fd, std::function<void()> on_readable) {
    handlers_.push_back(std::move(on_readable));
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.u64 = handlers_.size() - 1;
    checked(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e), "epoll_ctl");
  }

  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      std::array<epoll_event, 16> events;
      const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
      if (n < 0 && errno == EINTR) continue;
      ++wakes_;
      for (const epoll_event& e : std::span(events).first(static_cast<std::size_t>(checked(n, "epoll_wait"))))
        handlers_[e.data.u64]();
    }
  }

  [[nodiscard]] uint64_t wakes() const noexcept { return wakes_; }

 private:
  samples::descriptor epoll_{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")};
  std::vector<std::function<void()>> handlers_;
  uint64_t wakes_ = 0;
};

samples::descriptor make_timer() {
  samples::descriptor timer(checked(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create"));
  const itimerspec period{{0, tick_ns}, {0, tick_ns}};
  checked(::timerfd_settime(timer.get(), 0, &period, nullptr), "timerfd_settime");
  return timer;
}

int run(int messages) {
  absl::StatusOr<weft::options> options = weft::options::from_env();
  if (!options.ok()) die(std::string(options.status().message()));
  options->processors = 0;  // no threads: the loop below drives it
  const absl::StatusOr<std::unique_ptr<weft::runtime>> rt = weft::runtime::create(*options);
  if (!rt.ok()) die(std::string(rt.status().message()));
  absl::StatusOr<weft::tcp_listener> listener = weft::tcp_listener::bind(weft::socket_address::loopback(0));
  if (!listener.ok()) die(std::string(listener.status().message()));

  int echoes = 0;
  const auto serving = (*rt)->spawn(serve, std::ref(*listener));
  const auto talking = (*rt)->spawn(talk, listener->local_address(), messages, std::ref(echoes));

  int ticks = 0;
  uint64_t polls = 0, empty_polls = 0;
  host_client client(listener->local_address(), messages);
  const samples::descriptor timer = make_timer();
  event_loop loop;
  loop.add(timer.get(), [&] {
    uint64_t expirations = 0;
    if (::read(timer.get(), &expirations, sizeof expirations) > 0) ++ticks;
  });
  loop.add(client.fd(), [&] { client.on_readable(); });
  loop.add((*rt)->wake_fd(), [&] {
    ++polls;
    if ((*rt)->poll() == 0) ++empty_polls;
  });

  client.send_message();
  loop.run_until([&] { return ticks >= ticks_wanted && client.done() && echoes == messages; });
  std::printf("host: %d echoes, %d ticks or more\nweft: %d echoes\n", messages, ticks_wanted, echoes);
  std::fprintf(stderr, "the loop woke %llu times; poll() ran %llu times, %llu of them for nothing\n",
               static_cast<unsigned long long>(loop.wakes()), static_cast<unsigned long long>(polls),
               static_cast<unsigned long long>(empty_polls));
  return (*rt)->shutdown(std::chrono::seconds(5)).clean() ? 0 : 1;
}

}  // namespace
}  // namespace embed

int main(int argc, char** argv) {
  int messages = 100;
  if (argc > 1) {
    const std::string_view word = argv[1];
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), messages);
    if (argc > 2 || error != std::errc() || end != word.data() + word.size() || messages < 1 || messages > 10'000'000) {
      std::fprintf(stderr, "usage: embed [MESSAGES]      1 to 10000000, 100 if it is left out\n");
      return 2;
    }
  }
  return embed::run(messages);
}
