// select: waits for the first of several operations.
#pragma once

#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <weft/detail/check.h>
#include <weft/detail/select_core.h>
#include <weft/join_handle.h>

namespace weft {
namespace detail {

/// How a select holds an arm: a pointer to the awaiter, which lives until the end of the expression.
template <class Awaiter>
class arm_holder {
 public:
  explicit arm_holder(Awaiter& awaiter) noexcept : awaiter_(&awaiter) {}
  Awaiter& get() noexcept { return *awaiter_; }

 private:
  Awaiter* awaiter_;
};

/// A join handle is no awaiter yet.
template <class T>
class arm_holder<join_handle<T>> {
 public:
  explicit arm_holder(join_handle<T>& handle) noexcept : awaiter_(handle, std::source_location()) {}
  join_handle_awaiter<T>& get() noexcept { return awaiter_; }

 private:
  join_handle_awaiter<T> awaiter_;
};

template <class T>
using arm_result_t = decltype(std::declval<arm_holder<T>&>().get().await_resume());

template <class T>
concept selectable = requires(arm_holder<T>& a, uintptr_t& woken, waiter_chain& chain) {
  { a.get().arm_lock() } -> std::same_as<biased_lock*>;
  { a.get().arm_try() } -> std::same_as<bool>;
  { a.get().arm_poll(woken) } -> std::same_as<bool>;
  { a.get().arm_enqueue() } -> std::same_as<bool>;
  a.get().arm_leave(chain);
  { a.get().arm_waiter() } -> std::convertible_to<waiter&>;
  { a.get().arm_where() } -> std::same_as<std::source_location>;
};

template <class Holder>
inline constexpr select_arm::operations arm_operations{
    [](void* h) noexcept { return static_cast<Holder*>(h)->get().arm_lock(); },
    [](void* h) noexcept { return static_cast<Holder*>(h)->get().arm_try(); },
    [](void* h, uintptr_t& woken) noexcept { return static_cast<Holder*>(h)->get().arm_poll(woken); },
    [](void* h) noexcept { return static_cast<Holder*>(h)->get().arm_enqueue(); },
    [](void* h, waiter_chain& woken) noexcept { static_cast<Holder*>(h)->get().arm_leave(woken); },
    [](void* h) noexcept -> waiter& { return static_cast<Holder*>(h)->get().arm_waiter(); },
};

/// How a result is stored: void as std::monostate, a reference as a wrapper.
template <class R>
using stored_t = std::conditional_t<
    std::is_void_v<R>, std::monostate,
    std::conditional_t<std::is_reference_v<R>, std::reference_wrapper<std::remove_reference_t<R>>, R>>;

}  // namespace detail

/// Which arm of a select came about, and what it came to.
///
/// Empty (false) if none did: the task was asked to stop, or, from try_select(), no arm was ready.
template <class... R>
class [[nodiscard]] select_result {
 public:
  select_result() noexcept = default;

  /// Whether an arm came about.
  explicit operator bool() const noexcept { return value_.index() != 0; }

  /// The arm's place among the arguments, from 0. Aborts when empty.
  std::size_t index() const noexcept {
    WEFT_CHECK(value_.index() != 0, "weft::select_result::index() of an empty result");
    return value_.index() - 1;
  }

  /// What arm I came to (std::monostate for void). Aborts when another one, or none, came about.
  template <std::size_t I>
  auto& get() noexcept {
    auto* v = std::get_if<I + 1>(&value_);
    WEFT_CHECK(v != nullptr, "weft::select_result::get() of an arm that did not come about");
    if constexpr (std::is_reference_v<std::tuple_element_t<I, std::tuple<R...>>>)
      return v->get();
    else
      return *v;
  }

  /// For the runtime's own use.
  template <std::size_t I, class V>
  void set(V&& v) {
    value_.template emplace<I + 1>(std::forward<V>(v));
  }

 private:
  std::variant<std::monostate, detail::stored_t<R>...> value_;
};

namespace detail {

enum class arm_order : uint8_t { random, given };

/// Attempts the arms, each at most once, until one comes about.
template <arm_order Order, class... Arms>
class arm_set {
 public:
  static constexpr std::size_t count = sizeof...(Arms);
  static_assert(count >= 1 && count <= 64, "weft::select takes 1 to 64 arms");
  static_assert(
      (selectable<Arms> && ...),
      "weft::select takes what send(), receive(), acquire(), lock(), wait(), sleep_for(), sleep_until() and next() "
      "return, and join handles");
  using result = select_result<arm_result_t<Arms>...>;

  explicit arm_set(Arms&... arms) noexcept : holders_(arm_holder<Arms>(arms)...) {}

  /// X1. The arm that came about, or select_core::open.
  WEFT_INLINE uint32_t attempt() noexcept {
    for (std::size_t i = 0; i < count; ++i) order_[i] = static_cast<uint8_t>(i);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (Order == arm_order::random) {
        if (i + 1 < count) std::swap(order_[i], order_[i + select_random(static_cast<uint32_t>(count - i))]);
      }
      if (attempt_arm(order_[i])) return order_[i];
    }
    return select_core::open;
  }

  const uint8_t* order() const noexcept { return order_.data(); }

  /// For the dump: where the first arm is written.
  std::source_location where() noexcept { return std::get<0>(holders_).get().arm_where(); }

