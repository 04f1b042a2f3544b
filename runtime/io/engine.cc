// Operations under way; see [io] in engine.h.
#include "io/engine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include <weft/descriptor.h>
#include <weft/detail/file_awaiter.h>

#include "io/io_error.h"
#include "os/signals.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

constexpr uint32_t ring_entries = 256;
constexpr std::size_t batch = 64;
constexpr std::size_t most_at_a_time = 256;
constexpr std::size_t fewest_buffers = 32;

uint32_t readiness_of(const io_request& r) noexcept {
  switch (r.op) {
    case io_op::poll: return r.flags;
    case io_op::write:
    case io_op::writev:
    case io_op::send:
    case io_op::sendmsg:
    case io_op::connect: return io_writable;
    default: return io_readable;
  }
}

// Whether the kernel may answer that it would block, instead of waiting.
bool may_be_waited_for(const io_request& r) noexcept {
  if (r.op == io_op::connect) return r.flags != io_connect_at_once;
  return r.op != io_op::poll && r.op != io_op::fsync && r.op != io_op::open && r.op != io_op::statx &&
         r.op != io_op::shutdown;
}

// Whether the kernel has mostly done it as soon as it is asked to.
bool is_done_at_once(io_op op) noexcept { return op == io_op::send || op == io_op::sendmsg; }

// Whether what it came to says nothing, so that it is begun again.
bool is_to_begin_again(io_op op, int32_t result) noexcept {
  return result == -EINTR || result == -ECANCELED || (result == -ECONNABORTED && op == io_op::accept);
}

// One that is begun again finds what the first time has come to.
int32_t result_of_connect(int32_t result) noexcept {
  if (result == -EISCONN) return 0;
  return result == -EINPROGRESS || result == -EALREADY ? -EAGAIN : result;
}

io_request poll_of(const io_operation& op) noexcept {
  return {.op = io_op::poll, .fd = op.request.fd, .flags = readiness_of(op.request)};
}

// Arms of several selects may wait for the same descriptor; they take what is there one by one.
spin_lock& turn_for(int fd) noexcept {
  static std::array<spin_lock, 64> turns;
  return turns[static_cast<std::size_t>(fd) % turns.size()];
}

// For a read that has got its buffer.
io_request receive_into(const io_buffer_operation& op) noexcept {
  return {.op = io_op::receive,
          .fd = op.request.fd,
          .length = static_cast<uint32_t>(io_buffer::capacity),
          .flags = op.request.flags,
          .address = reinterpret_cast<uint64_t>(op.buffer)};
}

// A handler notes a signal first and then makes the descriptor readable, so it may be so although the signal was taken,
// and a signal may be noted although it is not, when it came beside another one.
bool has_signal(const io_operation& op, os::system& sys) noexcept {
  if (os::has_signal(op.signal_slot)) return true;
  sys.drain_event_fd(op.request.fd);
  return os::has_signal(op.signal_slot);  // what comes now makes it readable again
}

int32_t take_signal(const io_operation& op, os::system& sys) noexcept {
  return has_signal(op, sys) ? os::take_signal(op.signal_slot) : -EAGAIN;
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

// The first back end that the options and the kernel allow, and why no better one. Error: why none.
absl::StatusOr<std::unique_ptr<os::io_port>> open_port(scheduler& sched, std::string& description) noexcept {
  std::string refused;
  const auto add = [&](const char* what, const absl::Status& why) {
    refused += std::string(refused.empty() ? "" : "; ") + what + ": " + std::string(why.message());
  };
  if (sched.opts().io != io_backend::epoll) {
    // A deferred ring serves one thread. A host may drive its runtime from one after another, and of several workers
    // one that computes may have to be relieved.
    const int first = sched.how() == drive::threads && sched.processors().size() == 1 ? 0 : 1;
    for (int i = first; i < os::uring_modes; ++i) {
      const auto mode = static_cast<os::uring_mode>(i);
      absl::StatusOr<std::unique_ptr<os::io_port>> port = sched.seams().sys->open_uring(mode, ring_entries);
      if (port.ok()) {
        description = std::string("io_uring, ") + os::uring_mode_name(mode);
        if (!refused.empty()) description += " (" + refused + ")";
        return port;
      }
      add(os::uring_mode_name(mode), port.status());
    }
  }
  absl::StatusOr<std::unique_ptr<os::io_port>> port = sched.seams().sys->open_epoll();
  if (port.ok()) {
    description = "epoll (" + (refused.empty() ? "asked for" : refused) + ")";
    return port;
  }
  add("epoll", port.status());
  return absl::ResourceExhaustedError(refused);
}

}  // namespace

