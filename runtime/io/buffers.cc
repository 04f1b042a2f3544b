// See buffers.h.
#include "io/buffers.h"

#include <new>

#include "io/engine.h"

namespace weft::detail {

buffer_stock::~buffer_stock() {
  while (count_ != 0) ::operator delete(take());
}

std::byte* buffer_stock::take() noexcept {
  if (count_ == 0) return static_cast<std::byte*>(::operator new(io_buffer::capacity, std::nothrow));
  std::byte* buffer = free_[--count_];
  mark_used(buffer, io_buffer::capacity);
  return buffer;
}

void buffer_stock::give(std::byte* buffer) noexcept {
  if (count_ == free_.size()) return ::operator delete(buffer);
  free_[count_++] = buffer;
  mark_unused(buffer, io_buffer::capacity);
}

void give_buffer(std::byte* buffer) noexcept {
  processor* p = this_context.proc;
  // relaxed: the driver made it.
  poller* io = p != nullptr ? p->io.load(std::memory_order_relaxed) : nullptr;
  if (io != nullptr)
    static_cast<io_engine*>(io)->stock().give(buffer);
  else
    ::operator delete(buffer);
}

}  // namespace weft::detail

namespace weft {

void io_buffer::give_back() noexcept { detail::give_buffer(data_); }

}  // namespace weft