  void describe(std::array<select_arm, count>& arms) noexcept {
    describe_each(arms, std::index_sequence_for<Arms...>{});
  }

  result take(uint32_t winner) { return take_from(winner, std::index_sequence_for<Arms...>{}); }

 private:
  WEFT_INLINE bool attempt_arm(uint32_t arm) noexcept {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      bool done = false;
      (void)((arm == I && (done = std::get<I>(holders_).get().arm_try(), true)) || ...);
      return done;
    }(std::index_sequence_for<Arms...>{});
  }

  template <std::size_t... I>
  void describe_each(std::array<select_arm, count>& arms, std::index_sequence<I...>) noexcept {
    ((arms[I].object = &std::get<I>(holders_), arms[I].does = &arm_operations<arm_holder<Arms>>), ...);
  }

  template <std::size_t... I>
  result take_from(uint32_t winner, std::index_sequence<I...>) {
    result r;
    (void)((winner == I && (take_one<I>(r), true)) || ...);
    return r;
  }

  template <std::size_t I>
  void take_one(result& r) {
    auto& awaiter = std::get<I>(holders_).get();
    if constexpr (std::is_void_v<decltype(awaiter.await_resume())>) {
      awaiter.await_resume();
      r.template set<I>(std::monostate{});
    } else {
      r.template set<I>(awaiter.await_resume());
    }
  }

  std::tuple<arm_holder<Arms>...> holders_;
  std::array<uint8_t, count> order_;
};

template <arm_order Order, class... Arms>
class [[nodiscard]] select_awaiter {
 public:
  explicit select_awaiter(Arms&... arms) noexcept : set_(arms...) {}
  /// An awaiter that is destroyed with its task (shutdown) leaves the queues.
  ~select_awaiter() {
    if (core_.queued) [[unlikely]]
      leave_select(core_, arms_.data(), count);
  }
  select_awaiter(const select_awaiter&) = delete;
  select_awaiter& operator=(const select_awaiter&) = delete;

  bool await_ready() noexcept {
    if (stop_pending()) [[unlikely]] {
      set_winner(select_core::stopped);
      return true;
    }
    const uint32_t winner = set_.attempt();
    if (winner == select_core::open) return false;
    set_winner(winner);
    return spend_budget();
  }

  transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    // relaxed: no arm is queued yet.
    if (core_.winner.load(std::memory_order_relaxed) != select_core::open)
      return transfer_to(yield_strand(leaf, set_.where()));
    set_.describe(arms_);
    return transfer_to(park_in_select(core_, arms_.data(), count, set_.order(), leaf, set_.where()));
  }

  select_result<arm_result_t<Arms>...> await_resume() {
    if (core_.queued) leave_select(core_, arms_.data(), count);
    // relaxed: it does not change any more.
    return set_.take(core_.winner.load(std::memory_order_relaxed));
  }

 private:
  static constexpr std::size_t count = sizeof...(Arms);

  void set_winner(uint32_t arm) noexcept {
    // relaxed: no arm is queued.
    core_.winner.store(arm, std::memory_order_relaxed);
  }

  arm_set<Order, Arms...> set_;
  select_core core_;
  std::array<select_arm, count> arms_;
};

}  // namespace detail

/// Waits until one of the operations can be done, and does that one: `co_await weft::select(a.receive(), b.send(7),
/// weft::sleep_for(1s), handle)`.
///
/// The arms are written as arguments: what send, receive, acquire, lock, sleep_for, sleep_until, ticker::next and
/// wait_group::wait return, and join handles; 1 to 64. If several are ready, each is chosen with the same probability.
/// An arm that is not chosen has no effect: no value is taken or sent, no permit acquired, no result claimed. A nil
/// channel is never ready. The same channel may appear in several arms; a select never takes its own value.
///
/// The result is empty if the task was asked to stop. An exception of a joined task is rethrown. Parks while nothing is
/// ready. Cost: a lock for each arm that is tried; parking takes each arm's lock twice; no allocation.
template <class... Arms>
auto select(Arms&&... arms) noexcept {
  return detail::select_awaiter<detail::arm_order::random, std::remove_cvref_t<Arms>...>(arms...);
}

/// The same, but if several are ready the first one in order is chosen.
template <class... Arms>
auto select_first(Arms&&... arms) noexcept {
  return detail::select_awaiter<detail::arm_order::given, std::remove_cvref_t<Arms>...>(arms...);
}

/// Does one of the operations if that is possible at once; empty if none is ready. Never parks; any thread.
///
/// Empty means that there was a moment at which none was ready: if at every moment one of the channels is, one is
/// found. Cost: a lock for each arm that is tried; if none is ready, all of them once more, together.
template <class... Arms>
auto try_select(Arms&&... arms) {
  detail::arm_set<detail::arm_order::random, std::remove_cvref_t<Arms>...> set(arms...);
  uint32_t winner = set.attempt();
  if constexpr (sizeof...(Arms) > 1) {
    if (winner == detail::select_core::open) {
      std::array<detail::select_arm, sizeof...(Arms)> described;
      set.describe(described);
      winner = detail::try_together(described.data(), sizeof...(Arms), set.order());
    }
  }
  return set.take(winner);
}

}  // namespace weft
