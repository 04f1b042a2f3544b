// See weft/resolve.h.
#include <weft/resolve.h>

#include <span>

#include <weft/blocking.h>

#include "os/resolve.h"

namespace weft {

task<absl::StatusOr<std::vector<socket_address>>> resolve(std::string host, std::string service) {
  std::vector<os::resolved_address> raw;
  std::string why;
  os::resolve_outcome outcome{};
  auto ask = [&] { outcome = os::resolve(host, service, raw, why); };
  co_await blocking(ask);
  const std::string what = "resolve " + host + ":" + service + ": " + why;
  switch (outcome) {
    case os::resolve_outcome::no_such_name: co_return absl::NotFoundError(what);
    case os::resolve_outcome::try_again: co_return absl::UnavailableError(what);
    case os::resolve_outcome::malformed: co_return absl::InvalidArgumentError(what);
    case os::resolve_outcome::failed: co_return absl::UnknownError(what);
    case os::resolve_outcome::found: break;
  }
  std::vector<socket_address> found;
  for (const os::resolved_address& a : raw)
    found.push_back(socket_address::from_bytes(std::span(a.bytes).first(a.size)));
  co_return found;
}

}  // namespace weft
