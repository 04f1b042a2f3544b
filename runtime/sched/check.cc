// What WEFT_CHECK prints: the failure, its place, and the running task.
#include <weft/detail/check.h>

#include <cstdlib>
#include <string>

#include "sched/dump.h"

namespace weft::detail {

void check_failed(const char* what, const char* file, int line) noexcept {
  std::string text = std::string("weft: ") + what + "\n\tat " + file + ":" + std::to_string(line) + "\n";
  if (strand* s = this_context.current; s != nullptr && this_context.proc != nullptr)
    text += "\tin " + dump_task(describe(scheduler_of(s), task_of(s)));
  os::system::real().write_stderr(text);
  std::abort();
}

void scheduler::report_unhandled(std::exception_ptr error, task_control* t) noexcept {
  task_info info = describe(*this, t);
  info.state = "ended by an exception";
  if (opts_.on_unhandled_exception) {
    opts_.on_unhandled_exception(error, info);
    return;
  }
  std::string what = "an exception that is no std::exception";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
  }
  seams_.sys->write_stderr("weft: unhandled exception in a task: " + what + "\n\n" + dump_task(info));
  std::terminate();
}

}  // namespace weft::detail
