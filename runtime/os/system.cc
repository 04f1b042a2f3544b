// The real system calls.
#include "os/system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"

#include <weft/detail/check.h>
#include <weft/detail/config.h>

namespace weft::os {

absl::Status errno_status(int error, std::string_view what) {
  return absl::Status(absl::ErrnoToStatusCode(error),
                      std::string(what) + ": " + std::generic_category().message(error));
}

namespace {

// The kernel's refusal of `call`, in words.
absl::Status refused(const char* call, int error) {
  return absl::ResourceExhaustedError(errno_status(error, call).message());
}

// Keeps the caller's errno: none of these calls may be visible in code that reads errno around them.
class errno_keeper {
 public:
  errno_keeper() noexcept : saved_(errno) {}
  ~errno_keeper() { errno = saved_; }
  errno_keeper(const errno_keeper&) = delete;
  errno_keeper& operator=(const errno_keeper&) = delete;

 private:
  const int saved_;
};

// close() is a point of cancellation of threads: two locked instructions for nothing. ThreadSanitizer has to see it, or
// it takes what it knows of a descriptor for that of the next one with its number.
long close_plainly(int fd) noexcept { return WEFT_TSAN ? ::close(fd) : ::syscall(SYS_close, fd); }

struct thread_start {
  void (*entry)(void*);
  void* argument;
  char name[16];  // 15 characters and the terminator, the kernel's limit
};

void* run_thread(void* raw) {
  const thread_start start = *std::unique_ptr<thread_start>(static_cast<thread_start*>(raw));
  ::pthread_setname_np(::pthread_self(), start.name);
  start.entry(start.argument);
  return nullptr;
}

// Blocks signals on the calling thread while it lives, so that a thread created meanwhile inherits that.
//
// The host's handlers then run on the host's threads. Faults stay open, because a blocked fault kills the process
// before its crash handler can say why; so does the profilers' signal, which has to interrupt whoever is running.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int open : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGPROF}) {
      ::sigdelset(&blocked, open);
    }
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~signals_blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_;
};

// The CPUs that the process may use, as the first caller may; none if the kernel does not say.
const cpu_set_t& allowed_cpus() noexcept {
  static const cpu_set_t allowed = [] {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) CPU_ZERO(&cpus);
    return cpus;
  }();
  return allowed;
}

timespec to_timespec(int64_t ns) noexcept {
  constexpr int64_t ns_per_second = 1'000'000'000;
  return {static_cast<time_t>(ns / ns_per_second), static_cast<long>(ns % ns_per_second)};
}

long futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* timeout) noexcept {
  static_assert(sizeof word == sizeof(uint32_t) && std::atomic<uint32_t>::is_always_lock_free);
  return ::syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
}

}  // namespace

system& system::real() noexcept {
  // Never destroyed: threads of a runtime that outlives main() may still use it.
  static system& instance = *new system;
  return instance;
}

absl::StatusOr<void*> system::map(size_t bytes, size_t alignment) noexcept {
  const errno_keeper keep;
  const auto page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  // mmap aligns to a page by itself; for more, map enough to contain an aligned range and trim both ends.
  const size_t slack = alignment > page_bytes ? alignment - page_bytes : 0;
  if (bytes == 0 || bytes + slack < bytes) return refused("mmap", ENOMEM);
  void* const mapped =
      ::mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return refused("mmap", errno);
  if (slack == 0) return mapped;
  auto* const begin = static_cast<char*>(mapped);
  const size_t head = -reinterpret_cast<uintptr_t>(begin) & (alignment - 1);
  const size_t tail = slack - head;
  // A trim can fail where the process is at its limit of mappings.
  if (head > 0 && ::munmap(begin, head) != 0) {
    const int error = errno;
    ::munmap(begin, bytes + slack);
    return refused("munmap", error);
  }
  if (tail > 0 && ::munmap(begin + head + bytes, tail) != 0) {
    const int error = errno;
    ::munmap(begin + head, bytes + tail);
    return refused("munmap", error);
  }
  return begin + head;
}

void system::unmap(void* address, size_t bytes) noexcept {
  const errno_keeper keep;
  if (::munmap(address, bytes) == 0) return;
  // Splitting a mapping can exceed the limit of mappings; then at least the memory goes back.
  WEFT_CHECK(errno == ENOMEM, "munmap of a range that was not mapped");
  ::madvise(address, bytes, MADV_DONTNEED);
}

void system::release(void* address, size_t bytes) noexcept {
  const errno_keeper keep;
  int outcome = 0;
  do {
    outcome = ::madvise(address, bytes, MADV_DONTNEED);
  } while (outcome != 0 && errno == EAGAIN);
  WEFT_CHECK(outcome == 0, "madvise(MADV_DONTNEED) of a range that is not mapped or is locked in memory");
}

absl::Status system::start_thread(thread& out, void (*entry)(void*), void* argument, const char* name) noexcept {
  const errno_keeper keep;
  WEFT_CHECK(!out.joinable(), "start_thread() into a handle that holds a thread");
  std::unique_ptr<thread_start> start(new (std::nothrow) thread_start{entry, argument, {}});
  if (start == nullptr) return refused("pthread_create", ENOMEM);
  std::string_view(name).substr(0, sizeof start->name - 1).copy(start->name, sizeof start->name - 1);
  int error = 0;
  {
    const signals_blocked signals;
    error = ::pthread_create(&out.handle_, nullptr, run_thread, start.get());
  }
  if (error != 0) return refused("pthread_create", error);
  static_cast<void>(start.release());  // run_thread() owns it now
  out.joinable_ = true;
  return absl::OkStatus();
}

