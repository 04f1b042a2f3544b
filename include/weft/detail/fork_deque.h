// A processor's deque of forks that other processors may take: split into a private and a public part.
//
// Indices grow upward. Thieves take at `top`, the oldest and therefore biggest piece; the owner pushes and pops at
// `tail`. [top, split) is public, [split, tail) is private. `top` and `split` share one 64-bit word, so whatever the
// owner and a thief do to the public part are read-modify-writes of one location and need no fence; the private part
// needs neither. That makes the fork that nobody steals free of locked instructions.
//
// Protocol [fork]:
//   F1 push: write slot[tail], ++tail. If more is wanted in public (`want`): F2.
//   F2 publish: want = 0, then add to `split` with a release RMW: half of the private part, at least one.
//   F3 pop: if the private part is not empty, --tail, and F2 if `want`. No atomic RMW. Else F4.
//   F4 pop_public: CAS (top, split) -> (top, split - 1), or for the last one (top, split) -> (split, split), which
//      moves `top` on, so that a thief that still holds the old word fails (no ABA), and then want = 1.
//   F5 steal: read the word (acquire), read slot[top], CAS top -> top + 1 (acq_rel). Who finds nothing, or takes the
//      last one, sets want = 1.
//   `want` begins as 1. So the oldest fork is public at all times, which wakes a sleeping processor, and the younger
//   ones are private until it is taken.
//
// Invariants:
//   Only the owner writes tail_, split_ and slots. split_ always equals the word's split half when the owner looks.
//   A slot in [top, split) does not change until `top` has passed it.
//   Every private entry belongs to the strand that runs now: a strand that parks publishes all first.
//
// pop() takes the entry that the caller expects on top, or nothing: leftovers of other strands may be public below.
//
// Rejected: publishing whenever the private part was empty before the push. In a recursion every push and every pop
// then is a locked instruction (fib: 151 instructions per call, one of them locked, against 100).
// Rejected: Chase-Lev (the owner pays a full fence on each pop; measured 17.6 against 6.8 ns per fork), and Chase-Lev
// with the fence moved to the thief by membarrier (6.3 ns, but a steal then costs microseconds and some sandboxes
// refuse it).
//
// Source: the split deque is from Lace (van Dijk and van de Pol, 2014); `want` is their movesplit request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <weft/detail/atomics.h>
#include <weft/detail/check.h>
#include <weft/detail/config.h>

namespace weft::detail {

template <class Entry, class Atomics = std_atomics>
class fork_deque {
 public:
  /// `shared`: there are other processors. Without them nothing is ever wanted in public.
  explicit fork_deque(uint32_t capacity = 1024, bool shared = true) : wanted_(shared ? 1 : 0), want_(wanted_) {
    buffers_.push_back(std::make_unique<buffer>(capacity));
    buffer_ = buffers_.back().get();
    // relaxed: thieves learn of the deque only after the processor was published.
    shared_buffer_.store(buffer_, std::memory_order_relaxed);
    slots_ = buffer_->slots.data();
    mask_ = buffer_->mask;
    full_at_ = capacity;
  }
  fork_deque(const fork_deque&) = delete;
  fork_deque& operator=(const fork_deque&) = delete;

