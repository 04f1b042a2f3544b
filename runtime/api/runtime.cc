// The runtime object: making one, driving a hosted one, shutting down; and what weft::run needs.
#include "api/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <optional>
#include <string>

#include "io/figures.h"
#include "os/cpu.h"
#include "os/memory.h"
#include "sched/dump.h"
#include "sched/scheduler.h"

namespace weft {

using detail::drive;
using detail::scheduler;

struct runtime::impl {
  std::unique_ptr<scheduler> sched;
  std::mutex shutdown_mutex;
  std::optional<shutdown_report> report;  // guarded by shutdown_mutex
  bool stopped = false;                   // the workers have ended; guarded by shutdown_mutex
  std::atomic<int> polling{0};            // threads inside poll(); misuse if more than one
};

namespace {

constexpr std::chrono::seconds final_deadline{5};

}  // namespace

runtime::runtime(std::unique_ptr<impl> i) noexcept : impl_(std::move(i)) {}

absl::StatusOr<std::unique_ptr<runtime>> runtime::create(const options& opts) {
  return runtime_access::create(opts, os::seams::real(), opts.processors == 0 ? drive::host : drive::threads);
}

int64_t runtime_access::memory_limit_of(const options& opts, const std::string& root) {
  if (opts.memory_limit_percent_of_cgroup == 0) return opts.memory_limit_bytes;
  const std::optional<int64_t> container = os::cgroup_memory_bytes(root);
  if (!container.has_value()) return opts.memory_limit_bytes;
  const int64_t percent = opts.memory_limit_percent_of_cgroup;
  return std::min(opts.memory_limit_bytes, *container / 100 * percent + *container % 100 * percent / 100);
}

absl::StatusOr<std::unique_ptr<runtime>> runtime_access::create(const options& wanted, os::seams seams, drive how) {
  if (absl::Status s = wanted.validate(); !s.ok()) return s;
  options opts = wanted;
  opts.memory_limit_bytes = memory_limit_of(wanted, "");
  const int n = opts.processors == options::automatic ? os::available_processors() : std::max(opts.processors, 1);
  auto i = std::make_unique<runtime::impl>();
  i->sched = std::make_unique<scheduler>(opts, seams, static_cast<uint32_t>(n), how);
  if (absl::Status s = i->sched->start(); !s.ok()) return s;
  return std::unique_ptr<runtime>(new runtime(std::move(i)));
}

runtime::~runtime() {
  shutdown(final_deadline);
  if (!impl_->stopped) {
    // A task, or a call on the blocking pool, goes on: its thread cannot be stopped from outside, only waited for.
    scheduler& s = *impl_->sched;
    s.seams().sys->write_stderr("weft: waiting for a task or a blocking call that still runs after shutdown:\n" +
                                dump());
    s.stop_workers(INT64_MAX);
    s.write_trace();
    s.destroy_tasks();
  }
  if (impl_->sched->has_held_handles()) {
    // Handles outlive the runtime: their tasks' outcomes live in its memory, which therefore is kept.
    detail::keep_for_ever(std::move(impl_->sched));
  }
}

std::size_t runtime::poll() {
  WEFT_CHECK(impl_->sched->how() == drive::host, "runtime::poll on a runtime that has threads of its own");
  WEFT_CHECK(detail::this_context.current == nullptr, "runtime::poll inside a task");
  // acq_rel: one thread after the other may poll.
  WEFT_CHECK(impl_->polling.exchange(1, std::memory_order_acq_rel) == 0, "runtime::poll from two threads at once");
  const std::size_t n = impl_->sched->drive_some(0, 4096);
  // release: pairs with the exchange above.
  impl_->polling.store(0, std::memory_order_release);
  return n;
}

int runtime::wake_fd() const noexcept { return impl_->sched->wake_fd(); }

shutdown_report runtime::shutdown(std::chrono::nanoseconds deadline) {
  WEFT_CHECK(detail::this_context.current == nullptr, "runtime::shutdown inside a task");
  std::lock_guard guard(impl_->shutdown_mutex);
  if (impl_->report) return *impl_->report;
  scheduler& s = *impl_->sched;
  const int64_t now = s.now_ns();
  const int64_t until = deadline.count() > INT64_MAX - now ? INT64_MAX : now + deadline.count();
  s.close_admission();
  shutdown_report report;
  // A task that is just being started when the stop goes round would miss it, so it goes round until all have ended.
  bool drained = false;
  do {
    s.stop_all();
    drained = s.drain(std::min<int64_t>(until, s.now_ns() + 20'000'000));
  } while (!drained && s.now_ns() < until);
  if (!drained) report.stragglers = detail::list_tasks(s);
  impl_->stopped = s.stop_workers(drained ? INT64_MAX : 1'000'000'000);
  report.timed_out_running = !impl_->stopped;
  if (impl_->stopped) s.write_trace();
  if (impl_->stopped && !drained) s.destroy_tasks();
  impl_->report = report;
  return report;
}

void runtime::collect() { impl_->sched->epochs().collect(); }

int runtime::set_gc_percent(int percent) noexcept { return impl_->sched->epochs().set_gc_percent(percent); }

int64_t runtime::set_memory_limit(int64_t bytes) noexcept { return impl_->sched->epochs().set_memory_limit(bytes); }

std::vector<task_info> runtime::tasks() const { return detail::list_tasks(*impl_->sched); }

std::string runtime::dump() const {
  std::string text = detail::dump_tasks(*impl_->sched);
  for (const detail::io_backend_in_use& io : detail::io_backends_of(*impl_->sched))
    text += "I/O of processor " + std::to_string(io.processor) + ": " + io.description + "\n";
  return text;
}

int runtime::processors() const noexcept { return static_cast<int>(impl_->sched->processors().size()); }

namespace detail {

scheduler* runtime_scheduler(const runtime& rt) noexcept { return rt.impl_->sched.get(); }

runtime* make_run_runtime() noexcept {
  absl::StatusOr<options> opts = options::from_env();
  absl::Status failed = opts.status();
  if (failed.ok()) {
    opts->detect_deadlock = true;
    absl::StatusOr<std::unique_ptr<runtime>> rt = runtime::create(*opts);
    if (rt.ok()) return rt->release();
    failed = rt.status();
  }
  os::system::real().write_stderr(std::string(failed.message()) + "\n");
  std::exit(2);
}

void finish_run_runtime(runtime* rt) noexcept {
  const shutdown_report report = rt->shutdown(final_deadline);
  if (!report.clean()) {
    std::string text = "weft: " + std::to_string(report.stragglers.size()) + " task(s) had not ended " +
                       std::to_string(final_deadline.count()) + " s after the main task and were destroyed:\n";
    for (const task_info& t : report.stragglers) text += dump_task(t);
    os::system::real().write_stderr(text);
  }
  delete rt;
}

}  // namespace detail
}  // namespace weft
