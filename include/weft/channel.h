// channel<T>: values from task to task, in order, with a bound.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/detail/channel_core.h>
#include <weft/detail/check.h>
#include <weft/task.h>
#include <weft/this_task.h>

namespace weft {

template <class T>
class channel;
template <class T>
class send_only;
template <class T>
class receive_only;

/// What try_receive() found: true if a value came, *r is it; else r.closed() says whether none ever will.
template <class T>
class [[nodiscard]] try_result {
 public:
  explicit try_result(bool closed) noexcept : closed_(closed) {}
  explicit try_result(T&& value) : value_(std::move(value)) {}

  explicit operator bool() const noexcept { return value_.has_value(); }
  bool has_value() const noexcept { return value_.has_value(); }
  T& operator*() & noexcept { return *value_; }
  const T& operator*() const& noexcept { return *value_; }
  T&& operator*() && noexcept { return std::move(*value_); }
  T* operator->() noexcept { return &*value_; }
  /// The channel is closed and drained.
  bool closed() const noexcept { return closed_; }

 private:
  std::optional<T> value_;
  bool closed_ = false;
};

namespace detail {

template <class T>
struct receive_waiter : waiter {
  std::optional<T> value;
};

template <class T>
struct send_waiter : waiter {
  explicit send_waiter(T&& v) : value(std::move(v)) {}
  T value;
};

/// The operations on a locked core that know T. Moves of T must not throw while a value changes hands.
template <class T>
struct channel_ops {
  static T* slot(channel_core& c, std::size_t i) noexcept { return static_cast<T*>(c.slots) + i; }
  static std::size_t wrap(channel_core& c, std::size_t i) noexcept { return i >= c.capacity ? i - c.capacity : i; }

  static std::size_t count(channel_core& c) noexcept {
    // relaxed: under the lock, or a snapshot.
    return c.count.load(std::memory_order_relaxed);
  }
  static void set_count(channel_core& c, std::size_t n) noexcept {
    // relaxed: under the lock; readers without it take a snapshot.
    c.count.store(n, std::memory_order_relaxed);
  }
  static bool closed(channel_core& c) noexcept {
    // relaxed: under the lock, or a snapshot.
    return c.closed.load(std::memory_order_relaxed);
  }

  /// Whether it looks as if a send, or a receive, could be done at once. Without the lock, a snapshot.
  static bool can_send(channel_core& c) noexcept {
    return count(c) < c.capacity || closed(c) || !c.receivers.looks_empty();
  }
  static bool can_receive(channel_core& c) noexcept {
    return count(c) != 0 || !c.senders.looks_empty() || closed(c);
  }

  /// Ends an operation of its own: unlocks, and wakes whom it served.
  struct unlock_and_wake {
    channel_core& c;
    WEFT_INLINE void operator()(uintptr_t who = 0) const noexcept {
      c.lock.unlock();
      if (who != 0) wake(who);
    }
  };

  /// Tries to send with the lock held. Anything but `pending` has called `finish` with whom to wake, if anyone.
  template <class Finish>
  WEFT_INLINE static wait_result send(channel_core& c, T& value, const Finish& finish) noexcept {
    if (closed(c)) [[unlikely]] {
      finish();
      return wait_result::closed;
    }
    if (!c.receivers.empty()) {
      if (waiter* w = c.receivers.take()) [[likely]] {
        static_cast<receive_waiter<T>*>(w)->value.emplace(std::move(value));
        finish(end_wait(*w, wait_result::done));
        return wait_result::done;
      }
    }
    const std::size_t n = count(c);
    if (n < c.capacity) {
      std::construct_at(slot(c, wrap(c, c.head + n)), std::move(value));
      set_count(c, n + 1);
      finish();
      return wait_result::done;
    }
    return wait_result::pending;
  }

