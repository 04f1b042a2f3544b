// The heap of stack blocks: exact figures, trimming, giving memory back and using it again, exhaustion, threads.
#include "mem/block_heap.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fault_system.h"
#include "support/seed.h"

namespace weft::mem {
namespace {

using detail::strand;
using detail::strand_kind;
using test::call;

constexpr std::size_t task_class = class_of(256);
constexpr uint64_t no_limit = UINT64_MAX;

class BlockHeapTest : public testing::Test {
 protected:
  BlockHeapTest() : heap_(sys_, this) {}

  std::vector<void*> take(block_cache& cache, std::size_t count, block_kind kind = block_kind::strand,
                          std::size_t size_class = task_class) {
    std::vector<void*> blocks;
    for (std::size_t i = 0; i < count; ++i) {
      blocks.push_back(cache.take(kind, size_class));
      EXPECT_NE(blocks.back(), nullptr);
    }
    return blocks;
  }

  void give(block_cache& cache, std::vector<void*>& blocks, block_kind kind = block_kind::strand,
            std::size_t size_class = task_class) {
    for (void* b : blocks) cache.give(kind, size_class, b);
    blocks.clear();
  }

  test::fault_system sys_;
  block_heap heap_;
};

uint64_t bytes_of(const kind_figures& k) {
  return k.in_use_bytes + k.cached_bytes + k.free_bytes + k.fresh_bytes + k.rest_bytes + k.released_bytes;
}

uint64_t sum_of_parts(const heap_figures& f) {
  uint64_t sum = f.large_bytes + f.uncut_bytes + f.metadata_bytes;
  for (const kind_figures& k : f.kinds) sum += bytes_of(k);
  return sum;
}

void expect_consistent(const heap_figures& f) {
  ASSERT_EQ(sum_of_parts(f), f.mapped_bytes);
  for (const kind_figures& k : f.kinds) {
    size_figures sum;
    uint64_t allocated = 0;
    uint64_t freed = 0;
    for (std::size_t c = 0; c < class_count; ++c) {
      ASSERT_GE(k.by_size[c].allocs, k.by_size[c].frees);
      sum.allocs += k.by_size[c].allocs;
      sum.frees += k.by_size[c].frees;
      allocated += k.by_size[c].allocs * class_bytes(c);
      freed += k.by_size[c].frees * class_bytes(c);
    }
    ASSERT_EQ(sum.allocs, k.all.allocs);
    ASSERT_EQ(sum.frees, k.all.frees);
    ASSERT_EQ(allocated, k.allocated_bytes);
    ASSERT_EQ(freed, k.freed_bytes);
  }
}

TEST_F(BlockHeapTest, ANewHeapHasMappedNothing) {
  const heap_figures f = heap_.figures();
  EXPECT_EQ(f.mapped_bytes, 0u);
  expect_consistent(f);
}

TEST_F(BlockHeapTest, PartsAddUpAndBlocksInUseAreCountedExactly) {
  block_cache cache(heap_);
  std::vector<void*> strands = take(cache, 1000);
  std::vector<void*> segments = take(cache, 10, block_kind::segment, class_of(4096));
  void* foreign = heap_.take_one(block_kind::segment, class_of(512));
  void* queue = heap_.take_one(block_kind::queue, class_of(1024));
  void* large = heap_.take_large(1 << 20);
  heap_figures f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(static_cast<int64_t>(f.mapped_bytes), sys_.mapped_bytes());
  EXPECT_EQ(f.of(block_kind::strand).all.allocs, 1000u);
  EXPECT_EQ(f.of(block_kind::strand).all.frees, 0u);
  EXPECT_EQ(f.of(block_kind::strand).in_use_bytes, 1000u * class_bytes(task_class));
  EXPECT_EQ(f.of(block_kind::segment).in_use_bytes, 10u * 4096 + 512);
  EXPECT_EQ(f.of(block_kind::queue).in_use_bytes, 1024u);
  EXPECT_EQ(f.large_bytes, 1u << 20);

  give(cache, strands);
  give(cache, segments, block_kind::segment, class_of(4096));
  heap_.give_one(block_kind::segment, class_of(512), foreign);
  heap_.give_one(block_kind::queue, class_of(1024), queue);
  heap_.give_large(large, 1 << 20);
  f = heap_.figures();
  expect_consistent(f);
  for (const kind_figures& k : f.kinds) {
    EXPECT_EQ(k.all.allocs, k.all.frees);
    EXPECT_EQ(k.in_use_bytes, 0u);
  }
  EXPECT_GT(f.of(block_kind::strand).cached_bytes, 0u);
  EXPECT_LE(f.of(block_kind::strand).cached_bytes,
            (2u * block_cache::batch_size(task_class) + 1) * class_bytes(task_class));
  EXPECT_EQ(f.large.allocs, f.large.frees);
  EXPECT_EQ(f.large_bytes, 0u);
}

TEST_F(BlockHeapTest, FiguresOfEndedProcessorsRemain) {
  std::vector<void*> blocks;
  {
    block_cache first(heap_);
    blocks = take(first, 300);
  }
  heap_figures f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(f.of(block_kind::strand).all.allocs, 300u);
  EXPECT_EQ(f.of(block_kind::strand).cached_bytes, 0u);
  {
    block_cache second(heap_);
    give(second, blocks);
  }
  f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(f.of(block_kind::strand).all.frees, 300u);
  EXPECT_EQ(f.of(block_kind::strand).in_use_bytes + f.of(block_kind::strand).cached_bytes, 0u);
}

TEST_F(BlockHeapTest, EverySizeHoldsAndFindsItsBlocks) {
  block_cache cache(heap_);
  for (const block_kind kind : {block_kind::strand, block_kind::segment})
    for (std::size_t c = 3; c < class_count; ++c) {
      if (kind == block_kind::strand && class_bytes(c) > max_strand_block) break;
      std::vector<void*> blocks = take(cache, 2 * block_cache::batch_size(c) + 3, kind, c);
      for (void* b : blocks) std::memset(b, 0x5a, class_bytes(c));
      std::vector<void*> sorted = blocks;
      std::sort(sorted.begin(), sorted.end());
      for (std::size_t i = 1; i < sorted.size(); ++i)
        ASSERT_GE(static_cast<char*>(sorted[i]) - static_cast<char*>(sorted[i - 1]),
                  static_cast<std::ptrdiff_t>(class_bytes(c)));
      if (kind == block_kind::strand) {
        for (void* b : blocks) ASSERT_EQ(slab_of_strand(b).owner, this);
      }
      give(cache, blocks, kind, c);
      cache.flush();
    }
  const heap_figures f = heap_.figures();
  expect_consistent(f);
  heap_.end_epoch(trim_level::everything);
  heap_.release_some(no_limit);
  const heap_figures after = heap_.figures();
  expect_consistent(after);
  for (const kind_figures& k : after.kinds) EXPECT_EQ(bytes_of(k), k.released_bytes);
}

// A loop that takes and gives a few blocks needs them in the next epoch too.
TEST_F(BlockHeapTest, ASteadyUserRefillsNothingAfterATrim) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 200);
  give(cache, blocks);
  uint64_t cached = 0;
  for (int epoch = 0; epoch < 10; ++epoch) {
    for (int round = 0; round < 5; ++round) {
      blocks = take(cache, 20);
      give(cache, blocks);
    }
    cache.trim(trim_level::unused);
    heap_.end_epoch(trim_level::unused);
    const uint64_t now = heap_.figures().of(block_kind::strand).cached_bytes;
    if (epoch > 1) {
      EXPECT_EQ(now, cached);
    }
    cached = now;
    EXPECT_GE(cached, 20 * class_bytes(task_class));
  }
}

