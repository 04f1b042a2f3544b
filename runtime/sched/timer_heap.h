// A processor's timers: a 4-ary heap of intrusive nodes, earliest first.
//
// Not synchronised: the processor's timer lock guards it. Owner, thieves and the monitor all fire due timers, so a
// processor that computes for long delays no timer for longer than the monitor's period.
//
// Why 4-ary: half the depth of a binary heap, and the four children share one or two cache lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <weft/time.h>

namespace weft::sched {

using detail::sleeper;

class timer_heap {
 public:
  static constexpr uint32_t not_queued = UINT32_MAX;

  bool empty() const noexcept { return slots_.empty(); }
  std::size_t size() const noexcept { return slots_.size(); }
  sleeper* front() noexcept { return slots_.front().node; }
  int64_t next_deadline_ns() const noexcept { return slots_.empty() ? INT64_MAX : slots_.front().deadline_ns; }

  void push(sleeper& node) {
    slots_.push_back({node.deadline_ns, &node});
    sift_up(static_cast<uint32_t>(slots_.size() - 1));
  }

  sleeper* pop() noexcept {
    sleeper* first = slots_.front().node;
    remove(*first);
    return first;
  }

  bool holds(const sleeper& node) const noexcept {
    return node.heap_index < slots_.size() && slots_[node.heap_index].node == &node;
  }

  void remove(sleeper& node) noexcept {
    const uint32_t hole = node.heap_index;
    const slot moved = slots_.back();
    slots_.pop_back();
    node.heap_index = not_queued;
    if (hole == slots_.size()) return;
    set(hole, moved);
    if (hole > 0 && moved.deadline_ns < slots_[(hole - 1) / 4].deadline_ns)
      sift_up(hole);
    else
      sift_down(hole);
  }

 private:
  // The deadline is kept beside the pointer, so that sifting reads no node.
  struct slot {
    int64_t deadline_ns;
    sleeper* node;
  };

  void set(uint32_t i, slot s) noexcept {
    slots_[i] = s;
    s.node->heap_index = i;
  }

  void sift_up(uint32_t i) noexcept {
    const slot s = slots_[i];
    while (i > 0) {
      const uint32_t parent = (i - 1) / 4;
      if (slots_[parent].deadline_ns <= s.deadline_ns) break;
      set(i, slots_[parent]);
      i = parent;
    }
    set(i, s);
  }

  void sift_down(uint32_t i) noexcept {
    const slot s = slots_[i];
    const auto n = static_cast<uint32_t>(slots_.size());
    for (;;) {
      const uint32_t first = i * 4 + 1;
      if (first >= n) break;
      uint32_t least = first;
      for (uint32_t c = first + 1; c < first + 4 && c < n; ++c)
        if (slots_[c].deadline_ns < slots_[least].deadline_ns) least = c;
      if (slots_[least].deadline_ns >= s.deadline_ns) break;
      set(i, slots_[least]);
      i = least;
    }
    set(i, s);
  }

  std::vector<slot> slots_;
};

}  // namespace weft::sched
