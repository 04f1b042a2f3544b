// The table's slots: finding, inserting, growing.
#include "word_table.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

namespace textscan {
namespace {

constexpr std::size_t slots_min = 1 << 12;

uint64_t load(const char* from) noexcept {
  uint64_t v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// The mask of an integer's first `bytes` bytes in memory, for 0 to 8. Little-endian, as x86-64 and AArch64 are.
uint64_t first_bytes(std::size_t bytes) noexcept { return bytes == 0 ? 0 : ~uint64_t{0} >> (64 - 8 * bytes); }

}  // namespace

word_table::key word_table::make_key(const char* word, std::size_t bytes) noexcept {
  const std::size_t low = std::min<std::size_t>(bytes, 8);
  const std::size_t high = std::min<std::size_t>(bytes, 16) - low;
  return {load(word) & first_bytes(low), load(word + 8) & first_bytes(high), static_cast<uint32_t>(bytes)};
}

word_table::key word_table::key_of(const slot& s) noexcept { return {s.low, s.high, static_cast<uint32_t>(s.bytes)}; }

uint64_t word_table::hash(const key& k) noexcept {
  const uint64_t h = (k.low ^ (k.high * 0x9E3779B97F4A7C15u) ^ k.bytes) * 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

// Asks for the slot that the word will need.
word_table::hashed_word word_table::prepare(const char* word, std::size_t bytes) const noexcept {
  const key k = make_key(word, std::min(bytes, word_bytes_max));
  const uint64_t h = hash(k);
  if (!slots_.empty()) __builtin_prefetch(&slots_[h & (slots_.size() - 1)], 1);
  return {k, h, word};
}

void word_table::count(const hashed_word& w, uint64_t count) {
  if (4 * (size_ + 1) > 3 * slots_.size()) [[unlikely]]
    grow();
  const key& k = w.k;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = w.hash & mask;; i = (i + 1) & mask) {
    slot& s = slots_[i];
    if (s.count == 0) return insert(s, k, w.text, count);
    if (s.low != k.low || s.high != k.high || s.bytes != k.bytes) continue;
    if (k.bytes > 16 && !same_rest(s, w.text)) continue;
    s.count += count;
    return;
  }
}

void word_table::insert(slot& into, const key& k, const char* word, uint64_t count) {
  into.low = k.low;
  into.high = k.high;
  into.count = count;
  into.bytes = k.bytes & 0xFF;
  into.rest = rests_.size() & ((uint64_t{1} << 56) - 1);
  if (k.bytes > 16) rests_.append(word + 16, k.bytes - 16);
  ++size_;
}

bool word_table::same_rest(const slot& s, const char* word) const noexcept {
  return std::memcmp(rests_.data() + s.rest, word + 16, s.bytes - 16) == 0;
}

void word_table::grow() {
  const std::vector<slot> old = std::exchange(slots_, std::vector<slot>(std::max(slots_min, 2 * slots_.size())));
  const std::size_t mask = slots_.size() - 1;
  for (const slot& s : old) {
    if (s.count == 0) continue;
    std::size_t i = hash(key_of(s)) & mask;
    while (slots_[i].count != 0) i = (i + 1) & mask;
    slots_[i] = s;
  }
}

void word_table::add(word_table&& other) {
  if (size_ < other.size_) std::swap(*this, other);
  char word[word_bytes_max];
  for (const slot& s : other.slots_) {
    if (s.count == 0) continue;
    if (s.bytes > 16) std::memcpy(word + 16, other.rests_.data() + s.rest, s.bytes - 16);
    const key k = key_of(s);
    count({k, hash(k), word}, s.count);
  }
  other = word_table();
}

std::string word_table::word_of(const slot& s) const {
  char first[16];
  std::memcpy(first, &s.low, 8);
  std::memcpy(first + 8, &s.high, 8);
  std::string word(first, std::min<std::size_t>(s.bytes, 16));
  if (s.bytes > 16) word.append(rests_, s.rest, s.bytes - 16);
  return word;
}

std::vector<word_count> word_table::top(std::size_t count) const {
  std::vector<uint64_t> counts;
  counts.reserve(size_);
  for (const slot& s : slots_) {
    if (s.count != 0) counts.push_back(s.count);
  }
  count = std::min(count, counts.size());
  if (count == 0) return {};
  std::ranges::nth_element(counts, counts.begin() + static_cast<std::ptrdiff_t>(count - 1), std::greater<>());
  const uint64_t least = counts[count - 1];

  std::vector<word_count> words;
  for (const slot& s : slots_) {
    if (s.count >= least) words.push_back({word_of(s), s.count});
  }
  std::ranges::sort(words, [](const word_count& a, const word_count& b) {
    return a.count != b.count ? a.count > b.count : a.word < b.word;
  });
  words.resize(count);
  return words;
}

// word_queue --------------------------------------------------------------------------------------------------------

void word_queue::add(const char* word, std::size_t bytes) {
  words_[count_++] = table_->prepare(word, bytes);
  if (count_ == words_.size()) flush();
}

void word_queue::flush() {
  for (std::size_t i = 0; i < count_; ++i) table_->count(words_[i], 1);
  count_ = 0;
}

}  // namespace textscan