TEST_F(BlockHeapTest, AnIdleCacheIsEmptyAfterTwoTrims) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 200);
  give(cache, blocks);
  cache.trim(trim_level::unused);
  cache.trim(trim_level::unused);
  const heap_figures f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(f.of(block_kind::strand).cached_bytes, 0u);
}

TEST_F(BlockHeapTest, ATrimKeepsAtMostWhatWasTakenSinceTheLast) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 60);
  give(cache, blocks);
  cache.trim(trim_level::unused);
  blocks = take(cache, 3);
  give(cache, blocks);
  cache.trim(trim_level::unused);
  EXPECT_EQ(heap_.figures().of(block_kind::strand).cached_bytes, 3 * class_bytes(task_class));
  cache.trim(trim_level::everything);
  EXPECT_EQ(heap_.figures().of(block_kind::strand).cached_bytes, 0u);
}

TEST_F(BlockHeapTest, ASlabGoesBackAfterAWholeEpochWithoutUse) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 10'000);
  give(cache, blocks);
  cache.flush();
  heap_.end_epoch(trim_level::unused);
  EXPECT_EQ(heap_.release_some(no_limit), 0u) << "it became empty in this epoch";
  EXPECT_FALSE(heap_.has_returnable());
  heap_.end_epoch(trim_level::unused);
  EXPECT_TRUE(heap_.has_returnable());
  const heap_figures before = heap_.figures();
  EXPECT_EQ(heap_.release_some(no_limit), before.strand_slab_bytes);
  const heap_figures after = heap_.figures();
  expect_consistent(after);
  EXPECT_EQ(after.of(block_kind::strand).released_bytes, before.strand_slab_bytes);
  EXPECT_EQ(after.strand_slab_bytes, 0u);
  EXPECT_EQ(after.given_back_bytes, before.strand_slab_bytes);
  EXPECT_EQ(after.mapped_bytes, before.mapped_bytes);
  EXPECT_EQ(heap_.release_some(no_limit), 0u);
}

