// Operations under way; see [io] in engine.h.
#include "io/engine.h"

#include <array>
#include <cerrno>
#include <string>

#include <weft/descriptor.h>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

constexpr uint32_t ring_entries = 256;
constexpr std::size_t batch = 64;
constexpr std::size_t most_at_a_time = 256;

uint32_t readiness_of(io_op op) noexcept {
  switch (op) {
    case io_op::write:
    case io_op::writev:
    case io_op::send:
    case io_op::sendmsg:
    case io_op::connect: return io_writable;
    default: return io_readable;
  }
}

// Whether the kernel may answer that it would block, instead of waiting.
bool may_be_waited_for(io_op op) noexcept {
  return op != io_op::poll && op != io_op::fsync && op != io_op::open && op != io_op::statx && op != io_op::shutdown;
}

bool gives_descriptor(io_op op) noexcept { return op == io_op::accept || op == io_op::open; }

// S4 of [stop] for a strand that waits for an operation.
void leave_io(strand*, waiter& w, biased_lock& lock) noexcept {
  auto& op = static_cast<io_operation&>(w);
  io_engine& home = *op.home;
  home.ask_to_cancel(op);
  lock.unlock();
  home.wake_driver();
}

// The first back end that the options and the kernel allow, and why no better one.
absl::StatusOr<std::unique_ptr<os::io_port>> open_port(scheduler& sched, std::string& description) noexcept {
  std::string refusals;
  if (sched.opts().io != io_backend::epoll) {
    // A host may drive its runtime from one thread after another, which a deferred ring does not allow.
    const int first = sched.how() == drive::threads ? 0 : 1;
    for (int i = first; i < os::uring_modes; ++i) {
      const auto mode = static_cast<os::uring_mode>(i);
      absl::StatusOr<std::unique_ptr<os::io_port>> port = sched.seams().sys->open_uring(mode, ring_entries);
      if (port.ok()) {
        description = std::string("io_uring, ") + os::uring_mode_name(mode) + refusals;
        return port;
      }
      refusals += std::string(refusals.empty() ? " (" : "; ") + os::uring_mode_name(mode) + ": " +
                  std::string(port.status().message());
      if (i + 1 == os::uring_modes) refusals += ")";
    }
  } else {
    refusals = " (asked for)";
  }
  absl::StatusOr<std::unique_ptr<os::io_port>> port = sched.seams().sys->open_epoll();
  if (port.ok()) description = "epoll" + refusals;
  return port;
}

}  // namespace

io_engine* io_engine::here(int& error) noexcept {
  processor& p = *this_context.proc;
  // relaxed: the driver made it.
  if (poller* made = p.io.load(std::memory_order_relaxed)) [[likely]]
    return static_cast<io_engine*>(made);
  static const bool registered = (set_leave_wait(wait_reason::io, leave_io), true);
  static_cast<void>(registered);
  std::string description;
  absl::StatusOr<std::unique_ptr<os::io_port>> port = open_port(p.sched, description);
  if (!port.ok()) {
    error = EMFILE;
    return nullptr;
  }
  auto* engine = new io_engine(p, *std::move(port), std::move(description));
  p.sched.watch_for_host(engine->poll_fd());
  // release: pairs with the acquire loads of those who wake it or look whether it is busy.
  p.io.store(engine, std::memory_order_release);
  return engine;
}

io_engine::~io_engine() {
  while (unused_ != nullptr) {
    io_readiness* next = unused_->next;
    delete unused_;
    unused_ = next;
  }
}

void io_engine::start(io_operation& op) noexcept {
  op.home = this;
  op.under_way = true;
  count(1);
  port_->start(op.request, reinterpret_cast<uint64_t>(&op));
}

void io_engine::ask_to_cancel(io_operation& op) noexcept {
  if (op.cancel_asked) return;
  op.cancel_asked = true;
  if (op.ready != nullptr) return cancel_readiness(*op.ready);
  if (!op.under_way) return;
  op.cancel_queued = true;
  op.next_cancel = cancels_;
  cancels_ = &op;
  // release: read by the driver before it takes the lock.
  cancels_asked_.store(true, std::memory_order_release);
}

void io_engine::start_readiness(io_operation& op) noexcept {
  io_readiness* r = unused_;
  if (r != nullptr)
    unused_ = r->next;
  else
    r = new io_readiness;
  *r = {&op, nullptr, false};
  op.ready = r;
  count(1);
  const io_request poll{.op = io_op::poll, .fd = op.request.fd, .flags = readiness_of(op.request.op)};
  port_->start(poll, reinterpret_cast<uint64_t>(r) | tag_readiness);
}

