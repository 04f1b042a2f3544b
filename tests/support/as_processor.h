// The calling thread as one that drives a processor, as far as pools can tell: so a test decides which processor gets
// and puts, and when it passes an epoch.
#pragma once

#include <cstdint>
#include <utility>

#include <weft/detail/biased_lock.h>
#include <weft/detail/context.h>

#include "sync/pool_core.h"

namespace weft::test {

/// A processor's number in the process. Any thread may be it, one at a time.
class fake_processor {
 public:
  fake_processor() = default;
  fake_processor(const fake_processor&) = delete;
  fake_processor& operator=(const fake_processor&) = delete;
  ~fake_processor() {
    detail::forget_pools(owner_->slot);
    detail::give_bias_owner(owner_);
  }

  uint32_t slot() const noexcept { return owner_->slot; }

  /// f() on this processor.
  template <class F>
  decltype(auto) run(F f) {
    struct back {
      detail::bias_owner<>* before = std::exchange(detail::this_context.locks, nullptr);
      ~back() { detail::this_context.locks = before; }
    } at_end;
    detail::this_context.locks = owner_;
    return f();
  }

  void pass_epoch(bool everything = false) noexcept { detail::age_pools(owner_->slot, everything); }

 private:
  detail::bias_owner<>* const owner_ = detail::take_bias_owner();
};

/// A whole epoch of these processors.
template <class... Processors>
void epoch(Processors&... processors) {
  (processors.pass_epoch(), ...);
  detail::age_shared_pools();
}

}  // namespace weft::test
