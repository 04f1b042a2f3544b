// pool<T>: objects that are used again instead of being made anew; buffer_pool: the same for bytes of any number.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <weft/detail/check.h>
#include <weft/detail/config.h>
#include <weft/detail/context.h>
#include <weft/detail/pool_core.h>

namespace weft {

template <class T>
class pool;
class buffer_pool;

/// One pool of the process, as all_pools() lists it.
struct pool_info {
  std::string name;
  pool_stats stats;
};

/// All pools that exist, oldest first; a buffer_pool is one for each size that
/// was used. Any thread. Cost: a lock that pools take when
/// they are made or die, and a few loads for each pool and processor.
[[nodiscard]] std::vector<pool_info> all_pools();

/// What a pool may be told. Make one, set what differs, and pass it; not inside a co_await (docs/pitfalls.md).
///
/// The functions are called by several threads at once, must not throw and must not use the pool themselves; `reset`
/// and `bytes_of` are called by whoever gives an object back. For `on_drop` see pool.
template <class T>
struct pool_options {
  static constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();

  std::string name;                               ///< in figures and messages; default: where the pool was made
  uint64_t most_objects = unlimited;              ///< pooled at the same time
  uint64_t most_bytes = unlimited;                ///< of what is pooled, as bytes_of says
  std::function<std::size_t(const T&)> bytes_of;  ///< default: sizeof(T)
  std::function<void(T&)> reset;                  ///< what each object that comes back has done to it, e.g. clear()
  std::function<void(T&)> on_drop;                ///< an object is about to be destroyed by the pool
};

namespace detail {

inline std::string pool_name(std::string name, std::source_location where) {
  if (!name.empty()) return name;
  return std::string("at ") + where.file_name() + ":" + std::to_string(where.line());
}

/// The object of a node lies behind its head.
template <class T>
inline constexpr std::size_t pool_offset = (sizeof(pool_node) + alignof(T) - 1) / alignof(T) * alignof(T);

template <class T>
WEFT_INLINE pool_node* pool_node_of(T* object) noexcept {
  return reinterpret_cast<pool_node*>(reinterpret_cast<char*>(object) - pool_offset<T>);
}

/// The factory; T need not be movable.
template <class T>
struct pool_maker {
  virtual ~pool_maker() = default;
  virtual void make(void* at) = 0;
};

template <class T, class F>
struct pool_maker_of final : pool_maker<T> {
  explicit pool_maker_of(F&& f) : f_(std::move(f)) {}
  explicit pool_maker_of(const F& f) : f_(f) {}
  void make(void* at) override { ::new (at) T(std::invoke(f_)); }
  F f_;
};

}  // namespace detail

/// An object of a pool, in use; gives it back when it dies. Movable, may die in another task or thread than it came to.
/// Empty: there was none. Must not outlive the pool.
template <class T>
class [[nodiscard]] pooled {
 public:
  pooled() noexcept = default;
  pooled(pooled&& other) noexcept : core_(other.core_), object_(std::exchange(other.object_, nullptr)) {}
  pooled& operator=(pooled&& other) noexcept {
    if (this != &other) {
      give_back();
      core_ = other.core_;
      object_ = std::exchange(other.object_, nullptr);
    }
    return *this;
  }
  ~pooled() { give_back(); }

  explicit operator bool() const noexcept { return object_ != nullptr; }
  T* get() const noexcept { return object_; }
  T& operator*() const noexcept {
    WEFT_DCHECK(object_ != nullptr);
    return *object_;
  }
  T* operator->() const noexcept {
    WEFT_DCHECK(object_ != nullptr);
    return object_;
  }

  /// Gives the object back now; does nothing with an empty handle.
  WEFT_INLINE void give_back() noexcept {
    if (object_ != nullptr) core_->give(detail::pool_node_of(std::exchange(object_, nullptr)));
  }

