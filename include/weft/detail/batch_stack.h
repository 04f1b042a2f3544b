// A stack of batches of nodes: its owner pushes, anybody takes all of it at once.
//
// Protocol [batches]. A batch is a list of nodes with one at its head; the heads are linked by `next_batch`.
//   Owner:   B1 read top: it is null, or what the owner itself stored last. B2 not null: link the batch to it, CAS top
//            (release). If that fails somebody took all, so top is null and stays so: B3 link the batch to nothing,
//            store
//            top (release), without a locked instruction.
//   Anybody: T1 if top is not null: T2 top = exchange null (acquire); what came is the caller's alone.
//   Owner, with top null: R1 store batches that it took elsewhere (release).
//   Nobody looks into a node before T2 has made it its own, so a node's memory may be freed at any time after.
//
// The head of the top batch says how many nodes there are in it and below, since the stack is only ever taken whole.
//
// Rejected: taking one batch by CAS. The top may be taken, used and pushed again between the look and the CAS (ABA).
// Rejected: Go's chain of rings, where the owner needs a CAS for each take of its own, and memory grows with the most
// that was ever in it.
//
// Source: the stack is R. K. Treiber's ("Systems Programming: Coping with Parallelism", 1986); batches that move whole
// are the magazines of J. Bonwick and J. Adams ("Magazines and Vmem", USENIX 2001).
#pragma once

#include <cstdint>

#include <weft/detail/atomics.h>
#include <weft/detail/config.h>

namespace weft::detail {

/// `Node` has `next_batch` and set_total().
template <class Node, class Atomics = std_atomics>
class batch_stack {
 public:
  /// B1 to B3: adds a batch of `count` nodes. Owner only.
  void push(Node* batch, uint32_t count) noexcept {
    // relaxed: B1; the owner's own store, or the null of a taker, after which nothing is read.
    Node* top = top_.load(std::memory_order_relaxed);
    if (top != nullptr) {
      batch->next_batch = top;
      batch->set_total(total_ + count);
      // release: B2; pairs with the exchange of T2. relaxed on failure: nothing of it is used.
      if (top_.compare_exchange_strong(top, batch, std::memory_order_release, std::memory_order_relaxed)) {
        total_ += count;
        return;
      }
    }
    batch->next_batch = nullptr;
    batch->set_total(count);
    total_ = count;
    // release: B3; pairs with the exchange of T2.
    top_.store(batch, std::memory_order_release);
  }

  /// T1, T2: takes everything; nullptr: empty. Any thread.
  Node* take_all() noexcept {
    // relaxed: T1; a look, which spares the exchange.
    if (top_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    // acquire: T2; pairs with the stores of B2, B3 and R1.
    return top_.exchange(nullptr, std::memory_order_acquire);
  }

  /// R1: stores batches of `total` nodes. Owner only, while it is empty.
  void put_back(Node* batches, uint32_t total) noexcept {
    total_ = total;
    // release: R1; pairs with the exchange of T2.
    top_.store(batches, std::memory_order_release);
  }

  /// Any thread; a snapshot.
  bool empty() const noexcept {
    // relaxed: a look.
    return top_.load(std::memory_order_relaxed) == nullptr;
  }

 private:
  typename Atomics::template atomic<Node*> top_{nullptr};
  uint32_t total_ = 0;  // owner only: nodes there are, while top is not null
};

}  // namespace weft::detail
