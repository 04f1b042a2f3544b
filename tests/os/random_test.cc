// Seeds repeat, threads share a source without sharing a draw, and the kernel's source differs each time.
#include "os/random.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <thread>
#include <vector>

namespace weft::os {
namespace {

// The first outputs for seed 1234567 of the published splitmix64.c.
TEST(RandomTest, IsSplitmix64) {
  seeded_random random(1234567);
  for (const uint64_t expected : {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
                                  4593380528125082431ull, 16408922859458223821ull}) {
    EXPECT_EQ(random.next(), expected);
  }
}

TEST(RandomTest, SameSeedSameSequence) {
  seeded_random a(7);
  seeded_random b(7);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.next(), b.next());
}

TEST(RandomTest, ThreadsNeverGetTheSameDraw) {
  constexpr size_t threads = 4;
  constexpr size_t draws = 1000;
  seeded_random random(7);
  std::vector<std::vector<uint64_t>> drawn(threads);
  {
    std::vector<std::jthread> running;
    for (std::vector<uint64_t>& mine : drawn) {
      running.emplace_back([&] {
        for (size_t i = 0; i < draws; ++i) mine.push_back(random.next());
      });
    }
  }
  std::set<uint64_t> all;
  for (const std::vector<uint64_t>& mine : drawn) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), threads * draws);
}

TEST(RandomTest, TheRealSourceDoesNotRepeat) { EXPECT_NE(random_source::real().next(), random_source::real().next()); }

}  // namespace
}  // namespace weft::os
