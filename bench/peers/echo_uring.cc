// Peer: an echo server as a hand-written loop over liburing, with deferred task run; each connection has one buffer and
// one request at a time, a receive or a send.
//
//   peer_echo_uring PORT       on 127.0.0.1, until it is killed; prints "listening on 127.0.0.1:PORT"
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "echo_peer.h"

namespace {

struct connection {
  int fd;
  bool sends;
  unsigned held;  // bytes that were read
  unsigned sent;  // of which are sent
  std::array<char, 4096> buffer;
};

class server {
 public:
  explicit server(int listener) : listener_(listener) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
    params.cq_entries = 8192;
    if (io_uring_queue_init_params(1024, &ring_, &params) != 0) peer::fail("io_uring_queue_init_params");
    accept();
  }

  [[noreturn]] void run() {
    for (;;) {
      io_uring_submit_and_wait(&ring_, 1);
      io_uring_cqe* cqe = nullptr;
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++seen;
        complete(reinterpret_cast<connection*>(cqe->user_data), cqe->res);
      }
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  io_uring_sqe* entry() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    if (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }

  void accept() {
    io_uring_sqe* sqe = entry();
    io_uring_prep_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    sqe->user_data = 0;
  }

  void receive(connection* c) {
    c->sends = false;
    io_uring_sqe* sqe = entry();
    io_uring_prep_recv(sqe, c->fd, c->buffer.data(), c->buffer.size(), 0);
    io_uring_sqe_set_data(sqe, c);
  }

  void send(connection* c) {
    c->sends = true;
    io_uring_sqe* sqe = entry();
    io_uring_prep_send(sqe, c->fd, c->buffer.data() + c->sent, c->held - c->sent, MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, c);
  }

  void complete(connection* c, int result) {
    if (c == nullptr) {
      if (result >= 0) {
        c = new connection;
        c->fd = result;
        receive(c);
      }
      accept();
    } else if (result <= 0) {
      ::close(c->fd);
      delete c;
    } else if (c->sends) {
      c->sent += static_cast<unsigned>(result);
      c->sent == c->held ? receive(c) : send(c);
    } else {
      c->held = static_cast<unsigned>(result);
      c->sent = 0;
      send(c);
    }
  }

  const int listener_;
  io_uring ring_{};
};

}  // namespace

int main(int argc, char** argv) { server(peer::listen_on(argc, argv)).run(); }