absl::Status system::pin_thread(const thread& which, uint32_t index) noexcept {
  const errno_keeper keep;
  const cpu_set_t& allowed = allowed_cpus();
  const int count = CPU_COUNT(&allowed);
  if (count == 0) return refused("sched_getaffinity", EINVAL);
  auto left = static_cast<int>(index % static_cast<uint32_t>(count));
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed) || left-- > 0) ++cpu;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  const int error = ::pthread_setaffinity_np(which.handle_, sizeof one, &one);
  return error == 0 ? absl::OkStatus() : refused("pthread_setaffinity_np", error);
}

void system::unpin_thread(const thread& which) noexcept {
  const errno_keeper keep;
  ::pthread_setaffinity_np(which.handle_, sizeof(cpu_set_t), &allowed_cpus());
}

void system::futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns) noexcept {
  const errno_keeper keep;
  const timespec timeout = to_timespec(std::max<int64_t>(timeout_ns, 0));
  const long outcome = futex(word, FUTEX_WAIT, expected, timeout_ns < 0 ? nullptr : &timeout);
  const bool legal = outcome == 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT;
  WEFT_CHECK(legal, "futex wait on a bad address");
}

void system::futex_wake(std::atomic<uint32_t>& word, int count) noexcept {
  const errno_keeper keep;
  // The result is not looked at: the word may be unmapped by now (EFAULT), and then nobody waits on it.
  futex(word, FUTEX_WAKE, static_cast<uint32_t>(count), nullptr);
}

bool system::register_membarrier() noexcept {
  const errno_keeper keep;
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void system::membarrier() noexcept {
  const errno_keeper keep;
  const long outcome = ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
  WEFT_CHECK(outcome == 0, "membarrier() without a successful register_membarrier()");
}

absl::StatusOr<int> system::create_event_fd() noexcept {
  const errno_keeper keep;
  const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return refused("eventfd", errno);
  return fd;
}

void system::signal_event_fd(int fd) noexcept {
  const errno_keeper keep;
  const uint64_t one = 1;
  ssize_t written = 0;
  do {
    written = ::write(fd, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
  // EAGAIN: the count is at its maximum, so the descriptor is readable, which is all that was asked.
  const bool legal = written == static_cast<ssize_t>(sizeof one) || errno == EAGAIN;
  WEFT_CHECK(legal, "signal of a descriptor that is not an open eventfd");
}

void system::drain_event_fd(int fd) noexcept {
  const errno_keeper keep;
  uint64_t count = 0;
  ssize_t got = 0;
  do {
    got = ::read(fd, &count, sizeof count);
  } while (got < 0 && errno == EINTR);
  const bool legal = got == static_cast<ssize_t>(sizeof count) || errno == EAGAIN;
  WEFT_CHECK(legal, "drain of a descriptor that is not an open eventfd");
}

absl::StatusOr<int> system::create_timer_fd() noexcept {
  const errno_keeper keep;
  const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (fd < 0) return refused("timerfd_create", errno);
  return fd;
}

void system::arm_timer_fd(int fd, int64_t delay_ns) noexcept {
  const errno_keeper keep;
  ::itimerspec when{};
  if (delay_ns >= 0) {
    delay_ns = std::max<int64_t>(delay_ns, 1);
    when.it_value.tv_sec = delay_ns / 1'000'000'000;
    when.it_value.tv_nsec = delay_ns % 1'000'000'000;
  }
  const bool armed = ::timerfd_settime(fd, 0, &when, nullptr) == 0;
  WEFT_CHECK(armed, "arming of a descriptor that is not an open timerfd");
}

absl::StatusOr<int> system::create_wait_set(std::span<const int> fds) noexcept {
  const errno_keeper keep;
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return refused("epoll_create1", errno);
  for (const int fd : fds) {
    ::epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) {
      const absl::Status status = refused("epoll_ctl", errno);
      ::close(set);
      return status;
    }
  }
  return set;
}

bool system::add_to_wait_set(int set, int fd) noexcept {
  const errno_keeper keep;
  ::epoll_event event{};
  event.events = EPOLLIN;
  return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

void system::wait_readable(int fd, int64_t timeout_ns) noexcept {
  const errno_keeper keep;
  ::pollfd one{fd, POLLIN, 0};
  const ::timespec limit{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
  static_cast<void>(::ppoll(&one, 1, timeout_ns < 0 ? nullptr : &limit, nullptr));
}

void system::close_fd(int fd) noexcept {
  const errno_keeper keep;
  // EINTR included: on Linux the descriptor is closed by then, and a second close could hit another's.
  const bool closed = close_plainly(fd) == 0 || errno != EBADF;
  WEFT_CHECK(closed, "close of a descriptor that is not open");
}

int system::process_thread_count() noexcept {
  const errno_keeper keep;
  DIR* const tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return -1;
  int count = 0;
  while (const dirent* entry = ::readdir(tasks)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(tasks);
  return count;
}

int64_t system::thread_cpu_time_ns() noexcept {
  constexpr int64_t ns_per_second = 1'000'000'000;
  timespec used{};
  // Cannot fail: the clock exists on every Linux and the address is good.
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return int64_t{used.tv_sec} * ns_per_second + used.tv_nsec;
}

void system::trim_program_heap() noexcept {
#if defined(__GLIBC__)
  const errno_keeper keep;
  ::malloc_trim(0);
#endif
}

void system::write_stderr(std::string_view text) noexcept {
  const errno_keeper keep;
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace weft::os
