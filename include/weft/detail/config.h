// What the compiler can do, as a few macros that the other headers share.
//
// WEFT_SYMMETRIC_TRANSFER says whether `await_suspend` may return a handle and rely on a tail call. clang since 19
// makes it one always; g++ only when it optimises and no sanitizer is on. Without it every switch goes back to the
// worker's loop (the trampoline, see transfer.h). g++ -O1 and -Og do not tell themselves apart from -O2: define it as 0
// there.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#ifndef WEFT_ASAN
#define WEFT_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif
#ifndef WEFT_TSAN
#define WEFT_TSAN 0
#endif

// 0: what is counted for metrics alone is not counted, to see what counting costs (the CMake option WEFT_METRICS).
#ifndef WEFT_METRICS
#define WEFT_METRICS 1
#endif

#ifndef WEFT_SYMMETRIC_TRANSFER
#if defined(__clang__)
#if __clang_major__ >= 19 || defined(__OPTIMIZE__)
#define WEFT_SYMMETRIC_TRANSFER 1
#else
#define WEFT_SYMMETRIC_TRANSFER 0
#endif
#elif defined(__OPTIMIZE__) && !WEFT_ASAN && !WEFT_TSAN
#define WEFT_SYMMETRIC_TRANSFER 1
#else
#define WEFT_SYMMETRIC_TRANSFER 0
#endif
#endif

// Whether every coroutine frame is counted for the function that its task was started with (docs/escape.md). A build
// option of the library, which its users inherit: program and library must agree.
#ifndef WEFT_COUNT_FRAMES
#define WEFT_COUNT_FRAMES 0
#endif

// Whether the compiler may put the frame of a task<T> into its caller's: with an attribute that came with clang 20.
// Where none does, that is not looked for.
#if defined(__clang__) && __clang_major__ >= 20
#define WEFT_MAY_ELIDE 1
#else
#define WEFT_MAY_ELIDE 0
#endif

#define WEFT_INLINE [[gnu::always_inline]] inline
#define WEFT_NOINLINE [[gnu::noinline]]
// For the rare branch of a fast path: the callee saves the registers, so the fast path need not.
#if defined(__clang__) && defined(__x86_64__)
#define WEFT_RARE [[gnu::noinline, clang::preserve_most]]
#else
#define WEFT_RARE [[gnu::noinline]]
#endif
