// The escape report as a table for people. See escape.h.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "absl/strings/str_format.h"

#include "sched/escape.h"

namespace weft {

namespace {

// "640 B", "1.5 KiB", "12.0 MiB".
std::string bytes_text(uint64_t bytes) {
  if (bytes < 1024) return absl::StrFormat("%d B", bytes);
  constexpr std::array<std::string_view, 4> units{"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, units[unit]);
}

std::string high_water_text(const entry_usage& e) {
  return e.high_water_bytes == 0 ? std::string("fits") : bytes_text(e.high_water_bytes);
}

void append_sums(std::string& out, const memory_usage& u) {
  absl::StrAppendFormat(&out, "tasks    %d live, %d started\n", u.live_tasks, u.tasks_started);
  absl::StrAppendFormat(&out, "stacks   %s in use, %s set aside, %s at most; %d growths, %d hot splits\n",
                        bytes_text(u.stack_bytes), bytes_text(u.stack_bytes_set_aside), bytes_text(u.stack_bytes_peak),
                        u.growths, u.hot_splits);
  absl::StrAppendFormat(&out, "frames   %d on stacks, %d elided, 0 on the heap\n", u.frames_on_stack, u.frames_elided);
  if (u.program_heap_counted)
    absl::StrAppendFormat(&out, "heap     %s live\n", bytes_text(u.program_heap_bytes));
  else
    out += "heap     not counted (link weft::counting_allocator)\n";
}

void append_entry(std::string& out, const entry_usage& e, bool frames) {
  absl::StrAppendFormat(&out, "%10d %12d %11s %11s %11s %9d %10d", e.live_tasks, e.tasks_started,
                        bytes_text(e.stack_bytes), bytes_text(e.first_block_bytes), high_water_text(e), e.growths,
                        e.hot_splits);
  if (frames)
    absl::StrAppendFormat(&out, " %12d %10d %12s", e.frames_on_stack, e.frames_elided, bytes_text(e.frame_bytes));
  out += "  " + e.function + "\n";
}

}  // namespace

std::string memory_usage::text(std::size_t most_entries) const {
  std::string out;
  append_sums(out, *this);
  if (entries.empty()) return out;
  absl::StrAppendFormat(&out, "\n%10s %12s %11s %11s %11s %9s %10s", "live", frames_counted ? "started" : "started ~",
                        "in use", "first block", "high water", "growths", "hot splits");
  if (frames_counted) absl::StrAppendFormat(&out, " %12s %10s %12s", "frames", "elided", "frame bytes");
  out += "  entry function\n";
  const std::size_t shown = std::min(most_entries, entries.size());
  for (std::size_t i = 0; i < shown; ++i) append_entry(out, entries[i], frames_counted);
  if (shown < entries.size()) absl::StrAppendFormat(&out, "and %d more entry functions\n", entries.size() - shown);
  return out;
}

}  // namespace weft
