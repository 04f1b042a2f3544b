// Buffers for parts of files, used again by the next answer: fresh ones would be zeroed by the kernel page by page.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace httpd {

class buffers {
 public:
  static constexpr std::size_t bytes_each = 64 * 1024;
  using buffer = std::unique_ptr<std::byte[]>;

  /// Gives its buffer back when it dies.
  class lent {
   public:
    explicit lent(buffers& from) : from_(from), buffer_(from.take()) {}
    ~lent() { from_.give(std::move(buffer_)); }
    lent(const lent&) = delete;
    lent& operator=(const lent&) = delete;
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {buffer_.get(), bytes_each}; }

   private:
    buffers& from_;
    buffer buffer_;
  };

 private:
  static constexpr std::size_t most_kept = 128;

  buffer take() {
    {
      const std::lock_guard guard(lock_);
      if (!free_.empty()) {
        buffer b = std::move(free_.back());
        free_.pop_back();
        return b;
      }
    }
    return buffer(new std::byte[bytes_each]);
  }

  void give(buffer b) {
    const std::lock_guard guard(lock_);
    if (free_.size() < most_kept) free_.push_back(std::move(b));
  }

  std::mutex lock_;
  std::vector<buffer> free_;  // guarded by lock_
};

}  // namespace httpd