// More batches than are walked side by side, of unequal lengths, some longer than what is sorted at once.
TEST_F(BlockHeapTest, BatchesOfAllLengthsAreSortedWholly) {
  std::vector<uint32_t> lengths;
  for (uint32_t length = 1; length <= 4 * block_heap::most_batch; length += 7) lengths.push_back(length);
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
  for (const uint32_t length : lengths) {
    free_block* first = nullptr;
    for (uint32_t i = 0; i < length; ++i) {
      auto* b = static_cast<free_block*>(blocks.back());
      blocks.pop_back();
      b->next = first;
      first = b;
    }
    heap_.give_batch(block_kind::strand, task_class, first, length);
  }
  cache.flush();
  heap_.end_epoch(trim_level::everything);
  const heap_figures before = heap_.figures();
  expect_consistent(before);
  EXPECT_GT(before.of(block_kind::strand).free_bytes, 0u);
  EXPECT_EQ(heap_.release_some(no_limit), before.strand_slab_bytes);
  const heap_figures after = heap_.figures();
  expect_consistent(after);
  EXPECT_EQ(after.of(block_kind::strand).free_bytes, 0u);
}

TEST_F(BlockHeapTest, ASlabThatWasUsedInTheEpochStays) {
  block_cache cache(heap_);
  for (int epoch = 0; epoch < 5; ++epoch) {
    std::vector<void*> blocks = take(cache, 10);
    give(cache, blocks);
    cache.flush();
    heap_.end_epoch(trim_level::unused);
    EXPECT_EQ(heap_.release_some(no_limit), 0u);
  }
}

TEST_F(BlockHeapTest, WhenAskedForEverythingEmptySlabsGoBackAtOnce) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 1000);
  give(cache, blocks);
  cache.trim(trim_level::everything);
  heap_.end_epoch(trim_level::everything);
  EXPECT_GT(heap_.release_some(no_limit), 0u);
  EXPECT_EQ(heap_.figures().strand_slab_bytes, 0u);
}

TEST_F(BlockHeapTest, NeighboursGoBackInOneCallAndInSteps) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 16 * 255);  // one chunk
  for (void* b : blocks) heap_.give_one(block_kind::strand, task_class, b);
  cache.flush();
  heap_.end_epoch(trim_level::everything);
  EXPECT_EQ(heap_.release_some(3 * slab_bytes), 3 * slab_bytes);
  EXPECT_EQ(sys_.count(call::release), 1);
  expect_consistent(heap_.figures());
  EXPECT_EQ(heap_.release_some(1), slab_bytes);
  EXPECT_EQ(sys_.count(call::release), 2);
  EXPECT_EQ(heap_.release_some(no_limit), 12 * slab_bytes);
  EXPECT_EQ(sys_.count(call::release), 3);
}

