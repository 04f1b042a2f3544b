// How often each word occurs: a hash table with open addressing, made for many short words.
//
// A word of up to 16 bytes lies in its slot as two integers, so that finding it is one hash and one comparison with no
// branch on its characters; the rest of a longer word lies in one string that all share. A slot is 32 bytes, two to a
// cache line.
//
// A large table does not fit into the caches. So a word_queue only computes where each word belongs, and asks the
// memory for that slot; the words are counted in groups, when the slots have come.
//
// Not synchronised: each scanner has its own, and reduce() adds them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace textscan {

struct word_count {
  std::string word;
  uint64_t count = 0;
};

class word_table {
 public:
  /// Longer words are taken for their first so many bytes.
  static constexpr std::size_t word_bytes_max = 255;
  /// So many bytes behind a word that is to be counted must be readable; what they hold does not matter.
  static constexpr std::size_t slack_bytes = 16;

  /// Adds every count of another table, which is left empty.
  void add(word_table&& other);

  /// Different words.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The most frequent words, most frequent first; words that are as frequent come in their alphabetical order.
  [[nodiscard]] std::vector<word_count> top(std::size_t count) const;

 private:
  friend class word_queue;

  struct key {
    uint64_t low;   // bytes 0 to 7, zeros behind a shorter word
    uint64_t high;  // bytes 8 to 15
    uint32_t bytes;
  };
  struct hashed_word {
    key k{};
    uint64_t hash = 0;
    const char* text = nullptr;
  };
  struct slot {
    uint64_t low = 0;
    uint64_t high = 0;
    uint64_t count = 0;  // 0: the slot is free
    uint64_t bytes : 8 = 0;
    uint64_t rest : 56 = 0;  // where in rests_ the bytes from 16 on lie
  };

  hashed_word prepare(const char* word, std::size_t bytes) const noexcept;
  static key make_key(const char* word, std::size_t bytes) noexcept;
  static key key_of(const slot& s) noexcept;
  static uint64_t hash(const key& k) noexcept;
  void count(const hashed_word& w, uint64_t count);
  void insert(slot& into, const key& k, const char* word, uint64_t count);
  [[nodiscard]] bool same_rest(const slot& s, const char* word) const noexcept;
  void grow();
  [[nodiscard]] std::string word_of(const slot& s) const;

  std::vector<slot> slots_;  // a power of two of them, or none
  std::size_t size_ = 0;
  std::string rests_;
};

/// Puts words into a table, a group at a time.
class word_queue {
 public:
  explicit word_queue(word_table& table) noexcept : table_(&table) {}

  /// Counts one occurrence of the word at `word`, which must stay there until flush(); bytes > 0.
  void add(const char* word, std::size_t bytes);
  /// Counts the words that add() has put off.
  void flush();

 private:
  word_table* table_;
  std::array<word_table::hashed_word, 32> words_;
  std::size_t count_ = 0;
};

}  // namespace textscan
