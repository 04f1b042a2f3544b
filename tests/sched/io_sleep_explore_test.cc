// Every interleaving of [io-sleep] (poller.h) and [io-relief] (relief.h) with the parts of [wake] and [io] around them:
// a worker that sleeps in its poller while operations are under way, a producer that gives it work, the kernel, which
// completes an operation, a stopper, which asks for the end of one, and the monitor, which takes what has completed.
//
// The model is one worker, its idle list of one, and a poller whose wake-ups stay until they are taken, as those of an
// eventfd in a ring or in epoll do.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "sched/relief.h"
#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

struct mutation {
  bool announces_first = true;     // I1 before I2
  bool looks_before_sleep = true;  // I2
  bool word_first = true;          // I4 before I5
  bool ordered = true;             // I1, I2, I4 and I5 are seq_cst
  bool wakes_stay = true;          // a wake of a poller that nobody sleeps in ends its next sleep
  bool looks_after_sleep = true;   // it leaves the idle list after each sleep in the poller, and looks around
  bool looks_after_drain = true;   // C3 of [io]
  bool gives_wakes_back = true;    // the monitor wakes the poller when it has taken a wake
};

class model {
 public:
  // `work`: pieces of work and completions, altogether.
  model(int work, mutation m) : mutated_(m), all_(work) {}

  void worker_main() {
    while (done_ != all_) {
      if (take())
        ++done_;
      else
        idle();
    }
  }

  // K1 to K3, and signal().
  void produce() {
    // release: K1.
    queue_.fetch_add(1, std::memory_order_release);
    explored_atomics::light_barrier();  // K2
    uint32_t idle = 1;
    // seq_cst: K3; takes the worker off the idle list.
    if (!idle_.compare_exchange_strong(idle, 0, std::memory_order_seq_cst, std::memory_order_seq_cst)) return;
    bool in_poller = false;
    if (!mutated_.word_first) in_poller = in_poller_.load(load_order());
    word_.store(1, mutated_.ordered ? std::memory_order_seq_cst : std::memory_order_release);  // I4
    if (mutated_.word_first) in_poller = in_poller_.load(load_order());                        // I5
    if (in_poller) wake_poller();
    // else the futex, whose word the worker looks at
  }

  // The kernel: an operation is done.
  void complete() {
    // release: the completion queue's own.
    completions_.fetch_add(1, std::memory_order_release);
    // seq_cst: the kernel's wait queue.
    signal_.store(1, std::memory_order_seq_cst);
  }

  // Of [io]: an operation is to end, and does when the worker has asked for it.
  void stop() {
    // release: pairs with the worker's acquire.
    asked_.store(1, std::memory_order_release);
    wake_poller();
  }

  // The monitor: by its clock the worker computes, but it need not, and may go to sleep at any moment.
  void relieve() {
    if (!relief_.try_relieve()) return;
    hand_over();  // C1
    // seq_cst: the kernel's.
    const bool woken = signal_.exchange(0, std::memory_order_seq_cst) != 0;
    int taken = 0;
    // acquire: the queue's own. relaxed: only who is in there takes.
    while (completions_.load(std::memory_order_acquire) != 0) {
      completions_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: see above
      ++taken;
    }
    hand_over();  // C3
    if (woken && mutated_.gives_wakes_back) wake_poller();
    relief_.end_relief();
    for (; taken != 0; --taken) produce();
  }

  void all_is_done() { require(done_ == all_, "work was left behind"); }

 private:
  std::memory_order load_order() const noexcept {
    // seq_cst: I2 and I5; acquire in a mutant.
    return mutated_.ordered ? std::memory_order_seq_cst : std::memory_order_acquire;
  }

  void wake_poller() {
    // seq_cst: the kernel's; here and below.
    if (mutated_.wakes_stay || sleeps_.load(std::memory_order_seq_cst) != 0)
      signal_.store(1, std::memory_order_seq_cst);  // seq_cst: see above
  }

