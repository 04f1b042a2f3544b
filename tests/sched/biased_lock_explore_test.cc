// [bias] of biased_lock.h under every interleaving: one holder at a time, who sees what the last one did, whoever has
// the bias, loses it or gets it.
#include <weft/detail/biased_lock.h>

#include <gtest/gtest.h>

#include <memory>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::explored_biased_lock;
using test::interrupted_atomics;
using test::plain;
using test::require;

// Mutants: the revoker passes no barrier; or all orders are relaxed.
struct without_heavy_barrier : explored_atomics {
  static void heavy_barrier() noexcept {}
};

template <class Atomics>
struct state {
  test::explored_owners<Atomics> owners;
  explored_biased_lock<Atomics> lock{owners};
  plain<int> guarded{0};

  void add() {
    lock.lock();
    guarded.set(guarded.get() + 1);
    lock.unlock();
  }
};

// Threads that lock `times` times each; the lock is the first one's at the start if `biased`.
template <class Atomics>
auto threads_that_lock(int threads, int times, bool biased) {
  return [=](execution& x) {
    auto s = std::make_shared<state<Atomics>>();
    if (biased) s->lock.bias_to(0);
    for (int i = 0; i < threads; ++i)
      x.thread([=] {
        for (int k = 0; k < times; ++k) s->add();
      });
    x.finally([=] { require(s->guarded.get() == threads * times, "two threads held the lock"); });
  };
}

TEST(BiasedLockExploreTest, TheOwnerAndAnotherExcludeEachOther) {
  test::passes(3, 20'000, threads_that_lock<explored_atomics>(2, 2, true));
}

TEST(BiasedLockExploreTest, TheOwnerAndTwoOthersExcludeEachOther) {
  test::passes(2, 20'000, threads_that_lock<explored_atomics>(3, 1, true));
}

// Nobody's at first; whoever takes it twice in a row gets it, and the other takes it away.
TEST(BiasedLockExploreTest, TheBiasMovesSafely) {
  test::passes(3, 20'000, threads_that_lock<explored_atomics>(2, 3, false));
}

TEST(BiasedLockExploreTest, ThreeThreadsThatGetAndLoseTheBiasExcludeEachOther) {
  test::passes(1, 20'000, threads_that_lock<explored_atomics>(3, 3, false));
}

// A late owner, which lost the bias before B2, must leave the one that has it now alone.
TEST(BiasedLockExploreTest, AFormerOwnerDisturbsNobody) {
  test::passes(2, 50'000, threads_that_lock<interrupted_atomics>(2, 3, false));
}

TEST(BiasedLockExploreTest, WithoutTheRevokersBarrierTwoGetIn) {
  test::fails(3, "", threads_that_lock<without_heavy_barrier>(2, 1, true));
}

TEST(BiasedLockExploreTest, WithoutItsOrdersTheHolderMissesWhatTheLastOneDid) {
  test::fails(3, "race", threads_that_lock<test::unordered_atomics>(2, 2, true));
}

}  // namespace
}  // namespace weft::detail
