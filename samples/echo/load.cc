// See load.h.
#include "load.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/task_group.h>
#include <weft/tcp.h>
#include <weft/time.h>

namespace echo {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

namespace {

// When the requests count; the same for all connections.
struct schedule {
  clock::time_point begin;
  clock::time_point end;
};

// Messages that follow one another without end: byte i of each is i modulo 251, with an offset of the connection's own.
// The text is repeated, so that whatever part of the stream comes back lies in it in one piece.
class message_text {
 public:
  message_text(std::size_t bytes, std::size_t messages, std::size_t offset) : period_(bytes), text_(bytes * (messages + 1)) {
    for (std::size_t i = 0; i < text_.size(); ++i) text_[i] = static_cast<std::byte>((i % bytes + offset) % 251);
  }
  [[nodiscard]] std::span<const std::byte> messages(std::size_t n) const {
    return std::span(text_).first(n * period_);
  }
  /// Whether `got` is what stands at this place of the stream.
  [[nodiscard]] bool is_at(uint64_t place, std::span<const std::byte> got) const noexcept {
    return std::memcmp(got.data(), text_.data() + place % period_, got.size()) == 0;
  }

 private:
  std::size_t period_;
  std::vector<std::byte> text_;
};

// One connection and what it has measured.
class client {
 public:
  client(weft::tcp_stream stream, const load_arguments& args, std::size_t number)
      : stream_(std::move(stream)),
        bytes_(static_cast<std::size_t>(args.bytes)),
        depth_(static_cast<std::size_t>(args.depth)),
        text_(bytes_, depth_, number),
        buffer_(bytes_ * depth_),
        sent_at_(depth_) {}

  // Sends and reads until the schedule's end; then reads what is still under way.
  weft::task<> run(const schedule& when) {
    co_await send(depth_, clock::now());
    while (error_.ok() && ended_ < begun_) {
      const absl::StatusOr<std::size_t> n = co_await stream_.read_some(buffer_);
      if (!n.ok() || *n == 0) {
        error_ = n.ok() ? absl::UnavailableError("the server has closed a connection") : n.status();
        break;
      }
      if (!text_.is_at(received_, std::span(buffer_).first(*n))) {
        error_ = absl::DataLossError("something else came back than was sent");
        break;
      }
      received_ += *n;
      const clock::time_point now = clock::now();
      const std::size_t done = end_requests(when, now);
      if (done != 0 && now < when.end) co_await send(done, now);
    }
  }

  // One message there and back.
  weft::task<> exchange_once() {
    static const schedule never{clock::time_point::max(), clock::time_point::min()};
    return run(never);
  }

  [[nodiscard]] const latencies& times() const noexcept { return times_; }
  [[nodiscard]] uint64_t requests() const noexcept { return ended_; }
  [[nodiscard]] const absl::Status& error() const noexcept { return error_; }

 private:
  weft::task<> send(std::size_t messages, clock::time_point now) {
    for (std::size_t i = 0; i < messages; ++i) sent_at_[begun_++ % depth_] = now;
    std::span<const std::byte> rest = text_.messages(messages);
    while (!rest.empty()) {
      const absl::StatusOr<std::size_t> n = co_await stream_.write_some(rest);
      if (!n.ok()) {
        error_ = n.status();
        co_return;
      }
      rest = rest.subspan(*n);
    }
  }

  // Counts the requests whose last byte has come; returns how many.
  std::size_t end_requests(const schedule& when, clock::time_point now) noexcept {
    const uint64_t all = received_ / bytes_;
    const auto done = static_cast<std::size_t>(all - ended_);
    for (; ended_ < all; ++ended_)
      if (now >= when.begin && now < when.end) times_.add((now - sent_at_[ended_ % depth_]).count());
    return done;
  }

  weft::tcp_stream stream_;
  const std::size_t bytes_;
  const std::size_t depth_;
  const message_text text_;
  std::vector<std::byte> buffer_;
  std::vector<clock::time_point> sent_at_;  // of those under way
  uint64_t begun_ = 0;
  uint64_t ended_ = 0;
  uint64_t received_ = 0;  // bytes
  latencies times_;
  absl::Status error_;
};

weft::task<absl::StatusOr<std::vector<std::unique_ptr<client>>>> connect_all(const load_arguments& args, int count) {
  std::vector<std::unique_ptr<client>> clients;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<weft::tcp_stream> stream = co_await weft::tcp_stream::connect(args.server);
    if (!stream.ok()) co_return stream.status();
    clients.push_back(std::make_unique<client>(*std::move(stream), args, clients.size()));
  }
  co_return clients;
}

weft::task<> run_client(client& c, const schedule& when) { co_await c.run(when); }
weft::task<> run_idle(client& c) { co_await c.exchange_once(); }

void collect(const std::vector<std::unique_ptr<client>>& clients, load_result& result) {
  for (const std::unique_ptr<client>& c : clients) {
    result.times.add(c->times());
    result.requests += c->requests();
    if (c->error().ok() || absl::IsCancelled(c->error())) continue;
    if (result.errors++ == 0) result.first_error = std::string(c->error().message());
  }
}

weft::task<absl::Status> measure(const load_arguments& args, load_result& result) {
  auto idle = co_await connect_all(args, args.idle);
  if (!idle.ok()) co_return idle.status();
  {
    weft::task_group exchanges({.limit = 100});
    for (const std::unique_ptr<client>& c : *idle)
      if (!co_await exchanges.go(run_idle, std::ref(*c))) break;
    co_await exchanges.wait();
  }
  auto clients = co_await connect_all(args, args.connections);
  if (!clients.ok()) co_return clients.status();

  schedule when;
  when.begin = clock::now() + args.warm_up;
  when.end = when.begin + args.duration;
  weft::task_group sending;
  for (const std::unique_ptr<client>& c : *clients)
    if (!sending.try_go(run_client, std::ref(*c), std::cref(when))) break;
  if (clients->empty()) (void)co_await weft::sleep_until(when.end);
  co_await sending.wait();
  result.measured = std::max(std::min(clock::now(), when.end) - when.begin, clock::duration(1));
  collect(*clients, result);
  collect(*idle, result);
  co_return absl::OkStatus();
}

weft::task<> wait_for_signal(weft::signal_set& signals) {
  const absl::StatusOr<int> signal = co_await signals.next();
  (void)signal;  // which one, or that waiting was stopped: the end is the same
}

}  // namespace

weft::task<absl::Status> put_load(const load_arguments& args, weft::signal_set& signals, load_result& result) {
  weft::join_handle<absl::Status> measuring = weft::spawn(measure, std::cref(args), std::ref(result));
  weft::join_handle<void> signalled = weft::spawn(wait_for_signal, std::ref(signals));
  absl::Status status;
  auto first = co_await weft::select(measuring, signalled);
  if (first && first.index() == 0) status = first.get<0>();
  result.interrupted = measuring.valid();
  measuring.request_stop();
  if (measuring.valid()) status = co_await measuring;
  signalled.request_stop();
  if (signalled.valid()) co_await signalled;
  co_return status;
}

}  // namespace echo