  void hand_over() {
    // acquire: C1 and C3 of [io]. relaxed: as the engine does under its lock; the kernel completes it.
    if (asked_.load(std::memory_order_acquire) == 0) return;
    asked_.store(0, std::memory_order_relaxed);            // relaxed: see above
    completions_.fetch_add(1, std::memory_order_relaxed);  // relaxed: see above
  }

  bool take() {
    relief_.enter();
    const bool took = take_within();
    relief_.leave();
    return took;
  }

  bool take_within() {
    hand_over();
    // seq_cst: the kernel's; C2 takes the wakes that are there.
    signal_.exchange(0, std::memory_order_seq_cst);
    if (mutated_.looks_after_drain) hand_over();
    for (atomic<int>* from : {&queue_, &completions_}) {
      // acquire: the queues' own. relaxed: only the worker takes.
      if (from->load(std::memory_order_acquire) == 0) continue;
      from->fetch_sub(1, std::memory_order_relaxed);  // relaxed: see above
      return true;
    }
    return false;
  }

  bool leave_idle() {
    uint32_t idle = 1;
    // seq_cst: the idle list's lock.
    return idle_.compare_exchange_strong(idle, 0, std::memory_order_seq_cst, std::memory_order_seq_cst);
  }

  void idle() {
    // relaxed: nobody signals a worker that is not on the list.
    word_.store(0, std::memory_order_relaxed);
    // seq_cst: L1.
    idle_.store(1, std::memory_order_seq_cst);
    explored_atomics::heavy_barrier();  // L2
    // relaxed: L3; after the barrier.
    if (queue_.load(std::memory_order_relaxed) != 0 && leave_idle()) return;
    // acquire: L4.
    while (word_.load(std::memory_order_acquire) == 0) {
      sleep();
      if (mutated_.looks_after_sleep && leave_idle()) return;
    }
  }

  void sleep() {
    // seq_cst: I1 and I3; release in a mutant.
    const std::memory_order order = mutated_.ordered ? std::memory_order_seq_cst : std::memory_order_release;
    bool asleep = false;
    if (!mutated_.announces_first) asleep = word_.load(load_order()) == 0;
    in_poller_.store(1, order);                                                                            // I1
    if (mutated_.announces_first) asleep = !mutated_.looks_before_sleep || word_.load(load_order()) == 0;  // I2
    if (asleep) {
      relief_.enter();
      // seq_cst: the kernel's; here and below.
      sleeps_.store(1, std::memory_order_seq_cst);
      while (signal_.load(std::memory_order_seq_cst) == 0) explored_atomics::pause();  // seq_cst: see above
      signal_.store(0, std::memory_order_seq_cst);                                     // seq_cst: see above
      sleeps_.store(0, std::memory_order_seq_cst);                                     // seq_cst: see above
      relief_.leave();
    }
    in_poller_.store(0, order);  // I3
  }

  const mutation mutated_;
  const int all_;
  int done_ = 0;  // the worker's
  relief<explored_atomics> relief_;
  atomic<int> queue_{0}, completions_{0};
  atomic<uint32_t> asked_{0};  // an operation is to end
  atomic<uint32_t> idle_{0};
  atomic<uint32_t> word_{0};
  atomic<uint32_t> in_poller_{0};
  atomic<uint32_t> signal_{0};  // what ends a sleep in the poller
  atomic<uint32_t> sleeps_{0};
};

auto a_producer_and_the_kernel(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(2, m);
    x.thread([=] { s->worker_main(); });
    x.thread([=] { s->produce(); });
    x.thread([=] { s->complete(); });
    x.finally([=] { s->all_is_done(); });
  };
}

auto a_stopper_and_the_kernel(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(2, m);
    x.thread([=] { s->worker_main(); });
    x.thread([=] { s->stop(); });
    x.thread([=] { s->complete(); });
    x.finally([=] { s->all_is_done(); });
  };
}

auto a_producer(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(2, m);
    x.thread([=] { s->worker_main(); });
    x.thread([=] {
      s->produce();
      s->produce();
    });
    x.finally([=] { s->all_is_done(); });
  };
}

