// The stages, put together.
#pragma once

#include <cstdint>

#include <weft/channel.h>
#include <weft/task.h>

#include "stages.h"

namespace gzstat {

enum class ending : uint8_t { complete, bad_input, deadline, stopped };

/// Runs the pipeline over run.args.paths until it is done, a file is bad, the deadline passes, or this task is asked to
/// stop. Every task has ended and every file is accounted for when it returns.
weft::task<ending> run_to_an_end(run_state& run);

/// The same, and a value from `interrupts` stops it.
weft::task<ending> run_until_interrupted(run_state& run, weft::channel<int> interrupts);

/// Without deadline and interrupts; a bad file is an exception.
weft::task<> run_pipeline(run_state& run);

/// With another stage than walk() to find the files.
using first_stage = weft::task<> (*)(run_state& run, weft::channel<file_ptr> out, weft::channel<result> results);
weft::task<> run_pipeline_from(first_stage first, run_state& run);

}  // namespace gzstat