io_engine* io_engine::make_here(int& error) noexcept {
  processor& p = *this_context.proc;
  static const bool registered = (set_leave_wait(wait_reason::io, leave_io), true);
  static_cast<void>(registered);
  std::string description;
  absl::StatusOr<std::unique_ptr<os::io_port>> port = open_port(p.sched, description);
  if (!port.ok()) {
    p.io_refusal.set(std::string(port.status().message()));
    error = io_unavailable;
    return nullptr;
  }
  auto engine = std::make_unique<io_engine>(p, *std::move(port), std::move(description));
  if (!p.sched.watch_for_host(engine->poll_fd())) {
    p.io_refusal.set(std::string(engine->description()) + ", but the host's descriptor cannot watch it");
    error = io_unavailable;
    return nullptr;
  }
  // release: pairs with the acquire loads of those who wake it or look whether it is busy.
  p.io.store(engine.get(), std::memory_order_release);
  return engine.release();
}

io_engine::~io_engine() {
  for (std::byte* buffer : provided_) ::operator delete(buffer);
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
  counters_of(op.request.op).begun.add();
  if (is_done_at_once(op.request.op)) is_worth_asking_ = true;
  if (op.waits_first) [[unlikely]]
    return poll_for(op, reinterpret_cast<uint64_t>(&op) | tag_retry);
  begin(op);
}

// Begins it, or begins it again.
void io_engine::begin(io_operation& op) noexcept {
  const auto tag = reinterpret_cast<uint64_t>(&op);
  if (op.request.op != io_op::recvpool) [[likely]]
    return port_->start(op.request, tag);
  auto& reading = static_cast<io_buffer_operation&>(op);
  if (reading.buffer != nullptr) return port_->start(receive_into(reading), tag);
  if (!provided_.empty() || provide_buffers()) return port_->start(op.request, tag);
  poll_for(op, tag | tag_retry);
}

void io_engine::begin_again(io_operation& op) noexcept {
  begun_again_ = true;
  begun_agains_.add();
  begin(op);
}

void io_engine::poll_for(io_operation& op, uint64_t tag) noexcept { port_->start(poll_of(op), tag); }

// Gives the port a few buffers to read into, and more each time that they were not enough. False: it has none.
bool io_engine::provide_buffers() noexcept {
  const std::size_t wanted = std::clamp<std::size_t>(2 * provided_.size(), fewest_buffers, os::io_port::most_buffers);
  while (port_takes_buffers_ && provided_.size() < wanted) {
    std::byte* buffer = stock_now().take();
    const auto index = static_cast<uint16_t>(provided_.size());
    if (buffer == nullptr || !port_->provide(index, {buffer, io_buffer::capacity})) {
      if (buffer != nullptr) stock_now().give(buffer);
      port_takes_buffers_ = false;
    } else {
      provided_.push_back(buffer);
    }
  }
  return !provided_.empty();
}

// The operation gets the buffer that the port took for it, and the port another one.
void io_engine::swap_buffer(io_buffer_operation& op, uint16_t index) noexcept {
  op.buffer = std::exchange(provided_[index], stock_now().take());
  // Without memory the port has one buffer less from now on.
  if (provided_[index] != nullptr) port_->provide(index, {provided_[index], io_buffer::capacity});
}

