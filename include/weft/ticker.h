// ticker: a tick every period.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <source_location>

#include <weft/detail/check.h>
#include <weft/time.h>

namespace weft {

class ticker;

namespace detail {

class [[nodiscard]] tick_awaiter : public sleep_awaiter {
 public:
  tick_awaiter(ticker& owner, int64_t deadline_ns, bool due, std::source_location where) noexcept
      : sleep_awaiter(deadline_ns, due, where), owner_(&owner) {}
  [[nodiscard]] bool await_resume() noexcept;

 private:
  ticker* owner_;
};

}  // namespace detail

/// Ticks at a fixed rate: `weft::ticker t(10ms); while (co_await t.next()) ...`.
///
/// Ticks that come while nobody waits are not saved up: one that is late is delivered at once, the ones that it missed
/// are dropped, and the next one comes at its usual time. Made and used by one task at a time. Cost: a timer for each
/// tick; none between them.
class ticker {
 public:
  /// The first tick comes after one period. The period must be longer than zero.
  template <class Rep, class Period>
  explicit ticker(std::chrono::duration<Rep, Period> period) {
    reset(period);
  }

  /// Parks until the next tick. True: it came; false: the task was asked to stop. May be an arm of a select.
  detail::tick_awaiter next(std::source_location where = std::source_location::current()) noexcept {
    return detail::tick_awaiter(*this, next_ns_, next_ns_ <= detail::runtime_now_ns(), where);
  }

  /// Begins anew with another period: the next tick comes after one of them.
  template <class Rep, class Period>
  void reset(std::chrono::duration<Rep, Period> period) noexcept {
    const std::chrono::nanoseconds ns = detail::saturate(period);
    WEFT_CHECK(ns.count() > 0, "weft::ticker: the period must be longer than zero");
    period_ns_ = ns.count();
    next_ns_ = detail::deadline_after(ns);
  }

 private:
  friend class detail::tick_awaiter;

  void advance() noexcept {
    const int64_t now = detail::runtime_now_ns();
    next_ns_ += period_ns_;
    if (next_ns_ <= now) next_ns_ += (now - next_ns_) / period_ns_ * period_ns_ + period_ns_;
  }

  int64_t period_ns_;
  int64_t next_ns_;
};

inline bool detail::tick_awaiter::await_resume() noexcept {
  const bool came = sleep_awaiter::await_resume();
  if (came) owner_->advance();
  return came;
}

}  // namespace weft