  /// Offers an entry. Owner only. `on_publish(entry)` is called for each entry before it becomes public, and
  /// `on_publish(nullptr)` once after some have.
  template <class OnPublish>
  WEFT_INLINE void push(Entry* e, OnPublish&& on_publish) {
    if (tail_ == full_at_) [[unlikely]]
      make_room();
    // relaxed: F1; the release in publish() makes the slot visible.
    slots_[tail_ & mask_].store(e, std::memory_order_relaxed);
    ++tail_;
    // relaxed: `want` is a hint; a late look costs a delay, not correctness.
    if (want_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      publish(on_publish);
  }

  /// Takes `e` back if it is the newest entry. Owner only. False: it was stolen, or is not this processor's.
  template <class OnPublish>
  WEFT_INLINE bool pop(Entry* e, OnPublish&& on_publish) {
    if (pop_private(e, on_publish)) [[likely]]
      return true;
    return pop_public(e);
  }

  /// The same, if it is private.
  template <class OnPublish>
  WEFT_INLINE bool pop_private([[maybe_unused]] Entry* e, OnPublish&& on_publish) {
    if (tail_ == split_) [[unlikely]]
      return false;
    // F3. The private entries are the running strand's, and it ends its children in order: the newest is `e`.
    // relaxed: the owner wrote the slot itself.
    WEFT_DCHECK(slots_[(tail_ - 1) & mask_].load(std::memory_order_relaxed) == e);
    --tail_;
    // relaxed: a hint, as in push().
    if (want_.load(std::memory_order_relaxed) != 0) [[unlikely]]
      publish(on_publish);
    return true;
  }

  /// Whether a push would be published. Owner only; a hint.
  bool wanted() const noexcept {
    // relaxed: a hint.
    return want_.load(std::memory_order_relaxed) != 0;
  }

  /// Whether entries are private. Owner only.
  bool has_private() const noexcept { return tail_ != split_; }

  /// Makes all entries public, because the strand that pushed them is about to park. Owner only.
  template <class OnPublish>
  void publish_all(OnPublish&& on_publish) {
    if (tail_ != split_) publish_some(tail_ - split_, on_publish);
  }

  /// Takes the oldest public entry. Any thread, the owner included. nullptr: nothing public, or lost a race.
  Entry* steal() noexcept {
    // acquire: F5; pairs with the release RMW in publish_some().
    uint64_t word = word_.load(std::memory_order_acquire);
    const uint32_t top = top_of(word);
    const uint32_t split = split_of(word);
    if (static_cast<int32_t>(split - top) <= 0) {
      // relaxed: a hint to the owner, read in push() and pop(); checked first so that thieves do not fight over the
      // line.
      if (want_.load(std::memory_order_relaxed) == 0) want_.store(1, std::memory_order_relaxed);
      return nullptr;
    }
    // acquire: pairs with the release store in make_room(), so that the slots of a grown buffer are seen.
    Entry* e = shared_buffer_.load(std::memory_order_acquire)->slot(top).load(std::memory_order_relaxed);
    // acq_rel: the acquire half keeps the entry's contents after the take; the release half orders our read of the slot
    // before the owner's reuse of it, which follows its own RMW of the word.
    if (!word_.compare_exchange_strong(word, pack(split, top + 1), std::memory_order_acq_rel,
                                       std::memory_order_relaxed))  // relaxed: a lost race uses nothing it read
      return nullptr;
    // relaxed: asks the owner to publish more, since this took the last one.
    if (split - top == 1) want_.store(1, std::memory_order_relaxed);
    return e;
  }

  /// Entries that thieves can take now. Any thread; a snapshot.
  uint32_t public_size() const noexcept {
    // relaxed: a snapshot for the search and for figures.
    const uint64_t word = word_.load(std::memory_order_relaxed);
    const int32_t n = static_cast<int32_t>(split_of(word) - top_of(word));
    return n > 0 ? static_cast<uint32_t>(n) : 0;
  }

 private:
  struct buffer {
    explicit buffer(uint32_t capacity) : mask(capacity - 1), slots(capacity) {}
    typename Atomics::template atomic<Entry*>& slot(uint32_t i) { return slots[i & mask]; }
    uint32_t mask;
    std::vector<typename Atomics::template atomic<Entry*>> slots;
  };

  static uint32_t top_of(uint64_t word) { return static_cast<uint32_t>(word); }
  static uint32_t split_of(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
  static uint64_t pack(uint32_t split, uint32_t top) { return uint64_t{split} << 32 | top; }

  template <class OnPublish>
  WEFT_NOINLINE void publish(OnPublish& on_publish) {
    const uint32_t count = (tail_ - split_ + 1) / 2;
    if (count == 0) return;  // `want` stays set; the next push answers it
    publish_some(count, on_publish);
  }

  template <class OnPublish>
  void publish_some(uint32_t count, OnPublish& on_publish) {
    // relaxed: the owner wrote these slots itself.
    for (uint32_t i = 0; i < count; ++i) on_publish(buffer_->slot(split_ + i).load(std::memory_order_relaxed));
    split_ += count;
    // relaxed: before the RMW, so that it cannot overwrite the request of a thief that took what is published here.
    want_.store(0, std::memory_order_relaxed);
    // release: F2; pairs with the acquire load in steal(). A wrap of the split half falls out at the top harmlessly.
    word_.fetch_add(uint64_t{count} << 32, std::memory_order_release);
    on_publish(static_cast<Entry*>(nullptr));
  }

  WEFT_NOINLINE bool pop_public(Entry* e) noexcept {
    // relaxed: the owner sees its own split exactly; a stale top makes the CAS fail.
    uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      const uint32_t top = top_of(word);
      const uint32_t split = split_of(word);
      if (static_cast<int32_t>(split - top) <= 0) return false;
      // relaxed: the owner wrote the slot itself.
      if (buffer_->slot(split - 1).load(std::memory_order_relaxed) != e) return false;
      const bool last = split - top == 1;
      const uint64_t taken = last ? pack(split, split) : pack(split - 1, top);
      // acq_rel: F4; orders a thief's read of a slot before our later reuse of it. relaxed on failure: retried.
      if (word_.compare_exchange_weak(word, taken, std::memory_order_acq_rel, std::memory_order_relaxed)) {
        if (last) {
          // relaxed: a hint to ourselves.
          want_.store(wanted_, std::memory_order_relaxed);
        } else {
          split_ = tail_ = split - 1;
        }
        return true;
      }
    }
  }

  // Thieves may still read the old buffer, so it lives as long as the deque.
  WEFT_RARE void make_room() {
    // acquire: slots below top are free once their thieves' CAS is seen; pairs with the acq_rel CAS in steal().
    const uint32_t top = top_of(word_.load(std::memory_order_acquire));
    const uint32_t capacity = buffer_->mask + 1;
    if (tail_ - top < capacity) {
      full_at_ = top + capacity;
      return;
    }
    auto bigger = std::make_unique<buffer>(capacity * 2);
    // relaxed: copies of slots that the owner wrote; the release below publishes them.
    for (uint32_t i = top; i != tail_; ++i)
      bigger->slot(i).store(buffer_->slot(i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    buffer_ = bigger.get();
    slots_ = buffer_->slots.data();
    mask_ = buffer_->mask;
    buffers_.push_back(std::move(bigger));
    // release: pairs with the acquire load in steal().
    shared_buffer_.store(buffer_, std::memory_order_release);
    full_at_ = top + capacity * 2;
  }

  // Owner only.
  uint32_t tail_ = 0;
  uint32_t split_ = 0;
  uint32_t full_at_ = 0;                                        // push() looks for room when tail_ reaches this
  uint32_t mask_ = 0;                                           // of slots_
  typename Atomics::template atomic<Entry*>* slots_ = nullptr;  // buffer_'s
  const uint32_t wanted_;
  buffer* buffer_ = nullptr;
  std::vector<std::unique_ptr<buffer>> buffers_;

  // Shared with thieves.
  alignas(64) typename Atomics::template atomic<uint64_t> word_{0};  // {split, top}
  typename Atomics::template atomic<buffer*> shared_buffer_{nullptr};
  alignas(64) typename Atomics::template atomic<uint32_t> want_;  // 1: nothing is public, or was not a moment ago
};

}  // namespace weft::detail
