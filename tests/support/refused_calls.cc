// See refused_calls.h.
#include "support/refused_calls.h"

#include <atomic>

#if defined(__x86_64__)

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>

// The one place whose calls pass: a system call with the six arguments at `arguments`.
extern "C" long weft_test_pass_call(long number, const long* arguments);
extern "C" const char weft_test_passed_call;
asm(R"(
  .text
  .globl weft_test_pass_call
  .globl weft_test_passed_call
  .type weft_test_pass_call, @function
weft_test_pass_call:
  movq %rdi, %rax
  movq %rsi, %r11
  movq 0(%r11), %rdi
  movq 8(%r11), %rsi
  movq 16(%r11), %rdx
  movq 24(%r11), %r10
  movq 32(%r11), %r8
  movq 40(%r11), %r9
  syscall
weft_test_passed_call:
  ret
  .size weft_test_pass_call, .-weft_test_pass_call
)");

#endif

namespace weft::test {

namespace {

// All seq_cst: a test's book-keeping.
std::atomic<int64_t> calls_made{0}, calls_failed{0}, bad_call{0};
std::atomic<int> error_given{0};
std::atomic<step> bad_kind{step::none}, bad_kind_too{step::none}, failed_last{step::none};
std::atomic<bool> old_kernel{false};

void begin_plan(int error) noexcept {
  refused_calls::done();
  calls_made = calls_failed = 0;
  failed_last = step::none;
  error_given = error;
}

}  // namespace

const char* step_name(step s) noexcept {
  switch (s) {
    case step::make_ring: return "io_uring_setup";
    case step::map_ring: return "mmap of a ring";
    case step::keep_from_children: return "madvise";
    case step::enter: return "io_uring_enter";
    case step::enroll: return "io_uring_register";
    case step::event_fd: return "eventfd";
    case step::timer_fd: return "timerfd_create";
    case step::epoll: return "epoll_create1";
    case step::watch: return "epoll_ctl";
    case step::none: break;
  }
  return "nothing";
}

void refused_calls::plan(int64_t n, int error) noexcept {
  begin_plan(error);
  bad_call = n;
}

void refused_calls::plan(step kind, int error, step also) noexcept {
  begin_plan(error);
  bad_kind = kind;
  bad_kind_too = also;
}

void refused_calls::plan_old_kernel() noexcept {
  begin_plan(0);
  old_kernel = true;
}

void refused_calls::done() noexcept {
  bad_call = 0;
  bad_kind = bad_kind_too = step::none;
  old_kernel = false;
}

int64_t refused_calls::made() noexcept { return calls_made; }
int64_t refused_calls::failed() noexcept { return calls_failed; }
step refused_calls::last_failed() noexcept { return failed_last; }

#if defined(__x86_64__)

namespace {

step step_of(long number) noexcept {
  switch (number) {
    case SYS_io_uring_setup: return step::make_ring;
    case SYS_mmap: return step::map_ring;
    case SYS_madvise: return step::keep_from_children;
    case SYS_io_uring_enter: return step::enter;
    case SYS_io_uring_register: return step::enroll;
    case SYS_eventfd2: return step::event_fd;
    case SYS_timerfd_create: return step::timer_fd;
    case SYS_epoll_create1: return step::epoll;
    case SYS_epoll_ctl: return step::watch;
    default: return step::none;
  }
}

bool is_refused(step s) noexcept {
  const bool refused = ++calls_made == bad_call || s == bad_kind || s == bad_kind_too;
  if (!refused) return false;
  ++calls_failed;
  failed_last = s;
  return true;
}

void on_call(int, siginfo_t* info, void* raw) {
  const int saved = errno;
  greg_t* const registers = static_cast<ucontext_t*>(raw)->uc_mcontext.gregs;
  if (is_refused(step_of(info->si_syscall))) {
    registers[REG_RAX] = -error_given.load();
  } else {
    const std::array<long, 6> arguments{registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                                        registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    registers[REG_RAX] = weft_test_pass_call(info->si_syscall, arguments.data());
    if (info->si_syscall == SYS_io_uring_setup && registers[REG_RAX] >= 0 && old_kernel)
      reinterpret_cast<io_uring_params*>(registers[REG_RSI])->features &= ~IORING_FEAT_LINKED_FILE;
  }
  errno = saved;
}

constexpr uint32_t argument(size_t index) noexcept { return offsetof(seccomp_data, args) + 8 * index; }

bool install() noexcept {
  struct sigaction action{};
  action.sa_sigaction = on_call;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return false;
  const auto passes = reinterpret_cast<uint64_t>(&weft_test_passed_call);
  // Where the parts of the filter begin; a jump at `from` is told how many instructions it skips.
  enum : uint8_t { calls = 4, mapping = 12, advice = 16, caller = 18, refuse = 22, allow = 23 };
  const auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  const auto jump = [](int how, int from, uint32_t value, int then, int otherwise) {
    return sock_filter BPF_JUMP(static_cast<uint16_t>(BPF_JMP | how | BPF_K), value,
                                static_cast<uint8_t>(then - from - 1), static_cast<uint8_t>(otherwise - from - 1));
  };
  const auto call = [&](int from, long number, int then, int otherwise) {
    return jump(BPF_JEQ, from, static_cast<uint32_t>(number), then, otherwise);
  };
  const std::array program{
      load(offsetof(seccomp_data, arch)),
      jump(BPF_JEQ, 1, AUDIT_ARCH_X86_64, 2, allow),
      load(offsetof(seccomp_data, nr)),
      call(3, SYS_mmap, mapping, calls),
      // calls
      call(4, SYS_madvise, advice, 5),
      call(5, SYS_io_uring_setup, caller, 6),
      call(6, SYS_io_uring_enter, caller, 7),
      call(7, SYS_io_uring_register, caller, 8),
      call(8, SYS_eventfd2, caller, 9),
      call(9, SYS_timerfd_create, caller, 10),
      call(10, SYS_epoll_create1, caller, 11),
      call(11, SYS_epoll_ctl, caller, allow),
      // mapping: of a descriptor, and at once, as liburing does
      load(argument(4)),
      jump(BPF_JSET, 13, 0x80000000, allow, 14),
      load(argument(3)),
      jump(BPF_JSET, 15, MAP_POPULATE, caller, allow),
      // advice
      load(argument(2)),
      jump(BPF_JEQ, 17, MADV_DONTFORK, caller, allow),
      // caller: the place that passes, or anywhere else
      load(offsetof(seccomp_data, instruction_pointer)),
      jump(BPF_JEQ, 19, static_cast<uint32_t>(passes), 20, refuse),
      load(offsetof(seccomp_data, instruction_pointer) + 4),
      jump(BPF_JEQ, 21, static_cast<uint32_t>(passes >> 32), allow, refuse),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

}  // namespace

bool refused_calls::available() noexcept {
  static const bool installed = install();
  return installed;
}

#else

bool refused_calls::available() noexcept { return false; }

#endif

}  // namespace weft::test