void io_engine::leave_readiness(io_operation& op) noexcept {
  if (op.ready == nullptr) return;
  op.ready->op = nullptr;
  cancel_readiness(*std::exchange(op.ready, nullptr));
}

void io_engine::cancel_readiness(io_readiness& r) noexcept {
  if (r.cancel_queued) return;
  r.cancel_queued = true;
  r.next = left_;
  left_ = &r;
  // release: as in ask_to_cancel().
  cancels_asked_.store(true, std::memory_order_release);
}

void io_engine::wake_driver() noexcept {
  if (this_context.proc != &proc_) port_->wake();
}

void io_engine::hand_over_cancellations() noexcept {
  // acquire: pairs with the release stores above.
  if (!cancels_asked_.load(std::memory_order_acquire)) return;
  biased_guard guard(lock_);
  // relaxed: under the lock.
  cancels_asked_.store(false, std::memory_order_relaxed);
  for (; cancels_ != nullptr; cancels_ = cancels_->next_cancel) {
    cancels_->cancel_queued = false;
    port_->cancel(reinterpret_cast<uint64_t>(cancels_));
    port_->cancel(reinterpret_cast<uint64_t>(cancels_) | tag_retry);
  }
  for (; left_ != nullptr; left_ = left_->next) {
    left_->cancel_queued = false;
    port_->cancel(reinterpret_cast<uint64_t>(left_) | tag_readiness);
  }
}

strand* io_engine::poll(uint32_t& woken) noexcept {
  woken = 0;
  if (!is_busy()) return nullptr;
  hand_over_cancellations();  // C1
  port_->flush();             // C2
  strand* first = nullptr;
  strand** link = &first;
  std::array<os::io_completion, batch> done;
  for (std::size_t taken = 0, n = batch; n == batch && taken < most_at_a_time; taken += n) {
    n = port_->take(done);
    if (n == 0) break;
    biased_guard guard(lock_);
    for (std::size_t i = 0; i < n; ++i) {
      strand* s = complete(done[i]);
      if (s == nullptr) continue;
      s->next = nullptr;
      *link = s;
      link = &s->next;
      ++woken;
    }
  }
  return first;
}

// C3.
strand* io_engine::complete(const os::io_completion& done) noexcept {
  const uint64_t kind = done.tag & tag_kinds;
  if (kind == tag_readiness) return complete(*reinterpret_cast<io_readiness*>(done.tag - tag_readiness), done.result);
  auto& op = *reinterpret_cast<io_operation*>(done.tag - kind);
  if (kind == tag_retry && done.result >= 0) {
    port_->start(op.request, reinterpret_cast<uint64_t>(&op));
    return nullptr;
  }
  if (done.result == -EINTR && !op.cancel_asked) {
    port_->start(op.request, reinterpret_cast<uint64_t>(&op));
    return nullptr;
  }
  if (done.result == -EAGAIN && kind == tag_operation && may_be_waited_for(op.request.op) && !op.cancel_asked) {
    const io_request poll{.op = io_op::poll, .fd = op.request.fd, .flags = readiness_of(op.request.op)};
    port_->start(poll, reinterpret_cast<uint64_t>(&op) | tag_retry);
    return nullptr;
  }
  count(-1);
  op.under_way = false;
  if (op.cancel_queued) {
    io_operation** at = &cancels_;
    while (*at != &op) at = &(*at)->next_cancel;
    *at = op.next_cancel;
  }
  op.result = op.cancel_asked && (done.result == -EINTR || done.result == -EAGAIN) ? -ECANCELED : done.result;
  return reinterpret_cast<strand*>(end_wait(op, wait_result::done));
}

strand* io_engine::complete(io_readiness& ready, int32_t result) noexcept {
  if (ready.op != nullptr && result == -EINTR) {
    const io_operation& op = *ready.op;
    const io_request poll{.op = io_op::poll, .fd = op.request.fd, .flags = readiness_of(op.request.op)};
    port_->start(poll, reinterpret_cast<uint64_t>(&ready) | tag_readiness);
    return nullptr;
  }
  count(-1);
  if (ready.cancel_queued) {
    io_readiness** at = &left_;
    while (*at != &ready) at = &(*at)->next;
    *at = ready.next;
  }
  io_operation* op = ready.op;
  ready.next = unused_;
  unused_ = &ready;
  if (op == nullptr) return nullptr;
  op->ready = nullptr;
  if (!claim(*op)) return nullptr;
  op->result = result < 0 ? result : proc_.sched.seams().sys->do_now(op->request);
  return reinterpret_cast<strand*>(end_wait(*op, wait_result::done));
}

