// Counting allocations: per thread, by the task that runs and the place that asks.
//
// Each thread counts in a shard of its own, without locked instructions; a shard whose thread has ended goes on with
// another thread's counts. What threads do after their shard is gone (destructors of other thread-locals) is counted
// in one shard under a lock.
//
// The size of a block is asked of malloc (malloc_usable_size), when it is given and when it is freed, so both agree
// whatever the caller says. Rejected: a header in front of each block. It would know the place and the task of a freed
// block, but it costs 16 bytes a block, more with large alignments, and so changes what it measures; and blocks from a
// plain malloc that are given to operator delete, which is wrong but works, would be lost.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/address_table.h"
#include "base/counter.h"

namespace weft::heap {

struct place_figures {
  base::counter allocations;
  base::counter allocated_bytes;
  base::counter frees;
  base::counter freed_bytes;
};

using place_table = base::address_table<place_figures, 512>;

struct alignas(64) shard {
  place_table places;  // by owner and place
  base::counter allocations;
  base::counter allocated_bytes;
  base::counter freed_bytes;
  shard* next_made = nullptr;  // immutable after publication
  shard* next_free = nullptr;  // guarded by the list's lock
};

/// Calls f(const shard&) for every shard. Any thread.
template <class F>
void for_each_shard(F&& f);

/// Counts a block that was allocated at `place`, or is about to be freed; null is no block.
void count_allocation(void* block, const void* place) noexcept;
void count_free(void* block) noexcept;

/// The owner of what happens outside tasks, and while a task is made. Others are code addresses.
extern const char owner_none;
extern const char owner_starting;

/// All shards that were ever made, linked through next_made.
shard* first_shard() noexcept;

template <class F>
void for_each_shard(F&& f) {
  for (const shard* s = first_shard(); s != nullptr; s = s->next_made) f(*s);
}

}  // namespace weft::heap
