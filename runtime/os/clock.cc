// The real clock.
#include "os/clock.h"

#include <time.h>

namespace weft::os {
namespace {

class monotonic_clock final : public clock {
 public:
  int64_t now_ns() noexcept override {
    constexpr int64_t ns_per_second = 1'000'000'000;
    timespec now{};
    // Cannot fail: the clock exists on every Linux and the address is good.
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * ns_per_second + now.tv_nsec;
  }
};

}  // namespace

clock& clock::real() noexcept {
  // Never destroyed: threads of a runtime that outlives main() may still read it.
  static monotonic_clock& instance = *new monotonic_clock;
  return instance;
}

}  // namespace weft::os
