// See report.h.
#include "report.h"

#include <array>

#include "common/format.h"
#include "common/rows.h"

namespace httpd {

using samples::add_row;
using samples::counted;
using samples::figure;
using samples::fixed;
using samples::in_mb;
using samples::with_commas;

namespace {

constexpr std::array figures{
    figure{"processors", "/sched/gomaxprocs:threads", ""},
    figure{"tasks", "/sched/goroutines-created:goroutines", "created"},
    figure{"tasks", "/weft/sched/parks:parks", "parks"},
    figure{"tasks", "/weft/sched/hops:hops", "hops from one straight to the next"},
    figure{"balance", "/weft/sched/stolen-strands:strands", "tasks stolen"},
    figure{"balance", "/weft/sched/wakes:wakes", "workers woken"},
    figure{"balance", "/weft/sched/sleeps:sleeps", "sleeps"},
    figure{"blocking", "/cgo/go-to-c-calls:calls", "calls"},
    figure{"timers", "/weft/timers/fired:timers", "fired"},
};

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
  return text + "the runtime\n" + samples::figure_rows(rt, figures);
}

}  // namespace httpd
