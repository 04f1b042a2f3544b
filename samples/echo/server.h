// The server: a task that accepts, and one for each connection.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"

#include <weft/signal_set.h>
#include <weft/task.h>
#include <weft/tcp.h>

namespace echo {

struct server_counts {
  std::atomic<uint64_t> accepted{0};  // connections
  std::atomic<uint64_t> broken{0};    // of which ended by an error
  std::atomic<uint64_t> reads{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> refused{0};  // times that accepting had to wait for descriptors
};

/// Serves until a signal comes, then ends every connection. An error: accepting does not work any more.
weft::task<absl::Status> serve(weft::tcp_listener& listener, weft::signal_set& signals, server_counts& counts);

}  // namespace echo