int32_t io_engine::do_plainly(io_operation& op, os::system& sys, buffer_stock& stock) noexcept {
  if (op.request.op != io_op::recvpool) return op.signal_slot < 0 ? sys.do_now(op.request) : take_signal(op, sys);
  auto& reading = static_cast<io_buffer_operation&>(op);
  reading.buffer = stock.take();
  if (reading.buffer == nullptr) return -ENOMEM;
  const int32_t result = sys.do_now(receive_into(reading));
  if (result < 0) stock.give(std::exchange(reading.buffer, nullptr));
  return result;
}

bool io_engine::is_lone_send(io_op op) noexcept {
  if (!woke_one_ || !is_done_at_once(op)) return false;
  woke_one_ = false;
  return proc_.ring.size() == 0;
}

bool io_engine::is_under_way(const io_operation& op) noexcept {
  if (op.home == nullptr) return false;
  biased_guard guard(op.home->lock());
  return op.under_way || op.ready != nullptr;
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
  *r = {&op, nullptr, false, op.request.fd};
  op.ready = r;
  count(1);
  counters_of(io_op::poll).begun.add();
  poll_for(op, reinterpret_cast<uint64_t>(r) | tag_readiness);
}

bool io_engine::leave_readiness(io_operation& op) noexcept {
  if (op.ready == nullptr) return false;
  op.ready->op = nullptr;
  cancel_readiness(*std::exchange(op.ready, nullptr));
  return true;
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
  if (this_context.proc != &proc_) wake();
}

void io_engine::hand_over_cancellations() noexcept {
  // acquire: pairs with the release stores above.
  if (!cancels_asked_.load(std::memory_order_acquire)) return;
  biased_guard guard(lock_);
  hand_over_cancellations_locked();
}

void io_engine::hand_over_cancellations_locked() noexcept {
  // relaxed: under the lock.
  cancels_asked_.store(false, std::memory_order_relaxed);
  for (; cancels_ != nullptr; cancels_ = cancels_->next_cancel) {
    cancels_->cancel_queued = false;
    port_->cancel(reinterpret_cast<uint64_t>(cancels_), cancels_->request.fd);
    port_->cancel(reinterpret_cast<uint64_t>(cancels_) | tag_retry, cancels_->request.fd);
  }
  for (; left_ != nullptr; left_ = left_->next) {
    left_->cancel_queued = false;
    port_->cancel(reinterpret_cast<uint64_t>(left_) | tag_readiness, left_->fd);
  }
  begun_again_ = true;
}

void io_engine::flush_files() noexcept {
  files_gathered_ = 0;
  relief_.enter();
  port_->flush();
  relief_.leave();
}

strand* io_engine::poll(bool enter, uint32_t& woken) noexcept {
  woken = 0;
  // Wakes that nobody waited for are taken too where a host would find the port's descriptor readable for ever.
  if (!is_busy() && !hosted_) return nullptr;
  if (enter) {
    is_worth_asking_ = false;
    files_gathered_ = 0;
  }
  relief_.enter();
  hand_over_cancellations();  // C1
  strand* first = nullptr;
  strand** link = &first;
  std::size_t taken = 0;
  do {
    begun_again_ = false;
    if (enter) port_->flush();  // C2
    for (std::size_t n = batch; n == batch && taken < most_at_a_time; taken += n) n = take_some(link, woken);
    hand_over_cancellations();  // C3
    // A worker comes here again before it sleeps, or flushes as it goes to sleep; a host does neither.
  } while (begun_again_ && hosted_ && taken < most_at_a_time);
  const bool again = begun_again_ || (hosted_ && !port_->has_begun_all());
  relief_.leave();
  woke_one_ = woken == 1;
  if (again) proc_.sched.rearm_wake_fd();
  return first;
}

// C2, but for the flush.
WEFT_INLINE std::size_t io_engine::take_some(strand**& link, uint32_t& woken) noexcept {
  std::array<os::io_completion, batch> done;
  const std::size_t n = port_->take(done);
  if (n == 0) return 0;
  reaps_.add();
  completions_.add(n);
  biased_guard guard(lock_);
  complete_all({done.data(), n}, link, woken);
  return n;
}

