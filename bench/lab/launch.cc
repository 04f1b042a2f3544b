// Processes: how a run is started, listened to, and ended.
//
// The child is this program again: `weft-lab exec SEED WORKLOAD --NAME=VALUE...`. It writes its record to descriptor 3,
// one JSON text; what goes to stderr is kept for the message if it fails. It leads a process group of its own, so that
// Ctrl-C in the terminal reaches only this process, which then decides; and the kernel kills it when this process dies.
//
// A program of the user's is run by the shell, with WEFT_LAB_SNAPSHOT naming a file for its metrics. See docs/lab.md.
#include "launch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

namespace weft_lab {

namespace {

using clock = std::chrono::steady_clock;

constexpr int record_descriptor = 3;

volatile std::sig_atomic_t interrupt_seen = 0;

void note_interrupt(int) { interrupt_seen = 1; }

// What a process wrote, how it ended, and what it used.
struct finished {
  std::string record;
  std::string complaint;
  int status = 0;
  rusage usage{};
  std::chrono::nanoseconds lasted{};
};

struct pipe_ends {
  int read = -1;
  int write = -1;
};

absl::StatusOr<pipe_ends> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return absl::InternalError(std::string("cannot make a pipe: ") + std::strerror(errno));
  return pipe_ends{ends[0], ends[1]};
}

// In the child, between fork and exec.
[[noreturn]] void become(const std::vector<std::string>& command, const pipe_ends& out, const pipe_ends& err,
                         bool record_is_stdout) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, STDIN_FILENO);
  dup2(record_is_stdout ? out.write : nothing, STDOUT_FILENO);
  dup2(err.write, STDERR_FILENO);
  if (!record_is_stdout) dup2(out.write, record_descriptor);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execv(words[0], words.data());
  std::fprintf(stderr, "cannot start %s: %s\n", words[0], std::strerror(errno));
  _exit(127);
}

// Reads what there is; false: the other end is closed.
bool read_some(int descriptor, std::string& into) {
  char buffer[4096];
  const ssize_t n = read(descriptor, buffer, sizeof buffer);
  if (n > 0) into.append(buffer, static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

// Listens to both pipes until they are closed. False: interrupted, or out of patience.
bool listen(int out, int err, clock::time_point deadline, finished& f) {
  std::array<pollfd, 2> waiting{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now()).count();
    if (interrupted() || left <= 0) return false;
    // Not for longer than a moment: an interrupt may come right before.
    if (poll(waiting.data(), waiting.size(), static_cast<int>(std::min<int64_t>(left, 200))) <= 0) continue;
    if (waiting[0].revents != 0 && !read_some(out, f.record)) waiting[0].fd = -1;
    if (waiting[1].revents != 0 && !read_some(err, f.complaint)) waiting[1].fd = -1;
  }
  return true;
}

// Waits for the process's end, and kills its group if it does not come in time.
void reap(pid_t child, bool kill_it, clock::time_point deadline, finished& f) {
  for (;;) {
    if (kill_it || interrupted() || clock::now() > deadline) {
      kill(-child, SIGKILL);
      kill(child, SIGKILL);
      while (wait4(child, &f.status, 0, &f.usage) < 0 && errno == EINTR) continue;
      return;
    }
    const pid_t ended = wait4(child, &f.status, WNOHANG, &f.usage);
    if (ended == child) break;
    // Both pipes are closed, so the end is a moment away.
    usleep(200);
  }
  // What it may have left behind in its group.
  kill(-child, SIGKILL);
}

absl::StatusOr<finished> run_process(const std::vector<std::string>& command, bool record_is_stdout,
                                     std::chrono::nanoseconds patience) {
  absl::StatusOr<pipe_ends> out = make_pipe();
  if (!out.ok()) return out.status();
  absl::StatusOr<pipe_ends> err = make_pipe();
  if (!err.ok()) return err.status();
  const clock::time_point start = clock::now();
  const pid_t child = fork();
  if (child < 0) return absl::InternalError(std::string("cannot start a process: ") + std::strerror(errno));
  if (child == 0) become(command, *out, *err, record_is_stdout);
  setpgid(child, child);  // whoever comes first, it or we
  close(out->write);
  close(err->write);
  finished f;
  const bool heard = listen(out->read, err->read, start + patience, f);
  reap(child, !heard, start + patience, f);
  f.lasted = clock::now() - start;
  close(out->read);
  close(err->read);
  if (interrupted()) return absl::CancelledError("interrupted");
  if (!heard) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience).count();
    return absl::DeadlineExceededError("a run did not end within " + std::to_string(seconds) + " s and was killed");
  }
  return f;
}

// What to say of a process that failed.
absl::Status failure_of(const variant& v, const finished& f) {
  std::string message = "'" + v.text() + "' ";
  if (WIFSIGNALED(f.status))
    message += std::string("was killed by a signal (") + strsignal(WTERMSIG(f.status)) + ")";
  else
    message += "ended with status " + std::to_string(WEXITSTATUS(f.status));
  constexpr std::size_t most_said = 2000;
  std::string said = f.complaint;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  if (said.size() > most_said) said = "..." + said.substr(said.size() - most_said);
  if (!said.empty()) message += ": " + said;
  return absl::InternalError(message);
}

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

