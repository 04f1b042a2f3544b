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

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include <weft/detail/batch_stack.h>
#include <weft/detail/biased_lock.h>
#include <weft/detail/config.h>
#include <weft/detail/context.h>
#include <weft/detail/spin_lock.h>

namespace weft::mem {
class span_cut;
}

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

/// What the fast path sees of a slot. Owner only; the counters are read by others.
struct pool_slot_head {
  /// The value of `one` that is no node and leaves no room for one: of the slot that stands for none.
  static constexpr uintptr_t no_node = 1;

  uintptr_t one = 0;  // a pool_node, or 0; a number, so that no_slot needs no initialization at run time
  owner_counter hits_private;
  owner_counter puts;

  /// The node, if there is one, which is then the caller's.
  WEFT_INLINE pool_node* take_one() noexcept {
    const uintptr_t n = one;
    if (n <= no_node) [[unlikely]]
      return nullptr;
    one = 0;
    return reinterpret_cast<pool_node*>(n);
  }
  /// False: there is one already.
  WEFT_INLINE bool give_one(pool_node* n) noexcept {
    if (one != 0) [[unlikely]]
      return false;
    one = reinterpret_cast<uintptr_t>(n);
    return true;
  }
};

/// What one processor has in one pool.
struct alignas(128) pool_slot : pool_slot_head {
  pool_slot(pool_core& c, uint32_t n) noexcept : core(c), number(n) {}

  // Owner only; the counters are read by others.
  bool enrolled = false;
  pool_node* list = nullptr;
  uint32_t list_count = 0;
  uint32_t blank_count = 0;
  pool_node* blanks = nullptr;  // nodes without an object
  owner_counter hits_shared;

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
  bool in_spans = false;             ///< nodes come from mem/span_heap.h
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
    pool_slot_head& s = fast_slot(this_context.locks->slot);
    pool_node* n = s.take_one();
    if (n != nullptr) [[likely]]
      s.hits_private.add();
    return n;
  }

  /// A node with an object; nullptr: a miss. Then `blank`, if it is not null, may have got a node without one.
  WEFT_NOINLINE pool_node* take_slow(pool_node** blank) noexcept;

  /// Gives back a node with an object.
  WEFT_INLINE void give(pool_node* n) noexcept {
    pool_slot_head& s = fast_slot(this_context.locks->slot);
    if (!s.give_one(n)) [[unlikely]]
      return give_slow(n);
    s.puts.add();
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
  bool has_spans() const noexcept { return spans_ != nullptr; }
  /// Bytes that what is pooled costs, heads of nodes included.
  uint64_t cost_bytes() const noexcept;

 private:
  friend class pool_registry;

  // Slots by number. Grows; former tables stay until the pool dies, since others may be looking at one.
  struct slot_table;
  static pool_slot_head no_slot;  // never written

  WEFT_INLINE pool_slot_head& fast_slot(uint32_t number) noexcept {
    // acquire: pairs with the release store in grow(), so that the table is at least as large.
    if (number >= fast_size_.load(std::memory_order_acquire)) [[unlikely]]
      return no_slot;
    // acquire: as above. relaxed: written by the slot's owner, or copied.
    return *fast_.load(std::memory_order_acquire)[number].load(std::memory_order_relaxed);
  }

  WEFT_NOINLINE void give_slow(pool_node* n) noexcept;
  void give_any(pool_node* n, bool donated) noexcept;
  template <class F>
  auto with_slot(F f) noexcept;
  pool_slot* own_slot(uint32_t number) noexcept;
  pool_slot* make_slot(uint32_t number) noexcept;
  bool grow(uint32_t number) noexcept;
  pool_slot* slot_at(uint32_t number) const noexcept;
  void set_fast(pool_slot& s, pool_slot_head& to) noexcept;
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
  uint64_t age(pool_slot& s, bool everything, bool& empty) noexcept;
  uint64_t clear_open(pool_slot& s) noexcept;  // by anybody, as above
  uint64_t waste(pool_node* old) noexcept;
  void abandon(pool_slot& s) noexcept;
  void unenrol(pool_slot& s) noexcept;

  // By who has `cleaning_`.
  uint64_t clean(uint64_t most) noexcept;
  bool has_waste() const noexcept;
  void destroy_and_free(pool_node* n) noexcept;
  void destroy_all(pool_node* batches) noexcept;

  // What the fast path reads: the current table's slots that are enrolled, unless the pool has to look at each put.
  std::atomic<uint32_t> fast_size_{0};
  std::atomic<std::atomic<pool_slot_head*>*> fast_{nullptr};
  std::atomic<slot_table*> table_{nullptr};
  spin_lock table_lock_;  // for all writes to a table

  // Immutable.
  const bool looks_at_puts_;  // limits, bytes_of, reset, random drops
  const bool makes_;
  const std::size_t object_offset_, object_bytes_, node_bytes_, node_align_;
  const pool_type type_;
  void* const pool_;
  const std::string name_;
  const std::unique_ptr<mem::span_cut> spans_;  // or the program's heap
  pool_room object_room_, own_byte_room_;
  pool_room& byte_room_;

  // No member is aligned to a cache line: a pool may lie in a coroutine's frame, which is aligned to 16 bytes.
  const std::unique_ptr<pool_slot> slot0_;
  char apart_[64] = {};                // what is read often above, what is written often below
  spin_lock lock_;                     // of slot 0
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
