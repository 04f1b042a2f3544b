// Each function twice: with AVX2 where the processor has it, and plainly.
#include "bytes.h"

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define TEXTSCAN_AVX2 __attribute__((target("avx2,bmi,lzcnt")))
#endif

namespace textscan {
namespace {

constexpr std::array<bool, 256> make_word_bytes() {
  std::array<bool, 256> word{};
  for (int c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    word[static_cast<std::size_t>(c)] = letter || (c >= '0' && c <= '9') || c == '_' || c > 127;
  }
  return word;
}
constexpr std::array<bool, 256> word_bytes = make_word_bytes();

const char* find_text_plainly(const std::string& text, const char* from, const char* end) noexcept {
  return static_cast<const char*>(::memmem(from, static_cast<std::size_t>(end - from), text.data(), text.size()));
}

uint64_t word_bytes_plainly(const char* from) noexcept {
  uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) bits |= uint64_t{is_word_byte(from[i])} << i;
  return bits;
}

#if defined(__x86_64__)

const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");

TEXTSCAN_AVX2 inline __m256i load_32(const char* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

TEXTSCAN_AVX2 uint64_t sum_of_bytes(__m256i v) noexcept {
  alignas(32) uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), _mm256_sad_epu8(v, _mm256_setzero_si256()));
  return sums[0] + sums[1] + sums[2] + sums[3];
}

TEXTSCAN_AVX2 uint64_t count_newlines_avx2(const char* from, const char* end) noexcept {
  const __m256i newline = _mm256_set1_epi8('\n');
  uint64_t count = 0;
  while (end - from >= 32) {
    // A byte of `counts` goes up by at most one a step, so 255 steps cannot overflow it.
    const char* stop = from + 32 * std::min<std::ptrdiff_t>((end - from) / 32, 255);
    __m256i counts = _mm256_setzero_si256();
    for (; from != stop; from += 32) counts = _mm256_sub_epi8(counts, _mm256_cmpeq_epi8(load_32(from), newline));
    count += sum_of_bytes(counts);
  }
  return count + static_cast<uint64_t>(std::count(from, end, '\n'));
}

// Looks for the text's first and last byte at their distance, and compares the rest only where both are right.
//
// Source: Wojciech Muła, "SIMD-friendly algorithms for substring searching", the generic algorithm.
TEXTSCAN_AVX2 const char* find_text_avx2(const std::string& text, const char* from, const char* end) noexcept {
  const std::size_t last = text.size() - 1;
  const __m256i first_byte = _mm256_set1_epi8(text.front());
  const __m256i last_byte = _mm256_set1_epi8(text.back());
  for (; static_cast<std::size_t>(end - from) >= last + 32; from += 32) {
    const __m256i at_first = _mm256_cmpeq_epi8(load_32(from), first_byte);
    const __m256i at_last = _mm256_cmpeq_epi8(load_32(from + last), last_byte);
    auto candidates = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_and_si256(at_first, at_last)));
    for (; candidates != 0; candidates &= candidates - 1) {
      const char* candidate = from + __builtin_ctz(candidates);
      if (std::memcmp(candidate, text.data(), text.size()) == 0) return candidate;
    }
    if (static_cast<std::size_t>(end - from) < last + 64) return find_text_plainly(text, from + 32, end);
  }
  return find_text_plainly(text, from, end);
}

// A byte's class is looked up by its low and its high half: it is a word byte if the two entries share a bit.
TEXTSCAN_AVX2 uint32_t word_bytes_of_32(const char* from) noexcept {
  // Bits: 1 digits (0x30 to 0x39), 2 letters in 0x4_ and 0x6_ (not 0), 4 letters in 0x5_ and 0x7_ (0 to 10), 8 '_'.
  const __m256i of_low = _mm256_setr_epi8(5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 2, 2, 2, 2, 10,  //
                                          5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 2, 2, 2, 2, 10);
  const __m256i of_high = _mm256_setr_epi8(0, 0, 0, 1, 2, 12, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                           0, 0, 0, 1, 2, 12, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i bytes = load_32(from);
  const __m256i half = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(of_low, _mm256_and_si256(bytes, half));
  const __m256i high = _mm256_shuffle_epi8(of_high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half));
  const __m256i none = _mm256_cmpeq_epi8(_mm256_and_si256(low, high), _mm256_setzero_si256());
  const auto ascii = ~static_cast<uint32_t>(_mm256_movemask_epi8(none));
  return ascii | static_cast<uint32_t>(_mm256_movemask_epi8(bytes));  // a byte above 127 has its sign bit set
}

TEXTSCAN_AVX2 uint64_t word_bytes_avx2(const char* from) noexcept {
  return word_bytes_of_32(from) | static_cast<uint64_t>(word_bytes_of_32(from + 32)) << 32;
}

#endif

}  // namespace

uint64_t count_newlines(const char* from, const char* end) noexcept {
#if defined(__x86_64__)
  if (has_avx2) return count_newlines_avx2(from, end);
#endif
  return static_cast<uint64_t>(std::count(from, end, '\n'));
}

const char* find_text(const std::string& text, const char* from, const char* end) noexcept {
#if defined(__x86_64__)
  if (has_avx2) return find_text_avx2(text, from, end);
#endif
  return find_text_plainly(text, from, end);
}

bool is_word_byte(char c) noexcept { return word_bytes[static_cast<unsigned char>(c)]; }

uint64_t word_bytes_of_64(const char* from) noexcept {
#if defined(__x86_64__)
  if (has_avx2) return word_bytes_avx2(from);
#endif
  return word_bytes_plainly(from);
}

}  // namespace textscan
