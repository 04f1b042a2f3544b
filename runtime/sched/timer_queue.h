// A processor's timers: those that are due soon sorted, the others in a wheel.
//
// A heap of a million timers touches a cold line at each level of each operation (measured: most of 1 us for a timer's
// life). In the wheel a timer is added to the slot of its time and nothing else is touched. Once the slot's time comes,
// the timers in it are sorted, so that they still fire in order and to the nanosecond; those that are added to a time
// whose slot is open already go into a heap, which is small and warm. A timer that is disarmed early, as most are, is
// only put in and taken out.
//
// Level 0 has slots of 2^20 ns (1.05 ms), each higher one slots 64 times as long; 8 levels hold any deadline.
// Invariants:
//   The open part (`due_` and the heap) holds the timers before `open_end_` (in level-0 slots), the wheel the others.
//   A timer is in the lowest level whose current turn contains its time, so the slots behind the current one are later
//   than all of the levels below, and its time tells which slot it is in.
//   A slot's bit is set if it has timers; it may be set for a slot whose timers were all disarmed.
//   A timer's deadline does not change while it is queued.
//   A timer knows its place in the heap, and in the slot that it was added to. When slots are distributed or opened
//   only arrays of deadlines and pointers move, and no timer is touched: each would be a cold line. So the place may be
//   wrong afterwards; the first removal from such a slot tells all of its timers where they are now.
//
// Rejected: slots as lists through the timers. Walking one waits for a cold line at each step (half of all CPU time of
// a million sleepers); an array names the timers beforehand, so they are fetched while others are handled.
// Rejected: a heap for opened slots, which writes to the timers that it moves (a tenth of a million sleepers' time).
//
// Not synchronised: the processor's timer lock guards it.
// Source: hierarchical timing wheels, Varghese and Lauck (SOSP 1987).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <weft/time.h>

#include "sched/timer_heap.h"

namespace weft::sched {

class timer_queue {
 public:
  static constexpr uint32_t not_queued = timer_heap::not_queued;

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return heap_.size() + in_due_ + in_wheel_; }

  /// Not later than the earliest deadline, and that itself unless it is in a slot whose time has not come. INT64_MAX:
  /// there is none.
  int64_t next_deadline_ns() noexcept {
    if (opened()) return first_opened_ns();
    if (in_wheel_ == 0) return INT64_MAX;
    return begin_ns(earliest());
  }

  /// About how many timers are due within one or two slots of the earliest one.
  std::size_t crowd() noexcept {
    if (opened()) return heap_.size() + in_due_ + in_slot(open_end_);
    if (in_wheel_ == 0) return 0;
    const place first = earliest();
    return first.level == 0 ? in_slot(first.begin) + in_slot(first.begin + 1) : 1;
  }

  void push(sleeper& node) {
    const uint64_t at = slot_of(node.deadline_ns);
    if (at < open_end_) return heap_.push(node);
    if (wheel_ == nullptr) wheel_ = std::make_unique<wheel>();
    std::vector<entry>& slot = slot_for(at);
    node.wheel_slot = static_cast<uint32_t>(&slot - wheel_->queues.data());
    node.heap_index = static_cast<uint32_t>(slot.size());
    slot.push_back({node.deadline_ns, &node});
    ++in_wheel_;
  }

  /// The earliest timer, if it is due; nullptr: none is.
  sleeper* pop_due(int64_t now_ns) noexcept {
    while (!opened()) {
      if (in_wheel_ == 0) return nullptr;
      const place first = earliest();
      if (begin_ns(first) > now_ns) return nullptr;
      open(first);
    }
    if (first_opened_ns() > now_ns) return nullptr;
    if (in_due_ == 0 || heap_.next_deadline_ns() < due_[next_due_].deadline_ns) return heap_.pop();
    fetch_ahead();
    sleeper* node = due_[next_due_].node();
    take_due(next_due_, *node);
    return node;
  }

