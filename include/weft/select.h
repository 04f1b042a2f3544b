// select: waits for the first of several operations.
#pragma once

#include <array>
#include <bit>
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

/// The arms with their types, and the steps of [select] that need them.
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
  using locks = select_locks<count>;

  explicit arm_set(Arms&... arms) noexcept : holders_{arm_holder<Arms>(arms)...} {}

  /// X1. The arm that came about, or select_core::open.
  WEFT_INLINE uint32_t attempt() noexcept {
    return first_of(look(), [](auto& arm) { return arm.arm_try(); });
  }

  WEFT_INLINE locks all_locks() noexcept { return all_locks(indexes); }

  /// With all locks held: the arms that may be ready, a bit each; an arm that can tell is there only if it is.
  WEFT_INLINE uint64_t look() noexcept { return look(indexes); }

  /// With all locks held: the arm of those that came about, or select_core::open.
  uint32_t poll(uint64_t ready, uintptr_t& woken) noexcept {
    return first_of(ready, [&](auto& arm) { return arm.arm_lock() != nullptr && arm.arm_poll(woken); });
  }

  /// X3, with all locks held. The arms that are queued: all if it is `count`; else that one could be done after all.
  WEFT_INLINE uint32_t enqueue(select_core& core) noexcept { return enqueue(core, indexes); }

  /// With all locks held: takes the first `queued` arms out again, which nobody has seen.
  void leave_first(uint32_t queued, waiter_chain& woken) noexcept { leave_first(queued, woken, indexes); }

  /// X5.
  WEFT_INLINE void leave(uint32_t winner) noexcept { leave(winner, indexes); }

  /// For the dump: where the first arm is written.
  std::source_location where() noexcept { return std::get<0>(holders_).get().arm_where(); }

  WEFT_INLINE result take(uint32_t winner) { return take_from(winner, indexes); }

 private:
  template <class A, class...>
  struct first_type {
    using type = A;
  };
  using first = typename first_type<Arms...>::type;
  // Arms of one type are found by their index, without a branch for each.
  static constexpr bool alike = (std::is_same_v<Arms, first> && ...);
  static constexpr uint64_t all = ~uint64_t{0} >> (64 - count);
  static constexpr std::index_sequence_for<Arms...> indexes{};

  template <std::size_t... I>
  WEFT_INLINE locks all_locks(std::index_sequence<I...>) noexcept {
    return locks({arm<I>().arm_lock()...});
  }

  template <std::size_t... I>
  WEFT_INLINE uint64_t look(std::index_sequence<I...>) noexcept {
    return ((uint64_t{look_at(arm<I>())} << I) | ...);
  }

  template <std::size_t... I>
  WEFT_INLINE uint32_t enqueue(select_core& core, std::index_sequence<I...>) noexcept {
    uint32_t queued = 0;
    (void)((enqueue_one<I>(core) && (++queued, true)) && ...);
    return queued;
  }

  template <std::size_t... I>
  void leave_first(uint32_t queued, waiter_chain& woken, std::index_sequence<I...>) noexcept {
    ((I < queued && arm<I>().arm_lock() != nullptr ? arm<I>().arm_leave(woken) : void()), ...);
  }

  template <std::size_t... I>
  WEFT_INLINE void leave(uint32_t winner, std::index_sequence<I...>) noexcept {
    ((I != winner ? leave_one<I>() : void()), ...);
  }

  template <std::size_t I>
  WEFT_INLINE auto& arm() noexcept {
    return std::get<I>(holders_).get();
  }

  template <class Arm>
  WEFT_INLINE static bool look_at(Arm& arm) noexcept {
    if constexpr (requires { arm.arm_look(); })
      return arm.arm_look();
    else
      return true;
  }

  template <std::size_t I>
  WEFT_INLINE bool enqueue_one(select_core& core) noexcept {
    if (arm<I>().arm_lock() == nullptr) return true;
    waiter& w = arm<I>().arm_waiter();
    w.who = reinterpret_cast<uintptr_t>(&core) | who_is_select;
    w.result = wait_result::pending;
    w.arm = static_cast<uint8_t>(I);
    return arm<I>().arm_enqueue();
  }

  template <std::size_t I>
  WEFT_INLINE void leave_one() noexcept {
    biased_lock* lock = arm<I>().arm_lock();
    if (lock == nullptr) return;
    waiter_chain woken;
    lock->lock();
    arm<I>().arm_leave(woken);
    lock->unlock();
    wake_chain(woken.first());
  }

  template <class F>
  WEFT_INLINE bool with(uint32_t arm, const F& f) noexcept {
    if constexpr (alike) {
      return f(holders_[arm].get());
    } else {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        bool done = false;
        (void)((arm == I && (done = f(std::get<I>(holders_).get()), true)) || ...);
        return done;
      }(indexes);
    }
  }

  template <class F>
  WEFT_INLINE uint32_t first_of(uint64_t ready, const F& does) noexcept {
    while (ready != 0) {
      const uint32_t arm = choose(ready);
      if (with(arm, does)) [[likely]]
        return arm;
      ready &= ~(uint64_t{1} << arm);
    }
    return select_core::open;
  }

  WEFT_INLINE static uint32_t choose(uint64_t ready) noexcept {
    if constexpr (Order == arm_order::random && count > 1) {
      if (ready == all) return select_random(count);
      if ((ready & (ready - 1)) != 0) ready = random_bit(ready);
    }
    return static_cast<uint32_t>(std::countr_zero(ready));
  }

  template <std::size_t... I>
  WEFT_INLINE result take_from(uint32_t winner, std::index_sequence<I...>) {
    result r;
    (void)((winner == I && (take_one<I>(r), true)) || ...);
    return r;
  }

  template <std::size_t I>
  WEFT_INLINE void take_one(result& r) {
    auto& awaiter = std::get<I>(holders_).get();
    if constexpr (std::is_void_v<decltype(awaiter.await_resume())>) {
      awaiter.await_resume();
      r.template set<I>(std::monostate{});
    } else {
      r.template set<I>(awaiter.await_resume());
    }
  }

  std::conditional_t<alike, std::array<arm_holder<first>, count>, std::tuple<arm_holder<Arms>...>> holders_;
};