TEST_F(BlockHeapTest, ReleasedMemoryReadsAsDeadStrandsAndIsUsedAgain) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 4 * 255);
  const std::vector<void*> stale = blocks;
  for (void* b : blocks) {
    auto* s = static_cast<strand*>(b);
    // relaxed: one thread.
    s->kind.store(strand_kind::task, std::memory_order_relaxed);
  }
  give(cache, blocks);
  cache.flush();
  heap_.end_epoch(trim_level::everything);
  heap_.release_some(no_limit);
  for (const void* b : stale) {
    const auto* s = static_cast<const strand*>(b);
    // relaxed: one thread, here and below.
    ASSERT_EQ(s->kind.load(std::memory_order_relaxed), strand_kind::unused);
    ASSERT_EQ(s->wait_lock.load(std::memory_order_relaxed), nullptr);
    ASSERT_EQ(s->waiting.load(std::memory_order_relaxed), nullptr);
  }
  int walked = 0;
  heap_.for_each_strand([&](strand*) { ++walked; });
  EXPECT_EQ(walked, 0) << "a walk looks at no slab that was given back";

  const uint64_t mapped = heap_.figures().mapped_bytes;
  blocks = take(cache, 4 * 255);
  for (void* b : blocks) EXPECT_EQ(slab_of_strand(b).owner, this);
  const heap_figures f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(f.mapped_bytes, mapped) << "no new memory while there is some that was given back";
  std::vector<void*> old = stale;
  std::vector<void*> now = blocks;
  std::sort(old.begin(), old.end());
  std::sort(now.begin(), now.end());
  EXPECT_EQ(old, now);
  give(cache, blocks);
}

TEST_F(BlockHeapTest, AWalkSeesEveryBlockThatIsInUse) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 2000);
  std::vector<void*> kept;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (i % 7 == 0)
      kept.push_back(blocks[i]);
    else
      cache.give(block_kind::strand, task_class, blocks[i]);
  }
  cache.flush();
  heap_.end_epoch(trim_level::everything);
  heap_.release_some(no_limit);
  std::vector<void*> seen;
  heap_.for_each_strand([&](strand* s) { seen.push_back(s); });
  std::sort(seen.begin(), seen.end());
  for (void* b : kept) EXPECT_TRUE(std::binary_search(seen.begin(), seen.end(), b));
  give(cache, kept);
}

TEST_F(BlockHeapTest, TheFullestSlabsAreUsedFirstSoThatOthersBecomeEmpty) {
  block_cache cache(heap_);
  std::vector<void*> blocks = take(cache, 4 * 255);  // four slabs
  cache.flush();
  std::sort(blocks.begin(), blocks.end());
  // One block in the first slab is free, all but one are in the second.
  heap_.give_one(block_kind::strand, task_class, blocks[10]);
  for (std::size_t i = 256; i < 510; ++i) heap_.give_one(block_kind::strand, task_class, blocks[i]);
  EXPECT_EQ(heap_.take_one(block_kind::strand, task_class), blocks[10]);
  heap_.give_one(block_kind::strand, task_class, blocks[10]);
  blocks.erase(blocks.begin() + 256, blocks.begin() + 510);
  blocks.erase(blocks.begin() + 10);
  give(cache, blocks);
}

TEST_F(BlockHeapTest, WithoutMemoryTakingFailsAndFiguresStayRight) {
  // The first mapping is that of the books, the second the first chunk.
  for (const int64_t bad : {1, 2}) {
    block_heap heap(sys_, this);
    block_cache cache(heap);
    sys_.fail_nth(call::map, bad);
    EXPECT_EQ(cache.take(block_kind::strand, task_class), nullptr);
    EXPECT_EQ(heap.figures().mapped_bytes, heap.figures().metadata_bytes);
    expect_consistent(heap.figures());
    void* b = cache.take(block_kind::strand, task_class);
    EXPECT_NE(b, nullptr);
    cache.give(block_kind::strand, task_class, b);
    sys_.fail_from(call::map);
    EXPECT_EQ(heap.take_large(1 << 20), nullptr);
    std::vector<void*> blocks;
    while (void* more = cache.take(block_kind::strand, task_class)) blocks.push_back(more);
    EXPECT_EQ(blocks.size(), 16u * 255);
    EXPECT_EQ(heap.take_one(block_kind::strand, task_class), nullptr);
    EXPECT_EQ(heap.figures().of(block_kind::strand).all.allocs, blocks.size() + 1);
    expect_consistent(heap.figures());
    // What is given back is there again.
    heap.give_one(block_kind::strand, task_class, blocks.back());
    EXPECT_EQ(heap.take_one(block_kind::strand, task_class), blocks.back());
    give(cache, blocks);
    sys_.succeed(call::map);
  }
}

