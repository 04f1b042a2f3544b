// Running an epoch; see [epoch] in epoch.h.
#include "sched/epoch.h"

#include <algorithm>
#include <climits>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

// How long a task that asks for an epoch holds its processor for the others' part.
constexpr int64_t patience_of_a_task_ns = 10'000'000;

std::atomic<const epoch_hooks*> hooks{nullptr};

const epoch_hooks* current_hooks() noexcept {
  // acquire: pairs with the release store of set_epoch_hooks().
  return hooks.load(std::memory_order_acquire);
}

}  // namespace

void set_epoch_hooks(const epoch_hooks& h) noexcept {
  // release: publishes what the hooks work on; pairs with the acquire load of current_hooks().
  hooks.store(&h, std::memory_order_release);
}

void forget_epoch_slot(uint32_t slot) noexcept {
  if (const epoch_hooks* h = current_hooks()) h->forget_slot(slot);
}

bool epoch_driver::is_due(const processor& p) const noexcept {
  // acquire: P1; pairs with the release store of N2.
  return asked_.load(std::memory_order_acquire) != p.epoch_passed;
}

void epoch_driver::pass(processor& p) noexcept {
  // relaxed: P1 was the acquire; no other epoch begins before this one has ended.
  p.epoch_passed = asked_.load(std::memory_order_relaxed);
  if (const epoch_hooks* h = current_hooks()) h->age_slot(p.locks->slot);
  // acq_rel: P3; the last one sees what the others did.
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) finish();
}

void epoch_driver::finish() noexcept {
  if (const epoch_hooks* h = current_hooks()) h->age_shared();
  // relaxed: P4; nobody else writes it while an epoch is under way.
  const uint32_t epoch = asked_.load(std::memory_order_relaxed);
  // release: P4; pairs with the acquire load of finished().
  finished_.store(epoch, std::memory_order_release);
  // release: P4; pairs with the CAS of N1.
  under_way_.store(false, std::memory_order_release);
  sched_.seams().sys->futex_wake(finished_, INT_MAX);
}

bool epoch_driver::begin() noexcept {
  bool none = false;
  // acquire: N1; pairs with the release store of P4.
  if (!under_way_.compare_exchange_strong(none, true, std::memory_order_acquire)) return false;
  // relaxed: published by N2.
  left_.store(static_cast<uint32_t>(sched_.processors().size()), std::memory_order_relaxed);
  // release: N2; pairs with the acquire load of P1.
  asked_.store(asked_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  sched_.wake_all();  // N3
  return true;
}

void epoch_driver::wait_for(uint32_t epoch, int64_t deadline_ns) noexcept {
  for (uint32_t ended = finished(); static_cast<int32_t>(ended - epoch) < 0; ended = finished()) {
    if (sched_.how() != drive::threads) {
      for (auto& p : sched_.processors())
        if (is_due(*p)) pass(*p);
      continue;
    }
    if (processor* p = this_context.proc; p != nullptr && &p->sched == &sched_ && is_due(*p)) {
      pass(*p);
      continue;
    }
    const int64_t left = deadline_ns == INT64_MAX ? -1 : deadline_ns - sched_.now_ns();
    if (deadline_ns != INT64_MAX && left <= 0) return;
    if (sched_.stops_workers()) return;
    sched_.seams().sys->futex_wait(finished_, ended, left < 0 ? 10'000'000 : std::min<int64_t>(left, 10'000'000));
  }
}

void epoch_driver::collect() noexcept {
  const processor* p = this_context.proc;
  const bool in_task = p != nullptr && &p->sched == &sched_;
  const int64_t deadline = in_task ? sched_.now_ns() + patience_of_a_task_ns : INT64_MAX;
  // relaxed: which one it is is settled by the loop.
  uint32_t mine = asked_.load(std::memory_order_relaxed);
  while (!begin()) {
    // One that is under way may have passed what the caller wants to be cleared.
    wait_for(mine, deadline);
    if (sched_.stops_workers() || (in_task && sched_.now_ns() >= deadline)) return;
    // relaxed: as above.
    mine = asked_.load(std::memory_order_relaxed);
  }
  // relaxed: as above; the caller's begin() wrote it.
  wait_for(asked_.load(std::memory_order_relaxed), deadline);
}

}  // namespace weft::detail
