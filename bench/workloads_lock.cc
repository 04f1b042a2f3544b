// Workloads of weft_workloads: mutexes and semaphores.
//
//   mutex1       one task locks, adds one and unlocks; ns per lock
//   mutex8       8 tasks do so with one mutex, and nobody yields inside; ns per lock
//   mutexyield8  8 tasks, each yields while it holds the lock; ns per lock
//   sem4of8      a semaphore of 4 permits, 8 tasks: acquire one, yield, release; ns per acquire
//
// The counts are those of all tasks together.
#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include <weft/join_handle.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/semaphore.h>
#include <weft/task.h>
#include <weft/this_task.h>

#include "peers/peer.h"
#include "workloads.h"

namespace {

using counter = std::atomic<std::uint64_t>;

constexpr std::uint64_t contenders = 8;

weft::task<> lock_often(weft::mutex* m, std::uint64_t* sum, std::uint64_t rounds) {
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const weft::mutex_guard lock = co_await m->lock();
    ++*sum;
  }
}

weft::task<> lock_over_yields(weft::mutex* m, std::uint64_t* sum, std::uint64_t rounds) {
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const weft::mutex_guard lock = co_await m->lock();
    ++*sum;
    co_await weft::yield();
  }
}

weft::task<std::uint64_t> lock_alone(std::uint64_t count) {
  weft::mutex m;
  std::uint64_t sum = 0;
  co_await lock_often(&m, &sum, count);
  co_return sum;
}

// `work` in 8 tasks on one mutex.
weft::task<std::uint64_t> lock_together(weft::task<> (*work)(weft::mutex*, std::uint64_t*, std::uint64_t),
                                        std::uint64_t rounds) {
  weft::mutex m;
  std::uint64_t sum = 0;
  std::vector<weft::join_handle<void>> handles;
  for (std::uint64_t i = 0; i < contenders; ++i) handles.push_back(weft::spawn(work, &m, &sum, rounds));
  for (auto& handle : handles) co_await handle;
  co_return sum;
}

double run_mutex1(weft::runtime& rt) {
  return peer::ns_per_op(
      [&rt](std::uint64_t count) { peer::check(rt.run(lock_alone, count) == count, "mutex1: wrong count"); });
}

double run_mutex8(weft::runtime& rt) {
  const double ns_per_round = peer::ns_per_op([&rt](std::uint64_t rounds) {
    peer::check(rt.run(lock_together, lock_often, rounds) == contenders * rounds, "mutex8: wrong count");
  });
  return ns_per_round / static_cast<double>(contenders);
}

double run_mutexyield8(weft::runtime& rt) {
  const double ns_per_round = peer::ns_per_op([&rt](std::uint64_t rounds) {
    peer::check(rt.run(lock_together, lock_over_yields, rounds) == contenders * rounds, "mutexyield8: wrong count");
  });
  return ns_per_round / static_cast<double>(contenders);
}

weft::task<> acquire_often(weft::semaphore* slots, counter* sum, std::uint64_t rounds) {
  std::uint64_t mine = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const weft::permit held = co_await slots->acquire(1);
    ++mine;
    co_await weft::yield();
  }
  // relaxed: whoever reads the sum has joined this task.
  sum->fetch_add(mine, std::memory_order_relaxed);
}

weft::task<std::uint64_t> acquire_together(std::uint64_t rounds) {
  weft::semaphore slots(4);
  counter sum{0};
  std::vector<weft::join_handle<void>> handles;
  for (std::uint64_t i = 0; i < contenders; ++i) handles.push_back(weft::spawn(acquire_often, &slots, &sum, rounds));
  for (auto& handle : handles) co_await handle;
  peer::check(slots.try_acquire(4).has_value(), "sem4of8: a permit is missing at the end");
  // relaxed: the joins have ordered the additions before this.
  co_return sum.load(std::memory_order_relaxed);
}

double run_sem4of8(weft::runtime& rt) {
  const double ns_per_round = peer::ns_per_op([&rt](std::uint64_t rounds) {
    peer::check(rt.run(acquire_together, rounds) == contenders * rounds, "sem4of8: wrong count");
  });
  return ns_per_round / static_cast<double>(contenders);
}

constexpr std::array<weft_bench::workload, 4> workloads{{
    {"mutex1", "ns/lock", run_mutex1},
    {"mutex8", "ns/lock", run_mutex8},
    {"mutexyield8", "ns/lock", run_mutexyield8},
    {"sem4of8", "ns/acquire", run_sem4of8},
}};

}  // namespace

std::span<const weft_bench::workload> weft_bench::lock_workloads() { return workloads; }
