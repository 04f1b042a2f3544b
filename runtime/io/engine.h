// The I/O of one processor: operations that are under way, and the port through which they are.
//
// Protocol [io], by the strand that waits; the engine's lock is held from I2 to I4:
//   I1 announce the engine's lock (P1 of [stop]). I2 lock; asked to stop: unlock, report it. I3 detach, begin the wait,
//   hand the request to the port. I4 unlock; I5 if enough requests on files have gathered, flush the port, by
//   [io-relief], so that the disk begins while others run; take the next strand.
// What may be done by a plain call comes before that (a lone send; a read that the page cache may have, an open):
//   N1 under the descriptor's lock, add the operation to its list; closed: report it. From here on close() leaves the
//   descriptor's number alone until the operation is removed. N2 asked to stop: report it. N3 the call, with no lock
//   held. N4 it would have to wait: I1, where the operation is in the list already. Else its result is there.
//   A file's home processor has [own-call] (detail/own_calls.h) in place of N1: K1 to K3, and K4 and K5 after the call.
//   What would have to wait is added to the list, under the lock, before K4.
// By the processor's driver, at its turns and when it wakes:
//   C1 under the lock, hand the cancellations that were asked for to the port. C2 flush the port, unless no system call
//   is wanted, and take completions; under the lock, for each: take it off the list of cancellations, end the wait.
//   C3 as C1, since C2 may have taken a wake for a cancellation that C1 did not find. C4 make the strands ready, in
//   each batch those that have sent last.
// By a stopper, holding the lock (S4 of [stop]): put the operation on the list of cancellations, and wake the driver.
//   The wait goes on until the kernel says that it is done (C2): until then it may write to the operation's buffer.
// C2 begins an operation again that was interrupted, or has to wait for readiness first, unless it was asked to end:
//   its cancellation may be behind it already. One that ends as cancelled although nobody asked is begun again too: the
//   thread that had begun it has ended, which only a host's can.
// The operation, which lies on the waiting strand's stack, is touched by nobody after C2.
//
// While the driver computes and does not come, the monitor does C1 to C3 in its place, by [io-relief] (sched/relief.h),
// and holds the engine's lock all the time, since the driver may begin operations meanwhile (I3). So everything here
// and in the port is touched under the lock, or within relief::enter() and leave(), or by the driver alone, and the
// monitor has both. A deferred ring serves one thread only, so where there are processors to take what has waited,
// rings are not of that kind.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weft/detail/biased_lock.h>
#include <weft/detail/io_operation.h>

#include "base/counter.h"
#include "io/buffers.h"
#include "io/figures.h"
#include "os/io_port.h"
#include "sched/poller.h"
#include "sched/processor.h"
#include "sched/relief.h"
#include "sched/scheduler.h"

namespace weft::detail {

/// A poll that an arm of a select waits for. Not in the awaiter, since an arm that lost may leave before the kernel
/// does.
struct io_readiness {
  io_operation* op;  ///< null: the arm has left
  io_readiness* next;
  bool cancel_queued;
  int32_t fd;
};

/// Whether a read is to be tried without waiting before it goes to the ring, by what the last ones found. A try that
/// finds nothing has begun to read ahead, for itself alone; the ring tries the same, for many in one system call.
class cache_luck {
 public:
  /// False: the next one goes to the ring at once.
  bool is_worth_trying() noexcept {
    if (untried_ == 0) return true;
    --untried_;
    return false;
  }
  void found() noexcept { missed_in_a_row_ = 0; }
  void missed() noexcept {
    if (++missed_in_a_row_ < few_misses) return;
    missed_in_a_row_ = few_misses;
    untried_ = between_tries;
  }

  static constexpr uint32_t few_misses = 4;
  static constexpr uint32_t between_tries = 15;

 private:
  uint32_t missed_in_a_row_ = 0;
  uint32_t untried_ = 0;  // how many go to the ring at once
};

class io_engine final : public poller {
 public:
  /// The running processor's; null if none can be made, with `error` then io_unavailable. The next call tries again.
  static io_engine* here(int& error) noexcept {
    // relaxed: the driver made it.
    if (poller* made = this_context.proc->io.load(std::memory_order_relaxed)) [[likely]]
      return static_cast<io_engine*>(made);
    return make_here(error);
  }

  io_engine(processor& p, std::unique_ptr<os::io_port> port, std::string description) noexcept
      : proc_(p),
        hosted_(p.sched.how() == drive::host),
        does_files_(port->does_files()),
        port_(std::move(port)),
        description_(std::move(description)) {}
  ~io_engine() override;

  strand* poll(bool enter, uint32_t& count) noexcept override;
  strand* relieve(uint32_t& count) noexcept override;
  void sleep(int64_t timeout_ns) noexcept override {
    is_worth_asking_ = false;
    files_gathered_ = 0;
    relief_.enter();
    sleeps_.add();
    port_->wait(timeout_ns);
    relief_.leave();
  }
  void wake() noexcept override {
    // relaxed: a figure.
    wakes_.fetch_add(1, std::memory_order_relaxed);
    port_->wake();
  }
  void close() noexcept override;
  const char* description() const noexcept override { return description_.c_str(); }
  /// Any thread.
  void add_figures(io_figures& to) const noexcept;

  int poll_fd() const noexcept { return port_->poll_fd(); }
  bool does_files() const noexcept { return does_files_; }

  biased_lock& lock() noexcept { return lock_; }

  /// Buffers that nobody has. By the driver.
  buffer_stock& stock() noexcept { return stock_; }

