// See buffers.h.
#include "io/buffers.h"

#include <new>

#include "io/engine.h"

namespace weft::detail {

buffer_stock::~buffer_stock() {
  while (first_ != nullptr) {
    free_buffer* next = first_->next;
    mark_used(first_, io_buffer::capacity);
    ::operator delete(first_);
    first_ = next;
  }
}

std::byte* buffer_stock::take() noexcept {
  free_buffer* b = first_;
  if (b == nullptr) return static_cast<std::byte*>(::operator new(io_buffer::capacity, std::nothrow));
  first_ = b->next;
  --count_;
  mark_used(b, io_buffer::capacity);
  return reinterpret_cast<std::byte*>(b);
}

void buffer_stock::give(std::byte* buffer) noexcept {
  if (count_ == most) return ::operator delete(buffer);
  first_ = new (buffer) free_buffer{first_};
  ++count_;
  mark_unused(buffer + sizeof(free_buffer), io_buffer::capacity - sizeof(free_buffer));
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
