// The list of choices. Each line names a field of weft::options once; range and default come from there.
#include "choice.h"

#include <chrono>
#include <limits>
#include <utility>

#include "values.h"

namespace weft_lab {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

template <class T>
using field = std::function<T&(settings&)>;

template <class T>
T value_of(const field<T>& f, settings s) {
  return f(s);
}

choice on_off(std::string name, std::string meaning, field<bool> f) {
  return {.name = name,
          .allowed = "on or off",
          .meaning = std::move(meaning),
          .swept = {"on", "off"},
          .get = [f](const settings& s) { return std::string(value_of(f, s) ? "on" : "off"); },
          .set = [f, name](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<bool> value = parse_switch("--" + name, text);
            if (!value.ok()) return value.status();
            f(out) = *value;
            return absl::OkStatus();
          }};
}

choice number(std::string name, int least, int most, std::vector<std::string> swept, std::string meaning,
              field<int> f) {
  return {.name = name,
          .allowed = std::to_string(least) + " to " + std::to_string(most),
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get = [f](const settings& s) { return std::to_string(value_of(f, s)); },
          .set = [f, name, least, most](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<int64_t> value = parse_number("--" + name, text, least, most);
            if (!value.ok()) return value.status();
            f(out) = static_cast<int>(*value);
            return absl::OkStatus();
          }};
}

choice time(std::string name, nanoseconds least, nanoseconds most, std::vector<std::string> swept, std::string meaning,
            field<nanoseconds> f) {
  return {.name = name,
          .allowed = format_time(least) + " to " + format_time(most),
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get = [f](const settings& s) { return format_time(value_of(f, s)); },
          .set = [f, name, least, most](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<nanoseconds> value = parse_time("--" + name, text, least, most);
            if (!value.ok()) return value.status();
            f(out) = *value;
            return absl::OkStatus();
          }};
}

// One of several words, for an enumeration.
template <class T>
choice one_of(std::string name, std::vector<std::pair<std::string, T>> words, std::string meaning, field<T> f) {
  std::string allowed;
  std::vector<std::string> swept;
  for (const auto& [word, value] : words) {
    allowed += (allowed.empty() ? "" : ", ") + word;
    swept.push_back(word);
  }
  return {.name = name,
          .allowed = allowed,
          .meaning = std::move(meaning),
          .swept = std::move(swept),
          .get =
              [f, words](const settings& s) {
                for (const auto& [word, value] : words)
                  if (value == value_of(f, s)) return word;
                return std::string("?");
              },
          .set = [f, name, words, allowed](std::string_view text, settings& out) -> absl::Status {
            for (const auto& [word, value] : words) {
              if (word != text) continue;
              f(out) = value;
              return absl::OkStatus();
            }
            return absl::InvalidArgumentError("--" + name + " is '" + std::string(text) + "'; allowed are " + allowed);
          }};
}

// A whole number, or `off` for the value that means so.
choice number_or_off(std::string name, int least, int most, int off, std::vector<std::string> swept,
                     std::string meaning, field<int> f) {
  choice c = number(name, least, most, std::move(swept), std::move(meaning), f);
  c.allowed += ", or off";
  c.get = [f, off](const settings& s) {
    const int value = value_of(f, s);
    return value == off ? std::string("off") : std::to_string(value);
  };
  c.set = [f, off, set = c.set](std::string_view text, settings& out) -> absl::Status {
    if (text == "off") {
      f(out) = off;
      return absl::OkStatus();
    }
    absl::Status s = set(text, out);
    return s.ok() ? s : absl::InvalidArgumentError(std::string(s.message()) + ", or off");
  };
  return c;
}

choice processors() {
  choice c = number("processors", 1, 1024, {"1", "2"}, "processors, and worker threads",
                    [](settings& s) -> int& { return s.options.processors; });
  c.allowed += ", or automatic";
  c.get = [](const settings& s) {
    const int n = s.options.processors;
    return n == weft::options::automatic ? std::string("automatic") : std::to_string(n);
  };
  c.set = [set = c.set](std::string_view text, settings& out) -> absl::Status {
    if (text == "automatic") {
      out.options.processors = weft::options::automatic;
      return absl::OkStatus();
    }
    absl::Status s = set(text, out);
    return s.ok() ? s : absl::InvalidArgumentError(std::string(s.message()) + ", or automatic");
  };
  return c;
}

choice memory_limit() {
  constexpr int64_t none = std::numeric_limits<int64_t>::max();
  return {.name = "memory-limit",
          .allowed = "a size, or off",
          .meaning = "soft limit of the memory that weft holds",
          .swept = {"off", "256MiB", "64MiB"},
          .get =
              [](const settings& s) {
                const int64_t bytes = s.options.memory_limit_bytes;
                return bytes == none ? std::string("off") : format_size(bytes);
              },
          .set = [](std::string_view text, settings& out) -> absl::Status {
            if (text == "off") {
              out.options.memory_limit_bytes = none;
              return absl::OkStatus();
            }
            absl::StatusOr<int64_t> bytes = parse_size("--memory-limit", text, 0, int64_t{1} << 50);
            if (!bytes.ok()) return absl::InvalidArgumentError(std::string(bytes.status().message()) + ", or off");
            out.options.memory_limit_bytes = *bytes;
            return absl::OkStatus();
          }};
}

choice stack_limit() {
  return {.name = "stack-limit",
          .allowed = "64KiB to 1024GiB",
          .meaning = "largest coroutine stack of one task",
          .swept = {"1GiB"},
          .get = [](const settings& s) { return format_size(static_cast<int64_t>(s.options.stack_limit_bytes)); },
          .set = [](std::string_view text, settings& out) -> absl::Status {
            absl::StatusOr<int64_t> bytes = parse_size("--stack-limit", text, int64_t{64} << 10, int64_t{1} << 40);
            if (!bytes.ok()) return bytes.status();
            out.options.stack_limit_bytes = static_cast<std::size_t>(*bytes);
            return absl::OkStatus();
          }};
}

choice run_next() {
  choice c = on_off("run-next", "a readied task runs next; off: it goes to the end of the queue",
                    [](settings& s) -> bool& { return s.options.scheduling.run_next; });
  c.expectations = {
      {.command = "ping-pong vs --run-next=off",
       .expected = expectation::effect::slower,
       .because = "each message goes through the queue, where the other processor may take its receiver"}};
  return c;
}

std::vector<choice> make_choices() {
  std::vector<choice> all;
  all.push_back(processors());
  all.push_back(run_next());
  all.push_back(number("run-next-in-a-row", 1, 1'000'000, {"1", "3", "16", "61", "1000"},
                       "dispatches before run-next goes behind the queue",
                       [](settings& s) -> int& { return s.options.scheduling.run_next_in_a_row; }));
  all.push_back(time("run-next-steal-delay", nanoseconds(0), seconds(1), {"0", "3us", "100us"},
                     "how long run-next must stay untouched before another processor takes it",
                     [](settings& s) -> nanoseconds& { return s.options.scheduling.run_next_steal_delay; }));
  all.push_back(number("global-queue-interval", 1, 1'000'000, {"1", "31", "61", "127"},
                       "dispatches between looks at the global queue first",
                       [](settings& s) -> int& { return s.options.scheduling.global_queue_interval; }));
  all.push_back(number("budget", 1, 1'000'000, {"16", "128", "1000000"},
                       "operations that never parked before a task must yield",
                       [](settings& s) -> int& { return s.options.scheduling.budget; }));
  all.push_back(number("search-passes", 1, 1000, {"1", "4", "16"},
                       "passes over the other processors before an idle worker sleeps",
                       [](settings& s) -> int& { return s.options.scheduling.search_passes; }));
  all.push_back(time("idle-spin", nanoseconds(0), seconds(1), {"0", "20us", "200us"},
                     "how long an idle worker searches at most",
                     [](settings& s) -> nanoseconds& { return s.options.scheduling.idle_spin; }));
  all.push_back(
      number("gather-above", 1, 1000, {"10", "40", "101"},
             "percent of its time that a processor waits for locks before tasks are gathered; above 100: never",
             [](settings& s) -> int& { return s.options.scheduling.gather_above; }));
  all.push_back(time("timer-slack", nanoseconds(0), seconds(1), {"0", "1ms", "10ms"},
                     "how much later a timer may fire while all workers are idle and many are due",
                     [](settings& s) -> nanoseconds& { return s.options.scheduling.timer_slack; }));
  all.push_back(number_or_off("gc-percent", 0, 1'000'000, -1, {"25", "100", "400", "off"},
                              "how much memory may grow before the next epoch, in percent",
                              [](settings& s) -> int& { return s.options.gc_percent; }));
  all.push_back(memory_limit());
  all.push_back(one_of<weft::io_backend>("io",
                                         {{"automatic", weft::io_backend::automatic},
                                          {"uring", weft::io_backend::uring},
                                          {"epoll", weft::io_backend::epoll}},
                                         "back end of files and sockets",
                                         [](settings& s) -> weft::io_backend& { return s.options.io; }));
  all.push_back(number("blocking-threads", 1, 10'000, {"1", "4", "512"},
                       "most threads that run blocking calls at the same time",
                       [](settings& s) -> int& { return s.options.blocking_threads; }));
  all.push_back(stack_limit());
  return all;
}

}  // namespace

const std::vector<choice>& all_choices() {
  static const std::vector<choice> all = make_choices();
  return all;
}

const choice* find_choice(std::string_view name) {
  for (const choice& c : all_choices())
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace weft_lab
