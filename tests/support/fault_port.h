// A port for I/O that fails a chosen request, or lets every transfer be a short one; the rest goes to a real port.
//
// Invariants: a request that is made to fail has no effect below. What never waits is
// never told EAGAIN, as by no kernel.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "os/io_port.h"

namespace weft::test {

/// What the ports of a runtime do wrong. Shared by them; set before the runtime begins.
struct io_faults {
  std::atomic<int64_t> started{0};  ///< requests so far
  int64_t fail_nth = 0;             ///< this one fails (1 is the first); 0: none
  int error = 0;                    ///< with this errno
  std::atomic<int64_t> failed{0};
  bool short_transfers = false;  ///< one byte at a time
  uint32_t ring_entries = 0;     ///< 0: as asked for
  bool plain_calls = false;      ///< such as the blocking pool's of files, and lone sends, are requests too
  bool nothing_cached = false;   ///< nothing of a file is in the kernel's caches

  /// Counts a request. True: it is to fail.
  bool fails(const detail::io_request& request) noexcept {
    using detail::io_op;
    const bool never_waits = request.op == io_op::poll || request.op == io_op::open || request.op == io_op::statx ||
                             request.op == io_op::fsync;
    if (++started != fail_nth || (error == EAGAIN && never_waits)) return false;
    ++failed;
    return true;
  }

  /// What is begun in its place.
  detail::io_request passed(const detail::io_request& request) const noexcept {
    using detail::io_op;
    const bool moves_bytes = request.op == io_op::read || request.op == io_op::write || request.op == io_op::receive ||
                             request.op == io_op::send;
    detail::io_request some = request;
    if (short_transfers && moves_bytes) some.length = std::min(some.length, 1u);
    return some;
  }
};

class fault_port final : public os::io_port {
 public:
  fault_port(std::unique_ptr<os::io_port> below, io_faults& faults) : below_(std::move(below)), faults_(faults) {}

  void start(const detail::io_request& request, uint64_t tag) noexcept override {
    if (faults_.fails(request))
      done_.push_back({tag, -faults_.error, -1});
    else
      below_->start(faults_.passed(request), tag);
  }
  void cancel(uint64_t tag, int fd) noexcept override { below_->cancel(tag, fd); }
  void cancel_all() noexcept override { below_->cancel_all(); }
  void flush() noexcept override { below_->flush(); }
  bool has_begun_all() const noexcept override { return below_->has_begun_all(); }
  std::size_t take(std::span<os::io_completion> out) noexcept override {
    std::size_t n = 0;
    for (; n < out.size() && !done_.empty(); ++n) {
      out[n] = done_.front();
      done_.pop_front();
    }
    return n + (n < out.size() ? below_->take(out.subspan(n)) : 0);
  }
  uint64_t wakes_taken() const noexcept override { return below_->wakes_taken(); }
  void wait(int64_t timeout_ns) noexcept override {
    if (done_.empty())
      below_->wait(timeout_ns);
    else
      below_->flush();
  }
  bool provide(uint16_t index, std::span<std::byte> buffer) noexcept override { return below_->provide(index, buffer); }
  uint64_t overflows() const noexcept override { return below_->overflows(); }
  uint64_t enters() const noexcept override { return below_->enters(); }
  void wake() noexcept override { below_->wake(); }
  int poll_fd() const noexcept override { return below_->poll_fd(); }
  bool does_files() const noexcept override { return below_->does_files(); }

 private:
  const std::unique_ptr<os::io_port> below_;
  io_faults& faults_;
  std::deque<os::io_completion> done_;
};

}  // namespace weft::test
