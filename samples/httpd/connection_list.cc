// See connection_list.h.
#include "connection_list.h"

#include <algorithm>
#include <numeric>

#include "connection.h"

namespace httpd {

uint64_t tally::all_answers() const noexcept { return std::accumulate(answers.begin(), answers.end(), uint64_t{0}); }

tally& tally::operator+=(const tally& other) noexcept {
  for (std::size_t i = 0; i < answers.size(); ++i) answers[i] += other.answers[i];
  bytes += other.bytes;
  return *this;
}

tally live_tally::read() const noexcept {
  // relaxed: see add().
  tally t;
  for (std::size_t i = 0; i < answers_.size(); ++i) t.answers[i] = answers_[i].load(std::memory_order_relaxed);
  t.bytes = bytes_.load(std::memory_order_relaxed);
  return t;
}

void connection_list::add(connection& c) {
  const std::lock_guard guard(lock_);
  c.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &c;
  first_ = &c;
  ++figures_.connections;
  figures_.open_most = std::max(figures_.open_most, ++figures_.open);
}

void connection_list::remove(connection& c) noexcept {
  const std::lock_guard guard(lock_);
  (c.previous_ == nullptr ? first_ : c.previous_->next_) = c.next_;
  if (c.next_ != nullptr) c.next_->previous_ = c.previous_;
  --figures_.open;
  figures_.done += c.done_.read();
}

void connection_list::close_overdue(int64_t now_ns) {
  const std::lock_guard guard(lock_);
  for (connection* c = first_; c != nullptr; c = c->next_) {
    if (!c->lease_.take_if_over(now_ns)) continue;
    c->socket_.close();
    ++figures_.overdue;
  }
}

bool connection_list::close_an_idle_one() {
  const std::lock_guard guard(lock_);
  connection* longest = nullptr;
  int64_t until = INT64_MAX;
  for (connection* c = first_; c != nullptr; c = c->next_) {
    const int64_t t = c->lease_.idle_until_ns();
    if (t >= until) continue;
    until = t;
    longest = c;
  }
  if (longest == nullptr || !longest->lease_.take_if_waiting(false)) return false;
  longest->socket_.close();
  ++figures_.given_up;
  return true;
}

void connection_list::end(ending how) {
  // seq_cst: see lease::renew().
  ending_.store(how, std::memory_order_seq_cst);
  const std::lock_guard guard(lock_);
  for (connection* c = first_; c != nullptr; c = c->next_)
    if (c->lease_.take_if_waiting(how == ending::fresh_too)) c->socket_.close();
}

list_figures connection_list::figures() {
  const std::lock_guard guard(lock_);
  list_figures f = figures_;
  for (const connection* c = first_; c != nullptr; c = c->next_) f.done += c->done_.read();
  return f;
}

}  // namespace httpd
