// How long a connection may stay as it is: waiting for a request, reading its head, writing a part of the answer.
//
// One word that the connection renews at each step, and that the watchdog takes away; whoever is first wins, so a
// connection is never closed in the middle of an answer that began in time. Renewing costs an atomic exchange, and no
// timer: the watchdog looks at all connections now and then.
#pragma once

#include <atomic>
#include <cstdint>

namespace httpd {

class lease {
 public:
  enum class state : uint8_t {
    busy,   ///< with a request
    fresh,  ///< waits for its first request
    idle    ///< waits for a further one
  };

  /// By the connection. False: the lease was taken away, and the connection ends.
  [[nodiscard]] bool renew(int64_t until_ns, state s) noexcept {
    // seq_cst: a waiting connection looks at the list's `ending` after this, and who sets that looks here afterwards.
    return word_.exchange(until_ns << state_bits | static_cast<int64_t>(s), std::memory_order_seq_cst) != taken;
  }

  /// By others: takes it away if it is over. True: the caller closes the connection.
  [[nodiscard]] bool take_if_over(int64_t now_ns) noexcept {
    // relaxed: a look; the exchange decides.
    int64_t word = word_.load(std::memory_order_relaxed);
    return word != taken && until(word) <= now_ns && take(word);
  }

  /// The same if the connection waits for a request: a further one, or also its first.
  [[nodiscard]] bool take_if_waiting(bool fresh_too) noexcept {
    // seq_cst: see renew().
    int64_t word = word_.load(std::memory_order_seq_cst);
    return word != taken && (state_of(word) == state::idle || (fresh_too && state_of(word) == state::fresh)) &&
           take(word);
  }

  /// Until when an idle connection may stay; the largest number for others.
  [[nodiscard]] int64_t idle_until_ns() const noexcept {
    // relaxed: a look.
    const int64_t word = word_.load(std::memory_order_relaxed);
    return word != taken && state_of(word) == state::idle ? until(word) : INT64_MAX;
  }

 private:
  static constexpr int state_bits = 2;
  static constexpr int64_t taken = -1;

  static state state_of(int64_t word) noexcept { return static_cast<state>(word & ((1 << state_bits) - 1)); }
  static int64_t until(int64_t word) noexcept { return word >> state_bits; }

  bool take(int64_t& word) noexcept {
    // seq_cst on success: see renew(). relaxed on failure: the connection went on, so it stays.
    return word_.compare_exchange_strong(word, taken, std::memory_order_seq_cst, std::memory_order_relaxed);
  }

  std::atomic<int64_t> word_{(INT64_MAX >> state_bits) << state_bits};
};

}  // namespace httpd
