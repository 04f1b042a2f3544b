// What the runtime does with all pools of the process together. Any thread.
#pragma once

#include <cstdint>

namespace weft::detail {

/// What pools do in an epoch: see epoch_hooks. age_shared_pools() also destroys what waits for it, so it runs code of
/// the user. `everything`: what is pooled is not a victim for an epoch first.
void age_pools(uint32_t slot, bool everything = false) noexcept;
void age_shared_pools(bool everything = false) noexcept;
bool clear_open_pools() noexcept;
void forget_pools(uint32_t slot) noexcept;

/// Objects that epochs have taken out of pools: how many there were, and how many of them are destroyed.
struct pool_cleanup_counts {
  uint64_t queued;
  uint64_t executed;
};
pool_cleanup_counts pool_cleanups() noexcept;

/// Destroys up to `most` of the objects that epochs have taken out; returns how many. Runs code of the user, so nothing
/// may be locked. Several threads may do so at once, each in another pool.
uint64_t run_pool_cleanups(uint64_t most) noexcept;

/// Bytes of all objects that pools have made and not destroyed, those in use included: what epochs are paced by. Cost:
/// a few loads for each pool and processor.
uint64_t pool_memory_bytes() noexcept;

/// Bytes of all that is pooled, heads of nodes included. Cost: a few loads for each pool and processor.
uint64_t pooled_bytes() noexcept;

}  // namespace weft::detail
