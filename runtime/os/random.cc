// splitmix64, and the source that the kernel seeds.
#include "os/random.h"

#include <sys/random.h>

#include "os/clock.h"

namespace weft::os {
namespace {

constexpr uint64_t golden_gamma = 0x9e3779b97f4a7c15ull;

constexpr uint64_t mix(uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

uint64_t kernel_seed() noexcept {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof seed)) return seed;
  // Early boot or a sandbox without getrandom: the seed only has to differ from run to run.
  return mix(static_cast<uint64_t>(clock::real().now_ns())) ^ reinterpret_cast<uintptr_t>(&seed);
}

}  // namespace

uint64_t seeded_random::next() noexcept {
  // relaxed: each caller needs a different count, nothing else; no data is published through it.
  return mix(state_.fetch_add(golden_gamma, std::memory_order_relaxed) + golden_gamma);
}

random_source& random_source::real() noexcept {
  // Never destroyed: threads of a runtime that outlives main() may still draw from it.
  static seeded_random& instance = *new seeded_random(kernel_seed());
  return instance;
}

}  // namespace weft::os
