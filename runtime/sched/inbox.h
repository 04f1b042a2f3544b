// Strands that other threads give to a processor.
//
// Many threads push; whoever takes, takes all, so there is no ABA: owner and thieves alike. Order is restored by
// reversal.
//
// Protocol [inbox]: B1 push: link to the head, CAS head (release). B2 take_all: exchange head with nullptr (acquire).
#pragma once

#include <weft/detail/atomics.h>

namespace weft::sched {

template <class T, class Atomics = detail::std_atomics>
class inbox {
 public:
  /// Adds one. Any thread. True: it was empty before.
  bool push(T* item) noexcept {
    // relaxed: B1; only compared, and linked to.
    T* head = head_.load(std::memory_order_relaxed);
    do {
      item->next = head;
      // release: publishes the item and its link; pairs with the acquire exchange in take_all(). relaxed: retried.
    } while (!head_.compare_exchange_weak(head, item, std::memory_order_release, std::memory_order_relaxed));
    return head == nullptr;
  }

  /// Takes all, oldest first, linked through `next`. Any thread. nullptr: empty.
  T* take_all() noexcept {
    if (empty()) return nullptr;
    // acquire: B2; pairs with the release CAS in push().
    T* newest = head_.exchange(nullptr, std::memory_order_acquire);
    T* oldest = nullptr;
    while (newest != nullptr) {
      T* next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

  bool empty() const noexcept {
    // relaxed: a hint; the re-scan before sleeping is ordered by its barrier.
    return head_.load(std::memory_order_relaxed) == nullptr;
  }

 private:
  typename Atomics::template atomic<T*> head_{nullptr};
};

}  // namespace weft::sched
