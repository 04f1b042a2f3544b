// See io_error.h.
#include "io/io_error.h"

#include <array>
#include <cerrno>
#include <string>

#include "os/address.h"
#include "sched/scheduler.h"

namespace weft::detail {

os::system& kernel() noexcept {
  processor* p = this_context.proc;
  return p != nullptr ? *p->sched.seams().sys : os::system::real();
}

namespace {

// Empty where another processor was refused than the one that asks.
std::string why_no_io() {
  if (this_context.proc == nullptr) return "";
  const std::string why = this_context.proc->io_refusal.get();
  return why.empty() ? "" : " (" + why + ")";
}

}  // namespace

absl::Status io_error(std::string_view operation, std::string_view subject, int32_t result) {
  const std::string what = std::string(operation) + (subject.empty() ? "" : " ") + std::string(subject);
  if (result == -ECANCELED) return absl::CancelledError(what + ": the task was asked to stop");
  if (result == -EBADF) return absl::FailedPreconditionError(what + ": closed");
  if (result == -io_unavailable) return absl::ResourceExhaustedError(what + ": no I/O can be set up" + why_no_io());
  return os::errno_status(-result, what);
}

absl::Status socket_error(std::string_view operation, const descriptor& socket, int32_t result) {
  alignas(8) std::array<std::byte, 128> name{};
  std::string subject;
  if (socket.is_open()) {
    // A peer that has reset the connection has no name any more; then the own end says which one it was.
    int size = kernel().socket_name(socket.fd(), true, name);
    subject = "peer ";
    if (size <= 0) {
      size = kernel().socket_name(socket.fd(), false, name);
      subject = "local ";
    }
    subject = size > 0 ? subject + os::address_text(std::span(name).first(static_cast<std::size_t>(size)))
                       : "descriptor " + std::to_string(socket.fd());
  }
  return io_error(operation, subject, result);
}

}  // namespace weft::detail
