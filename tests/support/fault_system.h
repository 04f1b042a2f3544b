// A kernel that says no when a test wants it to.
//
// Every call goes to the system below (the real one unless another is given), is counted, and may be made to fail:
//
//   fault_system sys;
//   sys.fail_nth(call::map, 3);              // the third map() from now on fails, once
//   sys.fail_from(call::start_thread, 2);    // every start_thread() but the next one fails
//
// Invariants: a call that is made to fail has no effect below; a count includes the calls that failed.
//
// Thread safety: every member, from any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "os/system.h"
#include "support/fault_port.h"

namespace weft::test {

/// The calls that can be counted; the first ten can be made to fail.
enum class call {
  map,
  start_thread,
  pin_thread,
  create_event_fd,
  open_uring,
  open_epoll,
  add_to_wait_set,
  register_membarrier,
  duplicate,
  list_nodes,
  unmap,
  release,
  futex_wait,
  futex_wake,
  membarrier,
  signal_event_fd,
  drain_event_fd,
  close_fd,
  trim_program_heap,
};

class fault_system final : public os::system {
 public:
  explicit fault_system(os::system& below = os::system::real()) noexcept : below_(below) {}

  /// Makes the n-th call of this kind from now on (1 is the next) fail, and no other.
  void fail_nth(call kind, int64_t n) noexcept { plan(kind, n, n); }

  /// Makes the n-th call of this kind from now on (1 is the next), and every later one, fail.
  void fail_from(call kind, int64_t n = 1) noexcept { plan(kind, n, std::numeric_limits<int64_t>::max() / 2); }

  /// Makes calls of this kind succeed again.
  void succeed(call kind) noexcept { plan(kind, 0, 0); }

  /// How many calls of this kind were made, failed ones included.
  [[nodiscard]] int64_t count(call kind) const noexcept { return of(kind).made.load(); }

  /// How many calls of this kind were made to fail.
  [[nodiscard]] int64_t failed(call kind) const noexcept { return of(kind).failed.load(); }

  /// Bytes handed out by map() less those taken back by unmap(); 0 when nothing leaked.
  [[nodiscard]] int64_t mapped_bytes() const noexcept { return mapped_bytes_.load(); }

  /// Descriptors made less those closed; 0 when nothing leaked.
  [[nodiscard]] int64_t open_fds() const noexcept { return open_fds_.load(); }

  absl::StatusOr<void*> map(size_t bytes, size_t alignment) noexcept override {
    if (fails(call::map)) return injected("map");
    absl::StatusOr<void*> address = below_.map(bytes, alignment);
    if (address.ok()) mapped_bytes_ += static_cast<int64_t>(bytes);
    return address;
  }

  void unmap(void* address, size_t bytes) noexcept override {
    counted(call::unmap);
    mapped_bytes_ -= static_cast<int64_t>(bytes);
    below_.unmap(address, bytes);
  }

  void release(void* address, size_t bytes) noexcept override {
    counted(call::release);
    below_.release(address, bytes);
  }

  absl::Status start_thread(os::thread& out, void (*entry)(void*), void* argument, const char* name) noexcept override {
    if (fails(call::start_thread)) return injected("start_thread");
    return below_.start_thread(out, entry, argument, name);
  }

  absl::Status pin_thread(const os::thread& which, uint32_t index) noexcept override {
    if (fails(call::pin_thread)) return injected("pin_thread");
    return below_.pin_thread(which, index);
  }

  void unpin_thread(const os::thread& which) noexcept override { below_.unpin_thread(which); }

  void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, int64_t timeout_ns) noexcept override {
    counted(call::futex_wait);
    below_.futex_wait(word, expected, timeout_ns);
  }

  void futex_wake(std::atomic<uint32_t>& word, int count) noexcept override {
    counted(call::futex_wake);
    below_.futex_wake(word, count);
  }

  bool register_membarrier() noexcept override {
    return !fails(call::register_membarrier) && below_.register_membarrier();
  }

  void membarrier() noexcept override {
    counted(call::membarrier);
    below_.membarrier();
  }

  absl::StatusOr<int> create_event_fd() noexcept override {
    if (fails(call::create_event_fd)) return injected("create_event_fd");
    absl::StatusOr<int> fd = below_.create_event_fd();
    if (fd.ok()) ++open_fds_;
    return fd;
  }

