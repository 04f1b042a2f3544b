// What pool<T> and buffer_pool do whatever they hold: slots, chains, victims.
//
// Objects live in *nodes*. Each processor has a *slot* in each pool that it uses, found by its number in the process
// (bias_owner::slot); all threads without a processor share slot 0, under a lock.
//
//   slot.one      a node for the next get: get and put of one processor are a load and two stores
//   slot.list     up to `batch_nodes` more, last in first out
//   slot.shared   full batches, which other processors may take (batch_stack.h)
//   slot.victims  what was pooled when the processor last passed an epoch; others may take it too
//
// get: one, list, own shared, others' shared, own victims, others' victims; then there is none. A take from a stack of
// batches brings one batch into the list; the rest goes to the taker's own stack of the same kind.
//
// Invariants:
//   `one`, `list` and the counters of a slot belong to whoever drives the processor; those of slot 0 to who has lock_.
//   A slot is *enrolled* (in its number's list of slots, and in the table of the fast path) while it may hold anything.
//   Code of the user runs only while no lock is held and no slot is half changed.
//
// Rejected: a table by pool in each processor. It would have to outlive pools, and pools processors.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <weft/detail/batch_stack.h>
#include <weft/detail/biased_lock.h>
#include <weft/detail/config.h>
#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

namespace weft {

/// What a pool did since it was made.
struct pool_stats {
  uint64_t gets = 0;          ///< hits and misses
  uint64_t hits_private = 0;  ///< the processor's own object
  uint64_t hits_shared = 0;   ///< from a batch that this processor had
  uint64_t hits_stolen = 0;   ///< taken from another processor; the rest of the batch counts as shared when it is used
  uint64_t hits_victim = 0;   ///< last used before the latest epoch; the rest of the batch counts likewise
  uint64_t misses = 0;        ///< nothing was pooled: made by the factory, or an empty handle
  uint64_t puts = 0;          ///< objects that came back, or were donated
  uint64_t drops = 0;         ///< puts that were dropped: over a limit (or WEFT_POOL_DROPS)
  uint64_t cleared = 0;       ///< destroyed after epochs
  uint64_t kept = 0;          ///< taken out for good by keep()
  uint64_t held_objects = 0;  ///< now
  uint64_t held_bytes = 0;    ///< of those, as bytes_of() says; sizeof(T) each without it
};

}  // namespace weft

namespace weft::detail {

inline constexpr uint32_t batch_nodes = 8;
inline constexpr uint32_t most_pool_slots = 1024;  ///< processors with greater numbers share slot 0

/// The head of a node; the object follows.
struct alignas(16) pool_node {
  struct batch_size {
    uint32_t count;  // in the batch
    uint32_t total;  // and in those below it
  };

  pool_node* next;        // in its batch
  pool_node* next_batch;  // of a batch's head
  std::size_t bytes;      // as bytes_of() said
  union {                 // of a batch's head
    batch_size size;
    pool_node* next_group;  // waiting for destruction
  };

