// The fairness contract of docs/fairness.md, in dispatches: every ready task has its turn within (n + 2) slices,
// whatever the others do.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <weft/weft.h>

#include "sched/scheduler.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

// What the tasks see of the time: dispatches of the one processor.
struct turns {
  explicit turns(runtime& rt) : processor(*runtime_access::sched(rt).processors()[0]) {}
  uint64_t now() const { return processor.counters.dispatches.value(); }
  detail::processor& processor;
};

// One of a pair that hands the turn to and fro: `serves` sends first.
task<> ping_pong(channel<int> in, channel<int> out, bool serves) {
  bool sends = serves;
  for (bool open = true; open; sends = !sends) {
    if (sends) {
      open = co_await out.send(0);
    } else {
      const auto v = co_await in.receive();
      open = v.has_value();
    }
  }
}

// Hands a lock on to the next in the queue for ever.
task<> pass_lock(mutex& m) {
  while (!this_task::stop_requested()) {
    const mutex_guard lock = co_await m.lock();
    co_await yield();
  }
}

task<> always_ready(channel<int> full) {
  bool open = true;
  while (open) {
    (void)full.try_receive();
    open = co_await full.send(0);
  }
}

// Yields, and notes the longest time until its next turn.
task<> note_longest_wait(turns& t, uint64_t& longest) {
  while (!this_task::stop_requested()) {
    const uint64_t before = t.now();
    co_await yield();
    longest = std::max(longest, t.now() - before);
  }
}

// Sleeps, and notes how late it was in turns, after the test has moved the clock.
task<> note_late_timer(turns& t, uint64_t& due_at, uint64_t& late, bool& fired) {
  const bool slept = co_await sleep_for(1ms);
  if (slept) late = t.now() - due_at;
  fired = true;
}

TEST(FairnessTest, EveryReadyTaskHasItsTurnWithinTheContract) {
  for (const int hog_pairs : {0, 1, 3}) {
    for (const int yielders : {1, 5, 50}) {
      test::manual_clock clock(0);
      options opts;
      opts.processors = 0;
      os::seams seams = os::seams::real();
      seams.time = &clock;
      const std::unique_ptr<runtime> rt = *runtime_access::create(opts, seams, detail::drive::host);
      detail::scheduler& sched = runtime_access::sched(*rt);
      turns t(*rt);
      mutex m;
      std::vector<uint64_t> longest(static_cast<std::size_t>(yielders), 0);
      std::vector<join_handle<void>> tasks;
      int ready = yielders;
      for (int i = 0; i < hog_pairs; ++i) {
        const channel<int> a(0), b(0), full(1);
        tasks.push_back(rt->spawn(ping_pong, a, b, true));
        tasks.push_back(rt->spawn(ping_pong, b, a, false));
        tasks.push_back(rt->spawn(pass_lock, std::ref(m)));
        tasks.push_back(rt->spawn(pass_lock, std::ref(m)));
        tasks.push_back(rt->spawn(always_ready, full));
        ready += 5;
      }
      for (uint64_t& l : longest) tasks.push_back(rt->spawn(note_longest_wait, std::ref(t), std::ref(l)));
      uint64_t due_at = 0, late = 0;
      bool fired = false;
      tasks.push_back(rt->spawn(note_late_timer, std::ref(t), std::ref(due_at), std::ref(late), std::ref(fired)));
      sched.drive_some(0, 20'000);
      clock.advance(1'000'000);
      due_at = t.now();
      sched.drive_some(0, 20'000);

      const auto slice = static_cast<uint64_t>(opts.scheduling.run_next_in_a_row);
      const uint64_t bound = slice * static_cast<uint64_t>(ready + 2);
      for (const uint64_t l : longest) EXPECT_LE(l, bound) << hog_pairs << " pairs, " << yielders << " yielders";
      EXPECT_TRUE(fired);
      EXPECT_LE(late, bound);
      for (auto& h : tasks) h.request_stop();
      for (int i = 0; i < 100; ++i) sched.drive_some(0, 10'000);
      for (auto& h : tasks) EXPECT_TRUE(h.done());
    }
  }
}

}  // namespace
}  // namespace weft