  /// Whether this operation is a send of the one strand that the last completions have woken, with an empty run queue.
  /// Then a plain call costs the kernel no more than the ring, and the strand need not park for it; but only once, so
  /// that a strand that goes on sending looks for completions in between. By the driver.
  bool is_lone_send(io_op op) noexcept;

  /// Does it by a plain call that does not wait.
  int32_t do_now(io_operation& op) noexcept { return do_plainly(op, *proc_.sched.seams().sys, stock_); }
  static int32_t do_plainly(io_operation& op, os::system& sys, buffer_stock& stock) noexcept;

  /// I3. Lock held, by the driver.
  void start(io_operation& op) noexcept;

  /// I5, after one on a file. By the driver, no lock held.
  void begin_gathered_files() noexcept {
    if (++files_gathered_ >= most_files_gathered) flush_files();
  }

  /// What reads have found in the caches of late. By the driver.
  cache_luck& luck() noexcept { return luck_; }

  /// Whether the kernel has it. For a check: the answer may be old.
  static bool is_under_way(const io_operation& op) noexcept;

  /// Of an operation, or an arm, that is under way. Lock held, by any thread; the caller wakes the driver afterwards.
  void ask_to_cancel(io_operation& op) noexcept;

  /// The same for an arm. Lock held.
  void start_readiness(io_operation& op) noexcept;
  /// True: the driver is to be woken.
  bool leave_readiness(io_operation& op) noexcept;
  void cancel_readiness(io_readiness& r) noexcept;

  /// Wakes the driver unless the caller is it.
  void wake_driver() noexcept;

 private:
  // What a tag points to is in its low bits.
  static constexpr uint64_t tag_operation = 0;
  static constexpr uint64_t tag_readiness = 1;
  static constexpr uint64_t tag_retry = 2;  // a poll for an operation that the kernel will not wait for
  static constexpr uint64_t tag_kinds = 3;

  WEFT_RARE static io_engine* make_here(int& error) noexcept;
  void begin(io_operation& op) noexcept;
  void flush_files() noexcept;
  bool provide_buffers() noexcept;
  void swap_buffer(io_buffer_operation& op, uint16_t index) noexcept;
  int32_t give_buffer_to(io_buffer_operation& op, const os::io_completion& done) noexcept;
  void hand_over_cancellations() noexcept;
  void hand_over_cancellations_locked() noexcept;
  std::size_t take_some(strand**& link, uint32_t& woken) noexcept;
  void complete_all(std::span<const os::io_completion> done, strand**& link, uint32_t& woken) noexcept;
  buffer_stock& stock_now() noexcept { return relieving_ ? relief_stock_ : stock_; }
  static bool is_of_send(const os::io_completion& done) noexcept;
  strand* complete(const os::io_completion& done) noexcept;
  strand* complete(io_readiness& ready, int32_t result) noexcept;
  void begin_again(io_operation& op) noexcept;
  void poll_for(io_operation& op, uint64_t tag) noexcept;
  void ended(io_operation& op, int32_t result) noexcept;
  void ended(io_readiness& ready, int32_t result) noexcept;
  void end_for_good(const os::io_completion& done) noexcept;
  void count(int change) noexcept {
    // relaxed: written under the lock.
    under_way_.store(under_way_.load(std::memory_order_relaxed) + static_cast<uint32_t>(change),
                     std::memory_order_relaxed);
  }

  processor& proc_;
  bool woke_one_ = false;  // by the last poll(), and it has not sent since
  const bool hosted_;      // the host sleeps, and looks at the port's descriptor
  const bool does_files_;
  bool begun_again_ = false;  // or asked to end, since the last flush; by who is in by [io-relief]
  static constexpr uint32_t most_files_gathered = 8;
  uint32_t files_gathered_ = 0;  // begun since the last flush; driver only
  cache_luck luck_;              // driver only
  const std::unique_ptr<os::io_port> port_;
  const std::string description_;
  relief<> relief_;
  buffer_stock stock_, relief_stock_;  // the driver's, and the monitor's while it is in its place
  std::vector<std::byte*> provided_;   // what the port may read into, by its number there
  bool port_takes_buffers_ = true;     // or takes more of them, as far as we know
  biased_lock lock_;
  // Guarded by lock_.
  bool relieving_ = false;  // by the monitor
  io_operation* cancels_ = nullptr;
  io_readiness* left_ = nullptr;    // polls to be cancelled
  io_readiness* unused_ = nullptr;  // for the next ones
  struct kind_counters {
    base::counter begun, completed, cancelled;
  };
  kind_counters& counters_of(io_op op) noexcept { return kinds_[static_cast<std::size_t>(op)]; }

  std::array<kind_counters, io_ops> kinds_;
  base::counter reaps_, completions_, begun_agains_, sleeps_;
  std::atomic<uint64_t> wakes_{0};
  std::atomic<bool> cancels_asked_{false};
};

/// io_request::offset of a read or write that goes where the file stands.
inline constexpr uint64_t where_it_stands = ~uint64_t{0};

/// An operation on a file or a path that may need no waiting: true if it has its result. It and what it copies is taken
/// from the running strand's budget; who has spent it yields afterwards, so that a reader of cached files does not hold
/// its processor. Adds the operation to the descriptor's list.
bool try_file_now(io_operation& op, descriptor* on) noexcept;

/// Whether the running strand's next read is to be tried by that, or to go to the ring at once; see cache_luck.
bool is_read_worth_trying() noexcept;

}  // namespace weft::detail
