// [permits] of semaphore.cc under every interleaving: permits are conserved, waiters are served in order, none is
// forgotten.
//
// A model: take(), release(), queue_waiter(), grant() and leave() as in semaphore.h and semaphore.cc, over explored
// atomics. A waiter that is forgotten is a deadlock, which the explorer reports.
#include <array>
#include <cstdint>
#include <deque>
#include <memory>

#include <gtest/gtest.h>

#include "support/explored_protocol.h"

namespace weft {
namespace {

using test::execution;
using test::explored_atomics;
using test::plain;
using test::require;

template <class T>
using atomic = explored_atomics::atomic<T>;

struct waiter {
  explicit waiter(int64_t n) : count(n) {}
  int64_t count;
  plain<int> result{pending};
  atomic<uint32_t> ready{0};
  static constexpr int pending = 0, done = 1, stopped = 2;
};

// What a mutant does otherwise.
struct mutation {
  bool rechecks = true;     // E1: the bit is set only if the permits are still not there
  bool release_bit = true;  // E2: a release that sees the bit grants
  bool leaver_grants = true;
};

class model {
 public:
  model(int64_t permits, mutation m) : mutated_(m), word_(permits << 1), total_(permits) {}

  // False: stopped.
  bool acquire(waiter& w) {
    if (take(w.count)) return holds(w.count);
    lock_.lock();
    if (!queue_waiter(w)) {
      lock_.unlock();
      return holds(w.count);
    }
    lock_.unlock();
    // acquire: stands for the run queue.
    while (w.ready.load(std::memory_order_acquire) == 0) explored_atomics::pause();
    return w.result.get() == waiter::done && holds(w.count);
  }

  void release(int64_t count) {
    held_ -= count;
    // relaxed: the CAS decides.
    int64_t word = word_.load(std::memory_order_relaxed);
    while ((word & waiting_bit) == 0) {
      // release: pairs with the acquire in take(). relaxed: retried.
      if (word_.compare_exchange_weak(word, word + (count << 1), std::memory_order_release, std::memory_order_relaxed))
        return;
    }
    lock_.lock();
    // acq_rel: E2.
    word_.fetch_add(count << 1, std::memory_order_acq_rel);
    if (mutated_.release_bit) grant();
    lock_.unlock();
  }

  // S4 of [stop], the lock held: the waiter leaves. False: it is not there (yet).
  bool stop(waiter& w) {
    lock_.lock();
    bool left = false;
    for (auto at = queue_.begin(); at != queue_.end(); ++at)
      if (*at == &w) {
        queue_.erase(at);
        left = true;
        w.result.set(waiter::stopped);
        if (mutated_.leaver_grants) grant();
        // release: stands for the run queue.
        w.ready.store(1, std::memory_order_release);
        break;
      }
    lock_.unlock();
    return left;
  }

  void is_whole() const {
    require(queue_.empty(), "a waiter is left");
    require(word_.load() == total_ << 1, "permits were lost or made, or the bit was left");
  }

  // Written under all the permits there are.
  plain<int> guarded{0};

 private:
  static constexpr int64_t waiting_bit = 1;

  bool holds(int64_t count) {
    held_ += count;
    require(held_ <= total_, "more permits are held than there are");
    return true;
  }