template <arm_order Order, class... Arms>
class [[nodiscard]] select_awaiter {
 public:
  explicit select_awaiter(Arms&... arms) noexcept : set_(arms...) {}
  /// An awaiter that is destroyed with its task (shutdown) leaves the queues.
  ~select_awaiter() {
    if (core_.queued) [[unlikely]]
      leave();
  }
  select_awaiter(const select_awaiter&) = delete;
  select_awaiter& operator=(const select_awaiter&) = delete;

  WEFT_INLINE bool await_ready() noexcept {
    if (stop_pending()) [[unlikely]] {
      set_winner(select_core::stopped);
      return true;
    }
    const uint32_t winner = set_.attempt();
    if (winner == select_core::open) return false;
    set_winner(winner);
    return spend_budget();
  }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    // relaxed: no arm is queued yet.
    if (core_.winner.load(std::memory_order_relaxed) != select_core::open)
      return transfer_to(yield_strand(leaf, set_.where()));
    return transfer_to(park(leaf));
  }

  WEFT_INLINE select_result<arm_result_t<Arms>...> await_resume() {
    if (core_.queued) leave();
    // relaxed: it does not change any more.
    return set_.take(core_.winner.load(std::memory_order_relaxed));
  }

 private:
  using locks_type = typename arm_set<Order, Arms...>::locks;
  static constexpr uint32_t count = sizeof...(Arms);

  void set_winner(uint32_t arm) noexcept {
    // relaxed: no arm is queued.
    core_.winner.store(arm, std::memory_order_relaxed);
  }

  // X2 to X4; or goes on at once, with the winner set.
  WEFT_NOINLINE std::coroutine_handle<> park(std::coroutine_handle<> leaf) noexcept {
    locks_type locks = set_.all_locks();
    if (locks.empty()) {
      set_winner(select_core::stopped);  // a stop is all that can end it
      return park_for_ever(core_, leaf, wait_reason::select_none, set_.where());
    }
    announce_wait(locks.first());
    locks.lock();
    if (stop_pending()) [[unlikely]] {
      locks.unlock();
      set_winner(select_core::stopped);
      return leaf;
    }
    const uint64_t ready = set_.look();
    if (ready != 0 && poll(ready, locks)) return leaf;
    if (const uint32_t queued = set_.enqueue(core_); queued != count) [[unlikely]] {
      done_after_all(queued, locks);
      return leaf;
    }
    core_.queued = true;
    begin_select_wait(core_, leaf, set_.where());
    locks.unlock();
    return switch_away();
  }

  WEFT_NOINLINE bool poll(uint64_t ready, locks_type locks) noexcept {
    uintptr_t woken = 0;
    const uint32_t winner = set_.poll(ready, woken);
    if (winner == select_core::open) return false;
    locks.unlock();
    if (woken != 0) wake(woken);
    set_winner(winner);
    return true;
  }

  WEFT_NOINLINE void done_after_all(uint32_t winner, locks_type locks) noexcept {
    waiter_chain woken;
    set_.leave_first(winner, woken);
    locks.unlock();
    wake_chain(woken.first());
    set_winner(winner);
  }

  WEFT_NOINLINE void leave() noexcept {
    // relaxed: it does not change any more.
    set_.leave(core_.winner.load(std::memory_order_relaxed));
    core_.queued = false;
  }

  arm_set<Order, Arms...> set_;
  select_core core_;
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
/// ready. Cost: a look at each arm, and a lock for each that is tried; parking takes each arm's lock twice; no
/// allocation.
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
/// found. Cost: a look at each arm, and a lock for each that is tried; if none is ready, all locks, together.
template <class... Arms>
auto try_select(Arms&&... arms) {
  detail::arm_set<detail::arm_order::random, std::remove_cvref_t<Arms>...> set(arms...);
  uint32_t winner = set.attempt();
  // Arms that are looked at one by one may each be not ready at its turn although at every moment one of them was.
  if (winner == detail::select_core::open) {
    if (auto locks = set.all_locks(); !locks.empty()) {
      uintptr_t woken = 0;
      locks.lock();
      winner = set.poll(set.look(), woken);
      locks.unlock();
      if (woken != 0) detail::wake(woken);
    }
  }
  return set.take(winner);
}

}  // namespace weft
