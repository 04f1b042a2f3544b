// [park], [ready] and [stop] of detail/wait.h under every interleaving: each wait ends once, and no stop is missed.
//
// A model: one strand that waits under several locks in turn, others that fulfil its waits, and stoppers. A stop or a
// wake that is missed leaves the strand asleep, which the explorer reports as a deadlock.
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

struct place;

enum class ending { pending, done, stopped };

struct waiter {
  plain<ending> result{ending::pending};
  plain<place*> queued{nullptr};
};

// What a mutant leaves out.
struct mutation {
  bool stopper_barrier = true;  // S2
  bool looks_twice = true;      // S4 reads `waiting` again after wait_lock
  bool looks_at_stop = true;    // P3
  bool announces = true;        // P1
};

// A channel, semaphore or the like: permits and the one waiter that may be there, under a lock.
struct place {
  explicit place(test::explored_owners<>& owners) : lock(owners) {}
  test::explored_biased_lock<> lock;
  plain<int> permits{0};
  plain<waiter*> front{nullptr};
};

class strand {
 public:
  explicit strand(mutation m) : mutated_(m) {}

  // P1 to P3, W1 to W4. False: stopped.
  bool wait(place& at, waiter& w) {
    // release: P1; S4 that sees it sees that the wait before has ended.
    if (mutated_.announces) wait_lock_.store(&at, std::memory_order_release);
    at.lock.lock();  // P2
    // relaxed: P3.
    if (mutated_.looks_at_stop && stop_.load(std::memory_order_relaxed) != 0) {
      at.lock.unlock();
      return false;
    }
    return look_and_park(at, w);
  }

  // A wait that is no stop point, as for a mutex.
  void wait_regardless(place& at, waiter& w) {
    at.lock.lock();
    // relaxed: ordered before `waiting` by its release store.
    wait_lock_.store(nullptr, std::memory_order_relaxed);
    require(look_and_park(at, w), "a wait that is no stop point was stopped");
  }

  // R1 to R3.
  void fulfil(place& at) {
    at.lock.lock();
    waiter* w = at.front.get();
    if (w == nullptr) {
      at.permits.set(at.permits.get() + 1);
      at.lock.unlock();
      return;
    }
    end_wait(at, *w, ending::done);  // R1
    at.lock.unlock();                // R2
    ready();                         // R3
  }

  // S1 to S4.
  void stop() {
    stop_.store(1);  // S1
    if (look_for_wait()) return;
    if (mutated_.stopper_barrier) explored_atomics::heavy_barrier();  // S2
    look_for_wait();
  }

 private:
  // S3 and S4.
  bool look_for_wait() {
    for (;;) {
      // acquire: S3.
      place* at = wait_lock_.load(std::memory_order_acquire);
      if (at == nullptr) return false;
      at->lock.lock();
      // acquire: S4; `waiting`, then wait_lock, then `waiting` again.
      waiter* w = waiting_.load(std::memory_order_acquire);
      // acquire: S4.
      const bool same = wait_lock_.load(std::memory_order_acquire) == at;
      // relaxed: S4; after the acquire load above.
      if (same && w != nullptr && (!mutated_.looks_twice || waiting_.load(std::memory_order_relaxed) == w)) {
        require(at->front.get() == w, "a stop ended a wait under another lock");
        end_wait(*at, *w, ending::stopped);
        at->lock.unlock();
        ready();
        return true;
      }
      at->lock.unlock();
      if (same) return false;
    }
  }

