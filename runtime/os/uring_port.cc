// A ring of io_uring; see io_port.h.
//
// The wake descriptor is an eventfd that the ring polls in multishot form, so a thread that is asleep in the ring is
// woken by a write from any other. The waits' time limits go with io_uring_enter itself.
//
// A ring needs the features that came with Linux 5.11 (completions are never dropped, a time limit at entry); kernels
// without them count as refusing.
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>

#include "os/system.h"

namespace weft::os {

namespace {

using detail::io_op;
using detail::io_request;

static_assert(detail::io_readable == POLLIN && detail::io_writable == POLLOUT);

constexpr uint64_t tag_ignored = 0;
constexpr uint64_t tag_wake = 1;

constexpr uint32_t needed_features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE;

uint32_t setup_flags(uring_mode mode) noexcept {
  constexpr uint32_t always = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
  switch (mode) {
    case uring_mode::deferred:
      return always | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    case uring_mode::cooperative: return always | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    case uring_mode::plain: break;
  }
  return IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
}

void fill(io_uring_sqe& sqe, const io_request& r) noexcept {
  auto* const address = reinterpret_cast<void*>(r.address);
  const auto flags = static_cast<int>(r.flags);
  switch (r.op) {
    case io_op::read: return io_uring_prep_read(&sqe, r.fd, address, r.length, r.offset);
    case io_op::write: return io_uring_prep_write(&sqe, r.fd, address, r.length, r.offset);
    case io_op::readv: return io_uring_prep_readv(&sqe, r.fd, static_cast<const iovec*>(address), r.length, r.offset);
    case io_op::writev: return io_uring_prep_writev(&sqe, r.fd, static_cast<const iovec*>(address), r.length, r.offset);
    case io_op::receive: return io_uring_prep_recv(&sqe, r.fd, address, r.length, flags);
    case io_op::send: return io_uring_prep_send(&sqe, r.fd, address, r.length, flags);
    case io_op::recvmsg: return io_uring_prep_recvmsg(&sqe, r.fd, static_cast<msghdr*>(address), r.flags);
    case io_op::sendmsg: return io_uring_prep_sendmsg(&sqe, r.fd, static_cast<const msghdr*>(address), r.flags);
    case io_op::accept:
      return io_uring_prep_accept(&sqe, r.fd, static_cast<sockaddr*>(address), reinterpret_cast<socklen_t*>(r.address2),
                                  flags);
    case io_op::connect: return io_uring_prep_connect(&sqe, r.fd, static_cast<const sockaddr*>(address), r.length);
    case io_op::poll: return io_uring_prep_poll_add(&sqe, r.fd, r.flags);
    case io_op::fsync: return io_uring_prep_fsync(&sqe, r.fd, r.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
    case io_op::open: return io_uring_prep_openat(&sqe, r.fd, static_cast<const char*>(address), flags, r.length);
    case io_op::statx:
      return io_uring_prep_statx(&sqe, r.fd, static_cast<const char*>(address), flags, r.length,
                                 reinterpret_cast<struct statx*>(r.address2));
    case io_op::shutdown: return io_uring_prep_shutdown(&sqe, r.fd, flags);
  }
}

class uring_port final : public io_port {
 public:
  ~uring_port() override {
    if (wake_fd_ >= 0) ::close(wake_fd_);
    if (ready_) io_uring_queue_exit(&ring_);
  }

  absl::Status open(uring_mode mode, uint32_t entries) noexcept {
    io_uring_params params{};
    params.flags = setup_flags(mode);
    params.cq_entries = 8 * entries;
    if (const int r = io_uring_queue_init_params(entries, &ring_, &params); r < 0)
      return absl::UnavailableError(absl::ErrnoToStatus(-r, "io_uring_setup").message());
    ready_ = true;
    if ((params.features & needed_features) != needed_features)
      return absl::UnavailableError("io_uring of this kernel is older than Linux 5.11");
    static_cast<void>(io_uring_ring_dontfork(&ring_));  // a forked child without it merely shares the pages
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd_ < 0) return absl::UnavailableError(absl::ErrnoToStatus(errno, "eventfd").message());
    watch_wake_fd();
    return absl::OkStatus();
  }

  void start(const io_request& request, uint64_t tag) noexcept override {
    io_uring_sqe& sqe = next_entry();
    fill(sqe, request);
    sqe.user_data = tag;
  }

  void cancel(uint64_t tag) noexcept override {
    io_uring_sqe& sqe = next_entry();
    io_uring_prep_cancel64(&sqe, tag, 0);
    sqe.user_data = tag_ignored;
  }

  void cancel_all() noexcept override {
    io_uring_sqe& sqe = next_entry();
    io_uring_prep_cancel64(&sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    sqe.user_data = tag_ignored;
  }

  void flush() noexcept override {
    // Completions may wait inside the kernel: for this thread to enter (TASKRUN), or because the ring was full.
    if (io_uring_sq_ready(&ring_) != 0)
      static_cast<void>(io_uring_submit_and_get_events(&ring_));  // what is refused stays for the next time
    // relaxed: a flag that the kernel sets; a late look is made up for by the next one.
    else if ((std::atomic_ref<unsigned>(*ring_.sq.kflags).load(std::memory_order_relaxed) &
              (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
      static_cast<void>(io_uring_get_events(&ring_));
  }

  std::size_t take(std::span<io_completion> out) noexcept override {
    std::size_t count = 0;
    unsigned seen = 0;
    unsigned head = 0;
    bool watch = false;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      if (count == out.size()) break;
      ++seen;
      if (cqe->user_data >= first_tag) {
        out[count++] = {cqe->user_data, cqe->res};
      } else if (cqe->user_data == tag_wake) {
        uint64_t signals = 0;
        static_cast<void>(!::read(wake_fd_, &signals, sizeof signals));
        watch |= (cqe->flags & IORING_CQE_F_MORE) == 0;
      }
    }
    io_uring_cq_advance(&ring_, seen);
    if (watch) watch_wake_fd();
    return count;
  }

  void wait(int64_t timeout_ns) noexcept override {
    if (timeout_ns < 0) {
      static_cast<void>(io_uring_submit_and_wait(&ring_, 1));
      return;
    }
    __kernel_timespec limit{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    io_uring_cqe* first = nullptr;
    static_cast<void>(io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr));
  }

  void wake() noexcept override {
    const uint64_t one = 1;
    static_cast<void>(!::write(wake_fd_, &one, sizeof one));  // full means awake
  }

  int poll_fd() const noexcept override { return ring_.ring_fd; }
  bool does_files() const noexcept override { return true; }

 private:
  // The submission queue is only full between two flushes; submitting makes room at once.
  io_uring_sqe& next_entry() noexcept {
    for (;;) {
      if (io_uring_sqe* sqe = io_uring_get_sqe(&ring_)) return *sqe;
      static_cast<void>(io_uring_submit_and_get_events(&ring_));
    }
  }

  void watch_wake_fd() noexcept {
    io_uring_sqe& sqe = next_entry();
    io_uring_prep_poll_multishot(&sqe, wake_fd_, POLLIN);
    sqe.user_data = tag_wake;
  }

  io_uring ring_{};
  bool ready_ = false;
  int wake_fd_ = -1;
};

}  // namespace

const char* uring_mode_name(uring_mode mode) noexcept {
  switch (mode) {
    case uring_mode::deferred: return "deferred task run";
    case uring_mode::cooperative: return "cooperative task run";
    case uring_mode::plain: break;
  }
  return "plain";
}

absl::StatusOr<std::unique_ptr<io_port>> system::open_uring(uring_mode mode, uint32_t entries) noexcept {
  auto port = std::make_unique<uring_port>();
  if (absl::Status s = port->open(mode, entries); !s.ok()) return s;
  return port;
}

}  // namespace weft::os
