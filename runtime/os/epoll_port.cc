// Stands in for a ring where the kernel refuses one: epoll says when a descriptor is ready, a plain call does it then.
//
// A request is tried at the next flush. If it would have to wait it stands in the list of its descriptor and direction,
// first come first served, and the descriptor is armed once (EPOLLONESHOT) for what its lists wait for. A descriptor's
// place in the table outlives it: the kernel forgets a closed descriptor by itself, and the next one with the same
// number is added anew when arming it fails.
//
// An idle connection is a request that waits for long, so what that takes is kept small: 56 bytes for the request, from
// a stock that grows by blocks and is used again, and 24 for the place of its descriptor.
//
// Regular files are always ready, so requests for them block the caller; does_files() says so.
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <utility>
#include <vector>

#include "base/counter.h"
#include "os/system.h"

namespace weft::os {

namespace {

using detail::io_op;
using detail::io_request;

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT);

// Which of a descriptor's lists a request waits in.
enum direction : uint8_t { in, out };

direction direction_of(const io_request& r) noexcept {
  switch (r.op) {
    case io_op::write:
    case io_op::writev:
    case io_op::send:
    case io_op::sendmsg:
    case io_op::connect: return out;
    case io_op::poll: return (r.flags & POLLIN) != 0 ? in : out;
    default: return in;
  }
}

class epoll_port final : public io_port {
 public:
  explicit epoll_port(system& sys) noexcept : sys_(sys) {}
  ~epoll_port() override {
    if (set_ >= 0) ::close(set_);
    if (wake_fd_ >= 0) sys_.close_fd(wake_fd_);
  }

  absl::Status open() noexcept {
    set_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (set_ < 0) return absl::ResourceExhaustedError(errno_status(errno, "epoll_create1").message());
    absl::StatusOr<int> wake = sys_.create_event_fd();
    if (!wake.ok()) return wake.status();
    wake_fd_ = *wake;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = wake_fd_;
    if (::epoll_ctl(set_, EPOLL_CTL_ADD, wake_fd_, &event) != 0)
      return absl::ResourceExhaustedError(errno_status(errno, "epoll_ctl").message());
    return absl::OkStatus();
  }

  void start(const io_request& request, uint64_t tag) noexcept override { fresh_.push_back({request, tag}); }

  void cancel(uint64_t tag, int fd) noexcept override {
    // One that was not tried yet is not tried any more: a poll that nobody waits for may outlive its descriptor.
    const auto untried = std::find_if(fresh_.begin(), fresh_.end(), [&](const fresh& f) { return f.tag == tag; });
    if (untried != fresh_.end()) {
      done_.push_back({tag, -ECANCELED, -1});
      fresh_.erase(untried);
      return;
    }
    const auto index = static_cast<std::size_t>(fd);
    if (fd < 0 || index >= places_.size()) return;
    for (pending*& last : places_[index].last) {
      if (last == nullptr) continue;
      pending* before = last;
      do {
        if (before->next->tag == tag) return finish(last, before, -ECANCELED);
        before = before->next;
      } while (before != last);
    }
  }

  void cancel_all() noexcept override {
    try_fresh();
    for (place& at : places_) fail(at, -ECANCELED);
  }

  void flush() noexcept override {
    try_fresh();
    look(0);
  }

  bool has_begun_all() const noexcept override { return fresh_.empty(); }

  std::size_t take(std::span<io_completion> out) noexcept override {
    const std::size_t n = std::min(out.size(), done_.size());
    std::copy_n(done_.begin(), n, out.begin());
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    return n;
  }

  uint64_t wakes_taken() const noexcept override { return wakes_taken_; }

  void wait(int64_t timeout_ns) noexcept override {
    try_fresh();
    look(done_.empty() ? timeout_ns : 0);
  }

  void wake() noexcept override {
    sys_.signal_event_fd(wake_fd_);
    // relaxed: for look(), which finds the descriptor readable then.
    woken_.store(true, std::memory_order_relaxed);
  }

  int poll_fd() const noexcept override { return set_; }
  bool does_files() const noexcept override { return false; }
  uint64_t enters() const noexcept override { return enters_.value(); }

 private:
  struct fresh {
    io_request request;
    uint64_t tag;
  };
  // One that waits.
  struct pending {
    io_request request;
    uint64_t tag;
    pending* next;
  };
  struct place {
    // The ends of the lists, whose last elements lead to their first ones.
    std::array<pending*, 2> last{};
    bool known = false;  // to the kernel, as far as we know
  };

  // What comes behind `before` in a list has ended.
  void finish(pending*& last, pending* before, int32_t result) noexcept {
    pending* p = before->next;
    before->next = p->next;
    if (p == last) last = p == before ? nullptr : before;
    done_.push_back({p->tag, result, -1});
    p->next = unused_;
    unused_ = p;
    --waiting_;
  }

