// A port for I/O that keeps what the kernel has completed to itself for as long as the test wants.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "os/io_port.h"

namespace weft::test {

/// Completions stay here while `hold` is set, or until everything is cancelled, which unsets it. Counts the driver's
/// flushes in `flushes`, if it is given.
class holding_port final : public os::io_port {
 public:
  holding_port(std::unique_ptr<os::io_port> inner, std::atomic<bool>& hold, int* flushes = nullptr) noexcept
      : inner_(std::move(inner)), hold_(hold), flushes_(flushes) {}

  void start(const detail::io_request& request, uint64_t tag) noexcept override { inner_->start(request, tag); }
  void cancel(uint64_t tag, int fd) noexcept override { inner_->cancel(tag, fd); }
  void cancel_all() noexcept override {
    hold_ = false;
    inner_->cancel_all();
  }
  void flush() noexcept override {
    if (flushes_ != nullptr) ++*flushes_;
    inner_->flush();
  }
  bool has_begun_all() const noexcept override { return inner_->has_begun_all(); }
  std::size_t take(std::span<os::io_completion> out) noexcept override { return hold_ ? 0 : inner_->take(out); }
  uint64_t wakes_taken() const noexcept override { return inner_->wakes_taken(); }
  void wait(int64_t timeout_ns) noexcept override { inner_->wait(timeout_ns); }
  void wake() noexcept override { inner_->wake(); }
  int poll_fd() const noexcept override { return inner_->poll_fd(); }
  bool does_files() const noexcept override { return inner_->does_files(); }

 private:
  const std::unique_ptr<os::io_port> inner_;
  std::atomic<bool>& hold_;
  int* const flushes_;
};

}  // namespace weft::test
