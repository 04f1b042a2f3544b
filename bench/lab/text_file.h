// Files that the lab reads whole.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace weft_lab {

/// What is in the file. INVALID_ARGUMENT with the path and the reason; NOT_FOUND if there is no such file.
absl::StatusOr<std::string> read_file(const std::string& path);

}  // namespace weft_lab
