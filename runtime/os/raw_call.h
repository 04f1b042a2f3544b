// A system call without the C library: no errno, no point of cancellation, no further function.
//
// For calls that are made for each small file: after a system call the processor predicts returns and indirect jumps
// badly, so each function between costs some nanoseconds. ThreadSanitizer, which follows descriptors by the library's
// functions, does not see these.
#pragma once

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weft/detail/config.h>

namespace weft::os {

/// What the call returned, or -errno. Up to six arguments, as the kernel takes them.
WEFT_INLINE long raw_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                          long f = 0) noexcept {
#if defined(__x86_64__)
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return number;
#else
  const int saved = errno;
  const long result = ::syscall(number, a, b, c, d, e, f);
  const long value = result < 0 ? -errno : result;
  errno = saved;
  return value;
#endif
}

/// A pointer as an argument.
template <class T>
long raw(T* p) noexcept {
  return reinterpret_cast<long>(p);
}

}  // namespace weft::os
