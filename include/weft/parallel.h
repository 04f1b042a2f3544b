// join_all and parallel_for: forks over a range.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/detail/context.h>
#include <weft/detail/fork_deque.h>
#include <weft/detail/task_block.h>
#include <weft/fork_scope.h>
#include <weft/join.h>
#include <weft/task.h>
#include <weft/task_group.h>

namespace weft {
namespace detail {

/// Whether other processors look for forks of this one. Cost: a load.
WEFT_INLINE bool forks_are_wanted() noexcept { return this_context.forks->wanted(); }

/// A clock for lengths of a few microseconds, as cheap as there is one, and how much of it a chunk may take.
#if defined(__x86_64__)
WEFT_INLINE int64_t coarse_ticks() noexcept { return static_cast<int64_t>(__builtin_ia32_rdtsc()); }
inline constexpr int64_t ticks_of_a_chunk = 4096;
#else
inline int64_t coarse_ticks() noexcept { return std::chrono::steady_clock::now().time_since_epoch().count(); }
inline constexpr int64_t ticks_of_a_chunk = 2000;
#endif

// The plain bodies of [first, last) from the front, until somebody looks for work; returns the first that was not done.
//
// Looking before each body would keep the compiler from making one loop of them, so they run in chunks. A chunk grows
// to 64 bodies while it takes less than a microsecond or two, and shrinks when it takes longer, so a hungry processor
// waits for a few microseconds, or for one body, and at worst, where bodies become slow all at once, for 64.
template <class Index, class F>
WEFT_NOINLINE Index run_until_wanted(Index first, const Index last, F& f) {
  constexpr int64_t most = 64;
  int64_t untimed = 8;  // so that a short loop does not look at the clock
  int64_t chunk = 1;
  int64_t before = 0;
  for (;;) {
    const auto left = static_cast<int64_t>(last - first);
    if (left == 0 || (left > 1 && forks_are_wanted())) return first;
    for (int64_t n = std::min(chunk, left); n != 0; --n, ++first) f(first);
    if (untimed != 0) {
      if (--untimed == 0) before = coarse_ticks();
      continue;
    }
    const int64_t now = coarse_ticks();
    chunk = now - before > ticks_of_a_chunk ? std::max(chunk / 2, int64_t{1}) : std::min(chunk * 2, most);
    before = now;
  }
}

template <class F, class Index>
concept body_is_coroutine = is_task<std::invoke_result_t<F&, Index>>;

// Does [first, last) from the front; as soon as somebody looks for work, half of the rest is offered.
template <class Index, class F>
task<> for_each_index(Index first, Index last, F* f) {
  if constexpr (body_is_coroutine<F, Index>) {
    while (first != last && !(last - first > 1 && forks_are_wanted())) {
      co_await (*f)(first);
      ++first;
    }
  } else {
    first = run_until_wanted(first, last, *f);
  }
  if (first != last) {
    const Index middle = first + (last - first) / 2;
    co_await join(for_each_index(first, middle, f), for_each_index(middle, last, f));
  }
}

/// Whether a fork_scope can put an R there.
template <class R, class Slot>
inline constexpr bool scope_can_assign = std::is_nothrow_assignable_v<Slot&, R&&>;
template <class Slot>
inline constexpr bool scope_can_assign<void, Slot> = false;

template <class R, class Iterator, class F, class Slot>
task<> join_one(Iterator element, F* f, Slot* result) {
  if constexpr (std::is_void_v<R>)
    co_await (*f)(*element);
  else
    *result = co_await (*f)(*element);
}

// Runs `count` elements from `first` on; as soon as somebody looks for work, half of the rest is offered. While an
// element waits, the rest goes on.
template <class R, class Iterator, class F, class Slot>
task<> join_part(Iterator first, std::size_t count, F* f, Slot* results) {
  std::exception_ptr error;
  fork_scope scope;
  try {
    for (; count != 0; --count, ++first) {
      if (count > 1 && forks_are_wanted()) {
        const std::size_t half = count / 2;
        const Iterator middle = std::next(first, static_cast<std::ptrdiff_t>(half));
        Slot* const second = results == nullptr ? nullptr : results + half;
        co_await join(join_part<R>(first, half, f, results), join_part<R>(middle, count - half, f, second));
        break;
      }
      if constexpr (scope_can_assign<R, Slot>)
        co_await scope.fork(*results, (*f)(*first));
      else
        co_await scope.fork(join_one<R>(first, f, results));
      if (results != nullptr) ++results;
    }
  } catch (...) {
    error = std::current_exception();
  }
  co_await scope.join();
  if (error) std::rethrow_exception(std::move(error));
}

template <class R, class Iterator, class F>
task<std::vector<optional_result_t<R>>> join_range(Iterator first, std::size_t count, F& f) {
  using value = optional_result_t<R>;
  if constexpr (std::is_void_v<R>) {
    co_await join_part<R>(first, count, &f, static_cast<value*>(nullptr));
    co_return std::vector<value>(count);
  } else if constexpr (std::is_default_constructible_v<R> && !std::is_same_v<R, bool>) {
    std::vector<value> results(count);
    co_await join_part<R>(first, count, &f, results.data());
    co_return results;
  } else {
    std::vector<std::optional<value>> kept(count);
    co_await join_part<R>(first, count, &f, kept.data());
    std::vector<value> results;
    results.reserve(count);
    for (std::optional<value>& r : kept) results.push_back(std::move(*r));
    co_return results;
  }
}

}  // namespace detail

/// Runs f(element) -> task<R> for every element of a range, in parallel if other processors are idle, and returns the
/// results in order: `std::vector<R>` (std::monostate for void). The first exception is rethrown after all have ended.
/// The range and the callable must live until the end of the co_await. Needs forward iterators. Elements may wait for
/// each other: while one waits, the next ones run.
/// Cost: a fork for each element, and one vector (a second one while results have no default constructor). Frames for
/// one element at a time, and for each half that was offered.
template <class Range, class F>
auto join_all(Range&& range, F&& f) {
  static_assert(std::is_lvalue_reference_v<F> || detail::callable_is_safe_inside_co_await<std::remove_cvref_t<F>>,
                "weft::join_all with g++ before 13: name the closure before the co_await; see docs/pitfalls.md");
  using std::begin;
  using std::end;
  const auto first = begin(range);
  using result = detail::task_result_t<std::invoke_result_t<F&, decltype(*first)>>;
  const auto count = static_cast<std::size_t>(std::distance(first, end(range)));
  return detail::join_range<result>(first, count, f);
}

/// Runs f(i) for every i of [first, last): a plain call or a task<>. The range is split only when another processor
/// asks for work, so on one processor it is a plain loop. The first exception is rethrown after all parts have ended;
/// parts that have not begun still run. The callable must live until the end of the co_await, and is shared by the
/// parts. While a body that is a coroutine waits, the rest of its part waits with it.
/// Cost: for plain bodies a load and a look at the clock for every 64 of them, if they are short.
template <class Index, class F>
auto parallel_for(Index first, Index last, F&& f) {
  static_assert(std::is_lvalue_reference_v<F> || detail::callable_is_safe_inside_co_await<std::remove_cvref_t<F>>,
                "weft::parallel_for with g++ before 13: name the closure before the co_await; see docs/pitfalls.md");
  static_assert(std::is_invocable_v<F&, Index>, "weft::parallel_for: the callable cannot be called with an index");
  return detail::for_each_index<Index, std::remove_reference_t<F>>(first, last, &f);
}

}  // namespace weft
