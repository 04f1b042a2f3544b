// Runs in processes of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "record.h"
#include "variant.h"

namespace weft_lab {

/// From now on SIGINT and SIGTERM do not end this process: they are noticed by interrupted(), and the run that is under
/// way is killed.
void catch_interrupts();
bool interrupted();

/// Runs a variant once, in a new process: this program again for a workload, a shell for a program of the user's.
///
/// Errors: what the process said when it failed; DEADLINE_EXCEEDED after `patience`; CANCELLED when interrupted. The
/// process, and what it has started in its process group, is gone when this returns.
absl::StatusOr<record> launch(const variant& v, uint64_t seed, std::chrono::nanoseconds patience);

/// What a program printed, and nothing else of it. Errors as above.
absl::StatusOr<std::string> output_of(const std::string& command, std::chrono::nanoseconds patience);

/// The other side: runs a workload as launch() asked for it, and writes the record. Returns the exit status.
int serve_launch(int argc, char** argv);

}  // namespace weft_lab
