// What the percentage that paces epochs trades: CPU time against footprint, as a table and a plot.
//
//   memory_tradeoff SVG [RUNS [PROCESSORS [PEER_GO]]]
//
// runs `memory_bench curve`, which it finds beside itself, with 25, 50, 100, 200 and off, RUNS times each (3) and in
// turns, and, given the program peer_go of bench/peers, Go with GOGC at the same values. It prints the medians as a
// Markdown table and writes the plot to SVG.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr std::array<int, 5> percentages = {25, 50, 100, 200, -1};

std::string name_of(int percent) { return percent < 0 ? "off" : std::to_string(percent); }

struct figures {
  double seconds = 0, cpu_seconds = 0, peak_mib = 0, misses = 0, gets = 0;
};

struct side {
  std::string name;
  std::array<std::vector<figures>, percentages.size()> runs;

  double median(std::size_t i, double figures::* which) const {
    std::vector<double> list;
    for (const figures& f : runs[i]) list.push_back(f.*which);
    std::sort(list.begin(), list.end());
    return list[list.size() / 2];
  }
};

// Both programs print their figures behind a colon. False: it failed, which was said.
bool run(const std::string& command, figures& out) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  char line[512] = {};
  const bool has_line = std::fgets(line, sizeof line, pipe) != nullptr;
  const bool ended_well = pclose(pipe) == 0;
  const char* colon = std::strrchr(line, ':');
  if (has_line && ended_well && colon != nullptr &&
      std::sscanf(colon, ": %lf s, %lf cpu-s, peak %lf MiB, misses %lf of %lf", &out.seconds, &out.cpu_seconds,
                  &out.peak_mib, &out.misses, &out.gets) == 5)
    return true;
  std::fprintf(stderr, "memory_tradeoff: this failed, or printed something else: %s\n", command.c_str());
  return false;
}

// --- the plot -------------------------------------------------------------------------------------------------------

constexpr double width = 640, height = 380, left = 64, right = 24, top = 40, bottom = 56;
constexpr std::array<const char*, 2> colours = {"#0072b2", "#d55e00"};

// A round step of which about five fit.
double step_for(double most) {
  double step = 1e-3;
  while (most / step > 6) step *= most / step > 60 ? 10 : (most / step > 30 ? 5 : 2);
  return step;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + std::string(anchor) + "\">" +
         std::string(text) + "</text>\n";
}

std::string line_from(double x1, double y1, double x2, double y2) {
  return "<line x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) +
         "\" stroke=\"#dddddd\"/>\n";
}

struct label {
  double x, y;
  std::string text;
};

// Points that lie so close that their labels would overlap have one together, above the highest.
void add_label(std::vector<label>& labels, label next) {
  constexpr double close_x = 30, close_y = 16;
  label* last = labels.empty() ? nullptr : &labels.back();
  if (last == nullptr || std::abs(last->x - next.x) > close_x || std::abs(last->y - next.y) > close_y) {
    labels.push_back(std::move(next));
    return;
  }
  last->y = std::min(last->y, next.y);
  last->text += ", " + next.text;
}

