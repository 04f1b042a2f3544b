// See server.h.
#include "server.h"

#include <csignal>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/time.h>

#include "connection.h"

namespace httpd {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds pause_after_refusal{50};
constexpr milliseconds fresh_time{500};

void add_one(std::atomic<uint64_t>& to) noexcept {
  // relaxed: a count.
  to.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

weft::task<bool> server::run(weft::signal_set& signals, std::function<void()> print) {
  weft::join_handle<void> watching = weft::spawn(&server::watch, this);
  weft::join_handle<void> accepting = weft::spawn(&server::accept_all, this);
  co_await wait_until_told(signals, print);

  // Not by a stop, which would reach the connections, too: accept_all() started them.
  listener_.close();
  closing_.close();
  co_await accepting;
  list_.end(connection_list::ending::drain);
  weft::join_handle<void> closing = weft::spawn(&server::close_fresh_later, this);
  weft::join_handle<void> cutting = weft::spawn(&server::cut_at_signal, this, std::ref(signals));
  auto all_ended = [this]() -> weft::task<> { return connections_.wait(); };
  const std::optional<std::monostate> ended = co_await weft::with_timeout(args_.drain_time, all_ended);
  const bool cut = connections_.stop_requested() || !ended;

  for (weft::join_handle<void>* h : {&closing, &cutting, &watching}) {
    h->request_stop();
    co_await *h;
  }
  co_return !cut;
}

weft::task<> server::wait_until_told(weft::signal_set& signals, const std::function<void()>& print) {
  for (;;) {
    const absl::StatusOr<int> signal = co_await signals.next();
    if (!signal.ok() || *signal != SIGUSR1) co_return;
    print();
  }
}

// A second signal ends it at once.
weft::task<> server::cut_at_signal(weft::signal_set& signals) {
  for (;;) {
    const absl::StatusOr<int> signal = co_await signals.next();
    if (!signal.ok()) co_return;
    if (*signal == SIGUSR1) continue;
    connections_.request_stop();
    co_return;
  }
}

// A permit first, then a connection: while there are as many as may be, further ones wait in the kernel.
weft::task<> server::accept_all() {
  for (;;) {
    weft::permit slot;
    if (std::optional<weft::permit> free = slots_.try_acquire()) {
      slot = std::move(*free);
    } else {
      add_one(full_);
      auto first = co_await weft::select(slots_.acquire(), closing_.receive());
      if (!first || first.index() == 1) co_return;
      slot = std::move(first.get<0>());
    }
    absl::StatusOr<weft::tcp_stream> socket = co_await listener_.accept();
    if (socket.ok()) {
      if (!connections_.try_go(&server::serve, std::ref(*this), *std::move(socket), std::move(slot))) co_return;
      continue;
    }
    if (absl::IsCancelled(socket.status()) || absl::IsFailedPrecondition(socket.status())) co_return;
    if (!absl::IsResourceExhausted(socket.status())) continue;  // the client has gone already
    add_one(refused_);
    if (list_.close_an_idle_one()) continue;
    const bool slept = co_await weft::sleep_for(pause_after_refusal);
    if (!slept) co_return;
  }
}

weft::task<> server::serve(server& s, weft::tcp_stream socket, weft::permit slot) {
  connection c(s.args_, s.files_, s.list_, std::move(socket));
  co_await c.run();
}

weft::task<> server::watch() {
  const milliseconds shortest = std::min({args_.idle_timeout, args_.head_timeout, args_.write_timeout});
  const milliseconds period = std::clamp(shortest / 8, milliseconds(5), milliseconds(500));
  for (;;) {
    const bool slept = co_await weft::sleep_for(period);
    if (!slept) co_return;
    list_.close_overdue(coarse_now_ns());
  }
}

// Clients that have connected, and not been served yet, get a moment to send their request.
weft::task<> server::close_fresh_later() {
  const bool slept = co_await weft::sleep_for(std::min(fresh_time, args_.drain_time / 2));
  if (slept) list_.end(connection_list::ending::fresh_too);
}

server_figures server::figures() {
  // relaxed: counts.
  return {list_.figures(), full_.load(std::memory_order_relaxed), refused_.load(std::memory_order_relaxed)};
}

}  // namespace httpd
