// Waiting in channels, closing them, and where their cores come from. See detail/channel_core.h.
#include <weft/detail/channel_core.h>

#include <new>
#include <string>

#include <weft/detail/check.h>

#include "sched/scheduler.h"
#include "sync/stable_pool.h"

namespace weft::detail {

namespace {

stable_pool<channel_core>& cores() noexcept {
  static auto* pool = new stable_pool<channel_core>;  // never destroyed: channels may outlive main's statics
  return *pool;
}

}  // namespace

channel_core* make_channel_core(std::size_t capacity) {
  channel_core* c = cores().take();
  // relaxed: nobody else has the handle yet.
  c->handles.store(1, std::memory_order_relaxed);
  c->count.store(0, std::memory_order_relaxed);
  c->closed.store(false, std::memory_order_relaxed);
  c->head = 0;
  c->capacity = capacity;
  c->slots = nullptr;
  return c;
}

namespace {

int64_t bytes_of(const channel_core& core, std::size_t value_bytes) noexcept {
  return static_cast<int64_t>(sizeof core + core.capacity * value_bytes);
}

}  // namespace

void count_channel(const channel_core& core, std::size_t value_bytes) noexcept {
  count_channel_bytes(bytes_of(core, value_bytes));
}

void free_channel_core(channel_core* core, std::size_t value_bytes) noexcept {
  count_channel_bytes(-bytes_of(*core, value_bytes));
  cores().give(core);
}

std::coroutine_handle<> park_in_channel(channel_core& core, wait_queue& queue, waiter& w, std::coroutine_handle<> leaf,
                                        wait_reason reason, std::source_location where) noexcept {
  strand* s = detach(leaf);
  begin_wait(s, w, reason, where);
  queue.push(w);
  return unlock_and_leave(s, core.lock);
}

bool close_channel(channel_core& core) noexcept {
  core.lock.lock();
  // relaxed: under the lock.
  if (core.closed.load(std::memory_order_relaxed)) {
    core.lock.unlock();
    return false;
  }
  // release: closed() without the lock acquires it.
  core.closed.store(true, std::memory_order_release);
  waiter_chain woken;
  for (wait_queue* queue : {&core.receivers, &core.senders})
    while (waiter* w = queue->take()) woken.add(*w, end_wait(*w, wait_result::closed));
  core.lock.unlock();
  wake_chain(woken.first());
  return true;
}

void channel_misuse(const char* what) noexcept { check_failed(what, __FILE__, __LINE__); }

}  // namespace weft::detail
