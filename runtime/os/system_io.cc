// The system calls that are about descriptors. See system.h.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/system.h"

namespace weft::os {

namespace {

using detail::io_op;
using detail::io_request;

// What the call returned, or -errno; the caller's errno stays as it was.
template <class Call>
int32_t outcome(Call call) noexcept {
  const int saved = errno;
  long result = 0;
  do {
    result = static_cast<long>(call());
  } while (result < 0 && errno == EINTR);
  const int32_t value = result < 0 ? -errno : static_cast<int32_t>(result);
  errno = saved;
  return value;
}

template <class T>
T* at(uint64_t address) noexcept {
  return reinterpret_cast<T*>(address);
}

bool is_ready(int fd, uint32_t events) noexcept {
  pollfd one{fd, static_cast<short>(events), 0};
  return ::poll(&one, 1, 0) != 0;
}

// A plain read or write, of a descriptor that may be in blocking mode.
template <class Call>
int32_t when_ready(int fd, uint32_t events, Call call) noexcept {
  return is_ready(fd, events) ? outcome(call) : -EAGAIN;
}

// It is at its end when its last writer has gone, and not before the first one came.
bool is_fifo_before_its_writer(int fd) noexcept {
  struct stat figures{};
  return ::fstat(fd, &figures) == 0 && S_ISFIFO(figures.st_mode) && !is_ready(fd, POLLIN);
}

// A pipe in blocking mode takes a plain write whole, and waits until it has had place for all of it.
int32_t write_where_it_stands(const io_request& r) noexcept {
  if (!is_ready(r.fd, POLLOUT)) return -EAGAIN;
  const iovec all{at<void>(r.address), r.length};
  const int32_t n = outcome([&] { return ::syscall(SYS_pwritev2, r.fd, &all, 1L, -1L, -1L, RWF_NOWAIT); });
  if (n != -EOPNOTSUPP && n != -EAGAIN) return n;
  // Not a pipe, or one of a kernel older than Linux 6.5; or others were faster.
  return when_ready(r.fd, POLLOUT, [&] { return ::write(r.fd, all.iov_base, all.iov_len); });
}

int32_t begin_connecting(const io_request& r) noexcept {
  const int32_t result = outcome([&] { return ::connect(r.fd, at<sockaddr>(r.address), r.length); });
  if (result == -EISCONN) return 0;
  return result == -EINPROGRESS || result == -EALREADY ? -EAGAIN : result;
}

}  // namespace

int32_t system::do_now(const io_request& r) noexcept {
  const int flags = static_cast<int>(r.flags);
  const bool placed = r.offset != ~uint64_t{0};
  const auto offset = static_cast<off_t>(r.offset);
  const auto vectors = static_cast<int>(r.length);
  switch (r.op) {
    case io_op::read:
      if (!placed) return when_ready(r.fd, POLLIN, [&] { return ::read(r.fd, at<void>(r.address), r.length); });
      return when_ready(r.fd, POLLIN, [&] { return ::pread(r.fd, at<void>(r.address), r.length, offset); });
    case io_op::write:
      if (!placed) return write_where_it_stands(r);
      return when_ready(r.fd, POLLOUT, [&] { return ::pwrite(r.fd, at<void>(r.address), r.length, offset); });
    case io_op::readv:
      return when_ready(r.fd, POLLIN, [&] {
        return placed ? ::preadv(r.fd, at<iovec>(r.address), vectors, offset)
                      : ::readv(r.fd, at<iovec>(r.address), vectors);
      });
    case io_op::writev:
      return when_ready(r.fd, POLLOUT, [&] {
        return placed ? ::pwritev(r.fd, at<iovec>(r.address), vectors, offset)
                      : ::writev(r.fd, at<iovec>(r.address), vectors);
      });
    case io_op::receive:
      return outcome([&] { return ::recv(r.fd, at<void>(r.address), r.length, flags | MSG_DONTWAIT); });
    case io_op::recvpool: return -EINVAL;  // a port's affair
    case io_op::send: return outcome([&] { return ::send(r.fd, at<void>(r.address), r.length, flags | MSG_DONTWAIT); });
    case io_op::recvmsg: return outcome([&] { return ::recvmsg(r.fd, at<msghdr>(r.address), flags | MSG_DONTWAIT); });
    case io_op::sendmsg: return outcome([&] { return ::sendmsg(r.fd, at<msghdr>(r.address), flags | MSG_DONTWAIT); });
    case io_op::accept:
      return when_ready(r.fd, POLLIN,
                        [&] { return ::accept4(r.fd, at<sockaddr>(r.address), at<socklen_t>(r.address2), flags); });
    case io_op::connect: return begin_connecting(r);
    case io_op::poll: {
      pollfd one{r.fd, static_cast<short>(r.flags), 0};
      const int32_t count = outcome([&] { return ::poll(&one, 1, 0); });
      return count > 0 ? one.revents : count == 0 ? -EAGAIN : count;
    }
    case io_op::fsync: return outcome([&] { return flags != 0 ? ::fdatasync(r.fd) : ::fsync(r.fd); });
    case io_op::open: return outcome([&] { return ::openat(r.fd, at<char>(r.address), flags, r.length); });
    case io_op::statx:
      return outcome([&] { return ::statx(r.fd, at<char>(r.address), flags, r.length, at<struct statx>(r.address2)); });
    case io_op::shutdown: return outcome([&] { return ::shutdown(r.fd, flags); });
  }
  return -ENOSYS;
}

namespace {

// As a ring opens a file at first: no lookup on the disk.
int32_t open_from_cache(const io_request& r) noexcept {
  if ((r.flags & (O_CREAT | O_TRUNC)) != 0) return -EAGAIN;
  if ((r.flags & O_NONBLOCK) == 0) return -EAGAIN;  // it may wait for who has a lease on the file
  open_how how{};
  how.flags = r.flags;
  how.resolve = RESOLVE_CACHED;
  const int32_t fd = outcome([&] { return ::syscall(SYS_openat2, r.fd, at<char>(r.address), &how, sizeof how); });
  return fd >= 0 ? fd : -EAGAIN;
}

// Whether a short read that ended there has met the end of the file. Where the rest is not in the page cache, it ends
// with a page or, where those are filled in parts, with a block, and no block is smaller than this.
bool ends_inside_a_block(uint64_t offset) noexcept {
  constexpr uint64_t smallest_block = 512;
  return offset % smallest_block != 0;
}

int32_t read_from_cache(const io_request& r, uint32_t& partly) noexcept {
  uint32_t done = 0;
  while (done < r.length) {
    const iovec rest{at<char>(r.address) + done, r.length - done};
    const long from = r.offset == ~uint64_t{0} ? -1 : static_cast<long>(r.offset + done);
    // Not preadv2(), which is a point of cancellation of threads: two locked instructions for nothing.
    const int32_t n = outcome([&] { return ::syscall(SYS_preadv2, r.fd, &rest, 1L, from, 0L, RWF_NOWAIT); });
    if (n == 0 && from == -1 && is_fifo_before_its_writer(r.fd)) return -EAGAIN;
    if (n == 0) break;
    if (n < 0) {
      if (done == 0) return -EAGAIN;
      partly = done;
      return -EAGAIN;
    }
    done += static_cast<uint32_t>(n);
    if (from == -1 || ends_inside_a_block(r.offset + done)) break;  // a pipe, say, gives what it has
  }
  return static_cast<int32_t>(done);
}

}  // namespace

int32_t system::do_from_cache(const io_request& r, uint32_t& partly) noexcept {
  partly = 0;
  switch (r.op) {
    case io_op::open: return open_from_cache(r);
    case io_op::read: return read_from_cache(r, partly);
    default: return -EAGAIN;
  }
}

int system::open_socket(int family, int type, int protocol) noexcept {
  return outcome([&] { return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol); });
}

