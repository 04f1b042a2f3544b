// Workloads: tasks that want the same lock or the same few permits.
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

#include "work.h"
#include "workload.h"

namespace {

using weft_lab::check;
using weft_lab::compute;
using weft_lab::context;
using weft_lab::outcome;
using weft_lab::parameter;
using weft_lab::warm_up_and_measure;

constexpr parameter yields_parameter{"yields", 0, 1, 0, "on: a task yields while it has what the others wait for"};

// What the tasks of one run do, and how often.
struct contest {
  uint64_t each;  // turns of each task
  int64_t work;
  bool yields;
};

// `take_turns(how)` has so many tasks take turns, and returns how many there were.
template <class TakeTurns>
outcome contend(context& c, uint64_t tasks, TakeTurns&& take_turns) {
  const uint64_t each = static_cast<uint64_t>(c["count"]) / tasks + 1;
  outcome out = warm_up_and_measure(
      c, each,
      [&](uint64_t n) {
        const contest how{n, c["work"], c["yields"] != 0};
        return take_turns(&how);
      },
      [&](uint64_t n) { return tasks * n; }, "wrong number of turns");
  out.operations = tasks * each;
  return out;
}

// mutex ---------------------------------------------------------------------------------------------------------------

struct guarded {
  contest how;
  weft::mutex lock{};
  uint64_t turns = 0;  // guarded by lock
};

weft::task<> lock_often(guarded* g) {
  for (uint64_t i = 0; i < g->how.each; ++i) {
    const weft::mutex_guard lock = co_await g->lock.lock();
    ++g->turns;
    compute(g->how.work);
    if (g->how.yields) co_await weft::yield();
  }
}

weft::task<uint64_t> contend_for_lock(uint64_t tasks, const contest* how) {
  guarded g{*how};
  std::vector<weft::join_handle<void>> handles;
  for (uint64_t i = 0; i < tasks; ++i) handles.push_back(weft::spawn(lock_often, &g));
  for (auto& handle : handles) co_await handle;
  co_return g.turns;
}

constexpr std::array mutex_parameters{
    parameter{"count", 1, 1'000'000'000, 10'000'000, "times that the lock is taken, by all tasks together"},
    parameter{"tasks", 1, 1'000'000, 8, "that want the lock"},
    yields_parameter,
    weft_lab::work_parameter,
};

outcome run_mutex(context& c) {
  const auto tasks = static_cast<uint64_t>(c["tasks"]);
  return contend(c, tasks, [&](const contest* how) { return c.rt().run(contend_for_lock, tasks, how); });
}

// semaphore -----------------------------------------------------------------------------------------------------------

struct permits {
  permits(const contest& h, int64_t count) : how(h), most(count), slots(count) {}

  contest how;
  int64_t most;
  weft::semaphore slots;
  std::atomic<int64_t> held{0};
  std::atomic<uint64_t> turns{0};
};

weft::task<> acquire_often(permits* p) {
  for (uint64_t i = 0; i < p->how.each; ++i) {
    const weft::permit got = co_await p->slots.acquire(1);
    check(static_cast<bool>(got), "asked to stop");
    // relaxed: the semaphore alone keeps the number down, whatever the order.
    check(p->held.fetch_add(1, std::memory_order_relaxed) < p->most, "more permits than there are");
    compute(p->how.work);
    if (p->how.yields) co_await weft::yield();
    // relaxed: as above.
    p->held.fetch_sub(1, std::memory_order_relaxed);
  }
  // relaxed: whoever reads the sum has joined this task.
  p->turns.fetch_add(p->how.each, std::memory_order_relaxed);
}

weft::task<uint64_t> contend_for_permits(uint64_t tasks, int64_t count, const contest* how) {
  permits p(*how, count);
  std::vector<weft::join_handle<void>> handles;
  for (uint64_t i = 0; i < tasks; ++i) handles.push_back(weft::spawn(acquire_often, &p));
  for (auto& handle : handles) co_await handle;
  check(p.slots.try_acquire(count).has_value(), "a permit is missing at the end");
  // relaxed: the joins have ordered the additions before this.
  co_return p.turns.load(std::memory_order_relaxed);
}

constexpr std::array semaphore_parameters{
    parameter{"count", 1, 1'000'000'000, 6'000'000, "permits taken, by all tasks together"},
    parameter{"tasks", 1, 1'000'000, 8, "that want permits"},
    parameter{"permits", 1, 1'000'000, 4, "that there are"},
    yields_parameter,
    weft_lab::work_parameter,
};

outcome run_semaphore(context& c) {
  const auto tasks = static_cast<uint64_t>(c["tasks"]);
  const int64_t count = c["permits"];
  return contend(c, tasks, [&](const contest* how) { return c.rt().run(contend_for_permits, tasks, count, how); });
}

// ---------------------------------------------------------------------------------------------------------------------

constexpr std::array<weft_lab::workload, 2> workloads{{
    {.name = "mutex",
     .summary = "tasks take one lock in turn, add one and go",
     .shows = "contention: with --yields=on every turn is handed over; gather-above brings the tasks together",
     .unit = "turn",
     .parameters = mutex_parameters,
     .run = run_mutex},
    {.name = "semaphore",
     .summary = "more tasks than permits take one each in turn",
     .shows = "as mutex, where several may go on at once: how permits are handed over, wakes and steals",
     .unit = "turn",
     .parameters = semaphore_parameters,
     .run = run_semaphore},
}};

}  // namespace

std::span<const weft_lab::workload> weft_lab::contention_workloads() { return workloads; }
