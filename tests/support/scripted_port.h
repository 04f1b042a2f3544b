// A port for I/O whose completions a test hands in by itself, so that it chooses what meets what.
//
//   scripted_system sys;                       // its rings are scripted ports
//   ... a hosted runtime with sys; a task reads ...
//   scripted_port& port = sys.port();
//   port.complete(port.only().tag, -EAGAIN);   // what the kernel would say
//   rt.poll();
//
// Invariants: a request is begun at the first flush() or wait() after start(), as with the real ports; a completion is
// for a request that was begun and has not completed. cancel_all() completes everything, as at a runtime's end.
//
// Thread safety: none; for a runtime that the test drives.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "os/system.h"

namespace weft::test {

class scripted_port final : public os::io_port {
 public:
  struct entry {
    detail::io_request request;
    uint64_t tag;
    bool cancelled = false;  ///< somebody asked for its end
  };

  explicit scripted_port(os::system& below) : below_(below), fd_(*below.create_event_fd()) {}
  ~scripted_port() override { below_.close_fd(fd_); }

  /// What has begun and not completed, in order.
  const std::vector<entry>& begun() const noexcept { return begun_; }
  /// The same, if it is one.
  const entry& only() const {
    EXPECT_EQ(begun_.size(), 1u);
    return begun_.at(0);
  }
  /// How many requests were begun.
  std::size_t count() const noexcept { return count_; }

  /// Called once, in the next flush.
  std::function<void()> meanwhile;

  /// What cancel_all() makes of everything.
  int32_t ends_as = -ECANCELED;

  void complete(uint64_t tag, int32_t result) {
    const auto at = std::find_if(begun_.begin(), begun_.end(), [=](const entry& e) { return e.tag == tag; });
    ASSERT_NE(at, begun_.end());
    begun_.erase(at);
    done_.push_back({tag, result, -1});
    below_.signal_event_fd(fd_);
  }

  void start(const detail::io_request& request, uint64_t tag) noexcept override { fresh_.push_back({request, tag}); }
  void cancel(uint64_t tag, int) noexcept override {
    flush();
    for (entry& e : begun_) e.cancelled |= e.tag == tag;
  }
  void cancel_all() noexcept override {
    flush();
    for (const entry& e : begun_) done_.push_back({e.tag, ends_as, -1});
    begun_.clear();
  }
  void flush() noexcept override {
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    count_ += fresh_.size();
    begun_.insert(begun_.end(), fresh_.begin(), fresh_.end());
    fresh_.clear();
  }
  bool has_begun_all() const noexcept override { return fresh_.empty(); }
  std::size_t take(std::span<os::io_completion> out) noexcept override {
    const std::size_t n = std::min(out.size(), done_.size());
    std::copy_n(done_.begin(), n, out.begin());
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    below_.drain_event_fd(fd_);
    return n;
  }
  void wait(int64_t) noexcept override { flush(); }
  uint64_t wakes_taken() const noexcept override { return 0; }
  void wake() noexcept override { below_.signal_event_fd(fd_); }
  int poll_fd() const noexcept override { return fd_; }
  bool does_files() const noexcept override { return true; }

 private:
  os::system& below_;
  const int fd_;
  std::vector<entry> fresh_, begun_;
  std::deque<os::io_completion> done_;
  std::size_t count_ = 0;
};

/// The real system, but for its rings.
class scripted_system final : public os::system {
 public:
  /// What happens elsewhere while a ring is made.
  std::function<void()> meanwhile = [] {};

  absl::StatusOr<std::unique_ptr<os::io_port>> open_uring(os::uring_mode, uint32_t) noexcept override {
    meanwhile();
    auto made = std::make_unique<scripted_port>(*this);
    port_ = made.get();
    return made;
  }

  /// The one that was made.
  scripted_port& port() noexcept { return *port_; }

 private:
  scripted_port* port_ = nullptr;
};

}  // namespace weft::test