auto the_monitor_and(void (model::*other)(), mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<model>(1, m);
    x.thread([=] { s->worker_main(); });
    x.thread([=] { (s.get()->*other)(); });
    x.thread([=] { s->relieve(); });
    x.finally([=] { s->all_is_done(); });
  };
}

// The driver twice, and the monitor; each is alone in there.
template <class Atomics>
auto a_driver_and_the_monitor() {
  struct place {
    relief<Atomics> door;
    int inside = 0;
    void visit() {
      require(inside++ == 0, "both are in there");
      explored_atomics::pause();
      --inside;
    }
  };
  return [](execution& x) {
    auto s = std::make_shared<place>();
    x.thread([=] {
      for (int i = 0; i < 2; ++i) {
        s->door.enter();
        s->visit();
        s->door.leave();
      }
    });
    x.thread([=] {
      if (!s->door.try_relieve()) return;
      s->visit();
      s->door.end_relief();
    });
  };
}

struct without_heavy_barrier : explored_atomics {
  static void heavy_barrier() noexcept {}
};

TEST(IoSleepExploreTest, NeitherWorkNorCompletionsAreSleptOver) {
  test::passes(3, 20'000, a_producer_and_the_kernel({}));
}

TEST(IoSleepExploreTest, EveryPieceOfAProducerEndsASleepInThePoller) { test::passes(3, 20'000, a_producer({})); }

TEST(IoSleepExploreTest, AStopIsNotSleptOver) { test::passes(3, 20'000, a_stopper_and_the_kernel({})); }

TEST(IoSleepExploreTest, AWorkerThatDoesNotLookForStopsAfterItTookTheirWakeSleepsOverThem) {
  test::fails(3, "deadlock", a_stopper_and_the_kernel({.looks_after_drain = false}));
}

TEST(IoSleepExploreTest, AWorkerThatLooksAtItsWordBeforeItSaysWhereItSleepsIsNotWoken) {
  test::fails(3, "deadlock", a_producer({.announces_first = false}));
}

TEST(IoSleepExploreTest, AWorkerThatDoesNotLookAtItsWordIsNotWoken) {
  test::fails(3, "deadlock", a_producer({.looks_before_sleep = false}));
}

TEST(IoSleepExploreTest, AWakerThatLooksWhereTheWorkerSleepsBeforeItSetsTheWordWakesTheWrongPlace) {
  test::fails(3, "deadlock", a_producer({.word_first = false}));
}

TEST(IoSleepExploreTest, ReleaseAndAcquireAreNotEnough) { test::fails(3, "deadlock", a_producer({.ordered = false})); }

TEST(IoSleepExploreTest, AWakeThatDoesNotStayIsLost) { test::fails(3, "deadlock", a_producer({.wakes_stay = false})); }

TEST(IoSleepExploreTest, AWorkerThatDoesNotLookAroundAfterASleepLeavesCompletions) {
  test::fails(3, "deadlock", a_producer_and_the_kernel({.looks_after_sleep = false}));
}

TEST(IoSleepExploreTest, TheMonitorTakesNoWakeAwayFromTheWorker) {
  for (void (model::*other)() : {&model::produce, &model::complete, &model::stop})
    test::passes(3, 20'000, the_monitor_and(other, {}));
}

TEST(IoSleepExploreTest, AWakeThatTheMonitorKeepsIsLost) {
  test::fails(3, "deadlock", the_monitor_and(&model::produce, {.gives_wakes_back = false}));
}

TEST(IoSleepExploreTest, TheDriverAndTheMonitorAreNeverInThePollerTogether) {
  test::passes(4, 20'000, a_driver_and_the_monitor<explored_atomics>());
}

TEST(IoSleepExploreTest, WithoutABarrierTheMonitorMissesADriverThatHasJustCome) {
  test::fails(4, "both are in there", a_driver_and_the_monitor<without_heavy_barrier>());
}

}  // namespace
}  // namespace weft::detail
