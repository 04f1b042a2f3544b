// [admission] of task.cc under every interleaving: when shutdown finds that all tasks have ended, none lives and none
// comes.
//
// A model: a worker whose task starts another and ends, a plain thread that starts one, and the shutdown.
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

// What a mutant does otherwise.
struct mutation {
  bool counts_first = true;    // A1 before A2
  bool finished_first = true;  // C2 sums up what has ended before what was started
};

class model {
 public:
  explicit model(mutation m) : mutated_(m) {
    // The worker's first task.
    created_here_.store(1);
    living_ = 1;
  }

  // launch_task() from a task: the counter is the processor's own.
  bool start_here() {
    bump(created_here_);  // A1
    // seq_cst: A2.
    if (closed_.load(std::memory_order_seq_cst) == 0) return began();
    bump(finished_here_);
    return false;
  }

  // launch_task() from a plain thread.
  bool start_from_outside() {
    // seq_cst: A1.
    if (mutated_.counts_first) created_outside_.fetch_add(1, std::memory_order_seq_cst);
    // seq_cst: A2.
    const bool admitted = closed_.load(std::memory_order_seq_cst) == 0;
    // seq_cst: a mutant.
    if (!mutated_.counts_first) created_outside_.fetch_add(1, std::memory_order_seq_cst);
    if (admitted) return began();
    // seq_cst: the refused task.
    finished_outside_.fetch_add(1, std::memory_order_seq_cst);
    return false;
  }

  void end_here() {
    body_.fetch_add(1);  // what the task does
    --living_;
    bump(finished_here_);
  }

  // shutdown().
  void shut_down() {
    // seq_cst: C1.
    closed_.store(1, std::memory_order_seq_cst);
    explored_atomics::heavy_barrier();
    while (live_tasks() != 0) explored_atomics::pause();  // C2
    require(living_ == 0, "shutdown ended while a task lived");
    drained_ = true;
  }

  // A task that came from outside is run by the worker too.
  atomic<int> outside_ready{0};

 private:
  bool began() {
    require(!drained_, "a task was admitted after the shutdown");
    ++living_;
    return true;
  }

  // base::counter: one writer.
  static void bump(atomic<uint64_t>& counter) {
    // relaxed: its own.
    const uint64_t n = counter.load(std::memory_order_relaxed);
    // release: who sees an end sees the starts before it.
    counter.store(n + 1, std::memory_order_release);
  }

  uint64_t created() const {
    // acquire: C2, here and below.
    const uint64_t outside = created_outside_.load(std::memory_order_acquire);
    return outside + created_here_.load(std::memory_order_acquire);
  }
  uint64_t finished() const {
    // acquire: C2.
    const uint64_t outside = finished_outside_.load(std::memory_order_acquire);
    return outside + finished_here_.load(std::memory_order_acquire);
  }
  uint64_t live_tasks() const {
    if (!mutated_.finished_first) {
      const uint64_t c = created();
      return c - finished();
    }
    const uint64_t f = finished();
    return created() - f;
  }

  const mutation mutated_;
  atomic<uint64_t> created_here_{0}, finished_here_{0}, created_outside_{0}, finished_outside_{0};
  atomic<uint32_t> closed_{0};
  atomic<int> body_{0};
  int living_ = 0;  // the truth; the threads are fibers of one
  bool drained_ = false;
};

auto worker_and_shutdown(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    x.thread([=] {
      const bool second = s->start_here();
      s->end_here();
      if (second) s->end_here();
    });
    x.thread([=] { s->shut_down(); });
  };
}

auto thread_and_shutdown(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(m);
    x.thread([=] {
      s->end_here();
      while (s->outside_ready.load() == 0) explored_atomics::pause();
      if (s->outside_ready.load() == 1) s->end_here();
    });
    x.thread([=] { s->outside_ready.store(s->start_from_outside() ? 1 : 2); });
    x.thread([=] { s->shut_down(); });
  };
}

TEST(AdmissionExploreTest, ShutdownWaitsForATaskThatATaskStarts) { test::passes(-1, 10'000, worker_and_shutdown({})); }

TEST(AdmissionExploreTest, ShutdownWaitsForOrRefusesATaskFromOutside) {
  test::passes(4, 10'000, thread_and_shutdown({}));
}

TEST(AdmissionExploreTest, WhoLooksBeforeItCountsIsOverlooked) {
  test::fails(3, "shutdown", thread_and_shutdown({.counts_first = false}));
}

TEST(AdmissionExploreTest, AShutdownThatSumsUpTheStartsFirstOverlooksATask) {
  test::fails(3, "shutdown ended while a task lived", worker_and_shutdown({.finished_first = false}));
}

}  // namespace
}  // namespace weft::detail
