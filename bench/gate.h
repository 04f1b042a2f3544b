// Tasks that all wait at one gate, for benchmarks of many parked tasks.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include <weft/channel.h>
#include <weft/task.h>

namespace weft_bench {

/// What the tasks share; each has one pointer to it.
struct shared_gate {
  struct nothing {};
  weft::channel<nothing> gate{0};  // closed at the end
  std::atomic<int64_t> arrived{0};
  std::atomic<int64_t> released{0};
};

inline weft::task<> wait_at_gate(shared_gate* shared) {
  // relaxed, as in all of these: plain counts, read again until they are complete.
  shared->arrived.fetch_add(1, std::memory_order_relaxed);
  (void)co_await shared->gate.receive();
  // relaxed: see above.
  shared->released.fetch_add(1, std::memory_order_relaxed);
}

/// Until so many have arrived, or were released. By a plain thread.
inline void wait_until(const std::atomic<int64_t>& count, int64_t wanted) {
  using namespace std::chrono_literals;
  // relaxed: see wait_at_gate().
  while (count.load(std::memory_order_relaxed) < wanted) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(50ms);  // the last ones are between their count and their park, or their end
}

}  // namespace weft_bench
