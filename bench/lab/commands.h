// What `weft-lab` does with its command line.
#pragma once

namespace weft_lab {

/// Runs the command and returns the exit status: 0; 1 when a run failed; 2 when the command line is wrong.
int run_command(int argc, char** argv);

}  // namespace weft_lab
