// shielded: runs something that a stop does not reach.
#pragma once

#include <type_traits>
#include <utility>

#include <weft/detail/task_block.h>
#include <weft/task.h>

namespace weft {
namespace detail {

/// The running task, which was asked to stop meanwhile, is shielded no more: tells those who watch it.
void shield_ended() noexcept;

/// Keeps stops away from the running strand for a scope. Nests.
class stop_shield {
 public:
  stop_shield() noexcept
      // seq_cst: a stop before it counts, a later one waits; see stop_strand().
      : outer_((this_context.current->stop.fetch_or(stop_shielded, std::memory_order_seq_cst) & stop_shielded) != 0) {}
  ~stop_shield() {
    // seq_cst: as above. The scope may end on another thread, and on no task's strand if it is destroyed at shutdown.
    if (outer_ || this_context.current == nullptr) return;
    if ((this_context.current->stop.fetch_and(static_cast<uint8_t>(~stop_shielded), std::memory_order_seq_cst) &
         stop_asked) != 0)
      shield_ended();
  }
  stop_shield(const stop_shield&) = delete;
  stop_shield& operator=(const stop_shield&) = delete;

 private:
  const bool outer_;
};

}  // namespace detail

/// Runs `co_await f(args...)` as if the task had not been asked to stop: for clean-up that itself has to wait. A stop
/// that was asked for before, or comes meanwhile, takes effect afterwards. `co_await weft::shielded(flush, file);`
/// Tasks that f starts are not reached by a stop of this one, also later.
/// Called from: a task. Cost: a call and two atomic instructions.
template <class F, class... Args>
task<detail::spawn_result_t<F, Args...>> shielded(F f, Args... args) {
  const detail::stop_shield shield;
  co_return co_await std::move(f)(std::move(args)...);
}

}  // namespace weft
