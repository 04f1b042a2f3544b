// A path as the argument of a task.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace weft::detail {

/// Memory for a path of so many bytes and its terminator; throws as new does. Most paths get what the running processor
/// has kept of the last one: new and delete take 40 ns together, and opening a file that the kernel has in its caches
/// a microsecond and a half. Back from any thread.
char* take_path_memory(std::size_t bytes);
void give_path_memory(char* memory, std::size_t bytes) noexcept;

/// A copy of a path, which goes with the task's frame: when the task begins, what the path was made of may be gone.
class path_argument {
 public:
  template <class Text>
    requires std::convertible_to<const Text&, std::string_view>
  path_argument(const Text& path) : path_argument(copy{}, path) {}  // NOLINT(google-explicit-constructor)

  /// Of a std::filesystem::path, and the like.
  template <class Text>
    requires(!std::convertible_to<const Text&, std::string_view> && std::convertible_to<const Text&, std::string>)
  path_argument(const Text& path) : path_argument(copy{}, std::string(path)) {}  // NOLINT(google-explicit-constructor)

  path_argument(path_argument&& other) noexcept : bytes_(other.bytes_), text_(std::exchange(other.text_, nullptr)) {}
  path_argument& operator=(path_argument&&) = delete;
  ~path_argument() {
    if (text_ != nullptr) give_path_memory(text_, bytes_);
  }

  const char* c_str() const noexcept { return text_; }
  std::string_view view() const noexcept { return {text_, bytes_}; }

 private:
  struct copy {};
  path_argument(copy, std::string_view path) : bytes_(path.size()), text_(take_path_memory(bytes_)) {
    if (bytes_ != 0) std::memcpy(text_, path.data(), bytes_);
    text_[bytes_] = 0;
  }

  std::size_t bytes_;
  char* text_;
};

}  // namespace weft::detail
