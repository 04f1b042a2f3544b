// Figures kept by address: one writer finds the figures of a pair of addresses, any thread reads them all.
//
// Made for counts per function and per call site, whose number is bounded by the size of the program: an entry, once
// made, stays where it is until the table dies, so a reader needs no lock and the writer no reclamation.
//
// Invariants:
//   Only the owner makes entries (or whoever holds the lock that stands for it).
//   An entry's key and link never change after it was published.
//
// Memory comes from malloc, not from operator new, so that a table may count what operator new does. Where malloc fails
// the figures of further keys fall together under the key {null, null}: nothing is lost but the name.
//
// Rejected: one table for all threads. Its entries would be written with locked instructions, and shared cache lines.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <type_traits>

namespace weft::base {

struct address_pair {
  const void* first;
  const void* second;
  friend bool operator==(const address_pair&, const address_pair&) = default;
};

/// Buckets: a power of two, about as many as there are keys.
template <class Figures, std::size_t Buckets>
class address_table {
  static_assert((Buckets & (Buckets - 1)) == 0 && Buckets > 1);
  static_assert(std::is_trivially_destructible_v<Figures>);

 public:
  constexpr address_table() noexcept = default;
  address_table(const address_table&) = delete;
  address_table& operator=(const address_table&) = delete;
  ~address_table() {
    for (auto& bucket : buckets_) {
      // relaxed: nobody else looks any more.
      for (entry* e = bucket.load(std::memory_order_relaxed); e != nullptr;) {
        entry* next = e->next;
        std::free(e);
        e = next;
      }
    }
  }

  /// The figures of `key`, made on first use. Owner only.
  Figures& at(address_pair key) noexcept {
    auto& bucket = buckets_[bucket_of(key)];
    // relaxed: the owner made what is there.
    entry* const first = bucket.load(std::memory_order_relaxed);
    for (entry* e = first; e != nullptr; e = e->next)
      if (e->key == key) [[likely]]
        return e->figures;
    return make(bucket, first, key);
  }

  /// Calls f(const address_pair&, const Figures&) for every entry. Any thread.
  template <class F>
  void for_each(F&& f) const {
    f(address_pair{nullptr, nullptr}, rest_);
    for (const auto& bucket : buckets_)
      // acquire: pairs with the release store in make().
      for (const entry* e = bucket.load(std::memory_order_acquire); e != nullptr; e = e->next) f(e->key, e->figures);
  }

 private:
  struct entry {
    address_pair key;
    entry* next;
    Figures figures;
  };

  static std::size_t bucket_of(address_pair key) noexcept {
    const auto a = reinterpret_cast<uintptr_t>(key.first);
    const auto b = reinterpret_cast<uintptr_t>(key.second);
    const uint64_t mixed = (a ^ (b << 20 | b >> 44)) * 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>(mixed >> 32) & (Buckets - 1);
  }

  [[gnu::noinline]] Figures& make(std::atomic<entry*>& bucket, entry* first, address_pair key) noexcept {
    void* memory = std::malloc(sizeof(entry));
    if (memory == nullptr) return rest_;
    auto* made = new (memory) entry{key, first, {}};
    // release: publishes the entry to readers; pairs with the load in for_each().
    bucket.store(made, std::memory_order_release);
    return made->figures;
  }

  std::array<std::atomic<entry*>, Buckets> buckets_{};
  Figures rest_{};
};

}  // namespace weft::base
