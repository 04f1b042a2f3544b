// See figures.h.
#include "io/figures.h"

#include "io/engine.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

template <class F>
void for_each_engine(const scheduler& sched, const F& f) {
  for (const auto& p : sched.processors())
    // acquire: pairs with the release store of its maker.
    if (const poller* io = p->io.load(std::memory_order_acquire)) f(p->index, static_cast<const io_engine&>(*io));
}

}  // namespace

const char* io_op_name(io_op op) noexcept {
  switch (op) {
    case io_op::read: return "read";
    case io_op::write: return "write";
    case io_op::readv: return "readv";
    case io_op::writev: return "writev";
    case io_op::receive: return "receive";
    case io_op::send: return "send";
    case io_op::recvpool: return "recvpool";
    case io_op::recvmsg: return "recvmsg";
    case io_op::sendmsg: return "sendmsg";
    case io_op::accept: return "accept";
    case io_op::connect: return "connect";
    case io_op::poll: return "poll";
    case io_op::fsync: return "fsync";
    case io_op::open: return "open";
    case io_op::statx: return "statx";
    case io_op::shutdown: break;
  }
  return "shutdown";
}

io_figures io_figures_of(const scheduler& sched) noexcept {
  io_figures all;
  for_each_engine(sched, [&](uint32_t, const io_engine& engine) { engine.add_figures(all); });
  return all;
}

std::vector<io_backend_in_use> io_backends_of(const scheduler& sched) {
  std::vector<io_backend_in_use> all;
  for (const auto& p : sched.processors()) {
    // acquire: as above.
    if (const poller* io = p->io.load(std::memory_order_acquire))
      all.push_back({p->index, io->description()});
    else if (const std::string why = p->io_refusal.get(); !why.empty())
      all.push_back({p->index, "none (" + why + ")"});
  }
  return all;
}

}  // namespace weft::detail
