// WEFT_CHECK for misuse (always on) and WEFT_DCHECK for broken invariants (debug builds).
//
// Both print what failed, where, and in which task, then abort.
#pragma once

namespace weft::detail {

/// Prints `what` with its place and the running task, then aborts.
[[noreturn, gnu::cold, gnu::noinline]] void check_failed(const char* what, const char* file, int line) noexcept;

}  // namespace weft::detail

#define WEFT_CHECK(condition, what)                           \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::weft::detail::check_failed(what, __FILE__, __LINE__); \
  } while (false)

#ifndef NDEBUG
#define WEFT_DCHECK(condition) WEFT_CHECK(condition, "broken invariant: " #condition)
#else
#define WEFT_DCHECK(condition) \
  do {                         \
  } while (false)
#endif
