// Looks into /proc.
#include "machine.h"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace weft_lab {

namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      const std::size_t colon = line.find(": ");
      if (colon != line.npos) return line.substr(colon + 2);
    }
  return "unknown processor";
}

double cpu_seconds(int who) {
  rusage used{};
  getrusage(who, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::string percent(double share) {
  char text[40];
  std::snprintf(text, sizeof text, "%.0f%%", share * 100);
  return text;
}

}  // namespace

std::vector<std::string> describe_machine() {
  utsname kernel{};
  uname(&kernel);
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  char loads[80];
  std::snprintf(loads, sizeof loads, "load average %.2f at the start", load);
  return {std::to_string(std::thread::hardware_concurrency()) + " x " + processor_name(),
          std::string(kernel.sysname) + " " + kernel.release,
          std::string("compiled by "
#ifdef __clang__
                      "clang " __clang_version__
#else
                      "g++ " __VERSION__
#endif
#ifdef NDEBUG
                      ", without debug checks"
#else
                      ", with debug checks: figures are not those of an optimised build"
#endif
                      ),
          loads};
}

processor_time read_processor_time() {
  processor_time t;
  std::ifstream file("/proc/stat");
  std::string word;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
  if (file >> word >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> t.stolen) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    t.busy = (user + nice + system + irq + softirq) / ticks;
    t.stolen /= ticks;
    t.total = t.busy + t.stolen + (idle + iowait) / ticks;
  }
  t.ours = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN);
  return t;
}

std::vector<std::string> noise_warnings(const processor_time& before, const processor_time& after,
                                        const session_result& s, const std::vector<std::string>& judged) {
  std::vector<std::string> warnings;
  const double total = after.total - before.total;
  if (total > 0) {
    const double others = (after.busy - before.busy - (after.ours - before.ours)) / total;
    if (others > 0.1)
      warnings.push_back("other programs used " + percent(others) + " of the processors' time meanwhile");
    const double stolen = (after.stolen - before.stolen) / total;
    if (stolen > 0.01)
      warnings.push_back("the hypervisor took " + percent(stolen) + " of the processors' time meanwhile");
  }
  for (std::size_t side = 0; side < s.runs.size(); ++side) {
    const double wide = spread(series(s.runs[side], judged[side]));
    if (wide > 0.1)
      warnings.push_back(std::string("the runs of ") + static_cast<char>('A' + side % 26) +
                         " differ: the middle half lies within " + percent(wide) + " around the median");
  }
  return warnings;
}

}  // namespace weft_lab
