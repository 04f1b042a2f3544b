// The system-call seam: every request that the runtime makes of the kernel passes through here.
//
// The virtual functions are the real calls; a test derives from `system` and overrides the ones it wants to fail,
// count or simulate, and forwards the rest to the base. Nothing outside runtime/os includes a system header, so this
// list is complete for memory, threads, sleeping, barriers and event descriptors.
//
// Invariants:
//   A system holds no state; real() is one immutable object that outlives every runtime.
//   No member throws. "The world said no" is an absl::Status that carries errno in words.
//   A call that cannot be answered with an error (unmap, release, wake) aborts when the kernel rejects its arguments,
//   because then the caller's book-keeping is wrong; advice the kernel may decline is ignored when declined.
//
// Thread safety: every member may be called from every thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/file_system.h"
#include "os/io_port.h"
#include "os/thread.h"

namespace weft::os {

/// An errno as a status: "<what>: <the system's text>", with Abseil's code for it. absl::ErrnoToStatus() would do, but
/// its texts are in a table that the first caller makes inside a shared library, where ThreadSanitizer sees the makings
/// and not the guard, and reports a race between the first two errors of a program.
absl::Status errno_status(int error, std::string_view what);

/// How a process ended.
struct process_end {
  int code;    ///< what it returned
  int signal;  ///< the signal that ended it; 0: none
};

class system {
 public:
  system() noexcept = default;
  virtual ~system() = default;
  system(const system&) = delete;
  system& operator=(const system&) = delete;

  /// Maps `bytes` of zeroed private memory whose address is a multiple of `alignment`.
  ///
  /// Both must be multiples of the page size and `alignment` a power of two. The memory is readable, writable and not
  /// reserved against swap, so untouched pages cost address space only. Error: RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual absl::StatusOr<void*> map(size_t bytes, size_t alignment) noexcept;

  /// Returns [address, address + bytes) to the kernel, address space included.
  virtual void unmap(void* address, size_t bytes) noexcept;

  /// Drops the contents of [address, address + bytes): the range stays mapped and next reads as zero.
  virtual void release(void* address, size_t bytes) noexcept;

  /// Starts an OS thread that runs entry(argument) and stores its handle in `out`. The thread blocks all signals but
  /// those of faults and SIGPROF, so the host's handlers run on the host's threads.
  ///
  /// `out` must not hold a thread. `name` (at most 15 characters; a longer one is cut) is what ps and gdb show.
  /// Error: RESOURCE_EXHAUSTED; `out` is then unchanged. Order: the call happens before entry(argument).
  [[nodiscard]] virtual absl::Status start_thread(thread& out, void (*entry)(void*), void* argument,
                                                  const char* name) noexcept;

  /// Keeps a started thread on one of the CPUs that the process may use: the one at `index`, counted round and round.
  /// Which these are is asked once, before the first thread is pinned. Error: RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual absl::Status pin_thread(const thread& which, uint32_t index) noexcept;

  /// Lets a started thread run on all CPUs that the process may use, as far as the kernel allows.
  virtual void unpin_thread(const thread& which) noexcept;

  /// Sleeps while `word` holds `expected`, for at most `timeout_ns` (negative: for ever).
  ///
  /// May return early for no reason (a signal, a stray wake), so callers look at the word again.
  /// Blocks: the calling OS thread. Order: none; the caller's own access to the word orders.
  virtual void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns) noexcept;

  /// Wakes at most `count` threads of this process that sleep in futex_wait() on `word`.
  ///
  /// The memory behind `word` may already be gone: a stray wake is harmless to whoever owns it now.
  virtual void futex_wake(std::atomic<uint32_t>& word, int count) noexcept;

  /// Prepares the process for membarrier(). False when the kernel or a sandbox refuses; repeatable.
  [[nodiscard]] virtual bool register_membarrier() noexcept;

  /// Makes every running thread of the process execute a full memory barrier before this returns.
  ///
  /// Only after register_membarrier() has returned true.
  virtual void membarrier() noexcept;

  /// Makes a non-blocking, close-on-exec eventfd with count 0. Error: RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual absl::StatusOr<int> create_event_fd() noexcept;

  /// Makes `fd`, an eventfd, readable. Never blocks; signals accumulate.
  virtual void signal_event_fd(int fd) noexcept;

  /// Makes `fd`, an eventfd, unreadable until the next signal. Never blocks.
  virtual void drain_event_fd(int fd) noexcept;

