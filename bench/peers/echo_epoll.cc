// Peer: an echo server as a hand-written loop over epoll, level triggered; what a program without any runtime costs.
//
//   peer_echo_epoll PORT       on 127.0.0.1, until it is killed; prints "listening on 127.0.0.1:PORT"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "echo_peer.h"

namespace {

// Reads once and sends it back, waiting where it must. False: the connection is over.
bool echo(int fd, std::vector<char>& buffer) {
  const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
  if (n <= 0) return n < 0 && errno == EAGAIN;
  for (ssize_t sent = 0; sent < n;) {
    const ssize_t m = ::send(fd, buffer.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
    if (m < 0) return false;
    sent += m;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const int listener = peer::listen_on(argc, argv);
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener;
  ::epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
  std::array<epoll_event, 256> events;
  std::vector<char> buffer(4096);
  for (;;) {
    const int count = ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener) {
        event.data.fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (event.data.fd >= 0) ::epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
      } else if (!echo(fd, buffer)) {
        ::close(fd);
      }
    }
  }
}