  bool take(int64_t count) {
    // relaxed: the CAS decides.
    int64_t word = word_.load(std::memory_order_relaxed);
    while ((word & waiting_bit) == 0 && word >> 1 >= count) {
      // acquire: pairs with the release in release(). relaxed: retried.
      if (word_.compare_exchange_weak(word, word - (count << 1), std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    }
    return false;
  }

  // E1.
  bool queue_waiter(waiter& w) {
    // relaxed: the CAS decides.
    int64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if ((word & waiting_bit) != 0) break;
      if (word >> 1 >= w.count) {
        // acquire: as in take(). relaxed: retried.
        if (word_.compare_exchange_weak(word, word - (w.count << 1), std::memory_order_acquire,
                                        std::memory_order_relaxed))  // relaxed: retried
          return false;
      } else if (!mutated_.rechecks) {
        // relaxed: a mutant.
        word_.fetch_or(waiting_bit, std::memory_order_relaxed);
        break;
        // relaxed: the bit only sends others to the lock; relaxed on failure: retried.
      } else if (word_.compare_exchange_weak(word, word | waiting_bit, std::memory_order_relaxed,
                                             std::memory_order_relaxed)) {  // relaxed: retried
        break;
      }
    }
    queue_.push_back(&w);
    return true;
  }

  // E2.
  void grant() {
    while (!queue_.empty()) {
      waiter& w = *queue_.front();
      // relaxed: while somebody waits the bit is set, and nobody else changes the word.
      if (word_.load(std::memory_order_relaxed) >> 1 < w.count) return;
      queue_.pop_front();
      // acq_rel: hands over what the releasers published.
      word_.fetch_sub(w.count << 1, std::memory_order_acq_rel);
      w.result.set(waiter::done);
      // release: stands for the run queue.
      w.ready.store(1, std::memory_order_release);
    }
    // release: keeps what releasers published through the word.
    word_.fetch_and(~waiting_bit, std::memory_order_release);
  }

  const mutation mutated_;
  atomic<int64_t> word_;
  const int64_t total_;
  explored_atomics::spin_lock lock_;
  std::deque<waiter*> queue_;  // guarded by lock_
  int64_t held_ = 0;           // the truth; the threads are fibers of one
};

struct state {
  state(int64_t permits, mutation m) : s(permits, m) {}
  model s;
  std::array<waiter, 3> one{waiter(1), waiter(1), waiter(1)};
  std::array<waiter, 2> two{waiter(2), waiter(2)};
};

auto exclusive(int tasks, mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<state>(1, m);
    for (int i = 0; i < tasks; ++i)
      x.thread([=] {
        s->s.acquire(s->one[static_cast<std::size_t>(i)]);
        s->s.guarded.set(s->s.guarded.get() + 1);
        s->s.release(1);
      });
    x.finally([=] {
      s->s.is_whole();
      require(s->s.guarded.get() == tasks, "two tasks held the only permit");
    });
  };
}

TEST(SemaphoreExploreTest, OnePermitExcludes) { test::passes(4, 10'000, exclusive(2, {})); }

TEST(SemaphoreExploreTest, OnePermitGoesRoundThreeTasks) { test::passes(2, 20'000, exclusive(3, {})); }

TEST(SemaphoreExploreTest, PermitsThatComeFreeBesideAWaiterThatDoesNotLookAgainAreMissed) {
  test::fails(3, "deadlock", exclusive(2, {.rechecks = false}));
}

TEST(SemaphoreExploreTest, AReleaseThatOverlooksTheBitForgetsAWaiter) {
  test::fails(3, "deadlock", exclusive(2, {.release_bit = false}));
}

TEST(SemaphoreExploreTest, LargeAndSmallRequestsAreAllServed) {
  test::passes(2, 20'000, [](execution& x) {
    auto s = std::make_shared<state>(2, mutation{});
    x.thread([=] {
      s->s.acquire(s->two[0]);
      s->s.release(2);
    });
    for (std::size_t i = 0; i < 2; ++i)
      x.thread([=] {
        s->s.acquire(s->one[i]);
        s->s.release(1);
      });
    x.finally([=] { s->s.is_whole(); });
  });
}

// One permit is kept. Who waits for two is never served, but stopped; who needs one may stand behind it.
auto stopped_at_the_head(mutation m) {
  return [=](execution& x) {
    auto s = std::make_shared<state>(2, m);
    s->s.acquire(s->one[0]);
    x.thread([=] { require(!s->s.acquire(s->two[0]), "there are not two permits"); });
    x.thread([=] {
      s->s.acquire(s->one[1]);
      s->s.release(1);
    });
    x.thread([=] {
      while (!s->s.stop(s->two[0])) explored_atomics::pause();
    });
    x.finally([=] {
      s->s.release(1);
      s->s.is_whole();
    });
  };
}

TEST(SemaphoreExploreTest, AStopAtTheHeadLetsThoseBehindPass) { test::passes(2, 20'000, stopped_at_the_head({})); }

TEST(SemaphoreExploreTest, AStoppedWaiterThatDoesNotGrantHoldsUpThoseBehind) {
  test::fails(2, "deadlock", stopped_at_the_head({.leaver_grants = false}));
}

}  // namespace
}  // namespace weft
