// The table of locks, and the long way into one of them.
#include <weft/detail/lock_table.h>

namespace weft::detail {

constinit std::array<padded_lock, std::size_t{1} << lock_table_bits> lock_table;

void biased_lock::lock_slow() noexcept { protocol_.take(this_context.tag); }

}  // namespace weft::detail
