// Objects whose memory is never given to anything else, so that a late reader may still take their lock ([stop] in
// detail/wait.h).
//
// A free object stays constructed. Cost: a lock and a list operation; memory is kept for the process's life. Thread
// safety: any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <weft/detail/spin_lock.h>

namespace weft::detail {

template <class T>
class stable_pool {
 public:
  /// Throws std::bad_alloc.
  T* take() {
    {
      spin_guard guard(lock_);
      if (!free_.empty()) {
        T* object = free_.back();
        free_.pop_back();
        return object;
      }
    }
    auto chunk = std::make_unique<T[]>(per_chunk);
    std::vector<T*> fresh;
    fresh.reserve(per_chunk);
    for (std::size_t i = 1; i < per_chunk; ++i) fresh.push_back(&chunk[i]);
    spin_guard guard(lock_);
    // Room for all objects there are, so that give() never allocates.
    if (const std::size_t all = (chunks_.size() + 1) * per_chunk; free_.capacity() < all) free_.reserve(2 * all);
    free_.insert(free_.end(), fresh.begin(), fresh.end());
    T* first = &chunk[0];
    chunks_.push_back(std::move(chunk));
    return first;
  }

  void give(T* object) noexcept {
    spin_guard guard(lock_);
    free_.push_back(object);
  }

 private:
  static constexpr std::size_t per_chunk = 32;

  spin_lock lock_;
  std::vector<T*> free_;                      // guarded by lock_
  std::vector<std::unique_ptr<T[]>> chunks_;  // guarded by lock_
};

}  // namespace weft::detail
