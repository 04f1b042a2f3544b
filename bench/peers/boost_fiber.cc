// Peer benchmark: Boost.Fiber, measured with the same workloads as weft.
//
//   pingpong   two fibers, two unbuffered_channels (rendezvous), ns per round trip
//   chan128    one producer, one consumer, buffered_channel(128), ns per item; its ring keeps one slot free, so at
//              most 127 items wait
//   spawnjoin  start one fiber and join it, repeated, ns per task
//   spawn1m    start many fibers, then join all; median of 3, ns per task. 100,000 fibers here, not 1,000,000: every
//              fiber owns a touched stack, and a million of them would take several gigabytes
//   yield2     2 fibers calling this_fiber::yield() in a loop, ns per yield (wall time / all yields)
//   yield1000  the same with 1000 fibers
//   chan128_4to4, chan128_4to1   4 producers, 4 consumers or one, buffered_channel(128), ns per item
//   pipeline3    source, middle and sink with two buffered_channel(64) between them, ns per item
//   mutex1       one fiber locks, adds one and unlocks a fibers::mutex, ns per lock
//   mutex8       8 fibers do so with one mutex, and nobody yields inside, ns per lock
//   mutexyield8  8 fibers, each yields while it holds the lock, ns per lock
//
// There are no select, no semaphore and no timers beside sleeps here, and a million sleepers would need as many stacks.
//
// 1 thread uses the round_robin scheduler, more threads use work_stealing (whose idle threads spin, its default).
// Fibers start with launch::post on 16 KiB malloc'ed stacks; the default of 128 KiB would mostly measure the allocator.
// For the same reason, glibc is told not to hand freed stacks back to the kernel, so that after the first of the three
// runs spawn1m reuses pages instead of faulting them in again (on a virtual machine that made it 8 times slower).
//
// Build: clang++ -std=c++20 -O3 boost_fiber.cc -lboost_fiber -lboost_context -pthread -o peer_boost_fiber
//        (or the CMake target peer_boost_fiber)
// Run:   ./peer_boost_fiber WORKLOAD THREADS

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "peer.h"

namespace {

namespace fibers = boost::fibers;

/// Sets up the scheduler of the calling thread and, for more than one thread, helper threads that steal fibers from it.
class fiber_threads {
 public:
  explicit fiber_threads(int threads) {
    if (threads == 1) {
      fibers::use_scheduling_algorithm<fibers::algo::round_robin>();
      return;
    }
    const auto count = static_cast<std::uint32_t>(threads);
    for (int i = 1; i < threads; ++i) {
      helpers_.emplace_back([this, count] {
        fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
        std::unique_lock lock(mutex_);
        finished_.wait(lock, [this] { return done_; });
      });
    }
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
  }

  fiber_threads(const fiber_threads&) = delete;
  fiber_threads& operator=(const fiber_threads&) = delete;

  ~fiber_threads() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    finished_.notify_all();
    for (std::thread& helper : helpers_) {
      helper.join();
    }
  }

 private:
  fibers::mutex mutex_;
  fibers::condition_variable_any finished_;
  bool done_ = false;
  std::vector<std::thread> helpers_;
};

template <class Body>
fibers::fiber start(Body&& body) {
  constexpr std::size_t stack_bytes = 16 * 1024;
  return fibers::fiber(std::allocator_arg, fibers::fixedsize_stack(stack_bytes), std::forward<Body>(body));
}

double run_pingpong() {
  return peer::ns_per_op([](std::uint64_t count) {
    fibers::unbuffered_channel<std::uint64_t> ping;
    fibers::unbuffered_channel<std::uint64_t> pong;
    fibers::fiber echo = start([&ping, &pong, count] {
      for (std::uint64_t i = 0; i < count; ++i) {
        pong.push(ping.value_pop() + 1);
      }
    });
    std::uint64_t value = 0;
    fibers::fiber serve = start([&ping, &pong, &value, count] {
      for (std::uint64_t i = 0; i < count; ++i) {
        ping.push(value);
        value = pong.value_pop();
      }
    });
    serve.join();
    echo.join();
    peer::check(value == count, "pingpong: wrong value");
  });
}

double run_chan128() {
  return peer::ns_per_op([](std::uint64_t count) {
    fibers::buffered_channel<std::uint64_t> channel(128);
    fibers::fiber producer = start([&channel, count] {
      for (std::uint64_t i = 0; i < count; ++i) {
        channel.push(i);
      }
      channel.close();
    });
    std::uint64_t sum = 0;
    fibers::fiber consumer = start([&channel, &sum] {
      std::uint64_t item = 0;
      while (channel.pop(item) == fibers::channel_op_status::success) {
        sum += item;
      }
    });
    producer.join();
    consumer.join();
    peer::check(sum == count * (count - 1) / 2, "chan128: wrong sum");
  });
}

double run_spawnjoin() {
  std::atomic<std::uint64_t> sum{0};
  return peer::ns_per_op([&sum](std::uint64_t count) {
    sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      // relaxed: a count, read after the joins.
      start([&sum] { sum.fetch_add(1, std::memory_order_relaxed); }).join();
    }
    peer::check(sum == count, "spawnjoin: wrong count");
  });
}

double run_spawn1m() {
  constexpr std::uint64_t tasks = 100'000;
  std::atomic<std::uint64_t> sum{0};
  std::vector<fibers::fiber> started;
  started.reserve(tasks);
  const double ns = peer::median_of_three_ns([&sum, &started] {
    sum = 0;
    started.clear();
    for (std::uint64_t i = 0; i < tasks; ++i) {
      // relaxed: a count, read after the joins.
      started.push_back(start([&sum] { sum.fetch_add(1, std::memory_order_relaxed); }));
    }
    for (fibers::fiber& fiber : started) {
      fiber.join();
    }
    peer::check(sum == tasks, "spawn1m: wrong count");
  });
  return ns / static_cast<double>(tasks);
}

