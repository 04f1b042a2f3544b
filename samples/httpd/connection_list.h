// The connections there are, and what they have done.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace httpd {

class connection;

/// Counts of answers and bytes.
struct tally {
  std::array<uint64_t, 6> answers{};  ///< by the status' first digit
  uint64_t bytes = 0;                 ///< of bodies
  [[nodiscard]] uint64_t all_answers() const noexcept;
  tally& operator+=(const tally& other) noexcept;
};

/// A tally that one task writes and others may read meanwhile.
class live_tally {
 public:
  void count(int status, uint64_t bytes) noexcept {
    add(answers_[static_cast<std::size_t>(status / 100)], 1);
    add(bytes_, bytes);
  }
  [[nodiscard]] tally read() const noexcept;

 private:
  static void add(std::atomic<uint64_t>& to, uint64_t n) noexcept {
    // relaxed: one writer; readers want a number, not an order.
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::array<std::atomic<uint64_t>, 6> answers_{};
  std::atomic<uint64_t> bytes_{0};
};

/// What the list has seen.
struct list_figures {
  tally done;
  uint64_t connections = 0;  ///< in all
  uint64_t open = 0;
  uint64_t open_most = 0;
  uint64_t overdue = 0;   ///< closed because a time was over
  uint64_t given_up = 0;  ///< idle, closed for want of descriptors
};

/// Any thread. Its lock is held for looks and closes, never while a task waits.
class connection_list {
 public:
  /// How far the end of the server has come.
  enum class ending : uint8_t {
    no,
    drain,     ///< no further request on a connection
    fresh_too  ///< no first one either
  };

  void add(connection& c);
  void remove(connection& c) noexcept;

  /// Closes those whose time is over.
  void close_overdue(int64_t now_ns);

  /// Closes the one that has been idle longest. False: none is.
  bool close_an_idle_one();

  /// Closes those that wait for what will not be answered any more.
  void end(ending how);

  [[nodiscard]] ending ending_now() const noexcept {
    // seq_cst: see lease::renew().
    return ending_.load(std::memory_order_seq_cst);
  }

  [[nodiscard]] list_figures figures();

 private:
  std::atomic<ending> ending_{ending::no};
  std::mutex lock_;
  // Guarded by lock_.
  connection* first_ = nullptr;
  list_figures figures_;
};

}  // namespace httpd
