// endpoints: a channel whose two ends are counted, so that an end that nobody holds any more closes it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <weft/channel.h>

namespace weft {

template <class T>
class sender;
template <class T>
class receiver;

/// A channel of this capacity by its two ends: `auto [out, in] = weft::endpoints<int>(64);`. Throws std::bad_alloc.
template <class T>
std::pair<sender<T>, receiver<T>> endpoints(std::size_t capacity);

namespace detail {

/// What all copies of an end share: closes the channel with the last of them.
template <class T>
struct channel_end {
  explicit channel_end(channel<T> c) noexcept : ch(std::move(c)) {}
  ~channel_end() { ch.close(); }
  channel_end(const channel_end&) = delete;
  channel_end& operator=(const channel_end&) = delete;
  channel<T> ch;
};

}  // namespace detail

/// A counted sending end. When the last copy dies the channel is closed: receivers get what is left, then nullopt, so
/// none of them waits for ever for senders that are gone. Copies are cheap (a shared count). A default-constructed or
/// moved-from one is empty and must not be used. Thread safety: as channel; one object by one task at a time.
template <class T>
class sender {
 public:
  sender() noexcept = default;

  /// See channel. false: closed, the last receiver is gone, or the task was asked to stop.
  detail::send_awaiter<T> send(T value, std::source_location where = std::source_location::current()) const {
    return end_->ch.send(std::move(value), where);
  }
  [[nodiscard]] bool try_send(T value) const { return end_->ch.try_send(std::move(value)); }
  [[nodiscard]] bool blocking_send(T value) const { return end_->ch.blocking_send(std::move(value)); }

  /// The uncounted channel, for everything else.
  send_only<T> view() const noexcept { return end_->ch; }
  explicit operator bool() const noexcept { return end_ != nullptr; }

 private:
  friend std::pair<sender<T>, receiver<T>> endpoints<T>(std::size_t capacity);
  explicit sender(std::shared_ptr<detail::channel_end<T>> end) noexcept : end_(std::move(end)) {}
  std::shared_ptr<detail::channel_end<T>> end_;
};

/// A counted receiving end. When the last copy dies the channel is closed: senders are told (false) instead of waiting
/// for ever for receivers that are gone; values that nobody received die with the channel. Otherwise as sender.
template <class T>
class receiver {
 public:
  receiver() noexcept = default;

  /// See channel. nullopt: closed and drained, which is so once the last sender is gone; or the task was asked to stop.
  detail::receive_awaiter<T> receive(std::source_location where = std::source_location::current()) const noexcept {
    return end_->ch.receive(where);
  }
  try_result<T> try_receive() const { return end_->ch.try_receive(); }
  [[nodiscard]] std::optional<T> blocking_receive() const { return end_->ch.blocking_receive(); }

  /// The uncounted channel, for everything else.
  receive_only<T> view() const noexcept { return end_->ch; }
  explicit operator bool() const noexcept { return end_ != nullptr; }

 private:
  friend std::pair<sender<T>, receiver<T>> endpoints<T>(std::size_t capacity);
  explicit receiver(std::shared_ptr<detail::channel_end<T>> end) noexcept : end_(std::move(end)) {}
  std::shared_ptr<detail::channel_end<T>> end_;
};

template <class T>
std::pair<sender<T>, receiver<T>> endpoints(std::size_t capacity) {
  const channel<T> ch(capacity);
  return {sender<T>(std::make_shared<detail::channel_end<T>>(ch)),
          receiver<T>(std::make_shared<detail::channel_end<T>>(ch))};
}

}  // namespace weft
