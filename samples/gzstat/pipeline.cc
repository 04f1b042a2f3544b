// Connects the stages with channels, and ends them together.
//
// Each stage is a group of its workers, and all stages are members of one group. So an exception in one worker stops
// its siblings, leaves its stage, and stops the other stages; and a stop from outside (the deadline, Ctrl-C) reaches
// every worker. They are parked in a receive or a send, or will be soon: that reports "nothing more", and their loops
// end.
#include "pipeline.h"

#include <functional>
#include <optional>
#include <utility>

#include <weft/channel.h>
#include <weft/join_handle.h>
#include <weft/select.h>
#include <weft/task_group.h>
#include <weft/this_task.h>

#include "walk.h"
#include "workers.h"

namespace gzstat {
namespace {

weft::task<> read_stage(run_state& run, weft::channel<file_ptr> in, weft::channel<stream> out,
                        weft::channel<result> results) {
  co_await run_workers(run.read, read_files, std::ref(run), in, out, results);
  out.close();
}

weft::task<> inflate_stage(run_state& run, weft::channel<stream> in, weft::channel<stream> out,
                           weft::channel<result> results) {
  co_await run_workers(run.inflate, inflate_files, std::ref(run), in, out, results);
  out.close();
}

weft::task<> pass_stage(run_state& run, weft::channel<stream> in, weft::channel<stream> out) {
  co_await run_workers(run.inflate, pass_on, std::ref(run), in, out);
  out.close();
}

// The last stage that sends results: the others have ended when its input is closed.
weft::task<> parse_stage(run_state& run, weft::channel<stream> in, weft::channel<result> results) {
  co_await run_workers(run.parse, parse_texts, std::ref(run), in, results);
  results.close();
}

}  // namespace

weft::task<> run_pipeline(run_state& run) { co_await run_pipeline_from(walk, run); }

weft::task<> run_pipeline_from(first_stage first, run_state& run) {
  const std::size_t queue = run.args.queue;
  const weft::channel<file_ptr> found(queue);
  const weft::channel<stream> opened(queue);
  weft::channel<stream> texts(queue);
  const weft::channel<result> results(queue);

  // A stage that is refused, because this task was asked to stop, is no matter: the others are stopped too.
  weft::task_group stages;
  (void)co_await stages.go(first, std::ref(run), found, results);
  (void)co_await stages.go(read_stage, std::ref(run), found, opened, results);
  (void)co_await stages.go(inflate_stage, std::ref(run), opened, texts, results);
  for (int i = 0; i < run.args.pass; ++i) {
    weft::channel<stream> passed(queue);
    (void)co_await stages.go(pass_stage, std::ref(run), std::exchange(texts, passed), passed);
  }
  (void)co_await stages.go(parse_stage, std::ref(run), texts, results);
  (void)co_await stages.go(reduce, std::ref(run), results);
  co_await stages.wait();
}

weft::task<ending> run_to_an_end(run_state& run) {
  bool in_time = true;
  try {
    if (run.args.deadline)
      in_time = (co_await weft::with_timeout(*run.args.deadline, run_pipeline, std::ref(run))).has_value();
    else
      co_await run_pipeline(run);
  } catch (const input_error& e) {
    run.add_problem(e.about());
    co_return ending::bad_input;
  }
  if (!in_time) co_return ending::deadline;
  if (weft::this_task::stop_requested()) co_return ending::stopped;
  co_return run.bad != 0 ? ending::bad_input : ending::complete;
}

weft::task<ending> run_until_interrupted(run_state& run, weft::channel<int> interrupts) {
  weft::join_handle<ending> running = weft::spawn(run_to_an_end, std::ref(run));
  auto first = co_await weft::select_first(running, interrupts.receive());
  if (first && first.index() == 0) co_return first.get<0>();
  running.request_stop();
  co_return co_await running;
}

}  // namespace gzstat
