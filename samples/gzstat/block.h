// Blocks of bytes that are handed from stage to stage, and the store that they go back to.
//
// A block gives itself back when its holder drops it: at the end of its use, when a channel refuses it, or when a stage
// is stopped with it. So memory is bounded by how many blocks may be on their way at once, which the widths of the
// stages and the lengths of the queues say.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <weft/channel.h>

namespace gzstat {

/// A fixed number of bytes, of which the first `used` belong to one file.
class block {
 public:
  explicit block(std::size_t bytes) : bytes_(std::make_unique_for_overwrite<char[]>(bytes)), capacity_(bytes) {}

  [[nodiscard]] std::span<const char> bytes() const { return {bytes_.get(), used_}; }
  /// Where the next bytes go.
  [[nodiscard]] std::span<char> room() { return {bytes_.get() + used_, capacity_ - used_}; }
  /// The first `bytes` of room() are used now.
  void add(std::size_t bytes) { used_ += bytes; }
  void clear() {
    used_ = 0;
    last_ = false;
  }

  /// The file ends with this block.
  [[nodiscard]] bool last() const { return last_; }
  void set_last() { last_ = true; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_;
  std::size_t used_ = 0;
  bool last_ = false;
};

/// Makes blocks of one size, and keeps up to `spares` of those that come back. Must outlive its blocks.
///
/// Thread safety: any task or thread, concurrently. Never parks.
class block_store {
 public:
  block_store(std::size_t block_bytes, std::size_t spares) : block_bytes_(block_bytes), spare_(spares) {}

  struct give_back {
    block_store* store = nullptr;
    void operator()(block* b) const noexcept { store->give(b); }
  };
  using pointer = std::unique_ptr<block, give_back>;

  /// An empty block.
  [[nodiscard]] pointer take();

  [[nodiscard]] std::size_t block_bytes() const { return block_bytes_; }
  /// The most blocks that were in use at once.
  [[nodiscard]] int64_t peak() const noexcept;

 private:
  void give(block* b) noexcept;

  std::size_t block_bytes_;
  weft::channel<std::unique_ptr<block>> spare_;
  std::atomic<int64_t> in_use_{0};
  std::atomic<int64_t> peak_{0};
};

using block_ptr = block_store::pointer;

}  // namespace gzstat
