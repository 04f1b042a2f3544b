// Ready strands that belong to no processor: what overflows from the rings, and whole batches.
//
// A list under a spin lock. Processors look here every 61st dispatch and when they have nothing else.
#pragma once

#include <atomic>
#include <cstdint>

#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

namespace weft::sched {

class global_queue {
 public:
  /// Adds a list of `count` strands, linked through `next` from `first` to `last`. Any thread.
  void push(detail::strand* first, detail::strand* last, uint32_t count) noexcept {
    last->next = nullptr;
    detail::spin_guard guard(lock_);
    (tail_ != nullptr ? tail_->next : head_) = first;
    tail_ = last;
    // relaxed: written under the lock; the re-scan before sleeping is ordered by its barrier.
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  /// Takes up to `most`, and no more than a fair share of 1/`processors` + 1. Any thread. nullptr: empty.
  detail::strand* take(uint32_t most, uint32_t processors, uint32_t& count) noexcept {
    count = 0;
    if (size() == 0) return nullptr;
    detail::spin_guard guard(lock_);
    // relaxed: written under the lock that we hold.
    const uint32_t size = size_.load(std::memory_order_relaxed);
    if (size == 0) return nullptr;
    const uint32_t share = size / processors + 1;
    count = share < most ? share : most;
    if (count > size) count = size;
    detail::strand* first = head_;
    detail::strand* last = first;
    for (uint32_t i = 1; i < count; ++i) {
      last = last->next;
      __builtin_prefetch(last->next);
    }
    head_ = last->next;
    if (head_ == nullptr) tail_ = nullptr;
    last->next = nullptr;
    // relaxed: under the lock.
    size_.store(size - count, std::memory_order_relaxed);
    return first;
  }

  uint32_t size() const noexcept {
    // relaxed: a snapshot.
    return size_.load(std::memory_order_relaxed);
  }

 private:
  detail::spin_lock lock_;
  detail::strand* head_ = nullptr;  // guarded by lock_
  detail::strand* tail_ = nullptr;  // guarded by lock_
  std::atomic<uint32_t> size_{0};   // written under lock_
};

}  // namespace weft::sched