  void try_fresh() noexcept {
    for (std::size_t i = 0; i < fresh_.size(); ++i) {
      const fresh p = fresh_[i];
      const int32_t result = sys_.do_now(p.request);
      if (result != -EAGAIN || p.request.fd < 0 ||
          (p.request.op == io_op::connect && p.request.flags == detail::io_connect_at_once))
        done_.push_back({p.tag, result, -1});
      else
        stand(p);
    }
    fresh_.clear();
  }

  void stand(const fresh& f) noexcept {
    const auto index = static_cast<std::size_t>(f.request.fd);
    if (index >= places_.size()) places_.resize(index + 1);
    pending* p = unused_;
    if (p != nullptr)
      unused_ = p->next;
    else
      p = &all_.emplace_back();
    *p = {f.request, f.tag, p};
    pending*& last = places_[index].last[direction_of(f.request)];
    if (last != nullptr) p->next = std::exchange(last->next, p);
    last = p;
    ++waiting_;
    arm(f.request.fd);
  }

  // Asks to be told once when one of the lists may go on.
  void arm(int fd) noexcept {
    place& at = places_[static_cast<std::size_t>(fd)];
    epoll_event event{};
    event.events = EPOLLONESHOT;
    // For a writer a peer that has closed its end is no news, and would be told again and again.
    if (at.last[in] != nullptr) event.events |= EPOLLIN | EPOLLRDHUP;
    if (at.last[out] != nullptr) event.events |= EPOLLOUT;
    event.data.fd = fd;
    enters_.add();
    int refused = control(at.known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, event);
    if (refused == ENOENT) refused = control(EPOLL_CTL_ADD, fd, event);
    if (refused == EEXIST) refused = control(EPOLL_CTL_MOD, fd, event);
    at.known = refused == 0;
    if (refused != 0) fail(at, -refused);
  }

  // An errno, or 0. The poll of an arm that has lost may come here while its descriptor is closed, or is another one by
  // now: that is refused, or leads to one event that finds nobody. By the number of the call, since ThreadSanitizer
  // takes epoll_ctl() beside close() for a race.
  int control(int what, int fd, epoll_event& event) noexcept {
    return ::syscall(SYS_epoll_ctl, set_, what, fd, &event) != 0 ? errno : 0;
  }

  void fail(place& at, int32_t result) noexcept {
    for (pending*& last : at.last)
      while (last != nullptr) finish(last, last, result);
  }

  void look(int64_t timeout_ns) noexcept {
    // relaxed: a late look is made up for by the next one.
    if (timeout_ns == 0 && waiting_ == 0 && !woken_.exchange(false, std::memory_order_relaxed)) return;
    enters_.add();
    std::array<epoll_event, 128> events;
    const timespec limit{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
    int count = ::epoll_pwait2(set_, events.data(), static_cast<int>(events.size()), timeout_ns < 0 ? nullptr : &limit,
                               nullptr);
    if (count < 0 && errno == ENOSYS) {  // before Linux 5.11
      const int64_t ms = std::min<int64_t>((timeout_ns + 999'999) / 1'000'000, 1'000'000'000);
      count = ::epoll_wait(set_, events.data(), static_cast<int>(events.size()),
                           timeout_ns < 0 ? -1 : static_cast<int>(ms));
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == wake_fd_) {
        sys_.drain_event_fd(wake_fd_);
        ++wakes_taken_;
      } else {
        serve(event.data.fd, event.events);
      }
    }
  }

  void serve(int fd, uint32_t events) noexcept {
    place& at = places_[static_cast<std::size_t>(fd)];
    const bool both = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (both || (events & (EPOLLIN | EPOLLRDHUP)) != 0) retry(at.last[in]);
    if (both || (events & EPOLLOUT) != 0) retry(at.last[out]);
    if (at.last[in] != nullptr || at.last[out] != nullptr) arm(fd);
  }

  void retry(pending*& last) noexcept {
    while (last != nullptr) {
      const int32_t result = sys_.do_now(last->next->request);
      if (result == -EAGAIN) return;
      finish(last, last, result);
    }
  }

  system& sys_;
  int set_ = -1;
  int wake_fd_ = -1;
  base::statistic enters_;
  std::atomic<bool> woken_{false};
  uint64_t wakes_taken_ = 0;
  std::vector<fresh> fresh_;        // not tried yet
  std::deque<io_completion> done_;  // not taken yet
  std::deque<place> places_;        // by descriptor; one that grows does not move
  std::deque<pending> all_;         // those that wait, and those that are unused
  pending* unused_ = nullptr;
  std::size_t waiting_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<io_port>> system::open_epoll() noexcept {
  auto port = std::make_unique<epoll_port>(*this);
  if (absl::Status s = port->open(); !s.ok()) return s;
  return port;
}

}  // namespace weft::os
