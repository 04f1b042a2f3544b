// A ring of io_uring; see io_port.h.
//
// The wake descriptor is an eventfd that the ring polls in multishot form, so a thread that is asleep in the ring is
// woken by a write from any other. The waits' time limits go with io_uring_enter itself.
//
// A ring needs what came with Linux 5.19 (completions are never dropped, a time limit at entry, polls that stay,
// cancelling everything at once); kernels without it count as refusing. So does one that makes a ring and then does not
// take requests, as some sandboxes have it.
//
// The kernel may refuse to take requests for a while (no memory, completions that nobody took). What has no place in
// the submission queue waits in a list, in order, for the next flush; start() never waits.
#include <errno.h>
#include <liburing.h>
#include <poll.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <new>

#include "base/counter.h"
#include "os/system.h"

namespace weft::os {

namespace {

using detail::io_op;
using detail::io_request;

static_assert(detail::io_readable == POLLIN && detail::io_writable == POLLOUT);

constexpr uint64_t tag_ignored = 0;
constexpr uint64_t tag_wake = 1;

constexpr uint16_t buffer_group = 0;
constexpr std::size_t page_bytes = 4096;

constexpr uint32_t needed_features =
    IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_LINKED_FILE;

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
    case io_op::recvpool:
      io_uring_prep_recv(&sqe, r.fd, nullptr, 0, flags);
      sqe.flags |= IOSQE_BUFFER_SELECT;
      sqe.buf_group = buffer_group;
      return;
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
  explicit uring_port(system& sys) noexcept : sys_(sys) {}
  ~uring_port() override {
    if (wake_fd_ >= 0) sys_.close_fd(wake_fd_);
    if (ready_) io_uring_queue_exit(&ring_);
    ::operator delete(buffers_, std::align_val_t(page_bytes));
  }

  absl::Status open(uring_mode mode, uint32_t entries) noexcept {
    io_uring_params params{};
    params.flags = setup_flags(mode);
    params.cq_entries = 8 * entries;
    if (const int r = io_uring_queue_init_params(entries, &ring_, &params); r < 0)
      return absl::UnavailableError(errno_status(-r, "io_uring_setup").message());
    ready_ = true;
    if ((params.features & needed_features) != needed_features)
      return absl::UnavailableError("io_uring of this kernel is older than Linux 5.19");
    static_cast<void>(io_uring_ring_dontfork(&ring_));  // a forked child without it merely shares the pages
    absl::StatusOr<int> wake = sys_.create_event_fd();
    if (!wake.ok()) return absl::UnavailableError(wake.status().message());
    wake_fd_ = *wake;
    watch_wake_fd();
    if (const int r = io_uring_submit(&ring_); r < 1)
      return absl::UnavailableError(errno_status(r < 0 ? -r : EAGAIN, "io_uring_enter").message());
    io_uring_cqe* refused = nullptr;
    if (io_uring_peek_cqe(&ring_, &refused) == 0 && refused->res < 0)
      return absl::UnavailableError(errno_status(-refused->res, "a poll by io_uring").message());
    return absl::OkStatus();
  }

  void start(const io_request& request, uint64_t tag) noexcept override {
    add([&](io_uring_sqe& sqe) {
      fill(sqe, request);
      sqe.user_data = tag;
    });
  }

  void cancel(uint64_t tag, int /*fd*/) noexcept override {
    add([&](io_uring_sqe& sqe) {
      io_uring_prep_cancel64(&sqe, tag, 0);
      sqe.user_data = tag_ignored;
    });
  }