// Lock held. Who has sent goes on last: mostly it receives next, while the others answer. So the answers go to the
// kernel together, and before the receives; docs/echo.md has what that saves a busy peer.
void io_engine::complete_all(std::span<const os::io_completion> done, strand**& link, uint32_t& woken) noexcept {
  strand* senders = nullptr;
  strand** senders_link = &senders;
  for (const os::io_completion& one : done) {
    const bool sent = is_of_send(one);
    strand* s = complete(one);
    if (s == nullptr) continue;
    s->next = nullptr;
    strand**& to = sent ? senders_link : link;
    *to = s;
    to = &s->next;
    ++woken;
  }
  if (senders == nullptr) return;
  *link = senders;
  link = senders_link;
}

strand* io_engine::relieve(uint32_t& woken) noexcept {
  woken = 0;
  if (!is_busy() || !relief_.try_relieve()) return nullptr;
  strand* first = nullptr;
  strand** link = &first;
  {
    biased_guard guard(lock_);
    relieving_ = true;
    const uint64_t wakes = port_->wakes_taken();
    hand_over_cancellations_locked();  // C1
    port_->flush();                    // C2
    std::array<os::io_completion, batch> done;
    std::size_t taken = 0;
    for (std::size_t n = batch; n == batch && taken < most_at_a_time; taken += n) {
      n = port_->take(done);
      complete_all({done.data(), n}, link, woken);
    }
    if (taken != 0) {
      reaps_.add();
      completions_.add(taken);
    }
    hand_over_cancellations_locked();  // C3
    port_->flush();
    relieving_ = false;
    // It may have been for a sleep of the driver: see [io-sleep].
    if (port_->wakes_taken() != wakes) port_->wake();
  }
  relief_.end_relief();
  return first;
}

bool io_engine::is_of_send(const os::io_completion& done) noexcept {
  const uint64_t kind = done.tag & tag_kinds;
  return kind != tag_readiness && is_done_at_once(reinterpret_cast<const io_operation*>(done.tag - kind)->request.op);
}

// C2.
strand* io_engine::complete(const os::io_completion& done) noexcept {
  const uint64_t kind = done.tag & tag_kinds;
  if (kind == tag_readiness) return complete(*reinterpret_cast<io_readiness*>(done.tag - tag_readiness), done.result);
  auto& op = *reinterpret_cast<io_operation*>(done.tag - kind);
  int32_t result = done.result;
  if (op.request.op == io_op::recvpool) result = give_buffer_to(static_cast<io_buffer_operation&>(op), done);
  if (kind == tag_retry && result >= 0) result = -EINTR;
  if (op.request.op == io_op::connect) result = result_of_connect(result);
  if (op.signal_slot >= 0 && result >= 0) [[unlikely]] {
    result = take_signal(op, *proc_.sched.seams().sys);
    if (result == -EAGAIN) result = -EINTR;  // begin it again
  }
  if (!op.cancel_asked && is_to_begin_again(op.request.op, result)) {
    begin_again(op);
    return nullptr;
  }
  if (!op.cancel_asked && result == -EAGAIN && kind == tag_operation && may_be_waited_for(op.request)) {
    begun_again_ = true;
    begun_agains_.add();
    poll_for(op, reinterpret_cast<uint64_t>(&op) | tag_retry);
    return nullptr;
  }
  ended(op, result);
  op.result = op.cancel_asked && (result == -EINTR || result == -EAGAIN) ? -ECANCELED : result;
  return strand_of(end_wait(op, wait_result::done));
}

// What a completion comes to for a read without a buffer; -EINTR: begin it again, with the buffer that it has now.
int32_t io_engine::give_buffer_to(io_buffer_operation& op, const os::io_completion& done) noexcept {
  if (done.buffer >= 0) {
    swap_buffer(op, static_cast<uint16_t>(done.buffer));
    return done.result;
  }
  // Something is there, or was a moment ago, but the port had no buffer for it.
  const bool ready = (done.tag & tag_kinds) == tag_retry && done.result >= 0;
  if ((!ready && done.result != -ENOBUFS) || op.buffer != nullptr) return done.result;
  if (done.result == -ENOBUFS) provide_buffers();
  op.buffer = stock_now().take();
  return op.buffer != nullptr ? -EINTR : -ENOMEM;
}

