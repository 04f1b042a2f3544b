// The books of one slab: which blocks are free, lowest first, and which were never used.
#include "mem/slab.h"

#include <bit>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace weft::mem {
namespace {

// A slab of `count` blocks whose memory is never touched.
slab_info make_slab(uint32_t bytes, uint16_t count) {
  slab_info s;
  s.base = reinterpret_cast<char*>(uintptr_t{1} << 30);
  s.units = 1;
  s.block_bytes = bytes;
  s.inverse = static_cast<uint32_t>(((uint64_t{1} << 32) + bytes - 1) / bytes);
  s.count = count;
  s.make_fresh();
  return s;
}

TEST(SlabTest, AFreshSlabHasItsBlocksAndNoMore) {
  for (const uint16_t count : {1, 2, 63, 64, 65, 127, 128, 511, 512}) {
    slab_info s = make_slab(128, count);
    std::vector<char*> blocks;
    while (s.free != 0) {
      const block_span span = s.take(64);
      for (uint64_t mask = span.mask; mask != 0; mask &= mask - 1)
        blocks.push_back(span.first + std::countr_zero(mask) * 128);
    }
    ASSERT_EQ(blocks.size(), count);
    for (uint16_t i = 0; i < count; ++i) EXPECT_EQ(blocks[i], s.block(i));
    EXPECT_EQ(s.high, count);
  }
}

TEST(SlabTest, TheLowestFreeBlocksAreTakenFirst) {
  slab_info s = make_slab(256, 200);
  s.take(64);
  s.take(64);
  EXPECT_EQ(s.high, 128);
  s.put(s.block(70));
  s.put(s.block(3));
  const block_span one = s.take(1);
  EXPECT_EQ(one.count(), 1u);
  EXPECT_EQ(one.first + std::countr_zero(one.mask) * 256, s.block(3));
  const block_span next = s.take(5);
  EXPECT_EQ(next.count(), 1u) << "block 70 is the only free one of its word";
  EXPECT_EQ(s.high, 128);
  EXPECT_EQ(s.take(5).count(), 5u);
  EXPECT_EQ(s.high, 133);
}

TEST(SlabTest, EveryBlockIsFoundByItsAddressWhateverTheSize) {
  for (uint32_t bytes = 16; bytes <= 64 * 1024; bytes += 16) {
    const auto count = static_cast<uint16_t>(std::min<uint32_t>(slab_info::most_blocks, 64 * 1024 / bytes));
    const slab_info s = make_slab(bytes, count);
    for (uint16_t i = 0; i < count; ++i) ASSERT_EQ(s.index_of(s.block(i)), i) << bytes;
  }
}

TEST(SlabTest, ASpanThatIsGivenBackCanBeTakenAgain) {
  slab_info s = make_slab(512, 128);
  const block_span first = s.take(40);
  const block_span second = s.take(64);
  s.put(first);
  EXPECT_EQ(s.free, 64 + 40);
  s.put(second);
  EXPECT_TRUE(s.is_empty());
}

TEST(SlabTest, AListGivesItsEndsAndForgetsWhatIsRemoved) {
  slab_info a, b, c;
  slab_list list;
  EXPECT_EQ(list.front(), nullptr);
  list.push_front(a);
  list.push_front(b);
  list.push_front(c);
  EXPECT_EQ(list.front(), &c);
  EXPECT_EQ(list.back(), &a);
  list.remove(b);
  list.remove(a);
  EXPECT_EQ(list.back(), &c);
  list.remove(c);
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
}

}  // namespace
}  // namespace weft::mem