  void remove(sleeper& node) noexcept {
    if (wheel_ != nullptr) {
      if (std::vector<entry>& slot = wheel_->queues[node.wheel_slot]; holds(slot, node)) [[likely]]
        return remove_from(slot, node);
    }
    if (const uint64_t at = slot_of(node.deadline_ns); at >= open_end_) {
      std::vector<entry>& slot = slot_for(at);
      if (!holds(slot, node)) tell_places(slot);
      return remove_from(slot, node);
    }
    if (heap_.holds(node)) return heap_.remove(node);
    const auto found = std::lower_bound(due_.begin() + static_cast<std::ptrdiff_t>(next_due_), due_.end(),
                                        entry{node.deadline_ns, &node});
    take_due(static_cast<std::size_t>(found - due_.begin()), node);
  }

 private:
  static constexpr int slot_shift = 20;
  static constexpr int level_bits = 6;
  static constexpr uint32_t slots = 1u << level_bits;
  static constexpr int levels = 8;
  static constexpr std::size_t kept_capacity = 64;  // of a slot that was emptied
  // How many timers before its turn a timer is fetched, and then who waits for it.
  static constexpr std::size_t fetch_timer_ahead = 32;
  static constexpr std::size_t fetch_strand_ahead = 16;
  static constexpr uintptr_t lines_of_a_strand = 3;

  class entry {
   public:
    entry(int64_t deadline, sleeper* node) noexcept : deadline_ns(deadline), node_(reinterpret_cast<uintptr_t>(node)) {}
    int64_t deadline_ns;
    sleeper* node() const noexcept { return reinterpret_cast<sleeper*>(node_); }
    bool gone() const noexcept { return (node_ & 1) != 0; }
    void set_gone() noexcept { node_ |= 1; }  // and stays in order
    friend bool operator<(const entry& a, const entry& b) noexcept {
      return a.deadline_ns != b.deadline_ns ? a.deadline_ns < b.deadline_ns : a.node_ < b.node_;
    }

   private:
    uintptr_t node_;
  };

  struct wheel {
    std::array<std::vector<entry>, std::size_t{levels} * slots> queues;
    std::array<uint64_t, levels> used{};  // a bit for each slot
  };

  struct place {
    int level;
    uint32_t slot;
    uint64_t begin;  // in level-0 slots
  };

  static uint64_t slot_of(int64_t deadline_ns) noexcept {
    return deadline_ns <= 0 ? 0 : static_cast<uint64_t>(deadline_ns) >> slot_shift;
  }
  static int64_t begin_ns(const place& p) noexcept { return static_cast<int64_t>(p.begin << slot_shift); }

  std::vector<entry>& slot_at(const place& p) noexcept {
    return wheel_->queues[static_cast<std::size_t>(p.level) * slots + p.slot];
  }

  // The slot of this time, which is in the wheel's part; marked as used.
  std::vector<entry>& slot_for(uint64_t at) noexcept {
    // The highest digit in which the time differs from the end of the open part says how far away it is.
    const uint64_t differs = at ^ open_end_;
    const int level = differs == 0 ? 0 : (std::bit_width(differs) - 1) / level_bits;
    const uint32_t slot = static_cast<uint32_t>(at >> (level * level_bits)) % slots;
    wheel_->used[static_cast<std::size_t>(level)] |= uint64_t{1} << slot;
    return wheel_->queues[static_cast<std::size_t>(level) * slots + slot];
  }

  // How many timers are in a slot of level 0, one of the current turn.
  std::size_t in_slot(uint64_t at) const noexcept {
    return wheel_ == nullptr || ((at ^ open_end_) >> level_bits) != 0 ? 0 : wheel_->queues[at % slots].size();
  }

  static bool holds(const std::vector<entry>& slot, const sleeper& node) noexcept {
    return node.heap_index < slot.size() && slot[node.heap_index].node() == &node;
  }
  void tell_places(std::vector<entry>& slot) noexcept {
    for (std::size_t i = 0; i < slot.size(); ++i) {
      slot[i].node()->wheel_slot = static_cast<uint32_t>(&slot - wheel_->queues.data());
      slot[i].node()->heap_index = static_cast<uint32_t>(i);
    }
  }

  void remove_from(std::vector<entry>& slot, sleeper& node) noexcept {
    if (const entry last = slot.back(); last.node() != &node) {
      last.node()->heap_index = node.heap_index;
      last.node()->wheel_slot = node.wheel_slot;
      slot[node.heap_index] = last;
    }
    slot.pop_back();
    node.heap_index = not_queued;
    --in_wheel_;
  }