strand* io_engine::complete(io_readiness& ready, int32_t result) noexcept {
  io_operation* op = ready.op;
  if (op == nullptr) {
    ended(ready, result);
    return nullptr;
  }
  spin_guard turn(turn_for(op->request.fd));
  // Another arm may have taken what there was, and a select must not be won by nothing.
  os::system& sys = *proc_.sched.seams().sys;
  if (result >= 0 && op->signal_slot < 0) result = sys.do_now(poll_of(*op));
  if (result >= 0 && op->signal_slot >= 0 && !has_signal(*op, sys)) result = -EAGAIN;
  if (!op->cancel_asked && (result == -EAGAIN || is_to_begin_again(io_op::poll, result))) {
    begun_again_ = true;
    begun_agains_.add();
    poll_for(*op, reinterpret_cast<uint64_t>(&ready) | tag_readiness);
    return nullptr;
  }
  ended(ready, result);
  if (!claim(*op)) return nullptr;
  op->result = result < 0 ? result : do_plainly(*op, sys, stock_now());
  return strand_of(end_wait(*op, wait_result::done));
}

// The kernel is done with it. Lock held.
void io_engine::ended(io_operation& op, int32_t result) noexcept {
  count(-1);
  kind_counters& counters = counters_of(op.request.op);
  (result == -ECANCELED ? counters.cancelled : counters.completed).add();
  op.under_way = false;
  if (!op.cancel_queued) return;
  io_operation** at = &cancels_;
  while (*at != &op) at = &(*at)->next_cancel;
  *at = op.next_cancel;
  op.cancel_queued = false;
}

void io_engine::ended(io_readiness& ready, int32_t result) noexcept {
  count(-1);
  (result == -ECANCELED ? counters_of(io_op::poll).cancelled : counters_of(io_op::poll).completed).add();
  if (ready.cancel_queued) {
    io_readiness** at = &left_;
    while (*at != &ready) at = &(*at)->next;
    *at = ready.next;
  }
  if (ready.op != nullptr) ready.op->ready = nullptr;
  ready.next = unused_;
  unused_ = &ready;
}

void io_engine::add_figures(io_figures& to) const noexcept {
  for (std::size_t i = 0; i < io_ops; ++i) {
    // The ends first, so that no more have ended than begun.
    to.kinds[i].completed += kinds_[i].completed.value();
    to.kinds[i].cancelled += kinds_[i].cancelled.value();
    to.kinds[i].begun += kinds_[i].begun.value();
  }
  // relaxed: figures, both.
  to.under_way += under_way_.load(std::memory_order_relaxed);
  to.wakes += wakes_.load(std::memory_order_relaxed);
  to.reaps += reaps_.value();
  to.completions += completions_.value();
  to.begun_again += begun_agains_.value();
  to.sleeps += sleeps_.value();
  to.overflows += port_->overflows();
  to.enters += port_->enters();
  (does_files() ? to.rings : to.epolls) += 1;
}

void io_engine::close() noexcept {
  // The strands stay where they are: they are destroyed next, and what their operations gave with them.
  std::array<os::io_completion, batch> done;
  bool cancelled = false;
  relief_.enter();
  while (is_busy()) {
    hand_over_cancellations();
    if (!cancelled) {
      port_->cancel_all();
      cancelled = true;
    }
    port_->flush();
    const std::size_t n = port_->take(done);
    {
      biased_guard guard(lock_);
      for (std::size_t i = 0; i < n; ++i) end_for_good(done[i]);
    }
    if (n == 0 && is_busy()) port_->wait(100'000'000);
  }
  relief_.leave();
}

// At the end: nobody will go on. Lock held.
void io_engine::end_for_good(const os::io_completion& done) noexcept {
  const uint64_t kind = done.tag & tag_kinds;
  if (kind == tag_readiness) return ended(*reinterpret_cast<io_readiness*>(done.tag - tag_readiness), done.result);
  auto& op = *reinterpret_cast<io_operation*>(done.tag - kind);
  if (kind == tag_operation && done.result >= 0 && gives_descriptor(op.request.op))
    proc_.sched.seams().sys->close_fd(done.result);
  ended(op, done.result);
}

