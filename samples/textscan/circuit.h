// Buffers that go round between a stage that fills them and a stage that empties them.
//
// There are as many buffers as the circuit was made with: a filling stage that finds none empty parks, and that is all
// the flow control there is. Nothing is allocated once the buffers have grown to their size. A send never parks, since
// each channel has room for every buffer.
#pragma once

#include <cstddef>
#include <memory>

#include <weft/channel.h>

namespace textscan {

template <class T>
struct circuit {
  using buffer = std::unique_ptr<T>;

  /// Makes `count` buffers by make(), which returns a buffer.
  template <class Make>
  circuit(std::size_t count, Make make) : filled(count), empty(count) {
    while (count-- > 0) (void)empty.try_send(make());
  }

  weft::channel<buffer> filled;
  weft::channel<buffer> empty;
};

}  // namespace textscan
