// Buffers that belong to whoever has them, and a processor's stock of those that nobody has. See weft/io_buffer.h.
#pragma once

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
  struct free_buffer {
    free_buffer* next;
  };
  static constexpr uint32_t most = 256;

  free_buffer* first_ = nullptr;
  uint32_t count_ = 0;
};

/// To the running processor's stock, if it has one.
void give_buffer(std::byte* buffer) noexcept;

}  // namespace weft::detail
