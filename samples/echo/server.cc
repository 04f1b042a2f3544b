// See server.h.
#include "server.h"

#include <array>
#include <chrono>
#include <functional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"

#include <weft/io_buffer.h>
#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/task_group.h>
#include <weft/time.h>

namespace echo {

using namespace std::chrono_literals;

namespace {

// Adds to the totals what one connection did.
class connection_counts {
 public:
  explicit connection_counts(server_counts& all) noexcept : all_(all) {}
  ~connection_counts() {
    // relaxed: statistics, read when every task has ended.
    all_.reads.fetch_add(reads_, std::memory_order_relaxed);
    // relaxed: as above.
    all_.bytes.fetch_add(bytes_, std::memory_order_relaxed);
    // relaxed: as above.
    if (broken) all_.broken.fetch_add(1, std::memory_order_relaxed);
  }
  connection_counts(const connection_counts&) = delete;
  connection_counts& operator=(const connection_counts&) = delete;

  void read(std::size_t bytes) noexcept {
    ++reads_;
    bytes_ += bytes;
  }
  bool broken = false;

 private:
  server_counts& all_;
  uint64_t reads_ = 0;
  uint64_t bytes_ = 0;
};

// A connection waits without a buffer, so that many idle ones cost little.
weft::task<> echo_connection(weft::tcp_stream stream, server_counts& all) {
  connection_counts counts(all);
  for (;;) {
    absl::StatusOr<weft::io_buffer> got = co_await stream.read_some();
    if (!got.ok()) {
      counts.broken = !absl::IsCancelled(got.status());
      co_return;
    }
    if (got->empty()) co_return;
    counts.read(got->size());
    std::span<const std::byte> rest = got->bytes();
    while (!rest.empty()) {
      const absl::StatusOr<std::size_t> written = co_await stream.write_some(rest);
      if (!written.ok()) {
        counts.broken = !absl::IsCancelled(written.status());
        co_return;
      }
      rest = rest.subspan(*written);
    }
  }
}

weft::task<absl::Status> accept_connections(weft::tcp_listener& listener, weft::task_group& connections,
                                            server_counts& counts) {
  for (;;) {
    absl::StatusOr<weft::tcp_stream> stream = co_await listener.accept();
    if (stream.ok()) {
      // relaxed: statistics.
      counts.accepted.fetch_add(1, std::memory_order_relaxed);
      if (!connections.try_go(echo_connection, *std::move(stream), std::ref(counts))) co_return absl::OkStatus();
      continue;
    }
    if (absl::IsCancelled(stream.status())) co_return absl::OkStatus();
    // No descriptors left, or the peer was gone before it was accepted: that passes.
    if (!absl::IsResourceExhausted(stream.status()) && !absl::IsUnavailable(stream.status()) &&
        !absl::IsAborted(stream.status()))
      co_return stream.status();
    // relaxed: statistics.
    counts.refused.fetch_add(1, std::memory_order_relaxed);
    if (!co_await weft::sleep_for(10ms)) co_return absl::OkStatus();
  }
}

weft::task<> wait_for_signal(weft::signal_set& signals) {
  const absl::StatusOr<int> signal = co_await signals.next();
  (void)signal;  // which one, or that waiting was stopped: the end is the same
}

}  // namespace

weft::task<absl::Status> serve(weft::tcp_listener& listener, weft::signal_set& signals, server_counts& counts) {
  weft::task_group connections;
  weft::join_handle<absl::Status> accepting =
      weft::spawn(accept_connections, std::ref(listener), std::ref(connections), std::ref(counts));
  weft::join_handle<void> signalled = weft::spawn(wait_for_signal, std::ref(signals));
  absl::Status status;
  auto first = co_await weft::select(accepting, signalled);
  if (first && first.index() == 0) status = first.get<0>();
  signalled.request_stop();
  if (signalled.valid()) co_await signalled;
  accepting.request_stop();
  if (accepting.valid()) status = co_await accepting;
  connections.request_stop();
  co_await connections.wait();
  co_return status;
}

}  // namespace echo
