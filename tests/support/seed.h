// The number behind a test's random choices.
//
// WEFT_SEED in the environment gives it. Without it most tests choose always alike; under a sanitizer the runtimes of
// processors.h choose anew in each test. A test that fails prints the number that repeats its choices: where threads
// run side by side, the choices are the same and the interleaving need not be.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include <weft/detail/config.h>

#include "os/random.h"

namespace weft::test {

/// Sanitizers make an execution many times as expensive.
inline constexpr bool slow_build = WEFT_ASAN || WEFT_TSAN;

/// WEFT_SEED, if it is given.
inline std::optional<uint64_t> given_seed() {
  const char* text = std::getenv("WEFT_SEED");
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

/// The number that decides every random choice of a test: WEFT_SEED, or `otherwise`.
inline uint64_t seed_or(uint64_t otherwise) { return given_seed().value_or(otherwise); }

/// The seed of the running test's runtimes; nothing: they are as the library makes them.
class running_seed : public ::testing::EmptyTestEventListener {
 public:
  static std::optional<uint64_t> get() noexcept { return seed_; }

  void OnTestStart(const ::testing::TestInfo&) override {
    seed_ = given_seed();
    if (!seed_ && slow_build) seed_ = os::random_source::real().next() % 1'000'000;
  }

  void OnTestEnd(const ::testing::TestInfo& test) override {
    if (seed_ && test.result()->Failed())
      std::fprintf(stderr, "repeat the choices of this test with WEFT_SEED=%llu\n",
                   static_cast<unsigned long long>(*seed_));
  }

 private:
  static inline std::optional<uint64_t> seed_;
};

// GoogleTest owns its listeners.
inline const bool seed_listens = (::testing::UnitTest::GetInstance()->listeners().Append(new running_seed), true);

}  // namespace weft::test