  // The slot with the earliest timers. There is one.
  place earliest() noexcept {
    for (int level = 0;; ++level) {
      uint64_t& used = wheel_->used[static_cast<std::size_t>(level)];
      while (used != 0) {
        const auto slot = static_cast<uint32_t>(std::countr_zero(used));
        if (!wheel_->queues[static_cast<std::size_t>(level) * slots + slot].empty()) {
          const int shift = level * level_bits;
          const uint64_t turn = open_end_ >> shift >> level_bits << level_bits;
          return {level, slot, (turn | slot) << shift};
        }
        used &= ~(uint64_t{1} << slot);
      }
    }
  }

  // Moves the end of the open part behind a slot of level 0, or to the beginning of a slot of a higher level, which is
  // the earliest in either case, and distributes what is before it or in turn now. Nothing is open.
  void open(const place& p) noexcept {
    if (p.level != 0) {
      open_end_ = p.begin;
      return distribute(p.level, p.slot);
    }
    open_end_ = p.begin + 1;
    std::vector<entry>& slot = slot_at(p);
    wheel_->used[0] &= ~(uint64_t{1} << p.slot);
    in_due_ = slot.size();
    in_wheel_ -= in_due_;
    next_due_ = 0;
    due_.clear();
    std::swap(due_, slot);
    shrink(slot);
    std::sort(due_.begin(), due_.end());
    // A new turn of a level begins: the slot above it that stands for this turn is distributed.
    for (int level = 1; level < levels && (open_end_ & ((uint64_t{1} << (level * level_bits)) - 1)) == 0; ++level)
      distribute(level, static_cast<uint32_t>(open_end_ >> (level * level_bits)) % slots);
  }

  void distribute(int level, uint32_t slot) noexcept {
    std::vector<entry>& queue = wheel_->queues[static_cast<std::size_t>(level) * slots + slot];
    wheel_->used[static_cast<std::size_t>(level)] &= ~(uint64_t{1} << slot);
    // All of them go to lower levels.
    for (const entry& e : queue) slot_for(slot_of(e.deadline_ns)).push_back(e);
    queue.clear();
    shrink(queue);
  }

  // Small slots keep their memory, so that steady use allocates nothing.
  static void shrink(std::vector<entry>& queue) noexcept {
    if (queue.capacity() > kept_capacity) std::vector<entry>().swap(queue);
  }

  bool opened() const noexcept { return in_due_ != 0 || !heap_.empty(); }
  int64_t first_opened_ns() const noexcept {
    const int64_t heap = heap_.next_deadline_ns();
    return in_due_ == 0 ? heap : std::min(heap, due_[next_due_].deadline_ns);
  }

  // next_due_ is at a timer that is not gone, if there is one.
  void take_due(std::size_t i, sleeper& node) noexcept {
    due_[i].set_gone();
    node.heap_index = not_queued;
    if (--in_due_ == 0) return;
    while (due_[next_due_].gone()) ++next_due_;
  }

  // A timer, who waits for it, and what makes that one go on: three cold lines and more, one after the other.
  void fetch_ahead() noexcept {
    if (next_due_ + fetch_timer_ahead < due_.size()) {
      const entry& later = due_[next_due_ + fetch_timer_ahead];
      if (!later.gone()) __builtin_prefetch(&later.node()->deadline_ns, 1);
    }
    if (next_due_ + fetch_strand_ahead >= due_.size()) return;
    const entry& soon = due_[next_due_ + fetch_strand_ahead];
    if (soon.gone()) return;
    const uintptr_t strand = soon.node()->who & ~detail::who_tags;
    for (uintptr_t line = 0; line < lines_of_a_strand; ++line)
      __builtin_prefetch(reinterpret_cast<const void*>(strand + 64 * line), 1);
  }

  timer_heap heap_;
  std::vector<entry> due_;  // the slot that was opened last, sorted
  std::size_t next_due_ = 0;
  std::size_t in_due_ = 0;  // that are not gone
  uint64_t open_end_ = 0;   // in level-0 slots
  std::size_t in_wheel_ = 0;
  std::unique_ptr<wheel> wheel_;
};

}  // namespace weft::sched