// A file name for a program's metrics, removed at the end.
class snapshot_file {
 public:
  snapshot_file() {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr ? folder : "/tmp") + "/weft_lab_snapshot.XXXXXX";
    const int descriptor = mkstemp(path_.data());
    if (descriptor >= 0) close(descriptor);
    setenv("WEFT_LAB_SNAPSHOT", path_.c_str(), 1);
  }
  ~snapshot_file() {
    unsetenv("WEFT_LAB_SNAPSHOT");
    unlink(path_.c_str());
  }
  snapshot_file(const snapshot_file&) = delete;
  snapshot_file& operator=(const snapshot_file&) = delete;

  // One JSON object after the other: weft's metrics, and what the program adds.
  absl::Status add_to(figures& out) const {
    std::ifstream file(path_);
    const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::size_t at = 0;
    while ((at = text.find_first_not_of(" \n\r\t", at)) != text.npos) {
      const std::size_t end = end_of_object(text, at);
      const nlohmann::json one = nlohmann::json::parse(text.begin() + static_cast<std::ptrdiff_t>(at),
                                                       text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
      if (one.is_discarded())
        return absl::InvalidArgumentError("the program wrote something to $WEFT_LAB_SNAPSHOT that is no JSON object");
      if (absl::Status s = add_metrics(one, out); !s.ok()) return s;
      at = end;
    }
    return absl::OkStatus();
  }

 private:
  // Behind the brace that closes the object which begins at `at`.
  static std::size_t end_of_object(const std::string& text, std::size_t at) {
    int depth = 0;
    bool quoted = false;
    for (; at < text.size(); ++at) {
      const char c = text[at];
      if (quoted) {
        if (c == '\\') ++at;
        if (c == '"') quoted = false;
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}' && --depth == 0) {
        return at + 1;
      }
    }
    return text.size();
  }

  std::string path_;
};

absl::StatusOr<record> launch_program(const variant& v, std::chrono::nanoseconds patience) {
  const snapshot_file snapshot;
  absl::StatusOr<finished> f = run_process({"/bin/sh", "-c", v.program}, true, patience);
  if (!f.ok()) return f.status();
  if (f->status != 0) return failure_of(v, *f);
  record r;
  if (absl::Status s = snapshot.add_to(r.values); !s.ok()) return s;
  figures& out = r.values;
  const auto lasted = static_cast<double>(f->lasted.count());
  const double cpu_ns = (seconds_of(f->usage.ru_utime) + seconds_of(f->usage.ru_stime)) * 1e9;
  out.try_emplace("operations", 1);
  const double operations = out["operations"];
  out["elapsed_ns"] = lasted;
  out["time_per_operation_ns"] = lasted / operations;
  out["operations_per_second"] = operations / lasted * 1e9;
  out["cpu_ns"] = cpu_ns;
  out["cpu_per_operation_ns"] = cpu_ns / operations;
  out["context_switches_voluntary"] = static_cast<double>(f->usage.ru_nvcsw);
  out["context_switches_forced"] = static_cast<double>(f->usage.ru_nivcsw);
  out["page_faults"] = static_cast<double>(f->usage.ru_minflt);
  out["peak_resident_bytes"] = static_cast<double>(f->usage.ru_maxrss) * 1024;
  return r;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() { return interrupt_seen != 0; }

absl::StatusOr<record> launch(const variant& v, uint64_t seed, std::chrono::nanoseconds patience) {
  if (v.work == nullptr) return launch_program(v, patience);
  std::vector<std::string> command{"/proc/self/exe", "exec", std::to_string(seed), std::string(v.work->name)};
  for (const auto& [name, value] : v.given) command.push_back("--" + name + "=" + value);
  if (!v.trace.empty()) {
    char volume[40];
    std::snprintf(volume, sizeof volume, "%.17g", v.volume);
    command.push_back("--trace=" + v.trace);
    command.push_back(std::string("--volume=") + volume);
  }
  if (!v.trace_out.empty()) command.push_back("--trace-out=" + v.trace_out);
  absl::StatusOr<finished> f = run_process(command, false, patience);
  if (!f.ok()) return f.status();
  if (f->status != 0) return failure_of(v, *f);
  const nlohmann::json j = nlohmann::json::parse(f->record, nullptr, false);
  if (j.is_discarded()) return absl::InternalError("'" + v.text() + "' ended well but wrote no record");
  return record_from_json(j);
}

absl::StatusOr<std::string> output_of(const std::string& command, std::chrono::nanoseconds patience) {
  absl::StatusOr<finished> f = run_process({"/bin/sh", "-c", command}, true, patience);
  if (!f.ok()) return f.status();
  variant v;
  v.program = command;
  if (f->status != 0) return failure_of(v, *f);
  return std::move(f->record);
}

int serve_launch(int argc, char** argv) {
  const auto fail = [](const absl::Status& s) {
    std::fprintf(stderr, "%s\n", std::string(s.message()).c_str());
    return 1;
  };
  if (argc < 4) return fail(absl::InvalidArgumentError("exec is for weft-lab itself"));
  const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  absl::StatusOr<variant> v = variant_of(argv[3]);
  if (!v.ok()) return fail(v.status());
  for (int i = 4; i < argc; ++i) {
    const std::string_view word(argv[i]);
    const std::size_t equals = std::min(word.find('='), word.size() - 1);
    const std::string_view name = word.substr(2, equals - 2);
    const std::string_view value = word.substr(equals + 1);
    if (name == "trace")
      v->trace = value;
    else if (name == "trace-out")
      v->trace_out = value;
    else if (name == "volume")
      std::from_chars(value.data(), value.data() + value.size(), v->volume);
    else if (absl::Status s = assign(*v, name, value); !s.ok())
      return fail(s);
  }
  absl::StatusOr<record> r = run_here(*v, seed);
  if (!r.ok()) return fail(r.status());
  const std::string text = to_json(*r).dump();
  std::FILE* out = fdopen(record_descriptor, "w");
  if (out == nullptr) return fail(absl::InvalidArgumentError("exec is for weft-lab itself"));
  std::fwrite(text.data(), 1, text.size(), out);
  return std::fclose(out) == 0 ? 0 : 1;
}

}  // namespace weft_lab
