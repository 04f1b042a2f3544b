// The table of locks (detail/lock_table.h), and the processors' lists for [bias]. The long way into a lock is in
// gather.cc.
#include <weft/detail/lock_table.h>

#include <mutex>
#include <vector>

namespace weft::detail {

constinit std::array<padded_lock, std::size_t{1} << lock_table_bits> lock_table;

constinit bias_owner<> no_processor(0);

namespace {

// Lists of processors that are gone, for new ones: locks may still be biased to them.
struct owner_pool {
  std::mutex mutex;
  std::vector<bias_owner<>*> unused;  // guarded by mutex
  std::vector<bias_owner<>*> all;     // guarded by mutex
};

owner_pool& owners() {
  static auto* pool = new owner_pool;  // never destroyed
  return *pool;
}

}  // namespace

bias_owner<>* take_bias_owner() {
  owner_pool& pool = owners();
  const std::lock_guard guard(pool.mutex);
  if (pool.unused.empty()) {
    pool.all.push_back(new bias_owner<>(static_cast<uint32_t>(pool.all.size() + 1)));
    return pool.all.back();
  }
  bias_owner<>* owner = pool.unused.back();
  pool.unused.pop_back();
  return owner;
}

void give_bias_owner(bias_owner<>* owner) noexcept {
  owner_pool& pool = owners();
  const std::lock_guard guard(pool.mutex);
  pool.unused.push_back(owner);
}

uint64_t channel_bytes() noexcept {
  // relaxed: statistics, here and below.
  int64_t sum = no_processor.channel_bytes.load(std::memory_order_relaxed);
  owner_pool& pool = owners();
  const std::lock_guard guard(pool.mutex);
  // relaxed: as above.
  for (const bias_owner<>* o : pool.all) sum += o->channel_bytes.load(std::memory_order_relaxed);
  return sum > 0 ? static_cast<uint64_t>(sum) : 0;
}

}  // namespace weft::detail