  /// Tries to receive with the lock held. Anything but `pending` has called `finish` with whom to wake, if anyone.
  template <class Finish>
  WEFT_INLINE static wait_result receive(channel_core& c, std::optional<T>& into, const Finish& finish) noexcept {
    const std::size_t n = count(c);
    if (n != 0) {
      T* oldest = slot(c, c.head);
      into.emplace(std::move(*oldest));
      std::destroy_at(oldest);
      c.head = wrap(c, c.head + 1);
      if (!c.senders.empty()) [[unlikely]] {
        if (const uintptr_t who = refill(c, n); who != 0) {
          finish(who);
          return wait_result::done;
        }
      }
      set_count(c, n - 1);
      finish();
      return wait_result::done;
    }
    if (!c.senders.empty()) {
      if (waiter* w = c.senders.take()) [[likely]] {
        into.emplace(std::move(static_cast<send_waiter<T>*>(w)->value));
        finish(end_wait(*w, wait_result::done));
        return wait_result::done;
      }
    }
    if (closed(c)) [[unlikely]] {
      finish();
      return wait_result::closed;
    }
    return wait_result::pending;
  }

  // The ring was full and senders wait: the first one's value takes the place that came free, so order is kept. Returns
  // whom to wake; 0: all of them were selects that another arm has won.
  WEFT_NOINLINE static uintptr_t refill(channel_core& c, std::size_t n) noexcept {
    waiter* w = c.senders.take();
    if (w == nullptr) return 0;
    std::construct_at(slot(c, wrap(c, c.head + n - 1)), std::move(static_cast<send_waiter<T>*>(w)->value));
    return end_wait(*w, wait_result::done);
  }

  static channel_core* make(std::size_t capacity) {
    channel_core* c = make_channel_core(capacity);
    if (capacity != 0) {
      if (capacity > static_cast<std::size_t>(-1) / 2 / sizeof(T))
        channel_misuse("the capacity of a channel is too large");
      c->slots = ::operator new(capacity * sizeof(T), std::align_val_t{alignof(T)});
    }
    count_channel(*c, sizeof(T));
    return c;
  }

  static void destroy(channel_core* c) noexcept {
    for (std::size_t n = count(*c), i = 0; i < n; ++i) std::destroy_at(slot(*c, wrap(*c, c->head + i)));
    if (c->slots != nullptr) ::operator delete(c->slots, std::align_val_t{alignof(T)});
    free_channel_core(c, sizeof(T));
  }
};

template <class T>
class [[nodiscard]] send_awaiter {
 public:
  send_awaiter(channel_core* core, T&& value, std::source_location where)
      : core_(core), where_(where), waiter_(std::move(value)) {}
  send_awaiter(const send_awaiter&) = delete;
  send_awaiter& operator=(const send_awaiter&) = delete;

  // When it returns false with the result still pending, the core stays locked for await_suspend().
  WEFT_INLINE bool await_ready() noexcept {
    if (core_ == nullptr) [[unlikely]]
      return false;
    announce_wait(core_->lock);
    core_->lock.lock();
    if (stop_pending()) [[unlikely]] {
      core_->lock.unlock();
      waiter_.result = wait_result::stopped;
      return true;
    }
    waiter_.result = channel_ops<T>::send(*core_, waiter_.value, typename channel_ops<T>::unlock_and_wake{*core_});
    return waiter_.result != wait_result::pending && spend_budget();
  }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    if (core_ == nullptr) [[unlikely]]
      return transfer_to(park_for_ever(waiter_, leaf, wait_reason::chan_send_nil, where_));
    if (waiter_.result != wait_result::pending) return transfer_to(yield_strand(leaf, where_));
    return transfer_to(park_in_channel(*core_, core_->senders, waiter_, leaf, wait_reason::chan_send, where_));
  }

