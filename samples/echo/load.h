// The client: connections that send messages and compare what comes back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

#include <weft/signal_set.h>
#include <weft/task.h>

#include "latencies.h"
#include "load_arguments.h"

namespace echo {

struct load_result {
  latencies times;  // of the requests that ended while it was measured
  std::chrono::duration<double> measured{0};
  uint64_t requests = 0;  // all that ended, those of the warm-up too
  uint64_t errors = 0;  // connections that broke, or got back something else
  std::string first_error;
  bool interrupted = false;
};

/// Opens the connections, sends, and closes them. An error: a connection could not be opened.
weft::task<absl::Status> put_load(const load_arguments& args, weft::signal_set& signals, load_result& result);

}  // namespace echo