  void set_total(uint32_t total) noexcept { size.total = total; }
};

/// A count that one thread at a time writes.
class owner_counter {
 public:
  WEFT_INLINE void add(uint64_t n = 1) noexcept {
    // relaxed: only the owner writes; readers need no order.
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const noexcept {
    // relaxed: a figure.
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> value_{0};
};

class pool_core;

/// What one processor has in one pool.
struct alignas(128) pool_slot {
  pool_slot(pool_core& c, uint32_t n) noexcept : core(c), number(n) {}

  // Owner only; the counters are read by others.
  pool_node* one = nullptr;
  pool_node* list = nullptr;
  uint32_t list_count = 0;
  uint32_t blank_count = 0;
  pool_node* blanks = nullptr;  // nodes without an object
  owner_counter hits_private;
  owner_counter puts;
  owner_counter hits_shared;
  bool enrolled = false;

  // Taken by others.
  alignas(64) batch_stack<pool_node> shared;
  batch_stack<pool_node> victims;

  pool_core& core;
  const uint32_t number;
  bool linked = false;  // here and the next two: guarded by the mutex of the number's list
  pool_slot* next = nullptr;
  pool_slot* prev = nullptr;

  // Owner only, as above.
  int64_t room_objects = 0, room_bytes = 0;  // see pool_room
  owner_counter hits_stolen, hits_victim, misses, failures, drops, donated, kept, bytes_in, bytes_out;
};

/// How much more a pool may hold. Slots keep some of it for themselves, so that they rarely meet here.
struct pool_room {
  static constexpr int64_t unlimited = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> left{unlimited};
  int64_t most_kept = 0;  ///< by a slot; immutable
};

/// What a pool does with its objects. All of it may be called by any thread.
struct pool_type {
  void (*drop)(void* pool, void* object) noexcept;  ///< tells the user's hook, destroys
  std::size_t (*bytes_of)(void* pool, const void* object) noexcept = nullptr;
  void (*reset)(void* pool, void* object) noexcept = nullptr;
};

struct pool_settings {
  std::string name;
  std::size_t object_bytes;   ///< for figures and limits, unless bytes_of says something else
  std::size_t object_offset;  ///< in the node
  std::size_t node_bytes;
  std::size_t node_align;
  uint64_t most_objects;
  uint64_t most_bytes;
  bool makes;                        ///< a miss makes an object
  pool_room* shared_room = nullptr;  ///< of bytes, for pools that share a limit
};

class pool_core {
 public:
  /// `pool` is what the functions of `type` get. Throws std::bad_alloc.
  pool_core(const pool_settings& settings, const pool_type& type, void* pool);
  /// Drops what is pooled. Aborts if objects are in use.
  ~pool_core();
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;

  /// A node with an object; nullptr: try take_slow().
  WEFT_INLINE pool_node* take_fast() noexcept {
    pool_slot* s = fast_slot(this_context.locks->slot);
    if (s == nullptr) [[unlikely]]
      return nullptr;
    pool_node* n = s->one;
    if (n == nullptr) [[unlikely]]
      return nullptr;
    s->one = nullptr;
    s->hits_private.add();
    return n;
  }

  /// A node with an object; nullptr: a miss. Then `blank`, if it is not null, may have got a node without one.
  WEFT_NOINLINE pool_node* take_slow(pool_node** blank) noexcept;

  /// Gives back a node with an object.
  WEFT_INLINE void give(pool_node* n) noexcept {
    pool_slot* s = fast_slot(this_context.locks->slot);
    if (s != nullptr && s->one == nullptr) [[likely]] {
      s->one = n;
      s->puts.add();
      return;
    }
    give_slow(n);
  }

  /// A node without an object. Throws std::bad_alloc.
  pool_node* take_blank();
  /// The same after take_slow() has missed and found none; counts a failure if it throws.
  pool_node* allocate_for_miss();
  /// Gives the first object of a node that take_blank() gave.
  void donate(pool_node* n) noexcept;
  /// The factory threw.
  void failed(pool_node* blank) noexcept;
  /// The object was taken out for good.
  void kept(pool_node* blank) noexcept;
  /// take_blank() was in vain.
  void give_blank(pool_node* blank) noexcept;

  pool_stats stats() const noexcept;
  const std::string& name() const noexcept { return name_; }
  /// Bytes of all objects that were made and not destroyed, in use or not, heads of nodes included; approximate.
  uint64_t memory_bytes() const noexcept;
  /// Bytes that what is pooled costs, heads of nodes included.
  uint64_t cost_bytes() const noexcept;

 private:
  friend class pool_registry;

  static constexpr uint32_t chunk_slots = 64;

  // Slots by number. `fast` has those that are enrolled, unless the pool has to look at each put.
  struct chunk {
    std::array<std::atomic<pool_slot*>, chunk_slots> fast{};
    std::array<std::atomic<pool_slot*>, chunk_slots> all{};
  };
  static chunk no_slots;  // never written

  WEFT_INLINE pool_slot* fast_slot(uint32_t number) noexcept {
    if (number >= most_pool_slots) [[unlikely]]
      return nullptr;
    // acquire: pairs with the release store in make_slot(), so that the chunk is seen with its zeros.
    chunk* c = chunks_[number / chunk_slots].load(std::memory_order_acquire);
    // relaxed: written by the slot's owner only.
    return c->fast[number % chunk_slots].load(std::memory_order_relaxed);
  }

  WEFT_NOINLINE void give_slow(pool_node* n) noexcept;
  void give_any(pool_node* n, bool donated) noexcept;
  template <class F>
  auto with_slot(F f) noexcept;
  pool_slot* own_slot(uint32_t number) noexcept;
  pool_slot* make_slot(uint32_t number) noexcept;
  pool_slot* slot_at(uint32_t number) const noexcept;
  template <class F>
  void for_each_slot(F f) const noexcept;

  pool_node* take_from(pool_slot& s) noexcept;
  bool refill(pool_slot& s, owner_counter*& hit) noexcept;
  bool accept(pool_slot& s, batch_stack<pool_node>& own, pool_node* taken) noexcept;
  bool admit(pool_slot& s, pool_node* n) noexcept;
  void leave(pool_slot& s, pool_node* n) noexcept;
  void put_into(pool_slot& s, pool_node* n) noexcept;
  void publish(pool_slot& s) noexcept;

  void* object_of(pool_node* n) const noexcept { return reinterpret_cast<char*>(n) + object_offset_; }
  pool_node* allocate();
  void free_node(pool_node* n) const noexcept;
  void destroy(pool_node* n) noexcept;
  pool_node* keep_blank(pool_slot& s, pool_node* blank) noexcept;
  void free_blanks(pool_slot& s) noexcept;
  void return_room(pool_slot& s) noexcept;

  // By the owner of the slot, with the mutex of the number's list held; see pool_registry.
  uint64_t age(pool_slot& s, bool& empty) noexcept;
  void abandon(pool_slot& s) noexcept;
  void unenrol(pool_slot& s) noexcept;

  // By who has `cleaning_`.
  uint64_t clean(uint64_t most) noexcept;
  bool has_waste() const noexcept;
  void destroy_and_free(pool_node* n) noexcept;
  void destroy_all(pool_node* batches) noexcept;

  // Immutable, but for what the pointers lead to.
  std::array<std::atomic<chunk*>, most_pool_slots / chunk_slots> chunks_;
  bool looks_at_puts_;  // limits, bytes_of, reset, random drops
  bool makes_;
  const std::size_t object_offset_, object_bytes_, node_bytes_, node_align_;
  const pool_type type_;
  void* const pool_;
  const std::string name_;
  pool_room object_room_, own_byte_room_;
  pool_room& byte_room_;

  alignas(64) spin_lock lock_;  // of slot 0
  pool_slot slot0_;
  std::atomic<uint32_t> slot_end_{1};  // one more than the greatest number of a slot

  // Waiting for destruction: groups of batches, pushed by whoever ages, taken by whoever cleans.
  std::atomic<pool_node*> waste_{nullptr};
  // Guarded by `cleaning_`: where the cleaner is.
  pool_node* groups_ = nullptr;
  pool_node* batches_ = nullptr;
  pool_node* nodes_ = nullptr;
  owner_counter cleared_, cleared_bytes_;

  // Guarded by the registry's mutex.
  bool cleaning_ = false;
  pool_core* next_pool_ = nullptr;
  pool_core* prev_pool_ = nullptr;
};

}  // namespace weft::detail
