// join_all and parallel_for: forks over a range.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <weft/detail/context.h>
#include <weft/detail/fork_deque.h>
#include <weft/join.h>
#include <weft/task.h>
#include <weft/task_group.h>

namespace weft {
namespace detail {

/// Whether other processors look for forks of this one. Cost: a load.
WEFT_INLINE bool forks_are_wanted() noexcept { return this_context.forks->wanted(); }

template <class F, class Index>
inline constexpr bool body_is_coroutine = is_task<std::invoke_result_t<F&, Index>>;

// Does [first, last) from the front; as soon as somebody looks for work, half of the rest is offered.
template <class Index, class F>
task<> for_each_index(Index first, Index last, F* f) {
  for (; first != last; ++first) {
    if (last - first > 1 && forks_are_wanted()) {
      const Index middle = first + (last - first) / 2;
      co_await join(for_each_index(first, middle, f), for_each_index(middle, last, f));
      co_return;
    }
    if constexpr (body_is_coroutine<F, Index>)
      co_await (*f)(first);
    else
      (*f)(first);
  }
}

template <class R>
using kept_result = std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>>;

template <class R, class Iterator, class F>
task<> join_part(Iterator first, std::size_t count, F* f, kept_result<R>* results) {
  if (count == 1) {
    if constexpr (std::is_void_v<R>) {
      co_await (*f)(*first);
      results->emplace();
    } else {
      results->emplace(co_await (*f)(*first));
    }
    co_return;
  }
  const std::size_t half = count / 2;
  const Iterator middle = std::next(first, static_cast<std::ptrdiff_t>(half));
  co_await join(join_part<R>(first, half, f, results), join_part<R>(middle, count - half, f, results + half));
}

template <class R, class Iterator, class F>
task<std::vector<std::conditional_t<std::is_void_v<R>, std::monostate, R>>> join_range(Iterator first,
                                                                                       std::size_t count, F& f) {
  std::vector<kept_result<R>> kept(count);
  if (count != 0) co_await join_part<R>(first, count, &f, kept.data());
  std::vector<std::conditional_t<std::is_void_v<R>, std::monostate, R>> results;
  results.reserve(count);
  for (kept_result<R>& r : kept) results.push_back(std::move(*r));
  co_return results;
}

}  // namespace detail

/// Runs f(element) -> task<R> for every element of a range, in parallel if other processors are idle, and returns the
/// results in order: `std::vector<R>` (std::monostate for void). The first exception is rethrown after all have ended.
/// The range and the callable must live until the end of the co_await. Needs forward iterators.
/// Cost: a fork for each element, and one vector.
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
/// parts.
/// Cost: a load for each i.
template <class Index, class F>
auto parallel_for(Index first, Index last, F&& f) {
  static_assert(std::is_lvalue_reference_v<F> || detail::callable_is_safe_inside_co_await<std::remove_cvref_t<F>>,
                "weft::parallel_for with g++ before 13: name the closure before the co_await; see docs/pitfalls.md");
  static_assert(std::is_invocable_v<F&, Index>, "weft::parallel_for: the callable cannot be called with an index");
  return detail::for_each_index<Index, std::remove_reference_t<F>>(first, last, &f);
}

}  // namespace weft
