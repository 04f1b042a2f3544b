// Peer: an echo server with the coroutines of Boost.Asio, on one thread.
//
//   peer_echo_asio PORT       on 127.0.0.1, until it is killed; prints "listening on 127.0.0.1:PORT"
#include <array>
#include <coroutine>
#include <exception>
#include <utility>

#include <boost/asio.hpp>

#include "echo_peer.h"

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> echo(tcp::socket socket) {
  try {
    socket.set_option(tcp::no_delay(true));
    std::array<char, 4096> buffer;
    for (;;) {
      const std::size_t n = co_await socket.async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer(buffer, n), asio::use_awaitable);
    }
  } catch (const std::exception&) {
    // The connection is over.
  }
}

asio::awaitable<void> serve(uint16_t port) {
  const auto here = co_await asio::this_coro::executor;
  tcp::acceptor acceptor(here, tcp::endpoint(asio::ip::address_v4::loopback(), port));
  acceptor.listen(1024);
  peer::say_listening(port);
  for (;;) asio::co_spawn(here, echo(co_await acceptor.async_accept(asio::use_awaitable)), asio::detached);
}

}  // namespace

int main(int argc, char** argv) {
  const uint16_t port = peer::port_of(argc, argv);
  peer::raise_descriptor_limit();
  asio::io_context context(1);
  asio::co_spawn(context, serve(port), asio::detached);
  context.run();
}