  /// Ports that are opened do this wrong, see fault_port.h.
  io_faults io;

  absl::StatusOr<std::unique_ptr<os::io_port>> open_uring(os::uring_mode mode, uint32_t entries) noexcept override {
    if (fails(call::open_uring)) return injected("io_uring_setup");
    return faulty(os::system::open_uring(mode, io.ring_entries != 0 ? io.ring_entries : entries));
  }
  absl::StatusOr<std::unique_ptr<os::io_port>> open_epoll() noexcept override {
    if (fails(call::open_epoll)) return injected("epoll_create1");
    return faulty(os::system::open_epoll());
  }

  int32_t do_now(const detail::io_request& request) noexcept override {
    if (!io.plain_calls) return below_.do_now(request);
    // A plain call is begun again until it was not interrupted, and waits.
    const bool impossible = io.error == EINTR || io.error == EAGAIN || io.error == ECANCELED;
    if (io.fails(request) && !impossible) return -io.error;
    return below_.do_now(io.passed(request));
  }
  int32_t do_from_cache(const detail::io_request& request, uint32_t& partly) noexcept override {
    partly = 0;
    return io.nothing_cached ? -EAGAIN : below_.do_from_cache(request, partly);
  }
  int duplicate(int fd) noexcept override { return fails(call::duplicate) ? -EMFILE : below_.duplicate(fd); }
  int list_nodes(const std::string& directory, std::vector<os::node>& out) override {
    return fails(call::list_nodes) ? -EIO : below_.list_nodes(directory, out);
  }

  bool add_to_wait_set(int set, int fd) noexcept override {
    return !fails(call::add_to_wait_set) && below_.add_to_wait_set(set, fd);
  }

  void signal_event_fd(int fd) noexcept override {
    counted(call::signal_event_fd);
    below_.signal_event_fd(fd);
  }

  void drain_event_fd(int fd) noexcept override {
    counted(call::drain_event_fd);
    below_.drain_event_fd(fd);
  }

  void close_fd(int fd) noexcept override {
    counted(call::close_fd);
    --open_fds_;
    below_.close_fd(fd);
  }

  int process_thread_count() noexcept override { return below_.process_thread_count(); }
  int64_t thread_cpu_time_ns() noexcept override { return below_.thread_cpu_time_ns(); }
  void trim_program_heap() noexcept override {
    counted(call::trim_program_heap);
    below_.trim_program_heap();
  }
  void write_stderr(std::string_view text) noexcept override { below_.write_stderr(text); }

 private:
  // All seq_cst: this is a test's book-keeping, read rarely.
  struct ledger {
    std::atomic<int64_t> made{0};
    std::atomic<int64_t> failed{0};
    std::atomic<int64_t> first_bad{0};  // calls [first_bad, last_bad] fail, counted from 1; 0: none
    std::atomic<int64_t> last_bad{0};
  };

  static absl::Status injected(const char* what) {
    return absl::ResourceExhaustedError(std::string(what) + ": failure injected by a test");
  }

  absl::StatusOr<std::unique_ptr<os::io_port>> faulty(absl::StatusOr<std::unique_ptr<os::io_port>> port) {
    if (!port.ok()) return port;
    return std::make_unique<fault_port>(*std::move(port), io);
  }

  ledger& of(call kind) noexcept { return ledgers_[static_cast<size_t>(kind)]; }
  const ledger& of(call kind) const noexcept { return ledgers_[static_cast<size_t>(kind)]; }

  // Closes the old window before it opens the new one, so that a concurrent call never sees a mixture that fails.
  void plan(call kind, int64_t from, int64_t to) noexcept {
    ledger& l = of(kind);
    const int64_t base = l.made;
    l.last_bad = 0;
    l.first_bad = base + from;
    l.last_bad = to == 0 ? 0 : base + to;
  }

  int64_t counted(call kind) noexcept { return ++of(kind).made; }

  bool fails(call kind) noexcept {
    const int64_t number = counted(kind);
    ledger& l = of(kind);
    if (number < l.first_bad || number > l.last_bad) return false;
    ++l.failed;
    return true;
  }

  os::system& below_;
  std::array<ledger, static_cast<size_t>(call::trim_program_heap) + 1> ledgers_;
  std::atomic<int64_t> mapped_bytes_{0};
  std::atomic<int64_t> open_fds_{0};
};

}  // namespace weft::test
