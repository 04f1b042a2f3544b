// Looking through bytes at the speed of memory: counting newlines, finding a text, telling word bytes from others.
//
// On x86-64 with AVX2 each looks at 32 bytes at a time; elsewhere the C library and plain loops do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace textscan {

/// The number of '\n' in [from, end).
[[nodiscard]] uint64_t count_newlines(const char* from, const char* end) noexcept;

/// Where `text`, which is not empty, first lies completely in [from, end); nullptr if it does not.
[[nodiscard]] const char* find_text(const std::string& text, const char* from, const char* end) noexcept;

/// Whether a byte is part of a word: letters, digits, underscore, and everything above 127.
[[nodiscard]] bool is_word_byte(char c) noexcept;

/// Which of the 64 bytes at `from` are word bytes: bit i tells of byte i.
[[nodiscard]] uint64_t word_bytes_of_64(const char* from) noexcept;

}  // namespace textscan
