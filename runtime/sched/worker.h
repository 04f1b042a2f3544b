// A worker (Go's M): the OS thread that drives one processor, and what it may find to do.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/note.h"
#include "os/thread.h"
#include "sched/scheduler.h"

namespace weft::detail {

struct alignas(64) scheduler::worker {
  worker(scheduler& s, processor& p) noexcept
      : sched(s), proc(p), spin_ns(s.opts().scheduling.idle_spin.count()), ended(*s.seams().sys) {}

  scheduler& sched;
  processor& proc;
  os::thread thread;
  std::atomic<uint32_t> word{0};       // futex: 1 ends the sleep
  std::atomic<bool> in_poller{false};  // it sleeps there instead; see [io-sleep]
  int64_t spin_ns;                     // how long the next search lasts at most; its own
  bool searching = false;  // holds the search token; written by the waker while the worker is off the idle list
  os::note ended;
};

/// One thing to run: a strand, or a fork to be run as stolen.
struct scheduler::work {
  strand* ready = nullptr;
  fork_entry* fork = nullptr;
};

}  // namespace weft::detail
