// A clock that moves only when a test moves it.
//
// advance() and set() change the time first and then call every subscriber, on the calling thread, one after another.
// When advance() returns, every subscriber has heard of the new time; what it did about it is its own matter.
//
// Invariants:
//   Time never falls.
//   A subscriber is not called after unsubscribe() for its argument has returned, and calls do not overlap.
//
// Thread safety: every member, from any thread; but not subscribe(), unsubscribe() or advance() from inside a call.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "os/clock.h"

namespace weft::test {

class manual_clock final : public os::clock {
 public:
  explicit manual_clock(int64_t start_ns = 0) noexcept : now_ns_(start_ns) {}

  [[nodiscard]] int64_t now_ns() noexcept override {
    // acquire: pairs with the release in move(); who sees the new time sees what was done before the advance.
    return now_ns_.load(std::memory_order_acquire);
  }

  [[nodiscard]] bool manual() const noexcept override { return true; }

  /// Moves time on by `ns` (at least 0), then calls the subscribers.
  void advance(int64_t ns) {
    const std::lock_guard lock(mutex_);
    move(now_ns() + (ns > 0 ? ns : 0));
  }

  /// Moves time on to `now_ns`, or leaves it where that is in the past; then calls the subscribers.
  void set(int64_t now_ns) {
    const std::lock_guard lock(mutex_);
    move(now_ns > this->now_ns() ? now_ns : this->now_ns());
  }

  void subscribe(void (*on_change)(void*), void* argument) override {
    const std::lock_guard lock(mutex_);
    subscribers_.push_back({on_change, argument});
  }

  void unsubscribe(void* argument) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(subscribers_, [&](const subscriber& s) { return s.argument == argument; });
  }

 private:
  struct subscriber {
    void (*on_change)(void*);
    void* argument;
  };

  // With mutex_ held.
  void move(int64_t to_ns) {
    // release: pairs with the acquire in now_ns().
    now_ns_.store(to_ns, std::memory_order_release);
    for (const subscriber& s : subscribers_) s.on_change(s.argument);
  }

  std::atomic<int64_t> now_ns_;          // atomic: written with mutex_ held, read by all
  std::mutex mutex_;                     // held through the calls, so that unsubscribe() waits for them
  std::vector<subscriber> subscribers_;  // guarded by mutex_
};

}  // namespace weft::test