  /// Makes a close-on-exec timerfd that is not armed. Error: RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual absl::StatusOr<int> create_timer_fd() noexcept;

  /// Makes `fd`, a timerfd, readable once after `delay_ns` (at least 1); negative: never.
  virtual void arm_timer_fd(int fd, int64_t delay_ns) noexcept;

  /// Makes a descriptor that is readable while any of `fds` is. Error: RESOURCE_EXHAUSTED.
  [[nodiscard]] virtual absl::StatusOr<int> create_wait_set(std::span<const int> fds) noexcept;

  /// Makes a set also readable while `fd` is. False: the kernel refuses.
  [[nodiscard]] virtual bool add_to_wait_set(int set, int fd) noexcept;

  /// Blocks until `fd` is readable or `timeout_ns` has passed (negative: no limit); spurious returns are allowed.
  virtual void wait_readable(int fd, int64_t timeout_ns) noexcept;

  // Descriptors. What can fail returns -errno, as the kernel does, and says what it meant where it is reported.

  /// A port for I/O; see io_port.h.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<io_port>> open_uring(uring_mode mode, uint32_t entries) noexcept;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<io_port>> open_epoll() noexcept;

  /// Does what is asked by a plain call, without waiting: -EAGAIN where it would have to.
  [[nodiscard]] virtual int32_t do_now(const detail::io_request& request) noexcept;

  /// Does what is asked of a file, or opens one, if everything needed is in the kernel's caches: -EAGAIN where the disk
  /// would have to be waited for, where this cannot be known, and for every refusal, which the request itself will
  /// name. A read at an offset is short only at the end of the file, unless `partly` is set: to how many bytes it has
  /// read.
  [[nodiscard]] virtual int32_t do_from_cache(const detail::io_request& request, uint32_t& partly) noexcept;

  /// Makes a socket that never blocks its caller and is closed on exec.
  [[nodiscard]] virtual int open_socket(int family, int type, int protocol) noexcept;
  [[nodiscard]] virtual int bind_socket(int fd, std::span<const std::byte> address) noexcept;
  [[nodiscard]] virtual int listen_on(int fd, int backlog) noexcept;

  /// Two ends that never block their callers and are closed on exec.
  [[nodiscard]] virtual int open_pipe(std::span<int, 2> ends) noexcept;
  [[nodiscard]] virtual int open_socket_pair(std::span<int, 2> ends) noexcept;
  [[nodiscard]] virtual int duplicate(int fd) noexcept;

  /// Appends what is in a directory, by name: 0 or -errno. May wait for the disk.
  [[nodiscard]] virtual int list_nodes(const std::string& directory, std::vector<node>& out);

  /// Moves a file's position by so many bytes and says where it is then. -ESPIPE: it has none.
  [[nodiscard]] virtual int64_t move_position(int fd, int64_t bytes) noexcept;

  /// Ignores SIGPIPE unless the process has a handler for it.
  virtual void ignore_sigpipe() noexcept;

  /// A descriptor for a child process, readable once it has ended; its end, which is then forgotten (-EAGAIN: it
  /// lives); and signals for it.
  [[nodiscard]] virtual int open_process(int pid) noexcept;
  [[nodiscard]] virtual int reap_process(int fd, process_end& end) noexcept;
  [[nodiscard]] virtual int signal_process(int fd, int signal) noexcept;

  /// Sets or reads an option that is an int.
  [[nodiscard]] virtual int set_socket_option(int fd, int level, int name, int value) noexcept;
  [[nodiscard]] virtual int socket_option(int fd, int level, int name, int& value) noexcept;

  /// The name of a socket's own, or its peer's, end: the bytes it takes.
  [[nodiscard]] virtual int socket_name(int fd, bool peer, std::span<std::byte> address) noexcept;

  /// Closes a descriptor that one of the functions here made.
  virtual void close_fd(int fd) noexcept;

  /// The number of OS threads in this process, -1 when it cannot be read.
  [[nodiscard]] virtual int process_thread_count() noexcept;

  /// CPU time that the calling thread has used, in nanoseconds.
  [[nodiscard]] virtual int64_t thread_cpu_time_ns() noexcept;

  /// Asks the C library to give free memory of its heap back to the kernel. May take milliseconds.
  virtual void trim_program_heap() noexcept;

  /// Writes all of `text` to standard error, unbuffered. Async-signal-safe; errors are dropped.
  virtual void write_stderr(std::string_view text) noexcept;

  /// The kernel itself.
  [[nodiscard]] static system& real() noexcept;
};

}  // namespace weft::os