  void cancel_all() noexcept override {
    add([](io_uring_sqe& sqe) {
      io_uring_prep_cancel64(&sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
      sqe.user_data = tag_ignored;
    });
  }

  void flush() noexcept override {
    if (!backlog_.empty()) [[unlikely]]
      take_backlog();
    // relaxed: flags that the kernel sets; a late look is made up for by the next one.
    const unsigned flags = std::atomic_ref<unsigned>(*ring_.sq.kflags).load(std::memory_order_relaxed);
    if ((flags & IORING_SQ_CQ_OVERFLOW) != 0) [[unlikely]]
      overflows_.add();
    // Completions may wait inside the kernel: for this thread to enter (TASKRUN), or because the ring was full.
    if (io_uring_sq_ready(&ring_) != 0) {
      enters_.add();
      static_cast<void>(io_uring_submit_and_get_events(&ring_));  // what is refused stays for the next time
    } else if ((flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
      enters_.add();
      static_cast<void>(io_uring_get_events(&ring_));
    }
  }

  bool has_begun_all() const noexcept override { return io_uring_sq_ready(&ring_) == 0 && backlog_.empty(); }

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
        const bool took = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
        out[count++] = {cqe->user_data, cqe->res,
                        took ? static_cast<int32_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT) : -1};
      } else if (cqe->user_data == tag_wake) {
        sys_.drain_event_fd(wake_fd_);
        ++wakes_taken_;
        watch |= (cqe->flags & IORING_CQE_F_MORE) == 0;
      }
    }
    io_uring_cq_advance(&ring_, seen);
    if (watch) watch_wake_fd();
    return count;
  }

  void wait(int64_t timeout_ns) noexcept override {
    if (!backlog_.empty()) [[unlikely]]
      take_backlog();
    enters_.add();
    if (timeout_ns < 0) {
      static_cast<void>(io_uring_submit_and_wait(&ring_, 1));
      return;
    }
    __kernel_timespec limit{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    io_uring_cqe* first = nullptr;
    static_cast<void>(io_uring_submit_and_wait_timeout(&ring_, &first, 1, &limit, nullptr));
  }

  uint64_t wakes_taken() const noexcept override { return wakes_taken_; }

  bool provide(uint16_t index, std::span<std::byte> buffer) noexcept override {
    if (buffers_ == nullptr && !open_buffers()) return false;
    io_uring_buf_ring_add(buffers_, buffer.data(), static_cast<unsigned>(buffer.size()), index,
                          io_uring_buf_ring_mask(most_buffers), 0);
    io_uring_buf_ring_advance(buffers_, 1);
    return true;
  }

  void wake() noexcept override { sys_.signal_event_fd(wake_fd_); }

  int poll_fd() const noexcept override { return ring_.ring_fd; }
  bool does_files() const noexcept override { return true; }
  uint64_t overflows() const noexcept override { return overflows_.value(); }
  uint64_t enters() const noexcept override { return enters_.value(); }

 private:
  int submit() noexcept {
    enters_.add();
    return io_uring_submit(&ring_);
  }

  // Without those in the list before it, and with a place in the submission queue, which submitting makes if need be.
  template <class Fill>
  void add(const Fill& fill_in) noexcept {
    if (backlog_.empty()) [[likely]] {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr) [[unlikely]] {
        static_cast<void>(submit());
        sqe = io_uring_get_sqe(&ring_);
      }
      if (sqe != nullptr) [[likely]]
        return fill_in(*sqe);
    }
    fill_in(backlog_.emplace_back());
  }

  void take_backlog() noexcept {
    while (!backlog_.empty()) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr && submit() > 0) sqe = io_uring_get_sqe(&ring_);
      if (sqe == nullptr) return;
      *sqe = backlog_.front();
      backlog_.pop_front();
    }
  }

  // A ring of buffers came with Linux 5.19.
  bool open_buffers() noexcept {
    constexpr std::size_t bytes = most_buffers * sizeof(io_uring_buf);
    void* memory = ::operator new(bytes, std::align_val_t(page_bytes), std::nothrow);
    if (memory == nullptr) return false;
    std::memset(memory, 0, bytes);
    io_uring_buf_reg request{};
    request.ring_addr = reinterpret_cast<uint64_t>(memory);
    request.ring_entries = most_buffers;
    request.bgid = buffer_group;
    if (io_uring_register_buf_ring(&ring_, &request, 0) != 0) {
      ::operator delete(memory, std::align_val_t(page_bytes));
      return false;
    }
    buffers_ = static_cast<io_uring_buf_ring*>(memory);
    return true;
  }

  void watch_wake_fd() noexcept {
    add([this](io_uring_sqe& sqe) {
      io_uring_prep_poll_multishot(&sqe, wake_fd_, POLLIN);
      sqe.user_data = tag_wake;
    });
  }

  system& sys_;
  io_uring ring_{};
  std::deque<io_uring_sqe> backlog_;  // what the submission queue had no place for
  base::counter overflows_;
  base::statistic enters_;
  uint64_t wakes_taken_ = 0;
  bool ready_ = false;
  int wake_fd_ = -1;
  io_uring_buf_ring* buffers_ = nullptr;  // what the kernel may read into, once somebody asked for it
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
  auto port = std::make_unique<uring_port>(*this);
  if (absl::Status s = port->open(mode, entries); !s.ok()) return s;
  return port;
}

}  // namespace weft::os
