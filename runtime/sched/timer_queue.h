// A processor's timers: those that are due soon in a heap, the others in a wheel.
//
// A heap of a million timers touches a cold line at each level of each operation (measured: most of 1 us for a timer's
// life). In the wheel a timer is added to the slot of its time and nothing else is touched; once the slot's time comes,
// the few timers in it go into the heap, which is then small and warm, so that they still fire in order and to the
// nanosecond. A timer that is disarmed early, as most are, is only put in and taken out.
//
// Level 0 has slots of 2^20 ns (1.05 ms), each higher one slots 64 times as long; 8 levels hold any deadline.
// Invariants:
//   The heap holds the timers before `heap_end_` (in level-0 slots), the wheel the others.
//   A timer is in the lowest level whose current turn contains its time, so the slots behind the current one are later
//   than all of the levels below.
//   A slot's bit is set if it has timers; it may be set for a slot whose timers were all disarmed.
//   A timer's deadline does not change while it is queued, so its time tells whether it is in the heap.
//
// Rejected: slots as lists through the timers. Walking one waits for a cold line at each step (half of all CPU time of
// a million sleepers); an array names the timers beforehand, so they are fetched while others are handled.
//
// Not synchronised: the processor's timer lock guards it.
// Source: hierarchical timing wheels, Varghese and Lauck (SOSP 1987).
#pragma once

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

  bool empty() const noexcept { return heap_.empty() && in_wheel_ == 0; }
  std::size_t size() const noexcept { return heap_.size() + in_wheel_; }

  /// Not later than the earliest deadline, and that itself unless it is in a slot whose time has not come. INT64_MAX:
  /// there is none.
  int64_t next_deadline_ns() noexcept {
    if (!heap_.empty()) return heap_.next_deadline_ns();
    if (in_wheel_ == 0) return INT64_MAX;
    const place first = earliest();
    return static_cast<int64_t>(first.begin << slot_shift);
  }

  void push(sleeper& node) {
    const uint64_t at = slot_of(node.deadline_ns);
    if (at < heap_end_) return heap_.push(node);
    if (wheel_ == nullptr) wheel_ = std::make_unique<wheel>();
    link(node, at);
    ++in_wheel_;
  }

  /// The earliest timer, if it is due; nullptr: none is.
  sleeper* pop_due(int64_t now_ns) noexcept {
    for (;;) {
      if (!heap_.empty()) return heap_.next_deadline_ns() <= now_ns ? heap_.pop() : nullptr;
      if (in_wheel_ == 0) return nullptr;
      const place first = earliest();
      if (static_cast<int64_t>(first.begin << slot_shift) > now_ns) return nullptr;
      open(first);
    }
  }

  void remove(sleeper& node) noexcept {
    if (slot_of(node.deadline_ns) < heap_end_) return heap_.remove(node);
    std::vector<entry>& slot = wheel_->queues[node.wheel_slot];
    slot[node.heap_index] = slot.back();
    slot[node.heap_index].node->heap_index = node.heap_index;
    slot.pop_back();
    node.heap_index = not_queued;
    --in_wheel_;
  }

 private:
  static constexpr int slot_shift = 20;
  static constexpr int level_bits = 6;
  static constexpr uint32_t slots = 1u << level_bits;
  static constexpr int levels = 8;
  static constexpr std::size_t kept_capacity = 64;  // of a slot that was emptied
  static constexpr std::size_t fetch_ahead = 8;

  struct entry {
    int64_t deadline_ns;
    sleeper* node;
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

  void link(sleeper& node, uint64_t at) noexcept {
    // The highest digit in which the time differs from the end of the heap's part says how far away it is.
    const uint64_t differs = at ^ heap_end_;
    const int level = differs == 0 ? 0 : (std::bit_width(differs) - 1) / level_bits;
    const uint32_t slot = static_cast<uint32_t>(at >> (level * level_bits)) % slots;
    node.wheel_slot = static_cast<uint32_t>(level) * slots + slot;
    std::vector<entry>& queue = wheel_->queues[node.wheel_slot];
    node.heap_index = static_cast<uint32_t>(queue.size());
    queue.push_back({node.deadline_ns, &node});
    wheel_->used[static_cast<std::size_t>(level)] |= uint64_t{1} << slot;
  }

  // The slot with the earliest timers. There is one.
  place earliest() noexcept {
    for (int level = 0;; ++level) {
      uint64_t& used = wheel_->used[static_cast<std::size_t>(level)];
      while (used != 0) {
        const auto slot = static_cast<uint32_t>(std::countr_zero(used));
        if (!wheel_->queues[static_cast<std::size_t>(level) * slots + slot].empty()) {
          const int shift = level * level_bits;
          const uint64_t turn = heap_end_ >> shift >> level_bits << level_bits;
          return {level, slot, (turn | slot) << shift};
        }
        used &= ~(uint64_t{1} << slot);
      }
    }
  }

  // Moves the end of the heap's part behind a slot of level 0, or to the beginning of a slot of a higher level, which
  // is the earliest in either case, and distributes what is before it or in turn now.
  void open(const place& p) noexcept {
    if (p.level != 0) {
      heap_end_ = p.begin;
      return distribute(p.level, p.slot);
    }
    heap_end_ = p.begin + 1;
    distribute(0, p.slot);
    // A new turn of a level begins: the slot above it that stands for this turn is distributed, too.
    for (int level = 1; level < levels && (heap_end_ & ((uint64_t{1} << (level * level_bits)) - 1)) == 0; ++level)
      distribute(level, static_cast<uint32_t>(heap_end_ >> (level * level_bits)) % slots);
  }

  void distribute(int level, uint32_t slot) noexcept {
    std::vector<entry> queue = std::move(wheel_->queues[static_cast<std::size_t>(level) * slots + slot]);
    wheel_->used[static_cast<std::size_t>(level)] &= ~(uint64_t{1} << slot);
    for (std::size_t i = 0; i < queue.size(); ++i) {
      if (i + fetch_ahead < queue.size()) __builtin_prefetch(&queue[i + fetch_ahead].node->deadline_ns, 1);
      const entry& e = queue[i];
      const uint64_t at = slot_of(e.deadline_ns);
      if (at < heap_end_) {
        --in_wheel_;
        heap_.push(*e.node);
      } else {
        link(*e.node, at);
      }
    }
    // Small slots keep their memory, so that steady use allocates nothing.
    if (queue.capacity() > kept_capacity) return;
    queue.clear();
    wheel_->queues[static_cast<std::size_t>(level) * slots + slot] = std::move(queue);
  }

  timer_heap heap_;
  uint64_t heap_end_ = 0;  // in level-0 slots
  std::size_t in_wheel_ = 0;
  std::unique_ptr<wheel> wheel_;
};

}  // namespace weft::sched