void io_engine::close() noexcept {
  // The strands stay where they are: they are destroyed next, and what their operations gave with them.
  std::array<os::io_completion, batch> done;
  bool cancelled = false;
  while (is_busy()) {
    hand_over_cancellations();
    if (!cancelled) {
      port_->cancel_all();
      cancelled = true;
    }
    port_->flush();
    const std::size_t n = port_->take(done);
    for (std::size_t i = 0; i < n; ++i) {
      const uint64_t kind = done[i].tag & tag_kinds;
      if (kind == tag_operation && done[i].result >= 0) {
        const auto& op = *reinterpret_cast<io_operation*>(done[i].tag);
        if (gives_descriptor(op.request.op)) proc_.sched.seams().sys->close_fd(done[i].result);
      }
      if (kind == tag_readiness) delete reinterpret_cast<io_readiness*>(done[i].tag - tag_readiness);
      count(-1);
    }
    if (n == 0 && is_busy()) port_->wait(100'000'000);
  }
}

namespace {

void do_on_the_pool(blocking_job* job) noexcept {
  auto& op = *static_cast<io_operation*>(job);
  op.result = scheduler_of(reinterpret_cast<strand*>(op.who)).seams().sys->do_now(op.request);
  blocking_done(op);
}

// What would take the disk's time, where the port does not do such things: no stop point, as weft::blocking is none.
std::coroutine_handle<> park_on_the_pool(io_operation& op, std::coroutine_handle<> leaf,
                                         std::source_location where) noexcept {
  op.blocking_job::run = do_on_the_pool;
  return blocking_park(op, op, leaf, where);
}

// The descriptor of an operation, locked; it may have none.
class locked_descriptor {
 public:
  explicit locked_descriptor(descriptor* d) noexcept : d_(d) {
    if (d_ != nullptr) d_->lock().lock();
  }
  ~locked_descriptor() {
    if (d_ != nullptr) d_->lock().unlock();
  }
  locked_descriptor(const locked_descriptor&) = delete;
  locked_descriptor& operator=(const locked_descriptor&) = delete;
  bool add(io_operation& op) noexcept { return d_ == nullptr || d_->add(op); }

 private:
  descriptor* const d_;
};

// I1 to I4. False: the operation has its result already.
bool begin_io(io_operation& op, descriptor* on, io_engine& engine, std::coroutine_handle<> leaf,
              std::source_location where) noexcept {
  announce_wait(engine.lock());  // I1
  locked_descriptor locked(on);
  if (!locked.add(op)) {
    op.result = -EBADF;
    return false;
  }
  biased_guard guard(engine.lock());  // I2
  op.home = &engine;
  if (stop_pending()) {
    op.result = -ECANCELED;
    return false;
  }
  strand* s = detach(leaf);  // I3
  begin_wait(s, op, wait_reason::io, where);
  // relaxed: for the dump.
  s->since.store(this_context.proc->sched.coarse_ms(), std::memory_order_relaxed);
  engine.start(op);
  return true;
  // I4. The strand may go on elsewhere now, but does not get past descriptor::remove() while that lock is held.
}

}  // namespace

std::coroutine_handle<> park_io(io_operation& op, descriptor* on, std::coroutine_handle<> leaf,
                                std::source_location where) noexcept {
  int error = 0;
  io_engine* engine = io_engine::here(error);
  if (engine == nullptr) {
    op.result = -error;
    return leaf;
  }
  if (op.of_file && !engine->does_files()) {
    if (on != nullptr) {
      biased_guard guard(on->lock());
      if (!on->add(op)) {
        op.result = -EBADF;
        return leaf;
      }
    }
    if (stop_pending()) {
      op.result = -ECANCELED;
      return leaf;
    }
    return park_on_the_pool(op, leaf, where);
  }
  return begin_io(op, on, *engine, leaf, where) ? switch_away() : leaf;
}

biased_lock* io_arm_lock(io_operation& op, descriptor* on) noexcept {
  if (on != nullptr && !op.in_list) {
    biased_guard guard(on->lock());
    if (!on->add(op)) op.cancel_asked = true;
  }
  return op.home == nullptr ? nullptr : &op.home->lock();
}

bool io_arm_try(io_operation& op) noexcept {
  int error = 0;
  op.home = io_engine::here(error);
  if (op.home == nullptr) {
    op.result = -error;
    return true;
  }
  op.result = this_context.proc->sched.seams().sys->do_now(op.request);
  return op.result != -EAGAIN;
}

bool io_arm_enqueue(io_operation& op) noexcept {
  if (op.cancel_asked) {
    op.result = -EBADF;
    return false;
  }
  op.home->start_readiness(op);
  return true;
}

void io_arm_leave(io_operation& op) noexcept {
  op.home->leave_readiness(op);
  op.home->wake_driver();
}

}  // namespace weft::detail
