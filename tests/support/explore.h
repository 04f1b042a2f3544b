// An explorer of interleavings: runs a small concurrent test under every schedule within a bound, or many random ones.
//
// The code under test is a template on an atomics policy. Production gives it std::atomic; a test gives it
// `explored_atomics`, where every operation is a place at which the explorer may run another thread instead:
//
//   explore_result r = explore({.preemptions = 3}, [](execution& x) {
//     auto queue = std::make_shared<run_queue<explored_atomics>>();
//     x.thread([=] { queue->push(1); });
//     x.thread([=] { if (auto item = queue->pop()) require(*item == 1, "an item that was never pushed"); });
//     x.finally([=] { require(queue->empty(), "an item was left behind"); });
//   });
//   EXPECT_TRUE(r.ok) << r.message;
//
// Logical threads are fibers of one OS thread, so an execution is a function of the explorer's choices alone, and a
// failing one can be repeated: the message ends with a schedule, and the environment variable WEFT_EXPLORE_SCHEDULE
// holding it makes explore() run that one execution (use it with --gtest_filter; it applies to every explore()).
//
// The memory model
//   Sequential consistency plus a store buffer per thread (TSO, what x86 does): stores that are not seq_cst wait in
//   the buffer, own loads see them, other threads do only once they have drained, in order, at a moment that the
//   explorer chooses. Read-modify-writes, seq_cst stores and fence_seq_cst() drain first. heavy_barrier() drains every
//   thread's buffer; compiler_barrier() and light_barrier() do nothing. So a missing fence between a store and a load
//   is found. A failed compare-exchange is a load.
//   Reordering that x86 does not do is not simulated. For it there is plain<T>: ordinary memory under a race detector
//   (vector clocks, C++'s happens-before by acquire, release and fences), which finds publication with an order that
//   is too weak, whatever the hardware would have done.
//
// The search
//   Depth first with a bound on deviations, raised from 0 to `preemptions`: a deviation is a switch away from a thread
//   that could go on, or a store held back in its buffer. Most bugs need two or three (M. Musuvathi, S. Qadeer,
//   "Iterative context bounding for systematic testing of multithreaded programs", PLDI 2007).
//   Then `random_executions` random ones, half of them walks, half with random priorities that drop at a few random
//   moments (PCT: S. Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs",
//   ASPLOS 2010).
//
// It detects: a failed require(), a race on plain<T>, deadlock (no thread can go on: each has ended or waits in
// pause() for a change that cannot come), too many steps (livelock, or a loop without pause()), an escaped exception,
// a store to an atomic that another thread has destroyed, and, by printing the schedule, an abort of the code itself.
//
// The test's own code must be deterministic: no time, no addresses as hash keys, no state kept between executions.
// A failing execution is abandoned, not unwound: its objects are kept, not destroyed, so that noexcept code can fail.
#pragma once

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::test {

struct explore_options {
  int preemptions = 2;               // deviations per execution in the exhaustive search; negative: no bound
  int64_t max_executions = 200'000;  // of the exhaustive search, all bounds together
  int64_t random_executions = 0;     // run after the exhaustive search
  uint64_t seed = 1;                 // of the random executions
  int64_t max_steps = 20'000;        // operations in one execution
  std::string_view schedule = {};    // not empty: run only this one, as printed in a failure's message
};

struct explore_result {
  bool ok = true;          // no execution failed
  bool complete = false;   // every schedule within the bound was run
  int64_t executions = 0;  // run in total
  std::string message;     // empty, or what failed, how to repeat it and the last operations
  std::string schedule;    // of the failing execution
};

/// One run of the test: which threads there are and what is checked after them. At most max_threads threads.
class execution {
 public:
  static constexpr int max_threads = 8;

  /// Adds a logical thread. Its closure lives until the execution has ended.
  void thread(std::function<void()> body) { threads_.push_back(std::move(body)); }

  /// Runs `check` after all threads have ended and all buffers have drained.
  void finally(std::function<void()> check) { finally_ = std::move(check); }

 private:
  friend class explorer;

  std::vector<std::function<void()>> threads_;
  std::function<void()> finally_;
};

/// Explores `setup`, which is called once per execution to build fresh state and add the threads.
[[nodiscard]] explore_result explore(const explore_options& options, const std::function<void(execution&)>& setup);

/// Ends the execution as a failure unless `condition` holds. Call it from the threads, setup or finally.
void require(bool condition, std::string_view message);

/// The index of the calling logical thread, from 0 in the order of execution::thread(); -1 in setup and finally.
[[nodiscard]] int this_thread_index() noexcept;

namespace model {

/// The setup, the threads and the finally each have a component of the clock; the first and the last share one.
inline constexpr size_t clock_size = execution::max_threads + 1;

using vector_clock = std::array<uint32_t, clock_size>;

/// What the explorer knows of one atomic object.
struct location {
  location() noexcept;
  ~location();
  location(const location&) = delete;
  location& operator=(const location&) = delete;

  uint32_t id;                                            // in order of construction within the execution
  vector_clock released{};                                // what an acquire load of the current value synchronizes with
  void (*commit)(location&, const std::byte*) = nullptr;  // stores a buffered value
};

/// What the explorer knows of one plain object.
struct plain_location {
  vector_clock reads{};   // each thread's clock at its last read
  vector_clock writes{};  // each thread's clock at its last write
};

enum class operation { load, store, buffered_store, drain, read_modify_write, failed_compare, fence, heavy, pause };

inline constexpr size_t value_bytes_max = 16;

// The doors of explore.cc. Each is harmless outside an exploration.
void schedule() noexcept;                                              // others may run now
bool forward(const location& at, void* value, size_t bytes) noexcept;  // own buffered value, if any
void push_store(location& at, const void* value, size_t bytes, std::memory_order order) noexcept;
bool buffering() noexcept;  // inside a logical thread
void drain_own() noexcept;
void loaded(const location& at, std::memory_order order, operation kind, uint64_t shown) noexcept;
void stored(location& at, std::memory_order order, bool read_too, bool changed, uint64_t shown) noexcept;
void fence() noexcept;
void heavy_barrier() noexcept;
void pause() noexcept;
void read_plain(plain_location& at) noexcept;
void write_plain(plain_location& at) noexcept;

/// The order of the load that a compare-exchange with one order does when it fails.
constexpr std::memory_order failure_order(std::memory_order success) noexcept {
  // acq_rel and release have no meaning for a load; the standard drops their release part.
  if (success == std::memory_order_acq_rel) return std::memory_order_acquire;
  // release: see above.
  if (success == std::memory_order_release) return std::memory_order_relaxed;
  return success;
}

template <class T>
uint64_t shown(const T& value) noexcept {
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value < sizeof bits ? sizeof value : sizeof bits);
  return bits;
}

template <class T>
bool same(const T& a, const T& b) noexcept {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

}  // namespace model

/// std::atomic's interface over the explorer's memory. The default order is seq_cst, as there.
template <class T>
class explored_atomic : private model::location {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= model::value_bytes_max);

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  explored_atomic() noexcept : explored_atomic(T{}) {}
  explored_atomic(T value) noexcept : value_(value) {
    commit = [](location& self, const std::byte* bytes) {
      std::memcpy(&static_cast<explored_atomic&>(self).value_, bytes, sizeof(T));
    };
  }

  // seq_cst: std::atomic's default; here and in all members below.
  static constexpr std::memory_order strongest = std::memory_order_seq_cst;

  [[nodiscard]] T load(std::memory_order order = strongest) const noexcept {
    T value;
    if (!model::forward(*this, &value, sizeof value)) {
      model::schedule();
      value = value_;
    }
    model::loaded(*this, order, model::operation::load, model::shown(value));
    return value;
  }

  void store(T value, std::memory_order order = strongest) noexcept {
    if (order != strongest && model::buffering()) return model::push_store(*this, &value, sizeof value, order);
    model::schedule();
    model::drain_own();
    const bool changed = !model::same(value_, value);
    value_ = value;
    model::stored(*this, order, false, changed, model::shown(value));
  }

  T exchange(T value, std::memory_order order = strongest) noexcept {
    return modify([&](const T&) { return value; }, order);
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    model::schedule();
    // An own store to this very location that still waits is the newest value: let it land.
    T waiting;
    if (model::forward(*this, &waiting, sizeof waiting)) model::drain_own();
    if (!model::same(value_, expected)) {
      expected = value_;
      model::loaded(*this, failure, model::operation::failed_compare, model::shown(expected));
      return false;
    }
    model::drain_own();
    const bool changed = !model::same(value_, desired);
    value_ = desired;
    model::stored(*this, success, true, changed, model::shown(desired));
    return true;
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order = strongest) noexcept {
    return compare_exchange_strong(expected, desired, order, model::failure_order(order));
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order = strongest) noexcept {
    return compare_exchange_strong(expected, desired, order);
  }

  template <class Difference>
  T fetch_add(Difference n, std::memory_order order = strongest) noexcept {
    return modify([&](const T& old) { return static_cast<T>(old + n); }, order);
  }
  template <class Difference>
  T fetch_sub(Difference n, std::memory_order order = strongest) noexcept {
    return modify([&](const T& old) { return static_cast<T>(old - n); }, order);
  }
  T fetch_or(T bits, std::memory_order order = strongest) noexcept {
    return modify([&](const T& old) { return static_cast<T>(old | bits); }, order);
  }
  T fetch_and(T bits, std::memory_order order = strongest) noexcept {
    return modify([&](const T& old) { return static_cast<T>(old & bits); }, order);
  }
  T fetch_xor(T bits, std::memory_order order = strongest) noexcept {
    return modify([&](const T& old) { return static_cast<T>(old ^ bits); }, order);
  }

 private:
  template <class Change>
  T modify(const Change& change, std::memory_order order) noexcept {
    model::schedule();
    model::drain_own();
    const T old = value_;
    value_ = change(old);
    model::stored(*this, order, true, !model::same(old, value_), model::shown(value_));
    return old;
  }

  T value_;
};