std::string plot(const std::vector<side>& sides) {
  double most_mib = 0, most_cpu = 0;
  for (const side& s : sides)
    for (std::size_t i = 0; i < percentages.size(); ++i) {
      most_mib = std::max(most_mib, s.median(i, &figures::peak_mib) * 1.08);
      most_cpu = std::max(most_cpu, s.median(i, &figures::cpu_seconds) * 1.08);
    }
  const auto at_x = [&](double mib) { return left + mib / most_mib * (width - left - right); };
  const auto at_y = [&](double cpu) { return height - bottom - cpu / most_cpu * (height - top - bottom); };

  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " + number(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n" +
                    "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  for (double mib = 0; mib <= most_mib; mib += step_for(most_mib)) {
    svg += line_from(at_x(mib), top, at_x(mib), height - bottom);
    svg += text_at(at_x(mib), height - bottom + 18, "middle", number(mib));
  }
  for (double cpu = 0; cpu <= most_cpu; cpu += step_for(most_cpu)) {
    svg += line_from(left, at_y(cpu), width - right, at_y(cpu));
    svg += text_at(left - 8, at_y(cpu) + 4, "end", number(cpu));
  }
  svg += text_at((left + width - right) / 2, height - 14, "middle", "most that was resident, MiB");
  svg += text_at(left, top - 24, "start", "CPU seconds; beside each point its percentage");
  for (std::size_t s = 0; s < sides.size(); ++s) {
    const std::string colour = colours[s % colours.size()];
    std::string path, points;
    std::vector<label> labels;
    for (std::size_t i = 0; i < percentages.size(); ++i) {
      const double x = at_x(sides[s].median(i, &figures::peak_mib));
      const double y = at_y(sides[s].median(i, &figures::cpu_seconds));
      path += i == 0 ? 'M' : 'L';
      path += number(x) + " " + number(y);
      points += "<circle cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" r=\"4\" fill=\"" + colour + "\"/>\n";
      add_label(labels, {.x = x, .y = y, .text = name_of(percentages[i])});
    }
    for (const label& l : labels) points += text_at(l.x, l.y - 9, "middle", l.text);
    svg += "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + colour + "\" stroke-width=\"1.5\"/>\n" + points;
    const double at = width - right - 70;
    const double row = top - 24 + 16 * static_cast<double>(s);
    svg += "<circle cx=\"" + number(at) + "\" cy=\"" + number(row - 4) + "\" r=\"4\" fill=\"" + colour + "\"/>\n";
    svg += text_at(at + 10, row, "start", sides[s].name);
  }
  return svg + "</svg>\n";
}

void print_table(const std::vector<side>& sides) {
  std::printf("| percentage |");
  for (const side& s : sides) std::printf(" %s: MiB, CPU s, s, misses |", s.name.c_str());
  std::printf("\n|---|");
  for (std::size_t i = 0; i < sides.size(); ++i) std::printf("---|");
  for (std::size_t i = 0; i < percentages.size(); ++i) {
    std::printf("\n| %s |", name_of(percentages[i]).c_str());
    for (const side& s : sides)
      std::printf(" %.0f, %.2f, %.2f, %.1f%% |", s.median(i, &figures::peak_mib), s.median(i, &figures::cpu_seconds),
                  s.median(i, &figures::seconds), 100 * s.median(i, &figures::misses) / s.median(i, &figures::gets));
  }
  std::printf("\n");
}

bool positive(const char* text, int& out) {
  const char* end = text + std::strlen(text);
  return std::from_chars(text, end, out).ptr == end && out > 0;
}

}  // namespace

int main(int argc, char** argv) {
  int runs = 3, processors = 2;
  if (argc < 2 || argc > 5 || (argc > 2 && !positive(argv[2], runs)) || (argc > 3 && !positive(argv[3], processors))) {
    std::fprintf(stderr, "usage: memory_tradeoff SVG [RUNS [PROCESSORS [PEER_GO]]]\n");
    return 2;
  }
  const std::string bench = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "memory_bench";
  std::vector<side> sides{{.name = "weft", .runs = {}}};
  if (argc > 4) sides.push_back({.name = "Go", .runs = {}});
  const std::string threads = std::to_string(processors);
  for (int round = 0; round < runs; ++round)
    for (std::size_t i = 0; i < percentages.size(); ++i) {
      const int percent = percentages[i];
      figures f;
      if (!run("'" + bench + "' curve " + threads + " " + std::to_string(percent), f)) return 1;
      sides[0].runs[i].push_back(f);
      if (argc <= 4) continue;
      if (!run("GOGC=" + name_of(percent) + " '" + argv[4] + "' memory_ceiling " + threads, f)) return 1;
      sides[1].runs[i].push_back(f);
    }
  print_table(sides);
  std::ofstream file(argv[1]);
  file << plot(sides);
  if (!file.flush()) {
    std::fprintf(stderr, "memory_tradeoff: cannot write %s\n", argv[1]);
    return 1;
  }
  return 0;
}
