// What the program asks of operator new: by the task that asked, and by the place. See docs/escape.md.
//
// Only for programs that link weft::counting_allocator, which replaces operator new and delete in all their forms. It
// answers whether a change reduced allocation or only moved it:
//
//   const weft::heap::snapshot before = weft::heap::take_snapshot();
//   work();
//   std::puts(weft::heap::take_snapshot().since(before).text().c_str());
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::heap {

/// Sums since the program's start, or between two snapshots. Bytes are those of the blocks that malloc gave, which are
/// a little larger than what was asked for.
struct counts {
  uint64_t allocations = 0;
  uint64_t allocated_bytes = 0;
  uint64_t frees = 0;
  uint64_t freed_bytes = 0;

  /// How far what lives has grown: negative where more was freed.
  int64_t live_blocks() const noexcept { return static_cast<int64_t>(allocations - frees); }
  int64_t live_bytes() const noexcept { return static_cast<int64_t>(allocated_bytes - freed_bytes); }

  counts& operator+=(const counts& other) noexcept;
  friend bool operator==(const counts&, const counts&) = default;
};

/// Whom a line belongs to.
enum class owner_kind : uint8_t {
  task,      ///< tasks that were started with the line's entry function
  starting,  ///< tasks while they are made: the callable and arguments are copied, the root coroutine's parameters too
  none,      ///< no task: plain threads, and the runtime between two tasks
};

/// One place in the code, for one kind of task. A block that is freed counts for the task that frees it, at no place.
struct line {
  const void* entry = nullptr;  ///< code address of the function that the task was started with; null for other owners
  owner_kind owner = owner_kind::none;
  const void* place = nullptr;  ///< return address of the call of operator new; null: a free
  counts counted;
};

namespace detail {

// Memory of snapshots comes from malloc, so that looking changes nothing that is counted.
template <class T>
struct uncounted {
  using value_type = T;
  uncounted() noexcept = default;
  template <class U>
  uncounted(const uncounted<U>&) noexcept {}
  T* allocate(std::size_t n) {
    void* memory = std::malloc(n * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* p, std::size_t) noexcept { std::free(p); }
  friend bool operator==(uncounted, uncounted) noexcept { return true; }
};

using lines = std::vector<line, uncounted<line>>;

}  // namespace detail

class snapshot {
 public:
  /// What happened between the other one, which is older, and this one. Lines that did not change are left out.
  snapshot since(const snapshot& older) const;

  counts total() const noexcept;

  /// Every line, by owner and place.
  std::span<const line> lines() const noexcept { return lines_; }

  /// The sum over all places, per owner; the most allocations first. `place` is null.
  detail::lines by_task() const;
  /// The sum over all owners, per place, without frees; the most allocations first. `entry` is null.
  detail::lines by_place() const;

  /// What tasks that were started with `function` did; the name is that of dumps and reports.
  counts of_task(std::string_view function) const;

  /// Two tables for people, by task and by the function that the call is in, with at most so many rows each.
  std::string text(std::size_t most_rows = 10) const;

 private:
  friend snapshot take_snapshot();
  explicit snapshot(detail::lines lines) noexcept : lines_(std::move(lines)) {}
  detail::lines lines_;  // sorted
};

/// All counts so far. Exact for what the calling thread and ended threads did; other threads' counts may lag.
///
/// Thread safety: any thread; pauses nothing. Allocates nothing that is counted.
snapshot take_snapshot();

/// Bytes in blocks that live. Any thread. Cost: a few loads per thread.
uint64_t live_bytes() noexcept;

/// Blocks that the calling thread allocated so far: exact, and cheap enough to look at before and after an operation.
uint64_t allocations_of_this_thread() noexcept;

}  // namespace weft::heap
