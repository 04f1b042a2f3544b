// Options from the environment, and whether they are in range.
#include <weft/options.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/parse.h"

namespace weft {

namespace {

constexpr int most_processors = 1024;

absl::Status out_of_range(std::string_view field, int64_t value, int64_t least, int64_t most) {
  return absl::InvalidArgumentError("weft: options." + std::string(field) + " is " + std::to_string(value) +
                                    "; allowed are " + std::to_string(least) + " to " + std::to_string(most));
}

absl::Status check_range(std::string_view field, int64_t value, int64_t least, int64_t most) {
  return value < least || value > most ? out_of_range(field, value, least, most) : absl::OkStatus();
}

// What a parser said of a variable, as from_env() promises it.
absl::Status refused(const absl::Status& said, std::string_view also = "") {
  return absl::InvalidArgumentError("weft: " + std::string(said.message()) + std::string(also));
}

absl::Status read_processors(const char* text, options& out) {
  absl::StatusOr<int64_t> n = base::parse_integer("WEFT_PROCS", text, 1, most_processors);
  if (!n.ok()) return refused(n.status());
  out.processors = static_cast<int>(*n);
  return absl::OkStatus();
}

absl::Status read_gc(const char* text, options& out) {
  if (std::string_view(text) == "off") {
    out.gc_percent = -1;
    return absl::OkStatus();
  }
  absl::StatusOr<int64_t> n = base::parse_integer("WEFT_GC", text, 0, 1'000'000);
  if (!n.ok()) return refused(n.status(), ", or off");
  out.gc_percent = static_cast<int>(*n);
  return absl::OkStatus();
}

absl::Status read_memory_limit(const char* text, options& out) {
  absl::StatusOr<int64_t> n = base::parse_bytes("WEFT_MEMLIMIT", text, 0, std::numeric_limits<int64_t>::max());
  if (!n.ok()) return refused(n.status());
  out.memory_limit_bytes = *n;
  return absl::OkStatus();
}

absl::Status read_io(const char* text, options& out) {
  const std::string_view value(text);
  if (value == "uring") {
    out.io = io_backend::uring;
  } else if (value == "epoll") {
    out.io = io_backend::epoll;
  } else {
    return absl::InvalidArgumentError("weft: WEFT_IO is \"" + std::string(value) + "\"; allowed are uring and epoll");
  }
  return absl::OkStatus();
}

absl::Status read_debug(const char* text, options& out) {
  constexpr std::string_view trace = "schedtrace=";
  for (std::string_view rest(text); !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    if (item.empty()) continue;
    if (item == "memory") {
      out.memory_in_dumps = true;
      continue;
    }
    if (item.substr(0, trace.size()) != trace)
      return absl::InvalidArgumentError("weft: WEFT_DEBUG has \"" + std::string(item) +
                                        "\"; allowed is a comma list of schedtrace=MILLISECONDS and memory");
    absl::StatusOr<int64_t> ms = base::parse_integer("WEFT_DEBUG schedtrace", item.substr(trace.size()), 1, 86'400'000);
    if (!ms.ok()) return refused(ms.status());
    out.schedtrace = std::chrono::milliseconds(*ms);
  }
  return absl::OkStatus();
}

absl::Status read_trace(const char* text, options& out) {
  if (*text == '\0')
    return absl::InvalidArgumentError("weft: WEFT_TRACE is \"\"; allowed is the path of a file to write");
  out.trace_path = text;
  return absl::OkStatus();
}

struct choice {
  std::string_view field;
  int value;
  int most;
  std::string_view allowed;
};

absl::Status check_choices(const options& opts) {
  const scheduling_options& rules = opts.scheduling;
  const choice choices[] = {
      {"steal", static_cast<int>(rules.steal), 2, "half, quarter and one"},
      {"victims", static_cast<int>(rules.victims), 1, "random and in_turn"},
      {"wakes", static_cast<int>(rules.wakes), 2, "chain, one and eager"},
      {"timers", static_cast<int>(rules.timers), 1, "per_processor and global"},
  };
  for (const choice& c : choices)
    if (c.value > c.most)
      return absl::InvalidArgumentError("weft: options.scheduling." + std::string(c.field) + " is " +
                                        std::to_string(c.value) + "; allowed are " + std::string(c.allowed));
  if (rules.monitor) return absl::OkStatus();
  const bool traces = opts.schedtrace.count() != 0;
  if (traces || opts.detect_deadlock)
    return absl::InvalidArgumentError(std::string("weft: options.scheduling.monitor is false; allowed is true with ") +
                                      (traces ? "schedtrace" : "detect_deadlock"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<options> options::from_env() {
  struct variable {
    const char* name;
    absl::Status (*read)(const char* text, options& out);
  };
  static constexpr variable variables[] = {{"WEFT_PROCS", read_processors},      {"WEFT_GC", read_gc},
                                           {"WEFT_MEMLIMIT", read_memory_limit}, {"WEFT_IO", read_io},
                                           {"WEFT_DEBUG", read_debug},           {"WEFT_TRACE", read_trace}};
  options out;
  for (const variable& v : variables) {
    const char* text = std::getenv(v.name);
    if (text == nullptr) continue;
    if (absl::Status s = v.read(text, out); !s.ok()) return s;
  }
  return out;
}

absl::Status options::validate() const {
  if (processors != automatic)
    if (absl::Status s = check_range("processors", processors, 0, most_processors); !s.ok())
      return absl::InvalidArgumentError(std::string(s.message()) + " (0: driven by the host), or options::automatic");
  struct ranged {
    std::string_view field;
    int64_t value, least, most;
  };
  const ranged fields[] = {
      {"stack_limit_bytes", static_cast<int64_t>(stack_limit_bytes), 64 << 10, int64_t{1} << 40},
      {"schedtrace (ms)", schedtrace.count(), 0, 86'400'000},
      {"gc_percent", gc_percent, -1, 1'000'000},
      {"memory_limit_bytes", memory_limit_bytes, 0, std::numeric_limits<int64_t>::max()},
      {"memory_limit_percent_of_cgroup", memory_limit_percent_of_cgroup, 0, 100},
      {"scheduling.run_next_in_a_row", scheduling.run_next_in_a_row, 1, 1'000'000},
      {"scheduling.global_queue_interval", scheduling.global_queue_interval, 1, 1'000'000},
      {"blocking_threads", blocking_threads, 1, 10'000},
      {"scheduling.budget", scheduling.budget, 1, 1'000'000},
      {"scheduling.search_passes", scheduling.search_passes, 1, 1000},
      {"scheduling.run_next_steal_delay (ns)", scheduling.run_next_steal_delay.count(), 0, 1'000'000'000},
      {"scheduling.gather_above", scheduling.gather_above, 1, 1000},
      {"scheduling.idle_spin (ns)", scheduling.idle_spin.count(), 0, 1'000'000'000},
      {"scheduling.timer_slack (ns)", scheduling.timer_slack.count(), 0, 1'000'000'000},
      {"scheduling.io_interval", scheduling.io_interval, 1, 1'000'000},
  };
  for (const ranged& f : fields)
    if (absl::Status s = check_range(f.field, f.value, f.least, f.most); !s.ok()) return s;
  return check_choices(*this);
}

}  // namespace weft
