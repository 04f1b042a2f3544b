// Takes blocks out of the store and puts them back.
#include "block.h"

#include <utility>

namespace gzstat {

block_store::pointer block_store::take() {
  // relaxed: statistics.
  const int64_t now = in_use_.fetch_add(1, std::memory_order_relaxed) + 1;
  // relaxed: statistics.
  int64_t peak = peak_.load(std::memory_order_relaxed);
  // relaxed: as above.
  while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
  if (auto spare = spare_.try_receive()) {
    (*spare)->clear();
    return {spare->release(), give_back{this}};
  }
  return {new block(block_bytes_), give_back{this}};
}

int64_t block_store::peak() const noexcept {
  // relaxed: statistics.
  return peak_.load(std::memory_order_relaxed);
}

void block_store::give(block* b) noexcept {
  // relaxed: statistics.
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  (void)spare_.try_send(std::unique_ptr<block>(b));
}

}  // namespace gzstat
