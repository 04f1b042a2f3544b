// Cutting, collecting, and unmapping spans; see span_heap.h.
#include "mem/span_heap.h"

#include <algorithm>
#include <new>
#include <utility>

#include <weft/detail/check.h>
#include <weft/detail/context.h>

namespace weft::mem {

using detail::mark_unused;
using detail::mark_used;
using detail::spin_guard;

namespace {

constexpr std::size_t page_bytes = 4096;

std::size_t whole_pages(std::size_t bytes) noexcept { return (bytes + page_bytes - 1) / page_bytes * page_bytes; }

span& span_of(void* node) noexcept {
  return *reinterpret_cast<span*>(reinterpret_cast<uintptr_t>(node) & ~(uintptr_t{span_bytes} - 1));
}

}  // namespace

// --- the store ------------------------------------------------------------------------------------------------------

span_store& span_store::get() noexcept {
  static auto& store = *new span_store(os::system::real());  // never destroyed: pools may be global variables
  return store;
}

span_store::~span_store() {
  while (span* s = spans_.first()) {
    spans_.remove(*s);
    left(*s);
    unmap(*s);
  }
  WEFT_CHECK(held_bytes() == 0, "mem::span_store destroyed while memory of it is in use");
}

span* span_store::take() noexcept {
  {
    const spin_guard guard(lock_);
    if (span* s = spans_.first()) {
      spans_.remove(*s);
      left(*s);
      return s;
    }
  }
  const absl::StatusOr<void*> memory = sys_.map(span_bytes, span_bytes);
  if (!memory.ok()) return nullptr;
  auto* s = ::new (*memory) span;
  s->touched = sizeof(span);
  touch(sizeof(span));
  return s;
}

void span_store::give(span& s) noexcept {
  s.cut = nullptr;
  // relaxed: a figure.
  empty_.fetch_add(s.touched, std::memory_order_relaxed);
  const spin_guard guard(lock_);
  spans_.push_front(s);
  ++count_;
}

// A span is no longer here. The lock held.
void span_store::left(const span& s) noexcept {
  --count_;
  least_ = std::min(least_, count_);
  // relaxed: written under the lock only; here and below.
  if (returnable_.load(std::memory_order_relaxed) > count_) returnable_.store(count_, std::memory_order_relaxed);
  // relaxed: a figure.
  empty_.fetch_sub(s.touched, std::memory_order_relaxed);
}

void* span_store::map_one(std::size_t bytes) noexcept {
  const absl::StatusOr<void*> memory = sys_.map(whole_pages(bytes), page_bytes);
  if (!memory.ok()) return nullptr;
  touch(whole_pages(bytes));
  return *memory;
}

void span_store::unmap_one(void* node, std::size_t bytes) noexcept {
  mark_used(node, whole_pages(bytes));  // what the kernel puts there next is not ours
  sys_.unmap(node, whole_pages(bytes));
  // relaxed: a figure.
  held_.fetch_sub(whole_pages(bytes), std::memory_order_relaxed);
}

void span_store::end_epoch() noexcept {
  const spin_guard guard(lock_);
  // relaxed: written under the lock only; here and below.
  const std::size_t offered = returnable_.load(std::memory_order_relaxed);
  // relaxed: as above.
  returnable_.store(std::max(offered, least_), std::memory_order_relaxed);
  least_ = count_;
}

bool span_store::offer(uint64_t bytes) noexcept {
  const spin_guard guard(lock_);
  std::size_t count = 0;
  for (const span* s = spans_.last(); s != nullptr && bytes != 0; s = s->prev, ++count)
    bytes -= std::min<uint64_t>(bytes, s->touched);
  // relaxed: as in end_epoch().
  count = std::max(count, returnable_.load(std::memory_order_relaxed));
  // relaxed: as above.
  returnable_.store(count, std::memory_order_relaxed);
  return count != 0;
}

// The lock held.
span* span_store::pop_last_returnable() noexcept {
  // relaxed: as in end_epoch().
  const std::size_t returnable = returnable_.load(std::memory_order_relaxed);
  if (returnable == 0) return nullptr;
  // relaxed: as above.
  returnable_.store(returnable - 1, std::memory_order_relaxed);
  span* s = spans_.last();
  spans_.remove(*s);
  left(*s);
  return s;
}

bool span_store::release_some() noexcept {
  span* s = nullptr;
  {
    const spin_guard guard(lock_);
    s = pop_last_returnable();
  }
  if (s == nullptr) return false;
  unmap(*s);
  return true;
}

void span_store::unmap(span& s) noexcept {
  const std::size_t bytes = s.touched;
  mark_used(&s, bytes);  // as in unmap_one()
  sys_.unmap(&s, span_bytes);
  // relaxed: a figure.
  held_.fetch_sub(bytes, std::memory_order_relaxed);
}

// --- a cut ----------------------------------------------------------------------------------------------------------

span_cut::~span_cut() { WEFT_CHECK(span_count_ == 0, "mem::span_cut destroyed while nodes of it are taken"); }

void* span_cut::take() noexcept {
  if (node_bytes_ > most_in_span) return store_.map_one(node_bytes_);
  {
    const spin_guard guard(lock_);
    if (span* s = with_room_.first()) return take_from(*s);
  }
  // The kernel is not called with the lock held. Two threads may come here at once; then both spans are used.
  span* s = store_.take();
  if (s == nullptr) return nullptr;
  const spin_guard guard(lock_);
  begin(*s);
  return take_from(*s);
}

void span_cut::begin(span& s) noexcept {
  s.cut = this;
  s.free = nullptr;
  s.used = 0;
  s.fresh = sizeof(span);
  s.is_listed = true;
  with_room_.push_front(s);
  ++span_count_;
}

void* span_cut::take_from(span& s) noexcept {
  ++s.used;
  void* node = s.free;
  if (node != nullptr) {
    s.free = *static_cast<void**>(node);
  } else {
    node = reinterpret_cast<char*>(&s) + s.fresh;
    s.fresh += static_cast<uint32_t>(node_bytes_);
    if (s.fresh > s.touched) store_.touch(s.fresh - std::exchange(s.touched, s.fresh));
  }
  if (is_full(s)) {
    with_room_.remove(s);
    s.is_listed = false;
  }
  mark_used(node, node_bytes_);
  return node;
}

void span_cut::give(void* node) noexcept {
  if (node_bytes_ > most_in_span) return store_.unmap_one(node, node_bytes_);
  span& s = span_of(node);
  WEFT_CHECK(s.cut == this, "mem::span_cut: a node that is not taken, or of another size");
  {
    const spin_guard guard(lock_);
    mark_used(node, sizeof(void*));
    *static_cast<void**>(node) = std::exchange(s.free, node);
    mark_unused(static_cast<char*>(node) + sizeof(void*), node_bytes_ - sizeof(void*));
    if (!std::exchange(s.is_listed, true)) with_room_.push_front(s);
    if (--s.used != 0) return;
    with_room_.remove(s);
    --span_count_;
  }
  store_.give(s);
}

}  // namespace weft::mem