int system::open_pipe(std::span<int, 2> ends) noexcept {
  return outcome([&] { return ::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC); });
}

int system::open_socket_pair(std::span<int, 2> ends) noexcept {
  return outcome([&] { return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()); });
}

int system::duplicate(int fd) noexcept {
  return outcome([&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); });
}

int64_t system::move_position(int fd, int64_t bytes) noexcept {
  const int saved = errno;
  const off_t at = ::lseek(fd, bytes, SEEK_CUR);
  const int64_t result = at < 0 ? -errno : at;
  errno = saved;
  return result;
}

void system::ignore_sigpipe() noexcept {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
}

int system::open_process(int pid) noexcept {
  // Only for a child: others could not be waited for. WNOWAIT leaves it to be waited for.
  siginfo_t info{};
  const int known = outcome([&] {
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT);
  });
  if (known < 0) return known == -ECHILD ? -ESRCH : known;
  return outcome([&] { return ::syscall(SYS_pidfd_open, pid, 0); });
}

int system::reap_process(int fd, process_end& end) noexcept {
  constexpr auto by_descriptor = static_cast<idtype_t>(3);  // P_PIDFD
  siginfo_t info{};
  const int result = outcome([&] { return ::waitid(by_descriptor, static_cast<id_t>(fd), &info, WEXITED | WNOHANG); });
  if (result < 0) return result;
  if (info.si_pid == 0) return -EAGAIN;
  end = info.si_code == CLD_EXITED ? process_end{info.si_status, 0} : process_end{0, info.si_status};
  return 0;
}

int system::signal_process(int fd, int signal) noexcept {
  return outcome([&] { return ::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0); });
}

int system::bind_socket(int fd, std::span<const std::byte> address) noexcept {
  return outcome([&] {
    return ::bind(fd, reinterpret_cast<const sockaddr*>(address.data()), static_cast<socklen_t>(address.size()));
  });
}

int system::listen_on(int fd, int backlog) noexcept {
  return outcome([&] { return ::listen(fd, backlog); });
}

int system::set_socket_option(int fd, int level, int name, int value) noexcept {
  return outcome([&] { return ::setsockopt(fd, level, name, &value, sizeof value); });
}

int system::socket_option(int fd, int level, int name, int& value) noexcept {
  socklen_t size = sizeof value;
  return outcome([&] { return ::getsockopt(fd, level, name, &value, &size); });
}

int system::socket_name(int fd, bool peer, std::span<std::byte> address) noexcept {
  auto size = static_cast<socklen_t>(address.size());
  auto* const name = reinterpret_cast<sockaddr*>(address.data());
  const int32_t result =
      outcome([&] { return peer ? ::getpeername(fd, name, &size) : ::getsockname(fd, name, &size); });
  return result < 0 ? result : static_cast<int>(size);
}

}  // namespace weft::os
