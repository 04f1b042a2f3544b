// See weft/within.h.
#include <weft/within.h>

#include <string>

namespace weft::detail {

absl::Status deadline_exceeded(std::chrono::nanoseconds limit) {
  const int64_t ns = limit.count();
  const std::string text = ns % 1'000'000 == 0 ? std::to_string(ns / 1'000'000) + " ms"
                           : ns % 1'000 == 0   ? std::to_string(ns / 1'000) + " us"
                                               : std::to_string(ns) + " ns";
  return absl::DeadlineExceededError("not done within " + text);
}

absl::Status stopped_before_deadline() { return absl::CancelledError("the task was asked to stop"); }

}  // namespace weft::detail
