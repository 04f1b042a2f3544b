// Names of hosts.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include <weft/socket_address.h>
#include <weft/task.h>

namespace weft {

/// The addresses of a host, as the system's resolver gives them, in its order; at least one. `service`: a port number
/// or a name of /etc/services. On the blocking pool, so a stop does not cut it short. Errors: NOT_FOUND, UNAVAILABLE
/// (try again), INVALID_ARGUMENT, with the host and service.
task<absl::StatusOr<std::vector<socket_address>>> resolve(std::string host, std::string service);

}  // namespace weft
