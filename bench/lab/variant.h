// What is run: a workload with its parameters and choices, or a program of the user's.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "choice.h"
#include "workload.h"

namespace weft_lab {

struct variant {
  const workload* work = nullptr;                          ///< null: `program`
  std::string program;                                     ///< a command for the shell
  std::string trace;                                       ///< of the workload `replay`: the file
  double volume = 1;                                       ///< of the workload `replay`: how often each arrival comes
  std::string trace_out;                                   ///< if not empty: where a trace of the run goes
  std::vector<std::pair<std::string, std::string>> given;  ///< what was set, each name once, as typed

  /// As it is typed: "ping-pong --run-next=off".
  std::string text() const;
};

/// INVALID_ARGUMENT that lists the workloads.
absl::StatusOr<variant> variant_of(std::string_view workload_name);

/// Sets a choice or a parameter. INVALID_ARGUMENT: there is none of that name (lists those that exist), or the value is
/// out of range.
absl::Status assign(variant& v, std::string_view name, std::string_view value);

/// The settings that the choices among `given` make of the defaults.
settings settings_of(const variant& v);

/// Every parameter of the workload with the value in force.
context::parameter_values parameters_of(const variant& v);

}  // namespace weft_lab
