// Where the counting allocator registers. See program_heap.h.
#include "mem/program_heap.h"

namespace weft::mem {

constinit std::atomic<program_heap_function> program_heap{nullptr};

}  // namespace weft::mem