  /// Takes the object out of the pool for good. The handle becomes empty; if moving throws, it stays as it is.
  ///
  /// By value, not as a unique_ptr: the memory stays with the pool, for the next object, and the result has no tie to
  /// the pool.
  [[nodiscard]] T keep()
    requires std::is_move_constructible_v<T>
  {
    WEFT_CHECK(object_ != nullptr, "weft::pooled::keep() of an empty handle");
    const keeping_guard at_end{*this};
    return T(std::move(*object_));
  }

 private:
  friend class pool<T>;
  pooled(detail::pool_core& core, T* object) noexcept : core_(&core), object_(object) {}

  struct keeping_guard {
    pooled& handle;
    const int exceptions = std::uncaught_exceptions();
    ~keeping_guard() {
      if (std::uncaught_exceptions() != exceptions) return;
      T* object = std::exchange(handle.object_, nullptr);
      std::destroy_at(object);
      handle.core_->kept(detail::pool_node_of(object));
    }
  };

  detail::pool_core* core_ = nullptr;
  T* object_ = nullptr;
};

/// Objects that are used again: a throughput aid, never a correctness requirement. What is pooled may vanish at any
/// epoch, and get() may return an object in whatever state its last user left it (or options.reset made of it).
///
///   weft::pool<std::vector<char>> buffers([] { return std::vector<char>(4096); });
///   { auto b = buffers.get(); b->assign(10, 'x'); }    // gives itself back
///
/// An object that nobody uses lives through the next epoch of the runtime whose processor has it, and is destroyed
/// after the one that follows. Destructors of T and `on_drop` are called by whoever drops an object over a limit, by
/// threads of a runtime after an epoch, and by the pool's destructor; they must not throw, may use pools, and must not
/// wait for tasks or lock what a caller of runtime::collect() or of the pool's destructor has locked.
///
/// Limits hold at any moment. Each processor keeps up to 1/64 of a limit at hand, so that an object may be dropped when
/// somewhat less than the limit is pooled.
///
/// Thread safety: any task or plain thread. A pool belongs to no runtime; it may be a global variable. It must outlive
/// its handles: the destructor aborts and says how many are left.
/// Order: what was done to an object before it was given back happens before the get() that returns it.
/// Cost: get and give back on one processor are a few loads and stores each; no allocation. Others' objects come in
/// batches, with two locked instructions each. T and F may be immovable; T may be over-aligned.
template <class T>
class pool {
  static_assert(std::is_object_v<T> && !std::is_const_v<T> && std::is_nothrow_destructible_v<T>);

 public:
  /// A pool without a factory: get() gives an empty handle when nothing is pooled.
  explicit pool(pool_options<T> options = {}, std::source_location where = std::source_location::current())
      : pool(nullptr, std::move(options), where) {}

  /// `factory()` makes an object when nothing is pooled. It is called by several threads at once.
  template <class F>
    requires std::is_invocable_r_v<T, std::decay_t<F>&>
  explicit pool(F&& factory, pool_options<T> options = {}, std::source_location where = std::source_location::current())
      : pool(std::make_unique<detail::pool_maker_of<T, std::decay_t<F>>>(std::forward<F>(factory)), std::move(options),
             where) {}

  pool(const pool&) = delete;
  pool& operator=(const pool&) = delete;

  /// An object that was pooled, or a new one from the factory, or an empty handle. What the factory throws goes to the
  /// caller. Blocks nothing.
  WEFT_INLINE pooled<T> get() {
    if (detail::pool_node* n = core_.take_fast()) [[likely]]
      return pooled<T>(core_, object_of(n));
    return pooled<T>(core_, get_slow());
  }

  /// Donates an object.
  void put(T object)
    requires std::is_move_constructible_v<T>
  {
    emplace(std::move(object));
  }

  /// The same as `handle.give_back()`. Aborts if the handle is another pool's; an empty one is ignored.
  void put(pooled<T>&& handle) noexcept {
    WEFT_CHECK(!handle || handle.core_ == &core_, "weft::pool::put() of another pool's handle");
    handle.give_back();
  }

  /// Makes an object in place and donates it.
  template <class... Args>
    requires std::is_constructible_v<T, Args...>
  void emplace(Args&&... args) {
    blank_guard at_end{core_, core_.take_blank()};
    ::new (static_cast<void*>(object_of(at_end.blank))) T(std::forward<Args>(args)...);
    core_.donate(std::exchange(at_end.blank, nullptr));
  }

