// Figures by address: every key keeps its own, readers see all of them while the owner adds.
#include "base/address_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "base/counter.h"

namespace weft::base {
namespace {

struct figures {
  counter n;
};

const void* address(uintptr_t n) { return reinterpret_cast<const void*>(n); }

template <std::size_t Buckets>
std::map<std::pair<const void*, const void*>, uint64_t> contents(const address_table<figures, Buckets>& table) {
  std::map<std::pair<const void*, const void*>, uint64_t> all;
  table.for_each([&](const address_pair& key, const figures& f) {
    if (f.n.value() != 0) all[{key.first, key.second}] += f.n.value();
  });
  return all;
}

TEST(AddressTableTest, EveryKeyKeepsItsOwnFigures) {
  address_table<figures, 4> table;  // far more keys than buckets
  for (uintptr_t round = 0; round < 3; ++round)
    for (uintptr_t i = 1; i <= 100; ++i) table.at({address(i * 16), address(i % 7)}).n.add(i);
  const auto all = contents(table);
  EXPECT_EQ(all.size(), 100u);
  for (uintptr_t i = 1; i <= 100; ++i) EXPECT_EQ(all.at({address(i * 16), address(i % 7)}), 3 * i);
}

TEST(AddressTableTest, BothAddressesTellKeysApart) {
  address_table<figures, 64> table;
  table.at({address(1), address(2)}).n.add(1);
  table.at({address(2), address(1)}).n.add(2);
  table.at({address(1), nullptr}).n.add(4);
  EXPECT_EQ(contents(table).size(), 3u);
  EXPECT_EQ(table.at({address(1), address(2)}).n.value(), 1u);
}

TEST(AddressTableTest, AnEntryStaysWhereItIs) {
  address_table<figures, 2> table;
  figures& first = table.at({address(64), nullptr});
  for (uintptr_t i = 0; i < 1000; ++i) table.at({address(i), address(1)});
  EXPECT_EQ(&first, &table.at({address(64), nullptr}));
}

TEST(AddressTableTest, AReaderSeesFiguresOfEveryEntryThatItSees) {
  address_table<figures, 16> table;
  std::atomic<bool> done{false};
  std::thread owner([&] {
    for (uintptr_t i = 1; i <= 2000; ++i) table.at({address(i), nullptr}).n.add();
    // release: the reader's last look sees everything.
    done.store(true, std::memory_order_release);
  });
  std::size_t last = 0;
  // acquire: pairs with the store above.
  for (bool end = false; !end;) {
    end = done.load(std::memory_order_acquire);
    const std::size_t now = contents(table).size();
    EXPECT_GE(now, last);
    last = now;
  }
  owner.join();
  EXPECT_EQ(last, 2000u);
}

TEST(CounterTest, RaiseKeepsTheHighestValue) {
  counter c;
  c.raise(5);
  c.raise(3);
  EXPECT_EQ(c.value(), 5u);
}

}  // namespace
}  // namespace weft::base
