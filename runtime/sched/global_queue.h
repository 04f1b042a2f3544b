// Ready strands that belong to no processor: what overflows from the rings, and whole lists.
//
// A queue of batches of pointers under a spin lock. Processors look here every 61st dispatch and when they have
// nothing else. The strands themselves are not touched: those of a long queue have left every cache.
//
// Rejected: a list through strand::next. To take half a ring's worth means as many cache misses, each waiting for the
// one before it (measured with 1,000,000 started tasks: 14% of their whole cost).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <weft/detail/check.h>
#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

#include "mem/block_heap.h"

namespace weft::sched {

class global_queue {
 public:
  /// Its memory comes from `heap`.
  explicit global_queue(mem::block_heap& heap) noexcept : heap_(heap) {}
  global_queue(const global_queue&) = delete;
  global_queue& operator=(const global_queue&) = delete;

  /// Adds strands at the end. Any thread. Aborts when the kernel gives no memory.
  void push(detail::strand* const* items, uint32_t count) noexcept {
    detail::spin_guard guard(lock_);
    for (uint32_t i = 0; i < count; ++i) append(items[i]);
    // relaxed: written under the lock; the re-scan before sleeping is ordered by its barrier.
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  /// The same for a list that is linked through `next`. Any thread.
  void push_list(detail::strand* first) noexcept {
    detail::spin_guard guard(lock_);
    uint32_t count = 0;
    while (first != nullptr) {
      detail::strand* next = first->next;
      append(first);
      first = next;
      ++count;
    }
    // relaxed: as in push().
    size_.store(size_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  /// Takes up to `most` from the front, and no more than a fair share of 1/`processors` + 1, into `out`. Any thread.
  uint32_t take(detail::strand** out, uint32_t most, uint32_t processors) noexcept {
    if (size() == 0) return 0;
    detail::spin_guard guard(lock_);
    // relaxed: written under the lock that we hold.
    const uint32_t size = size_.load(std::memory_order_relaxed);
    const uint32_t count = std::min({size / processors + 1, most, size});
    for (uint32_t i = 0; i < count; ++i) {
      out[i] = head_->items[head_->begin++];
      if (head_->begin == head_->end) drop_head();
    }
    // relaxed: under the lock.
    size_.store(size - count, std::memory_order_relaxed);
    return count;
  }

  uint32_t size() const noexcept {
    // relaxed: a snapshot.
    return size_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t batch_bytes = 1024;
  static constexpr std::size_t batch_class = mem::class_of(batch_bytes);
  static constexpr uint32_t batch_capacity = (batch_bytes - 16) / sizeof(void*);
  static constexpr uint32_t most_spare = 64;

  struct batch {
    batch* next;
    uint32_t begin, end;
    detail::strand* items[batch_capacity];
  };
  static_assert(sizeof(batch) == batch_bytes);

  void append(detail::strand* s) noexcept {
    if (tail_ == nullptr || tail_->end == batch_capacity) [[unlikely]]
      add_tail();
    tail_->items[tail_->end++] = s;
  }

  WEFT_NOINLINE void add_tail() noexcept {
    if (spare_ == nullptr) {
      spare_ = static_cast<batch*>(heap_.take_one(mem::block_kind::queue, batch_class));
      WEFT_CHECK(spare_ != nullptr, "out of memory for the queue of ready tasks");
      spare_->next = nullptr;
      spare_count_ = 1;
    }
    batch* b = spare_;
    spare_ = b->next;
    --spare_count_;
    b->next = nullptr;
    b->begin = b->end = 0;
    (tail_ != nullptr ? tail_->next : head_) = b;
    tail_ = b;
  }

  void drop_head() noexcept {
    batch* b = head_;
    head_ = b->next;
    if (head_ == nullptr) tail_ = nullptr;
    if (spare_count_ < most_spare) {
      b->next = spare_;
      spare_ = b;
      ++spare_count_;
    } else {
      heap_.give_one(mem::block_kind::queue, batch_class, b);
    }
  }

  mem::block_heap& heap_;
  detail::spin_lock lock_;
  // Guarded by lock_.
  batch* head_ = nullptr;
  batch* tail_ = nullptr;
  batch* spare_ = nullptr;
  uint32_t spare_count_ = 0;
  std::atomic<uint32_t> size_{0};  // written under lock_
};

}  // namespace weft::sched