/// detail::spin_lock's interface and orders over the explorer's memory.
class explored_spin_lock {
 public:
  void lock() noexcept {
    // seq_cst: as in spin_lock, where it is the barrier of [stop], too.
    while (held_.exchange(1, std::memory_order_seq_cst) != 0) model::pause();
  }
  bool try_lock() noexcept {
    // acquire: pairs with unlock().
    return held_.exchange(1, std::memory_order_acquire) == 0;
  }
  void unlock() noexcept {
    // release: pairs with lock() and try_lock().
    held_.store(0, std::memory_order_release);
  }

 private:
  explored_atomic<uint32_t> held_{0};
};

/// The atomics policy under which the explorer sees every operation.
struct explored_atomics {
  template <class T>
  using atomic = explored_atomic<T>;
  using spin_lock = explored_spin_lock;

  static void fence_seq_cst() noexcept { model::fence(); }
  static void heavy_barrier() noexcept { model::heavy_barrier(); }
  static void light_barrier() noexcept {}
  static void compiler_barrier() noexcept {}
  static bool asymmetric() noexcept { return true; }
  static constexpr uint32_t first_bias_streak = 1;
  static constexpr uint32_t bias_streak_growth = 1;
  static constexpr uint32_t most_bias_streak = 1;
  static constexpr uint32_t most_nested_locks = 1;
  static void wait_a_little(int) noexcept { model::pause(); }

  /// Says that this thread spins: it goes on once another thread has changed something that it read since it last
  /// paused, or, so that bounded spins end, when nobody else can run.
  static void pause() noexcept { model::pause(); }
};

/// Ordinary memory under the race detector: two accesses, one of them a write, must be ordered by happens-before.
template <class T>
class plain {
 public:
  plain() = default;
  explicit plain(T value) : value_(std::move(value)) { model::write_plain(location_); }

  [[nodiscard]] const T& get() const {
    model::read_plain(location_);
    return value_;
  }
  void set(T value) {
    model::write_plain(location_);
    value_ = std::move(value);
  }

 private:
  mutable model::plain_location location_;
  T value_{};
};

}  // namespace weft::test
