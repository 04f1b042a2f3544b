// The work on a pool that pool_bench and weft_workloads time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <weft/join_handle.h>
#include <weft/pool.h>
#include <weft/task.h>
#include <weft/this_task.h>

namespace pool_work {

struct object {
  std::uint64_t uses = 0;
};
using objects = weft::pool<object>;

/// One task: gets an object, uses it, gives it back.
inline weft::task<std::uint64_t> use_often(objects* p, std::uint64_t rounds) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    auto one = p->get();
    ++one->uses;
    ++sum;
  }
  co_return sum;
}

/// One task: gets 100 objects, gives 100 back; as often as makes `rounds` objects.
inline weft::task<std::uint64_t> use_hundreds(objects* p, std::uint64_t rounds) {
  std::array<weft::pooled<object>, 100> held;
  std::uint64_t sum = 0;
  for (; sum < rounds; sum += held.size()) {
    for (auto& one : held) {
      one = p->get();
      ++one->uses;
    }
    for (auto& one : held) one.give_back();
  }
  co_return sum;
}

/// Such a task for each processor.
inline weft::task<std::uint64_t> on_each(weft::task<std::uint64_t> (*work)(objects*, std::uint64_t), int processors,
                                         std::uint64_t rounds) {
  objects p([] { return object(); });
  std::vector<weft::join_handle<std::uint64_t>> tasks;
  for (int i = 0; i < processors; ++i) tasks.push_back(weft::spawn(work, &p, rounds));
  std::uint64_t sum = 0;
  for (auto& t : tasks) sum += co_await t;
  co_return sum;
}

/// Objects on their way from the task that gets to the task that gives back, so that their pool sees only gets on one
/// processor and only puts on the other.
struct one_way {
  static constexpr std::size_t batch = 256;
  struct alignas(128) crate {
    std::atomic<bool> full{false};
    std::array<weft::pooled<object>, batch> held;
  };
  objects pool{[] { return object(); }};
  std::array<crate, 4> crates;
};

inline weft::task<> get_only(one_way* way, std::uint64_t batches) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    one_way::crate& c = way->crates[i % way->crates.size()];
    // acquire: pairs with the release store of give_only().
    while (c.full.load(std::memory_order_acquire)) co_await weft::yield();
    for (auto& one : c.held) one = way->pool.get();
    // release: pairs with the acquire load of give_only().
    c.full.store(true, std::memory_order_release);
  }
}

inline weft::task<> give_only(one_way* way, std::uint64_t batches) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    one_way::crate& c = way->crates[i % way->crates.size()];
    // acquire: pairs with the release store of get_only().
    while (!c.full.load(std::memory_order_acquire)) co_await weft::yield();
    for (auto& one : c.held) {
      ++one->uses;
      one.give_back();
    }
    // release: pairs with the acquire load of get_only().
    c.full.store(false, std::memory_order_release);
  }
}

/// `figures`, if not null, gets the pool's.
inline weft::task<std::uint64_t> carry(std::uint64_t batches, weft::pool_stats* figures) {
  const auto way = std::make_unique<one_way>();
  weft::join_handle<void> getter = weft::spawn(get_only, way.get(), batches);
  weft::join_handle<void> giver = weft::spawn(give_only, way.get(), batches);
  co_await getter;
  co_await giver;
  const weft::pool_stats s = way->pool.stats();
  if (figures != nullptr) *figures = s;
  co_return s.puts;
}

}  // namespace pool_work
