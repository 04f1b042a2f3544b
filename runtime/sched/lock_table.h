// Spin locks for the waiters of semaphores, mutexes and wait groups, found by the object's address.
//
// Those objects live wherever the user puts them, and may be gone while a stopper still holds a pointer to "the lock
// under which the task may wait" ([stop] in detail/wait.h); so the lock is in this table, which lives for ever. Only
// slow paths come here; the fast paths are a compare-and-swap on the object itself.
#pragma once

#include <weft/detail/spin_lock.h>

namespace weft::detail {

/// The lock for the object at this address. Several objects may share one.
spin_lock& lock_for(const void* object) noexcept;

}  // namespace weft::detail
