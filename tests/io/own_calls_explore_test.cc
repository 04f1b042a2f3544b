// [own-call] of own_calls.h under every interleaving: calls of the processor that opened a descriptor, without its
// lock, beside a close(), and beside an operation that is in the descriptor's list. The number is given back once, and
// by nobody while it is in use.
#include <weft/detail/own_calls.h>

#include <gtest/gtest.h>

#include <memory>

#include "support/explored_protocol.h"

namespace weft::detail {
namespace {

using test::execution;
using test::explored_atomics;
using test::interrupted_atomics;
using test::plain;
using test::require;

// Mutants: K6 has no barrier; the rest leave out a look.
struct without_heavy_barrier : explored_atomics {
  static void heavy_barrier() noexcept {}
};
struct mutation {
  bool looks_after_call = true;     // K5
  bool looks_after_refusal = true;  // K5 after a K3 that found it closed
  bool looks_in_list = true;        // K7
  bool marks_first = true;          // K6 before K7
};

// A descriptor: what descriptor.cc does, in short.
template <class Atomics>
class described {
 public:
  described(bool has_operation, mutation m) : mutated_(m), operation_(has_operation) {}

  // By any thread; the home's is the first one.
  void call() {
    auto& me = this_one();
    if (!calls_.enter(me)) return call_with_lock();
    const bool is_open = number() >= 0;  // K3
    if (is_open) require(file_.get() == open, "a call upon a number that was given back");
    calls_.leave(me);
    if ((!is_open && !mutated_.looks_after_refusal) || !mutated_.looks_after_call) return;
    if (number() >= 0) return;  // K5
    lock_.lock();
    if (number() == closing) give_back_unless_used();
    lock_.unlock();
  }

  void close() {
    lock_.lock();
    if (number() >= 0) {
      if (!mutated_.marks_first) give_back_unless_used();
      // relaxed: K6.
      if (file_.get() == open) number_.store(closing, std::memory_order_relaxed);
      calls_.closed(this_one());
      if (mutated_.marks_first) give_back_unless_used();
    }
    lock_.unlock();
  }

  // An operation that is in the list ends.
  void end_operation() {
    require(file_.get() == open, "given back beside an operation");
    lock_.lock();
    operation_.set(false);
    if (number() == closing) give_back_unless_used();
    lock_.unlock();
  }

  void check(bool closed) const { require((file_.get() == given_back) == closed, "left open"); }

 private:
  static constexpr int open = 1, given_back = 2;               // file_
  static constexpr int a_number = 3, none = -1, closing = -5;  // number_

  int number() const {
    // relaxed: under the lock, or K3 or K5.
    return number_.load(std::memory_order_relaxed);
  }
  bias_owner<Atomics>& this_one() { return owners_.of(test::this_thread_index()); }

  void call_with_lock() {
    lock_.lock();
    if (number() >= 0) require(file_.get() == open, "as above");
    lock_.unlock();
  }

  void give_back_unless_used() {
    if (operation_.get() || (mutated_.looks_in_list && calls_.is_under_way(this_one()))) return;
    require(file_.get() == open, "given back twice");
    // relaxed: under the lock.
    number_.store(none, std::memory_order_relaxed);
    file_.set(given_back);
  }

  const mutation mutated_;
  test::explored_owners<Atomics> owners_;
  own_calls<Atomics> calls_{owners_.of(0)};
  typename Atomics::template atomic<int> number_{a_number};
  test::explored_spin_lock lock_;
  plain<bool> operation_;  // guarded by lock_
  plain<int> file_{open};  // the race detector finds who uses it beside who gives it back
};

struct story {
  int calls = 1;             // of the home
  bool home_closes = false;  // after them; else another
  bool operation = false;
  int closers = 1;
};

template <class Atomics>
auto calls_beside_a_close(story what, mutation m = {}) {
  return [=](execution& x) {
    auto d = std::make_shared<described<Atomics>>(what.operation, m);
    x.thread([=] {
      for (int i = 0; i < what.calls; ++i) d->call();
      if (what.home_closes) d->close();
    });
    for (int i = 0; i < what.closers; ++i) x.thread([=] { d->close(); });
    if (what.operation) x.thread([=] { d->end_operation(); });
    x.finally([=] { d->check(what.home_closes || what.closers != 0); });
  };
}

TEST(OwnCallsExploreTest, ACloseBesideCallsGivesTheNumberBackOnce) {
  test::passes(3, 20'000, calls_beside_a_close<explored_atomics>({.calls = 2}));
  test::passes(2, 50'000, calls_beside_a_close<interrupted_atomics>({.calls = 2}));
}

TEST(OwnCallsExploreTest, TwoWhoCloseGiveItBackOnce) {
  test::passes(2, 20'000, calls_beside_a_close<explored_atomics>({.home_closes = true}));
  test::passes(2, 20'000, calls_beside_a_close<explored_atomics>({.closers = 2}));
}

TEST(OwnCallsExploreTest, TheHomeClosesWithoutABarrier) {
  test::passes(3, 20'000, calls_beside_a_close<without_heavy_barrier>({.calls = 2, .home_closes = true, .closers = 0}));
}

TEST(OwnCallsExploreTest, AnOperationInTheListKeepsItOpenToo) {
  test::passes(2, 50'000, calls_beside_a_close<explored_atomics>({.operation = true}));
  test::passes(2, 20'000, calls_beside_a_close<explored_atomics>({.home_closes = true, .operation = true}));
}

TEST(OwnCallsExploreTest, WithoutTheBarrierACallHitsANumberThatWasGivenBack) {
  test::fails(3, "", calls_beside_a_close<without_heavy_barrier>({.calls = 1}));
}

TEST(OwnCallsExploreTest, WithoutItsOrdersTheCallAndTheEndRace) {
  test::fails(3, "race", calls_beside_a_close<test::unordered_atomics>({.calls = 1}));
}

TEST(OwnCallsExploreTest, AHomeThatDoesNotLookAgainLeavesItOpen) {
  test::fails(2, "left open", calls_beside_a_close<explored_atomics>({}, {.looks_after_call = false}));
}

TEST(OwnCallsExploreTest, AHomeThatWasRefusedLooksAgainToo) {
  test::fails(3, "left open", calls_beside_a_close<explored_atomics>({.calls = 2}, {.looks_after_refusal = false}));
}

TEST(OwnCallsExploreTest, WhoDoesNotLookAtTheHomesListGivesBackWhatIsInUse) {
  test::fails(2, "", calls_beside_a_close<explored_atomics>({}, {.looks_in_list = false}));
}

TEST(OwnCallsExploreTest, WhoLooksBeforeTheMarkMissesACallOrLeavesItOpen) {
  test::fails(2, "", calls_beside_a_close<explored_atomics>({.calls = 2}, {.marks_first = false}));
}

}  // namespace
}  // namespace weft::detail
