// One measured run, in the process that does it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "record.h"
#include "variant.h"

namespace weft_lab {

/// Makes a runtime as the variant says, runs its workload, shuts the runtime down, and returns what was measured.
///
/// Errors: what the runtime says of its options; INTERNAL when the workload's own check failed, with its message.
absl::StatusOr<record> run_here(const variant& v, uint64_t seed);

}  // namespace weft_lab