  /// What the pool did so far. Any thread; figures of other threads may lag.
  [[nodiscard]] pool_stats stats() const noexcept { return core_.stats(); }
  [[nodiscard]] const std::string& name() const noexcept { return core_.name(); }

 private:
  struct blank_guard {
    detail::pool_core& core;
    detail::pool_node* blank;
    ~blank_guard() {
      if (blank != nullptr) core.give_blank(blank);
    }
  };

  static T* object_of(detail::pool_node* n) noexcept {
    return std::launder(reinterpret_cast<T*>(reinterpret_cast<char*>(n) + detail::pool_offset<T>));
  }

  pool(std::unique_ptr<detail::pool_maker<T>> maker, pool_options<T>&& options, std::source_location where)
      : options_(std::move(options)),
        maker_(std::move(maker)),
        core_({.name = detail::pool_name(options_.name, where),
               .object_bytes = sizeof(T),
               .object_offset = detail::pool_offset<T>,
               .node_bytes = detail::pool_offset<T> + sizeof(T),
               .node_align = std::max(alignof(T), alignof(detail::pool_node)),
               .most_objects = options_.most_objects,
               .most_bytes = options_.most_bytes,
               .makes = maker_ != nullptr},
              {.drop = drop,
               .bytes_of = options_.bytes_of ? bytes_of : nullptr,
               .reset = options_.reset ? reset : nullptr},
              this) {}

  static void drop(void* self, void* object) noexcept {
    T& t = *static_cast<T*>(object);
    if (const auto& hook = static_cast<pool*>(self)->options_.on_drop) hook(t);
    std::destroy_at(&t);
  }
  static std::size_t bytes_of(void* self, const void* object) noexcept {
    return static_cast<pool*>(self)->options_.bytes_of(*static_cast<const T*>(object));
  }
  static void reset(void* self, void* object) noexcept {
    static_cast<pool*>(self)->options_.reset(*static_cast<T*>(object));
  }

  WEFT_NOINLINE T* get_slow() {
    detail::pool_node* blank = nullptr;
    if (detail::pool_node* n = core_.take_slow(maker_ != nullptr ? &blank : nullptr)) return object_of(n);
    if (maker_ == nullptr) return nullptr;
    if (blank == nullptr) blank = core_.allocate_for_miss();
    making_guard at_end{core_, blank};
    maker_->make(object_of(at_end.blank));
    return object_of(std::exchange(at_end.blank, nullptr));
  }

  struct making_guard {
    detail::pool_core& core;
    detail::pool_node* blank;
    ~making_guard() {
      if (blank != nullptr) core.failed(blank);
    }
  };