namespace {

void do_on_the_pool(blocking_job* job) noexcept {
  auto& op = *static_cast<io_operation*>(job);
  op.result = scheduler_of(strand_of(op.who)).seams().sys->do_now(op.request);
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
  // Closing passes over an operation that has no home yet.
  bool add(io_operation& op) noexcept { return d_ == nullptr || (op.in_list ? d_->is_open() : d_->add(op)); }

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

namespace {

// The running processor's, if it has one that does files.
io_engine* engine_for_files() noexcept {
  // relaxed: the driver made it.
  auto* made = static_cast<io_engine*>(this_context.proc->io.load(std::memory_order_relaxed));
  return made != nullptr && made->does_files() ? made : nullptr;
}

// False: what was not in the caches is left to be asked for.
WEFT_INLINE bool try_caches(io_operation& op) noexcept {
  constexpr uint32_t bytes_per_unit = 64 * 1024;
  processor& p = *this_context.proc;
  const bool reads = op.request.op == io_op::read;
  this_context.budget -= 1 + (reads ? static_cast<int>(op.request.length / bytes_per_unit) : 0);
  uint32_t partly = 0;
  op.result = p.sched.seams().sys->do_from_cache(op.request, partly);
  const bool done = op.result != -EAGAIN;
  if (io_engine* const engine = reads ? engine_for_files() : nullptr)
    done || partly != 0 ? engine->luck().found() : engine->luck().missed();
  if (done) {
    p.counters.from_caches.add();
    return true;
  }
  op.read_before += partly;
  op.request.address += partly;
  op.request.offset += partly;
  op.request.length -= partly;
  return false;
}

// Whether it is a read or a write of what is no file of the disk, but was opened as one: a FIFO, a terminal, a socket.
// These have no position, and readiness instead. It is in the descriptor's list.
bool is_of_a_stream(const io_request& r, descriptor* on) noexcept {
  const bool moves_bytes = r.op == io_op::read || r.op == io_op::write || r.op == io_op::readv || r.op == io_op::writev;
  if (!moves_bytes) return false;
  if (on->known_nature() == descriptor::nature::unknown)
    on->note_nature(kernel().move_position(r.fd, 0) == -ESPIPE ? descriptor::nature::stream : descriptor::nature::file);
  return on->known_nature() == descriptor::nature::stream;
}

// N1, N2. False: the operation has its result already.
bool enter_call(io_operation& op, descriptor* on) noexcept {
  if (on != nullptr) {
    biased_guard guard(on->lock());
    if (!on->add(op)) {
      op.result = -EBADF;
      return false;
    }
  }
  if (!stop_pending()) return true;
  op.result = -ECANCELED;
  return false;
}

bool try_send_now(io_operation& op, descriptor* on, io_engine& engine) noexcept {
  if (!enter_call(op, on)) return true;
  op.result = engine.do_now(op);
  return op.result != -EAGAIN;
}

}  // namespace

bool is_read_worth_trying() noexcept {
  io_engine* const engine = engine_for_files();
  return engine == nullptr || engine->luck().is_worth_trying();
}

namespace {

// N1 to N4, in most cases by [own-call].
WEFT_INLINE bool try_file(io_operation& op, descriptor* on) noexcept {
  if (on == nullptr || !on->begin_own_call()) return !enter_call(op, on) || try_caches(op);
  bool done = true;
  if (!stop_pending()) [[likely]] {
    done = try_caches(op);
  } else {
    op.result = -ECANCELED;
  }
  if (!done) [[unlikely]] {
    biased_guard guard(on->lock());  // N1, before the number may be given back
    if (!on->add(op)) {
      op.result = -EBADF;
      done = true;
    }
  }
  on->end_own_call();
  return done;
}

}  // namespace

bool try_file_now(io_operation& op, descriptor* on) noexcept { return try_file(op, on); }

bool try_in_caches(io_operation& op, descriptor* on) noexcept {
  if (op.request.op == io_op::read ? !is_read_worth_trying() : op.request.op != io_op::open) return false;
  op.tried = true;
  return try_file(op, on) && this_context.budget > 0;
}

namespace {

std::coroutine_handle<> park_file(io_operation& op, descriptor* on, std::coroutine_handle<> leaf,
                                  std::source_location where) noexcept {
  if (op.tried && op.result != -EAGAIN) return yield_strand(leaf, where);
  if (!op.tried && !enter_call(op, on)) return leaf;  // the pool has to find the same number, too
  int error = 0;
  io_engine* engine = io_engine::here(error);
  const bool is_stream = is_of_a_stream(op.request, on);
  if (is_stream && op.request.offset != where_it_stands) {
    op.result = -ESPIPE;  // a ring would not mind
    return leaf;
  }
  const bool has_ring = engine != nullptr && engine->does_files();
  if (!is_stream && !has_ring) return park_on_the_pool(op, leaf, where);
  if (engine == nullptr) {
    op.result = -error;
    return leaf;
  }
  // Before its first writer comes a FIFO is read as if it were at its end, but is not ready.
  op.waits_first = is_stream && op.request.op == io_op::read;
  if (!begin_io(op, on, *engine, leaf, where)) return leaf;
  if (!is_stream) engine->begin_gathered_files();  // I5
  return switch_away();
}

}  // namespace

std::coroutine_handle<> park_io(io_operation& op, descriptor* on, std::coroutine_handle<> leaf,
                                std::source_location where) noexcept {
  if (op.of_file) return park_file(op, on, leaf, where);
  int error = 0;
  io_engine* engine = io_engine::here(error);
  if (engine == nullptr) {
    op.result = -error;
    return leaf;
  }
  if (engine->is_lone_send(op.request.op) && try_send_now(op, on, *engine)) return leaf;
  return begin_io(op, on, *engine, leaf, where) ? switch_away() : leaf;
}

void drop_io(io_operation& op, descriptor* on) noexcept {
  if (on != nullptr) on->remove(op);
  if (op.result >= 0 && gives_descriptor(op.request.op)) kernel().close_fd(op.result);
}

namespace {

// From here on a close waits for the arm, so that its descriptor's number stays the same, and finds the engine that it
// waits in. False: closed already.
bool arm_is_on(io_operation& op, descriptor& on, io_engine* home) noexcept {
  biased_guard guard(on.lock());
  if (op.in_list ? !on.is_open() : !on.add(op)) return false;
  op.home = home;
  return true;
}

}  // namespace

biased_lock* io_arm_lock(io_operation& op) noexcept { return op.home == nullptr ? nullptr : &op.home->lock(); }

namespace {

// False: the operation has its result already.
bool enter_arm(io_operation& op, descriptor& on) noexcept {
  const bool in_task = this_context.proc != nullptr;  // else a try_select of a plain thread, which waits for nothing
  int error = 0;
  io_engine* const home = in_task ? io_engine::here(error) : nullptr;
  if (in_task && home == nullptr) {
    op.result = -error;
    return false;
  }
  if (arm_is_on(op, on, home)) return true;
  op.result = -EBADF;
  return false;
}

}  // namespace

bool io_arm_try(io_operation& op, descriptor& on) noexcept {
  if (!enter_arm(op, on)) return true;
  spin_guard turn(turn_for(op.request.fd));
  if (op.home != nullptr) {
    op.result = op.home->do_now(op);
  } else {
    buffer_stock none;
    op.result = io_engine::do_plainly(op, kernel(), none);
  }
  return op.result != -EAGAIN;
}

bool file_arm_try(io_operation& op, descriptor& on) noexcept {
  if (this_context.proc == nullptr || (op.request.op != io_op::read && op.request.op != io_op::fsync))
    return io_arm_try(op, on);
  return !enter_arm(op, on) || try_caches(op);
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
  if (op.home->leave_readiness(op)) op.home->wake_driver();
}

}  // namespace weft::detail
