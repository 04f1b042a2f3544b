// What the registry of live tasks tells: a list, and the text of a dump. Needs no co-operation from the workers.
#pragma once

#include <string>
#include <vector>

#include <weft/options.h>

#include "sched/scheduler.h"

namespace weft::detail {

/// The words of a wait reason, as in Go's dumps.
const char* wait_reason_name(wait_reason reason) noexcept;

/// One live task.
task_info describe(scheduler& s, task_control* t);

/// All live tasks, by id.
std::vector<task_info> list_tasks(scheduler& s);

/// One paragraph a task:  task 7 [chan receive, 2 minutes]:  <where parked>  <started with, by>.
/// With options.memory_in_dumps the escape report follows.
std::string dump_tasks(scheduler& s);
std::string dump_task(const task_info& info);

}  // namespace weft::detail