TEST_F(BlockHeapTest, ItsEndGivesAllMemoryBack) {
  {
    block_heap heap(sys_, this);
    block_cache cache(heap);
    std::vector<void*> blocks = take(cache, 20'000);
    void* large = heap.take_large(1 << 19);
    heap.give_large(large, 1 << 19);
    give(cache, blocks);
  }
  EXPECT_EQ(sys_.mapped_bytes(), 0);
}

// Threads with caches take blocks and give those of others; one trims, ends epochs and gives memory back; one reads the
// figures, which must be right at every moment; one walks the strands.
TEST_F(BlockHeapTest, FiguresAreRightWhileProcessorsRun) {
  constexpr int threads = 3;
  constexpr int rounds = 300;
  std::atomic<bool> done{false};
  std::array<std::atomic<void*>, 512> shared{};
  const auto work = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    block_cache cache(heap_);
    for (int round = 0; round < rounds; ++round) {
      for (int i = 0; i < 400; ++i) {
        void* mine = random() % 3 == 0 ? nullptr : cache.take(block_kind::strand, task_class);
        // acq_rel: hands the block over, and takes another.
        void* other = shared[random() % shared.size()].exchange(mine, std::memory_order_acq_rel);
        if (other != nullptr) cache.give(block_kind::strand, task_class, other);
      }
      if (round % 10 == 0) cache.trim(round % 30 == 0 ? trim_level::everything : trim_level::unused);
    }
  };
  std::vector<std::thread> workers;
  for (uint64_t i = 0; i < threads; ++i) workers.emplace_back(work, test::seed_or(1) + i);
  // relaxed: ends loops only.
  const auto goes_on = [&] { return !done.load(std::memory_order_relaxed); };
  std::thread collector([&] {
    while (goes_on()) {
      heap_.end_epoch(trim_level::everything);
      heap_.release_some(256 * 1024);
      std::this_thread::yield();
    }
  });
  std::thread walker([&] {
    while (goes_on()) {
      int live = 0;
      // relaxed: a snapshot. Nobody here makes a block a task.
      heap_.for_each_strand([&](strand* s) {
        if (s->kind.load(std::memory_order_relaxed) != strand_kind::unused) ++live;
      });
      EXPECT_EQ(live, 0);
      std::this_thread::yield();
    }
  });
  std::thread reader([&] {
    uint64_t allocs = 0;
    while (goes_on()) {
      const heap_figures f = heap_.figures();
      expect_consistent(f);
      EXPECT_GE(f.of(block_kind::strand).all.allocs, allocs);
      allocs = f.of(block_kind::strand).all.allocs;
    }
  });
  for (std::thread& t : workers) t.join();
  // relaxed: as above.
  done.store(true, std::memory_order_relaxed);
  collector.join();
  walker.join();
  reader.join();
  // relaxed: one thread is left.
  for (auto& slot : shared)
    if (void* b = slot.load(std::memory_order_relaxed)) heap_.give_one(block_kind::strand, task_class, b);
  const heap_figures f = heap_.figures();
  expect_consistent(f);
  EXPECT_EQ(f.of(block_kind::strand).all.allocs, f.of(block_kind::strand).all.frees);
  EXPECT_EQ(f.of(block_kind::strand).in_use_bytes, 0u);
  EXPECT_EQ(f.of(block_kind::strand).cached_bytes, 0u);
}

}  // namespace
}  // namespace weft::mem
