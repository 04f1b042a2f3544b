// The first stage: finds the files.
#pragma once

#include <weft/channel.h>
#include <weft/task.h>

#include "ledger.h"
#include "stages.h"

namespace gzstat {

/// Sends the files that run.args names, in the order of their names folder by folder, and closes `out`. One task.
weft::task<> walk(run_state& run, weft::channel<file_ptr> out, weft::channel<result> results);

}  // namespace gzstat
