// See report.h.
#include "report.h"

#include <array>
#include <string_view>
#include <vector>

#include <weft/metrics.h>

#include "common/format.h"

namespace httpd {

using samples::counted;
using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

// "  label        text\n"
void add_row(std::string& to, std::string_view label, std::string_view text) {
  constexpr std::size_t label_columns = 16;
  to.append("  ").append(label);
  to.append(label.size() < label_columns ? label_columns - label.size() : 1, ' ');
  to.append(text).append("\n");
}

// A part of a row: "<value> <what>". Figures of one label stand on one row.
struct figure {
  std::string_view label;
  std::string_view metric;
  std::string_view what;
};

constexpr std::array figures{
    figure{"processors", "/sched/gomaxprocs:threads", ""},
    figure{"tasks", "/sched/goroutines-created:goroutines", "created"},
    figure{"tasks", "/weft/sched/parks:parks", "parks"},
    figure{"tasks", "/weft/sched/hops:hops", "hops from one straight to the next"},
    figure{"balance", "/weft/sched/stolen-strands:strands", "tasks stolen"},
    figure{"balance", "/weft/sched/wakes:wakes", "workers woken"},
    figure{"balance", "/weft/sched/sleeps:sleeps", "sleeps"},
    figure{"blocking", "/weft/blocking/calls:calls", "calls"},
    figure{"timers", "/weft/sched/timers-fired:timers", "fired"},
};

std::string text_of(const weft::metrics::value& v) {
  return v.kind() == weft::metrics::value_kind::uint64 ? with_commas(v.as_uint64()) : "-";
}

std::string runtime_figures(const weft::runtime& rt) {
  std::vector<weft::metrics::sample> samples;
  for (const figure& f : figures) samples.push_back({f.metric});
  weft::metrics::read(rt, samples);
  std::string text = "the runtime\n";
  std::string row;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const figure& f = figures[i];
    row.append(row.empty() ? "" : ", ").append(text_of(samples[i].value));
    if (!f.what.empty()) row.append(" ").append(f.what);
    if (i + 1 < figures.size() && figures[i + 1].label == f.label) continue;
    add_row(text, f.label, row);
    row.clear();
  }
  return text;
}

}  // namespace

std::string report(const server_figures& f, std::chrono::duration<double> elapsed, const weft::runtime& rt) {
  const tally& done = f.list.done;
  std::string text = "the server\n";
  std::string answers = counted(done.all_answers(), "answer");
  for (std::size_t i = 0; i < done.answers.size(); ++i)
    if (done.answers[i] != 0) answers += ", " + with_commas(done.answers[i]) + " x " + std::to_string(i) + "xx";
  add_row(text, "answers", answers);
  add_row(text, "bodies", in_mb(done.bytes));
  add_row(text, "connections",
          with_commas(f.list.connections) + " in all, at most " + with_commas(f.list.open_most) + " at once, " +
              with_commas(f.list.open) + " open");
  add_row(text, "closed",
          with_commas(f.list.overdue) + " for their time was over, " + with_commas(f.list.given_up) +
              " idle ones for want of descriptors");
  add_row(text, "accepting",
          "paused " + counted(f.full, "time") + " at the limit, " + counted(f.refused, "time") +
              " for want of descriptors");
  add_row(text, "time", fixed(elapsed.count(), 3) + " s");
  return text + runtime_figures(rt);
}

}  // namespace httpd
