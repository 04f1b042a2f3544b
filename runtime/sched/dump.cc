// Reading the registry of live tasks. See dump.h.
#include "sched/dump.h"

#include <algorithm>
#include <bit>
#include <source_location>

#include "os/symbol.h"
#include "sched/escape.h"

namespace weft::detail {

const char* wait_reason_name(wait_reason reason) noexcept {
  switch (reason) {
    case wait_reason::none: return "waiting";
    case wait_reason::chan_receive: return "chan receive";
    case wait_reason::chan_send: return "chan send";
    case wait_reason::chan_receive_nil: return "chan receive (nil chan)";
    case wait_reason::chan_send_nil: return "chan send (nil chan)";
    case wait_reason::sleep: return "sleep";
    case wait_reason::semacquire: return "semacquire";
    case wait_reason::mutex_lock: return "sync.Mutex.Lock";
    case wait_reason::wait_group_wait: return "sync.WaitGroup.Wait";
    case wait_reason::join_task: return "join";
    case wait_reason::yield: return "yield";
    case wait_reason::select: return "select";
    case wait_reason::select_none: return "select (no cases)";
    case wait_reason::shared_mutex_lock: return "sync.RWMutex.Lock";
    case wait_reason::shared_mutex_lock_shared: return "sync.RWMutex.RLock";
    case wait_reason::condition_wait: return "sync.Cond.Wait";
    case wait_reason::blocking: return "blocking";
    case wait_reason::io: return "IO wait";
  }
  return "waiting";
}

task_info describe(scheduler& s, task_control* t) {
  task_info info;
  // relaxed: here and below, the picture of a running runtime may be torn; none of it is used to find memory.
  info.id = t->id.load(std::memory_order_relaxed);
  info.function = os::function_of(t->function());
  info.started_at = os::function_of(t->started_at.load(std::memory_order_relaxed));
  // relaxed: as above.
  if (t->waiting.load(std::memory_order_relaxed) != nullptr) {
    // relaxed: as above, and for the next two.
    info.state = wait_reason_name(static_cast<wait_reason>(t->reason.load(std::memory_order_relaxed)));
    const auto place = std::bit_cast<std::source_location>(t->parked_at.load(std::memory_order_relaxed));
    if (place.line() != 0) info.parked_at = std::string(place.file_name()) + ":" + std::to_string(place.line());
    // relaxed: as above.
    const uint32_t since = t->since.load(std::memory_order_relaxed);
    const uint32_t now = s.coarse_ms();
    info.waiting = std::chrono::milliseconds(now > since ? now - since : 0);
    return info;
  }
  info.state = "runnable";
  // relaxed: as above.
  for (const auto& p : s.processors())
    if (p->running.load(std::memory_order_relaxed) == t) info.state = "running";
  return info;
}

std::vector<task_info> list_tasks(scheduler& s) {
  std::vector<task_info> tasks;
  s.heap().for_each_strand([&](strand* at) {
    // relaxed: as above.
    if (at->kind.load(std::memory_order_relaxed) != strand_kind::task) return;
    auto* t = static_cast<task_control*>(at);
    // acquire: pairs with E1 in task.cc, so that what a task did happened before a list without it.
    if (t->id.load(std::memory_order_acquire) != 0) tasks.push_back(describe(s, t));
  });
  std::sort(tasks.begin(), tasks.end(), [](const task_info& a, const task_info& b) { return a.id < b.id; });
  return tasks;
}

std::string dump_task(const task_info& info) {
  std::string text = "task " + std::to_string(info.id) + " [" + info.state;
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(info.waiting).count();
  if (minutes >= 1) text += ", " + std::to_string(minutes) + " minutes";
  text += "]:\n";
  if (!info.parked_at.empty()) text += "\tparked at " + info.parked_at + "\n";
  text += "\tin " + info.function + "\n\tstarted by " + info.started_at + "\n";
  return text;
}

std::string dump_tasks(scheduler& s) {
  std::string text;
  for (const task_info& info : list_tasks(s)) text += dump_task(info) + "\n";
  if (s.opts().memory_in_dumps) text += "memory:\n" + usage_of(s).text() + "\n";
  return text;
}

}  // namespace weft::detail