  /// True: sent. False: the channel is closed, or the task was asked to stop.
  [[nodiscard]] bool await_resume() const noexcept { return waiter_.result == wait_result::done; }

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept { return core_ == nullptr ? nullptr : &core_->lock; }
  bool arm_look() const noexcept { return core_ != nullptr && channel_ops<T>::can_send(*core_); }
  WEFT_INLINE bool arm_try() noexcept {
    if (core_ == nullptr) [[unlikely]]
      return false;
    core_->lock.lock();
    waiter_.result = channel_ops<T>::send(*core_, waiter_.value, typename channel_ops<T>::unlock_and_wake{*core_});
    if (waiter_.result != wait_result::pending) return true;
    core_->lock.unlock();
    return false;
  }
  bool arm_poll(uintptr_t& woken) noexcept {
    waiter_.result = channel_ops<T>::send(*core_, waiter_.value, [&](uintptr_t who = 0) { woken = who; });
    return waiter_.result != wait_result::pending;
  }
  bool arm_enqueue() noexcept {
    core_->senders.push(waiter_);
    return true;
  }
  void arm_leave(waiter_chain&) noexcept { wait_queue::unlink(waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  channel_core* core_;
  std::source_location where_;
  send_waiter<T> waiter_;
};

template <class T>
class [[nodiscard]] receive_awaiter {
 public:
  receive_awaiter(channel_core* core, std::source_location where) noexcept : core_(core), where_(where) {}
  receive_awaiter(const receive_awaiter&) = delete;
  receive_awaiter& operator=(const receive_awaiter&) = delete;

  // As in send_awaiter: pending means that the core is locked.
  WEFT_INLINE bool await_ready() noexcept {
    if (core_ == nullptr) [[unlikely]]
      return false;
    announce_wait(core_->lock);
    core_->lock.lock();
    if (stop_pending()) [[unlikely]] {
      core_->lock.unlock();
      waiter_.result = wait_result::stopped;
      return true;
    }
    waiter_.result = channel_ops<T>::receive(*core_, waiter_.value, typename channel_ops<T>::unlock_and_wake{*core_});
    return waiter_.result != wait_result::pending && spend_budget();
  }

  WEFT_INLINE transfer await_suspend(std::coroutine_handle<> leaf) noexcept {
    if (core_ == nullptr) [[unlikely]]
      return transfer_to(park_for_ever(waiter_, leaf, wait_reason::chan_receive_nil, where_));
    if (waiter_.result != wait_result::pending) return transfer_to(yield_strand(leaf, where_));
    return transfer_to(park_in_channel(*core_, core_->receivers, waiter_, leaf, wait_reason::chan_receive, where_));
  }

  // Not a copy of the whole optional: a load that spans the recent stores of its two members waits for both.
  [[nodiscard]] WEFT_INLINE std::optional<T> await_resume() noexcept {
    if (!waiter_.value.has_value()) return std::nullopt;
    return std::optional<T>(std::move(*waiter_.value));
  }

  // As an arm of a select; see select_core.h.
  biased_lock* arm_lock() noexcept { return core_ == nullptr ? nullptr : &core_->lock; }
  bool arm_look() const noexcept { return core_ != nullptr && channel_ops<T>::can_receive(*core_); }
  WEFT_INLINE bool arm_try() noexcept {
    if (core_ == nullptr) [[unlikely]]
      return false;
    core_->lock.lock();
    waiter_.result = channel_ops<T>::receive(*core_, waiter_.value, typename channel_ops<T>::unlock_and_wake{*core_});
    if (waiter_.result != wait_result::pending) return true;
    core_->lock.unlock();
    return false;
  }
  bool arm_poll(uintptr_t& woken) noexcept {
    waiter_.result = channel_ops<T>::receive(*core_, waiter_.value, [&](uintptr_t who = 0) { woken = who; });
    return waiter_.result != wait_result::pending;
  }
  bool arm_enqueue() noexcept {
    core_->receivers.push(waiter_);
    return true;
  }
  void arm_leave(waiter_chain&) noexcept { wait_queue::unlink(waiter_); }
  waiter& arm_waiter() noexcept { return waiter_; }
  std::source_location arm_where() const noexcept { return where_; }

 private:
  channel_core* core_;
  std::source_location where_;
  receive_waiter<T> waiter_;
};

/// Whom the operations of a batch have served, to be woken when the lock is let go.
class served_waiters {
 public:
  bool full() const noexcept { return count_ == who_.size(); }
  void operator()(uintptr_t who = 0) const noexcept {
    if (who != 0) who_[count_++] = who;
  }
  void wake_all() const noexcept {
    for (std::size_t i = 0; i < count_; ++i) wake(who_[i]);
  }

 private:
  // As the callback that channel_ops takes it is const.
  mutable std::array<uintptr_t, 64> who_;
  mutable std::size_t count_ = 0;
};

/// A counted reference to a channel's state, and the operations; the public types choose which of them to show.
template <class T>
class channel_ref {
 public:
  channel_ref() noexcept = default;
  explicit channel_ref(std::size_t capacity) : core_(channel_ops<T>::make(capacity)) {}
  channel_ref(const channel_ref& other) noexcept : core_(other.core_) {
    // relaxed: a new handle is made from one that is held.
    if (core_ != nullptr) core_->handles.fetch_add(1, std::memory_order_relaxed);
  }
  channel_ref(channel_ref&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  channel_ref& operator=(channel_ref other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~channel_ref() {
    // acq_rel: whoever drops the last handle sees what the others did.
    if (core_ != nullptr && core_->handles.fetch_sub(1, std::memory_order_acq_rel) == 1) channel_ops<T>::destroy(core_);
  }

  send_awaiter<T> send(T value, std::source_location where) const {
    return send_awaiter<T>(core_, std::move(value), where);
  }
  receive_awaiter<T> receive(std::source_location where) const noexcept { return receive_awaiter<T>(core_, where); }

  bool try_send(T value) const {
    if (core_ == nullptr) return false;
    core_->lock.lock();
    const wait_result r = channel_ops<T>::send(*core_, value, typename channel_ops<T>::unlock_and_wake{*core_});
    if (r == wait_result::pending) core_->lock.unlock();
    return r == wait_result::done;
  }

  try_result<T> try_receive() const {
    if (core_ == nullptr) return try_result<T>(false);
    std::optional<T> value;
    core_->lock.lock();
    const wait_result r = channel_ops<T>::receive(*core_, value, typename channel_ops<T>::unlock_and_wake{*core_});
    if (r == wait_result::pending) core_->lock.unlock();
    return value ? try_result<T>(std::move(*value)) : try_result<T>(r == wait_result::closed);
  }

  bool blocking_send(T value) const {
    send_waiter<T> w(std::move(value));
    thread_note note;
    begin_thread_wait(w, note, "channel::blocking_send inside a task; use co_await send()");
    if (core_ == nullptr) channel_misuse("blocking_send on a nil channel would block the thread for ever");
    core_->lock.lock();
    wait_result r = channel_ops<T>::send(*core_, w.value, typename channel_ops<T>::unlock_and_wake{*core_});
    if (r == wait_result::pending) {
      core_->senders.push(w);
      core_->lock.unlock();
      thread_wait(note);
      r = w.result;
    }
    return r == wait_result::done;
  }

  std::optional<T> blocking_receive() const {
    receive_waiter<T> w;
    thread_note note;
    begin_thread_wait(w, note, "channel::blocking_receive inside a task; use co_await receive()");
    if (core_ == nullptr) channel_misuse("blocking_receive on a nil channel would block the thread for ever");
    core_->lock.lock();
    if (channel_ops<T>::receive(*core_, w.value, typename channel_ops<T>::unlock_and_wake{*core_}) ==
        wait_result::pending) {
      core_->receivers.push(w);
      core_->lock.unlock();
      thread_wait(note);
    }
    return std::move(w.value);
  }

  /// Moves values from the front of `values` into the channel, as many as go in at once. Returns how many.
  std::size_t send_some(std::span<T> values) const noexcept {
    if (core_ == nullptr) return 0;
    served_waiters served;
    std::size_t sent = 0;
    core_->lock.lock();
    while (sent < values.size() && !served.full()) {
      if (channel_ops<T>::send(*core_, values[sent], served) != wait_result::done) break;
      ++sent;
    }
    core_->lock.unlock();
    served.wake_all();
    return sent;
  }

  /// Appends up to `most` values that are there at once to `out`, which has room for them. Returns how many.
  std::size_t receive_some(std::vector<T>& out, std::size_t most) const {
    if (core_ == nullptr) return 0;
    served_waiters served;
    std::size_t taken = 0;
    core_->lock.lock();
    while (taken < most && !served.full()) {
      std::optional<T> value;
      if (channel_ops<T>::receive(*core_, value, served) != wait_result::done) break;
      out.push_back(std::move(*value));
      ++taken;
    }
    core_->lock.unlock();
    served.wake_all();
    return taken;
  }

  task<std::size_t> send_all(std::span<T> values, std::source_location where) const {
    std::size_t sent = 0;
    while (sent < values.size() && !stop_pending()) {
      if (!spend_budget()) co_await yield_awaiter(where);
      sent += send_some(values.subspan(sent));
      if (sent == values.size()) break;
      const bool more = co_await send(std::move(values[sent]), where);
      if (!more) break;
      ++sent;
    }
    co_return sent;
  }

  task<std::size_t> receive_into(std::vector<T>& out, std::size_t most, std::source_location where) const {
    if (most == 0 || stop_pending()) co_return 0;
    if (!spend_budget()) co_await yield_awaiter(where);
    const std::size_t batch = std::min(most, std::max(capacity(), rendezvous_batch));
    out.reserve(out.size() + batch);
    if (const std::size_t taken = receive_some(out, batch); taken != 0) co_return taken;
    std::optional<T> first = co_await receive(where);
    if (!first) co_return 0;
    out.push_back(std::move(*first));
    co_return 1 + receive_some(out, batch - 1);
  }

  task<std::vector<T>> receive_up_to(std::size_t most, std::source_location where) const {
    std::vector<T> values;
    const std::size_t taken = co_await receive_into(values, most, where);
    (void)taken;
    co_return values;
  }

  bool close() const noexcept {
    if (core_ == nullptr) channel_misuse("close of a nil channel");
    return close_channel(*core_);
  }

  std::size_t size() const noexcept {
    // relaxed: a snapshot.
    return core_ == nullptr ? 0 : core_->count.load(std::memory_order_relaxed);
  }
  std::size_t capacity() const noexcept { return core_ == nullptr ? 0 : core_->capacity; }
  bool closed() const noexcept {
    // acquire: what happened before the close is visible.
    return core_ != nullptr && core_->closed.load(std::memory_order_acquire);
  }
  bool valid() const noexcept { return core_ != nullptr; }
  bool same(const channel_ref& other) const noexcept { return core_ == other.core_; }

 private:
  // Most that one batch takes from the senders of a channel without a buffer.
  static constexpr std::size_t rendezvous_batch = 64;

  channel_core* core_ = nullptr;
};

}  // namespace detail

/// The sending side of a channel: a view that can send and close, and not receive.
template <class T>
class send_only {
 public:
  send_only() noexcept = default;

  /// See channel.
  detail::send_awaiter<T> send(T value, std::source_location where = std::source_location::current()) const {
    return ref_.send(std::move(value), where);
  }
  task<std::size_t> send_all(std::span<T> values, std::source_location where = std::source_location::current()) const {
    return ref_.send_all(values, where);
  }
  [[nodiscard]] bool try_send(T value) const { return ref_.try_send(std::move(value)); }
  [[nodiscard]] bool blocking_send(T value) const { return ref_.blocking_send(std::move(value)); }
  bool close() const noexcept { return ref_.close(); }
  std::size_t size() const noexcept { return ref_.size(); }
  std::size_t capacity() const noexcept { return ref_.capacity(); }
  bool closed() const noexcept { return ref_.closed(); }
  explicit operator bool() const noexcept { return ref_.valid(); }
  friend bool operator==(const send_only& a, const send_only& b) noexcept { return a.ref_.same(b.ref_); }

 private:
  friend class channel<T>;
  explicit send_only(const detail::channel_ref<T>& ref) noexcept : ref_(ref) {}
  detail::channel_ref<T> ref_;
};

/// The receiving side of a channel: a view that can receive, and not send or close.
template <class T>
class receive_only {
 public:
  receive_only() noexcept = default;

  /// See channel.
  detail::receive_awaiter<T> receive(std::source_location where = std::source_location::current()) const noexcept {
    return ref_.receive(where);
  }
  task<std::vector<T>> receive_up_to(std::size_t most,
                                     std::source_location where = std::source_location::current()) const {
    return ref_.receive_up_to(most, where);
  }
  task<std::size_t> receive_into(std::vector<T>& out, std::size_t most,
                                 std::source_location where = std::source_location::current()) const {
    return ref_.receive_into(out, most, where);
  }
  try_result<T> try_receive() const { return ref_.try_receive(); }
  [[nodiscard]] std::optional<T> blocking_receive() const { return ref_.blocking_receive(); }
  std::size_t size() const noexcept { return ref_.size(); }
  std::size_t capacity() const noexcept { return ref_.capacity(); }
  bool closed() const noexcept { return ref_.closed(); }
  explicit operator bool() const noexcept { return ref_.valid(); }
  friend bool operator==(const receive_only& a, const receive_only& b) noexcept { return a.ref_.same(b.ref_); }

 private:
  friend class channel<T>;
  explicit receive_only(const detail::channel_ref<T>& ref) noexcept : ref_(ref) {}
  detail::channel_ref<T> ref_;
};

/// A bounded queue of values between tasks. A handle: copies name the same channel, which lives as long as any of them.
///
/// Values come out in the order in which their sends took effect; waiting senders and waiting receivers are served
/// first come first served. Capacity 0 is a rendezvous. A default-constructed channel is Go's nil channel: sending and
/// receiving park for ever (until a stop), size and capacity are 0, closing it aborts.
///
/// Thread safety: every member, concurrently, from tasks of any runtime; try_, blocking_, close and the observers from
/// plain threads too. T needs a move constructor, which must not throw while a value changes hands.
/// Order: a send happens before the receive that returns its value; a close before a receive that reports it; with
/// capacity 0 a receive before the end of its send; with capacity C the k-th receive before the end of the (k+C)-th
/// send. Cost: one lock; no allocation after construction.
template <class T>
class channel {
  static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>, "weft::channel needs a movable object type");

 public:
  using value_type = T;

  channel() noexcept = default;

  /// A channel that holds up to `capacity` values. Throws std::bad_alloc.
  explicit channel(std::size_t capacity) : ref_(capacity) {}

  /// Sends, parking the task while the channel is full. True: sent; false: the channel is closed, or the task was asked
  /// to stop, and the value is destroyed. Spends one unit of the task's budget.
  detail::send_awaiter<T> send(T value, std::source_location where = std::source_location::current()) const {
    return ref_.send(std::move(value), where);
  }

  /// Receives the next value, parking the task while the channel is empty. nullopt: closed and drained, or the task was
  /// asked to stop.
  detail::receive_awaiter<T> receive(std::source_location where = std::source_location::current()) const noexcept {
    return ref_.receive(where);
  }

  /// Sends all values in order, parking the task while the channel is full, and returns how many were sent: fewer than
  /// all if the channel was closed or the task asked to stop; the first value that was not may have been destroyed.
  /// What goes in at once goes in under one lock; others may send between two such batches.
  task<std::size_t> send_all(std::span<T> values, std::source_location where = std::source_location::current()) const {
    return ref_.send_all(values, where);
  }

  /// Receives what is there, up to `most` values, under one lock, parking the task while the channel is empty. Empty:
  /// closed and drained, the task was asked to stop, or `most` is 0. One batch is at most the capacity, or 64 values.
  task<std::vector<T>> receive_up_to(std::size_t most,
                                     std::source_location where = std::source_location::current()) const {
    return ref_.receive_up_to(most, where);
  }

  /// The same, appended to `out`, whose room is used again; returns how many.
  task<std::size_t> receive_into(std::vector<T>& out, std::size_t most,
                                 std::source_location where = std::source_location::current()) const {
    return ref_.receive_into(out, most, where);
  }

  /// Sends if that is possible at once. False: full, closed or nil; the value is destroyed. Never parks.
  [[nodiscard]] bool try_send(T value) const { return ref_.try_send(std::move(value)); }

  /// Receives if a value is there. Never parks.
  try_result<T> try_receive() const { return ref_.try_receive(); }

  /// For plain threads: send() that blocks the calling thread. Aborts inside a task.
  [[nodiscard]] bool blocking_send(T value) const { return ref_.blocking_send(std::move(value)); }

  /// For plain threads: receive() that blocks the calling thread. Aborts inside a task.
  [[nodiscard]] std::optional<T> blocking_receive() const { return ref_.blocking_receive(); }

  /// Closes: later sends are refused, receivers get what is left and then nullopt; all waiters are woken. True for the
  /// one call that closed it.
  bool close() const noexcept { return ref_.close(); }

  /// Values in the buffer, a snapshot.
  std::size_t size() const noexcept { return ref_.size(); }
  std::size_t capacity() const noexcept { return ref_.capacity(); }
  bool closed() const noexcept { return ref_.closed(); }

  /// Whether it is not the nil channel.
  explicit operator bool() const noexcept { return ref_.valid(); }

  /// Whether two handles name the same channel.
  friend bool operator==(const channel& a, const channel& b) noexcept { return a.ref_.same(b.ref_); }

  operator send_only<T>() const noexcept { return send_only<T>(ref_); }
  operator receive_only<T>() const noexcept { return receive_only<T>(ref_); }

 private:
  detail::channel_ref<T> ref_;
};

}  // namespace weft
