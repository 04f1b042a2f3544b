// Buffers that belong to whoever has them, and a processor's stock of those that nobody has. See weft/io_buffer.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <weft/detail/context.h>
#include <weft/io_buffer.h>

namespace weft::detail {

/// By the processor's driver. Buffers come from operator new and may be freed by anyone.
class buffer_stock {
 public:
  buffer_stock() noexcept = default;
  ~buffer_stock();
  buffer_stock(const buffer_stock&) = delete;
  buffer_stock& operator=(const buffer_stock&) = delete;

  /// Null when there is no memory.
  std::byte* take() noexcept;
  void give(std::byte* buffer) noexcept;

 private:
  // No list through the buffers, which are cold: none is touched before the kernel writes to it.
  std::array<std::byte*, 256> free_;
  uint32_t count_ = 0;
};

/// To the running processor's stock, if it has one.
void give_buffer(std::byte* buffer) noexcept;

}  // namespace weft::detail