double run_yield(std::uint64_t tasks) {
  const double ns_per_round = peer::ns_per_op(
      [tasks](std::uint64_t rounds) {
        std::vector<fibers::fiber> started;
        started.reserve(tasks);
        for (std::uint64_t i = 0; i < tasks; ++i) {
          started.push_back(start([rounds] {
            for (std::uint64_t round = 0; round < rounds; ++round) {
              boost::this_fiber::yield();
            }
          }));
        }
        for (fibers::fiber& fiber : started) {
          fiber.join();
        }
      },
      10);
  return ns_per_round / static_cast<double>(tasks);
}

std::uint64_t sum_below(std::uint64_t count) { return count * (count - 1) / 2; }

void join_all(std::vector<fibers::fiber>& started) {
  for (fibers::fiber& fiber : started) {
    fiber.join();
  }
}

double run_stream(std::uint64_t producers, std::uint64_t consumers) {
  return peer::ns_per_op([producers, consumers](std::uint64_t count) {
    fibers::buffered_channel<std::uint64_t> channel(128);
    std::atomic<std::uint64_t> sum{0};
    std::vector<fibers::fiber> producing;
    std::vector<fibers::fiber> consuming;
    for (std::uint64_t first = 0; first < producers; ++first) {
      producing.push_back(start([&channel, first, producers, count] {
        for (std::uint64_t i = first; i < count; i += producers) {
          channel.push(i);
        }
      }));
    }
    for (std::uint64_t i = 0; i < consumers; ++i) {
      consuming.push_back(start([&channel, &sum] {
        std::uint64_t mine = 0;
        std::uint64_t item = 0;
        while (channel.pop(item) == fibers::channel_op_status::success) {
          mine += item;
        }
        // relaxed: a sum, read after the joins.
        sum.fetch_add(mine, std::memory_order_relaxed);
      }));
    }
    join_all(producing);
    channel.close();
    join_all(consuming);
    peer::check(sum == sum_below(count), "chan128: wrong sum");
  });
}

double run_pipeline3() {
  return peer::ns_per_op([](std::uint64_t count) {
    fibers::buffered_channel<std::uint64_t> first(64);
    fibers::buffered_channel<std::uint64_t> second(64);
    fibers::fiber source = start([&first, count] {
      for (std::uint64_t i = 0; i < count; ++i) {
        first.push(i);
      }
      first.close();
    });
    fibers::fiber middle = start([&first, &second] {
      std::uint64_t item = 0;
      while (first.pop(item) == fibers::channel_op_status::success) {
        second.push(item + 1);
      }
      second.close();
    });
    std::uint64_t sum = 0;
    fibers::fiber sink = start([&second, &sum] {
      std::uint64_t item = 0;
      while (second.pop(item) == fibers::channel_op_status::success) {
        sum += item;
      }
    });
    source.join();
    middle.join();
    sink.join();
    peer::check(sum == sum_below(count) + count, "pipeline3: wrong sum");
  });
}

/// Nanoseconds per lock when `tasks` fibers share one mutex.
double run_mutex(std::uint64_t tasks, bool yields) {
  const double ns_per_round = peer::ns_per_op([tasks, yields](std::uint64_t rounds) {
    fibers::mutex mutex;
    std::uint64_t sum = 0;
    std::vector<fibers::fiber> started;
    for (std::uint64_t i = 0; i < tasks; ++i) {
      started.push_back(start([&mutex, &sum, rounds, yields] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
          const std::lock_guard lock(mutex);
          ++sum;
          if (yields) {
            boost::this_fiber::yield();
          }
        }
      }));
    }
    join_all(started);
    peer::check(sum == tasks * rounds, "mutex: wrong count");
  });
  return ns_per_round / static_cast<double>(tasks);
}

}  // namespace

int main(int argc, char** argv) {
  const peer::arguments args = peer::parse(argc, argv);
#if defined(__GLIBC__)
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
  const fiber_threads threads(args.threads);
  if (args.workload == "pingpong") {
    peer::report(args, run_pingpong(), "ns/roundtrip");
  } else if (args.workload == "chan128") {
    peer::report(args, run_chan128(), "ns/item");
  } else if (args.workload == "spawnjoin") {
    peer::report(args, run_spawnjoin(), "ns/task");
  } else if (args.workload == "spawn1m") {
    peer::report(args, run_spawn1m(), "ns/task");
  } else if (args.workload == "yield2") {
    peer::report(args, run_yield(2), "ns/yield");
  } else if (args.workload == "yield1000") {
    peer::report(args, run_yield(1000), "ns/yield");
  } else if (args.workload == "chan128_4to4") {
    peer::report(args, run_stream(4, 4), "ns/item");
  } else if (args.workload == "chan128_4to1") {
    peer::report(args, run_stream(4, 1), "ns/item");
  } else if (args.workload == "pipeline3") {
    peer::report(args, run_pipeline3(), "ns/item");
  } else if (args.workload == "mutex1") {
    peer::report(args, run_mutex(1, false), "ns/lock");
  } else if (args.workload == "mutex8") {
    peer::report(args, run_mutex(8, false), "ns/lock");
  } else if (args.workload == "mutexyield8") {
    peer::report(args, run_mutex(8, true), "ns/lock");
  } else {
    peer::fail("unknown workload " + args.workload);
  }
}
