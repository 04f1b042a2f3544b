// See weft/detail/path_argument.h.
#include <weft/detail/path_argument.h>

#include <cstddef>
#include <memory>

#include <weft/detail/context.h>

#include "sched/processor.h"

namespace weft::detail {

namespace {

// With its terminator. Longer ones are made to measure.
constexpr std::size_t room = 256;

bool is_kept_when_done(std::size_t bytes) noexcept { return bytes < room; }

}  // namespace

char* take_path_memory(std::size_t bytes) {
  if (!is_kept_when_done(bytes)) [[unlikely]]
    return new char[bytes + 1];
  processor* const p = this_context.proc;
  if (p != nullptr && p->path_memory != nullptr) [[likely]]
    return p->path_memory.release();
  return new char[room];
}

void give_path_memory(char* memory, std::size_t bytes) noexcept {
  processor* const p = this_context.proc;
  if (is_kept_when_done(bytes) && p != nullptr && p->path_memory == nullptr) [[likely]]
    p->path_memory.reset(memory);
  else
    delete[] memory;
}

}  // namespace weft::detail