  const pool_options<T> options_;
  const std::unique_ptr<detail::pool_maker<T>> maker_;
  detail::pool_core core_;  // the last: its destructor calls the hook
};

template <class F, class... Rest>
pool(F, Rest...) -> pool<std::invoke_result_t<std::decay_t<F>&>>;
template <class T, class... Rest>
pool(pool_options<T>, Rest...) -> pool<T>;

/// Bytes of a buffer_pool, in use; gives them back when it dies. Movable. Must not outlive the pool.
class [[nodiscard]] pooled_buffer {
 public:
  pooled_buffer() noexcept = default;
  pooled_buffer(pooled_buffer&& other) noexcept
      : core_(other.core_),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  pooled_buffer& operator=(pooled_buffer&& other) noexcept {
    if (this != &other) {
      give_back();
      core_ = other.core_;
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ~pooled_buffer() { give_back(); }

  explicit operator bool() const noexcept { return data_ != nullptr; }
  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }  ///< at least size(); all of it may be used
  std::span<std::byte> span() const noexcept { return {data_, size_}; }

  /// Changes size() to up to capacity(); the contents stay. Aborts above.
  void resize(std::size_t bytes) noexcept {
    WEFT_CHECK(bytes <= capacity_, "weft::pooled_buffer::resize() beyond its capacity");
    size_ = bytes;
  }

  /// Gives the bytes back now; does nothing with an empty handle.
  void give_back() noexcept {
    if (data_ == nullptr) return;
    std::byte* data = std::exchange(data_, nullptr);
    size_ = 0;
    if (core_ == nullptr) return ::operator delete(data, std::align_val_t{alignment});
    detail::mark_unused(data, std::exchange(capacity_, 0));
    core_->give(reinterpret_cast<detail::pool_node*>(data - sizeof(detail::pool_node)));
  }

  static constexpr std::size_t alignment = 16;

 private:
  friend class buffer_pool;
  pooled_buffer(detail::pool_core* core, std::byte* data, std::size_t size, std::size_t capacity) noexcept
      : core_(core), data_(data), size_(size), capacity_(capacity) {}

  detail::pool_core* core_ = nullptr;  // nullptr: too large to be pooled
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

struct buffer_pool_options {
  std::string name;                            ///< as in pool_options; each size has "name/bytes" in figures
  std::size_t largest = std::size_t{1} << 20;  ///< what is pooled at most, rounded up to a size; up to 1 GiB
  uint64_t most_bytes = std::numeric_limits<uint64_t>::max();  ///< pooled at the same time, all sizes together
};

/// Buffers by size: powers of two and the middle between two of them, from 64 bytes up. A buffer goes back to the pool
/// of its own size, so that a large one is never held by users of small ones; what is larger than the largest size is
/// allocated and freed.
///
/// A buffer's contents are what its last user left there, or nothing in particular. With AddressSanitizer, touching one
/// that was given back is reported. Otherwise as pool. A limit of bytes costs a locked instruction for each get and
/// give back, since all sizes share it.
class buffer_pool {
 public:
  explicit buffer_pool(buffer_pool_options options = {}, std::source_location where = std::source_location::current());
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;
  ~buffer_pool();

  /// A buffer with size() == bytes. Throws std::bad_alloc.
  WEFT_INLINE pooled_buffer get(std::size_t bytes) {
    const std::size_t index = index_of(bytes);
    if (index > last_) [[unlikely]]
      return get_large(bytes);
    // acquire: pairs with the release store in make_size().
    detail::pool_core* core = sizes_[index].load(std::memory_order_acquire);
    if (core == nullptr) [[unlikely]]
      core = &make_size(index);
    detail::pool_node* n = core->take_fast();
    if (n == nullptr) [[unlikely]]
      n = get_slow(*core);
    auto* data = reinterpret_cast<std::byte*>(n + 1);
    detail::mark_used(data, bytes_of(index));
    return pooled_buffer(core, data, bytes, bytes_of(index));
  }

  /// The sum over all sizes.
  [[nodiscard]] pool_stats stats() const noexcept;

  /// Size number `index`: 64, 96, 128, 192, ...
  static constexpr std::size_t bytes_of(std::size_t index) noexcept {
    return (std::size_t{64} << index / 2) / 2 * (2 + index % 2);
  }
  /// The smallest size for so many bytes.
  static constexpr std::size_t index_of(std::size_t bytes) noexcept {
    if (bytes <= 64) return 0;
    const auto doubling = static_cast<std::size_t>(63 - __builtin_clzll(bytes - 1)) - 6;  // of 64, rounded down
    const std::size_t half = (std::size_t{64} << doubling) / 2 * 3;
    return doubling * 2 + (bytes <= half ? 1 : 2);
  }

 private:
  static constexpr std::size_t most_sizes = 49;  // up to 1 GiB

  static pooled_buffer get_large(std::size_t bytes);
  static detail::pool_node* get_slow(detail::pool_core& core);
  WEFT_NOINLINE detail::pool_core& make_size(std::size_t index);

  const std::string name_;
  const std::size_t last_;  // index of the largest size
  const bool limited_;
  detail::pool_room room_;
  std::mutex mutex_;                                                 // while a size is made
  std::array<std::atomic<detail::pool_core*>, most_sizes> sizes_{};  // made when first used
};

}  // namespace weft
