// How the runtime object is put together, for the runtime's own tests: creation with other seams, and a runtime that
// one thread drives step by step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <weft/runtime.h>

#include "os/seams.h"
#include "sched/scheduler.h"

namespace weft {

struct runtime_access {
  /// runtime::create with replaced seams, and for drive::test that many processors driven by the caller.
  static absl::StatusOr<std::unique_ptr<runtime>> create(const options& opts, os::seams seams, detail::drive how);
  /// The limit that a runtime with these options gets; `root` is the folder that plays "/".
  static int64_t memory_limit_of(const options& opts, const std::string& root);

  static detail::scheduler& sched(const runtime& rt) noexcept { return *detail::runtime_scheduler(rt); }
};

}  // namespace weft
