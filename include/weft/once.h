// once: runs something one time, whoever comes first.
#pragma once

#include <atomic>
#include <functional>
#include <type_traits>
#include <utility>

#include <weft/detail/check.h>
#include <weft/detail/context.h>
#include <weft/mutex.h>
#include <weft/task.h>

namespace weft {

/// Runs one call, and lets every other caller wait until it has ended.
///
/// If the call throws, the exception goes to its caller and the next one tries again, as with std::call_once.
/// Thread safety: any task, and plain threads by blocking_call(). Must outlive its callers. Cost: a load once the call
/// has ended.
class once {
 public:
  once() noexcept = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;

  /// Runs f(args...), a plain call or a task<>, unless a call has ended already. `co_await o.call(open_log);`
  template <class F, class... Args>
  task<> call(F f, Args... args) {
    if (done()) co_return;
    const mutex_guard lock = co_await mutex_.lock();
    if (done()) co_return;
    if constexpr (detail::is_task<std::invoke_result_t<F, Args...>>)
      co_await std::move(f)(std::move(args)...);
    else
      std::move(f)(std::move(args)...);
    // release: pairs with the acquire load in done().
    done_.store(true, std::memory_order_release);
  }

  /// For plain threads: call() of a plain function, which blocks the calling thread while another call runs, a task's
  /// or a thread's. Aborts inside a task.
  template <class F, class... Args>
  void blocking_call(F&& f, Args&&... args) {
    static_assert(!detail::is_task<std::invoke_result_t<F, Args...>>,
                  "weft: once::blocking_call runs plain functions; a task<> needs co_await call()");
    WEFT_CHECK(detail::this_context.current == nullptr, "once::blocking_call inside a task; use co_await call()");
    if (done()) return;
    const mutex_guard lock = mutex_.blocking_lock();
    if (done()) return;
    std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
    // release: pairs with the acquire load in done().
    done_.store(true, std::memory_order_release);
  }

  /// Whether a call has ended.
  bool done() const noexcept {
    // acquire: what the call did is visible.
    return done_.load(std::memory_order_acquire);
  }

 private:
  mutex mutex_;
  std::atomic<bool> done_{false};
};

}  // namespace weft