  bool look_and_park(place& at, waiter& w) {
    if (at.permits.get() > 0) {  // W1
      at.permits.set(at.permits.get() - 1);
      at.lock.unlock();
      return true;
    }
    // W2 is the model's fiber itself. W3. release: S4 reads `waiting` (acquire) and then wait_lock.
    waiting_.store(&w, std::memory_order_release);
    w.queued.set(&at);
    at.front.set(&w);
    at.lock.unlock();  // W4
    // acquire: stands for the run queue, through which a ready strand goes.
    while (ready_.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    // relaxed: its own.
    ready_.store(0, std::memory_order_relaxed);
    require(w.queued.get() == nullptr, "a strand goes on while its waiter is queued");
    return w.result.get() == ending::done;
  }

  void end_wait(place& at, waiter& w, ending how) {
    require(w.result.get() == ending::pending, "a wait ended twice");
    at.front.set(nullptr);
    w.queued.set(nullptr);
    w.result.set(how);
    // relaxed: under the lock.
    waiting_.store(nullptr, std::memory_order_relaxed);
  }

  void ready() {
    // acq_rel: stands for the run queue.
    require(ready_.exchange(1, std::memory_order_acq_rel) == 0, "a strand was made ready twice");
  }

  const mutation mutated_;
  atomic<place*> wait_lock_{nullptr};
  atomic<waiter*> waiting_{nullptr};
  atomic<uint32_t> stop_{0};
  atomic<uint32_t> ready_{0};
};

struct state {
  // The locks are biased to the first thread, which is the strand's.
  explicit state(mutation m) : s(m) {
    a.lock.bias_to(0);
    b.lock.bias_to(0);
  }
  strand s;
  test::explored_owners<> owners;
  place a{owners}, b{owners};
  std::array<waiter, 3> waiters;
};

// Wakes and waits of a strand that nobody stops.
TEST(WaitExploreTest, EveryWaitThatIsFulfilledEnds) {
  test::passes(1, 20'000, [](execution& x) {
    auto s = std::make_shared<state>(mutation{});
    x.thread([=] {
      for (waiter& w : s->waiters) require(s->s.wait(s->a, w), "stopped without a stop");
    });
    x.thread([=] { s->s.fulfil(s->a); });
    x.thread([=] {
      for (int i = 0; i < 2; ++i) s->s.fulfil(s->a);
    });
  });
}

// The strand waits for what never comes; only the stop ends that.
auto stopped_while_parking(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<state>(m);
    x.thread([=] { require(!s->s.wait(s->a, s->waiters[0]), "nothing was there to be received"); });
    x.thread([=] { s->s.stop(); });
  };
}

TEST(WaitExploreTest, NoStopIsMissed) { test::passes(4, 20'000, stopped_while_parking({})); }

TEST(WaitExploreTest, WithoutTheStoppersBarrierAStopIsMissed) {
  test::fails(3, "deadlock", stopped_while_parking({.stopper_barrier = false}));
}

TEST(WaitExploreTest, WithoutTheStrandsLookAStopIsMissed) {
  test::fails(3, "deadlock", stopped_while_parking({.looks_at_stop = false}));
}

TEST(WaitExploreTest, WithoutTheAnnouncementAStopIsMissed) {
  test::fails(3, "deadlock", stopped_while_parking({.announces = false}));
}

TEST(WaitExploreTest, AStopAndAWakeEndAWaitOnce) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state>(mutation{});
    x.thread([=] { s->s.wait(s->a, s->waiters[0]); });
    x.thread([=] { s->s.stop(); });
    x.thread([=] { s->s.fulfil(s->a); });
  });
}

TEST(WaitExploreTest, TwoStopsAreOne) {
  test::passes(2, 10'000, [](execution& x) {
    auto s = std::make_shared<state>(mutation{});
    x.thread([=] { require(!s->s.wait(s->a, s->waiters[0]), "nothing was there to be received"); });
    for (int i = 0; i < 2; ++i) x.thread([=] { s->s.stop(); });
  });
}

TEST(WaitExploreTest, AStopFollowsTheStrandFromLockToLock) {
  test::passes(2, 20'000, [](execution& x) {
    auto s = std::make_shared<state>(mutation{});
    s->a.permits.set(1);
    x.thread([=] {
      if (!s->s.wait(s->a, s->waiters[0])) return;
      if (!s->s.wait(s->b, s->waiters[1])) return;
      require(!s->s.wait(s->a, s->waiters[2]), "nothing was there to be received");
    });
    x.thread([=] { s->s.fulfil(s->b); });
    x.thread([=] { s->s.stop(); });
  });
}

// Between two waits under the same lock there is one that is no stop point, and the stopper may hold an old idea of
// each.
auto there_and_back(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<state>(m);
    s->a.permits.set(1);
    x.thread([=] {
      s->s.wait(s->a, s->waiters[0]);
      s->s.wait_regardless(s->b, s->waiters[1]);
      require(!s->s.wait(s->a, s->waiters[2]), "nothing was there to be received");
    });
    x.thread([=] { s->s.fulfil(s->b); });
    x.thread([=] { s->s.stop(); });
  };
}

TEST(WaitExploreTest, AWaitThatIsNoStopPointIsLeftAlone) { test::passes(2, 20'000, there_and_back({})); }

TEST(WaitExploreTest, AStopperThatLooksOnceEndsAWaitUnderAnotherLock) {
  test::fails(3, "under another lock", there_and_back({.looks_twice = false}));
}

}  // namespace
}  // namespace weft::detail
