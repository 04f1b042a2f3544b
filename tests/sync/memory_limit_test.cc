// The memory limit with real pools and real memory: what is said on stderr, and what is not.
//
// Hosted, with a clock that the program moves: a second of bursts takes a moment, and nothing depends on the machine.
#include <weft/pool.h>
#include <weft/weft.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/runtime.h"
#include "support/manual_clock.h"
#include "support/processors.h"

namespace weft {
namespace {

constexpr std::size_t mib = std::size_t{1} << 20;
constexpr std::size_t limit = 16 * mib;
constexpr std::array<std::size_t, 8> sizes = {4 << 10,  6 << 10,  8 << 10,  12 << 10,
                                              16 << 10, 24 << 10, 32 << 10, 48 << 10};

class listening_system final : public os::system {
 public:
  void write_stderr(std::string_view text) noexcept override { said += text; }
  std::string said;
};

class MemoryLimitTest : public ::testing::Test {
 protected:
  MemoryLimitTest() {
    options opts;
    opts.processors = 1;
    opts.gc_percent = -1;
    opts.memory_limit_bytes = limit;
    os::seams seams = os::seams::real();
    seams.time = &clock_;
    seams.sys = &sys_;
    rt_ = *runtime_access::create(opts, seams, detail::drive::host);
  }
  // The runtime is gone before what it uses.
  ~MemoryLimitTest() override { rt_.reset(); }

  uint64_t epochs_for_the_limit() {
    const detail::epoch_figures f = runtime_access::sched(*rt_).epochs().figures();
    return f.epochs[static_cast<std::size_t>(detail::epoch_cause::limit)];
  }

  test::manual_clock clock_{1'000'000};
  listening_system sys_;
  std::unique_ptr<runtime> rt_;
  buffer_pool pool_;
};

task<> pass_on(channel<pooled_buffer> in, channel<pooled_buffer> out) {
  for (;;) {
    std::optional<pooled_buffer> b = co_await in.receive();
    if (!b) break;
    const bool sent = co_await out.send(*std::move(b));
    if (!sent) break;
  }
}

// Bursts of one size after the other, so that pools which are never cleared would hold three times the limit, while
// what is in flight at any time is a part of it.
TEST_F(MemoryLimitTest, ABurstyPipelineThatFitsIsNeverToldThatItsLimitIsTooLow) {
  constexpr std::size_t in_flight = 6 * mib;
  constexpr int rounds = 3, bursts = 4;
  rt_->run([this]() -> task<> {
    channel<pooled_buffer> first(64), last(in_flight / sizes[0] + 1);
    go(pass_on, first, last);
    for (int round = 0; round < rounds; ++round)
      for (const std::size_t size : sizes)
        for (int burst = 0; burst < bursts; ++burst) {
          const std::size_t count = in_flight / size;
          for (std::size_t i = 0; i < count; ++i) {
            pooled_buffer b = pool_.get(size);
            std::memset(b.data(), 1, b.size());
            (void)co_await first.send(std::move(b));
          }
          for (std::size_t i = 0; i < count; ++i) (void)co_await last.receive();
          clock_.advance(200'000'000);
        }
    first.close();
  });
  test::settle(*rt_);
  EXPECT_EQ(sys_.said, "");
  EXPECT_GE(epochs_for_the_limit(), 8u) << "the limit had nothing to do";
}

TEST_F(MemoryLimitTest, BuffersInUseThatExceedTheLimitAreSaidToOnce) {
  std::vector<pooled_buffer> in_use;
  for (std::size_t held = 0; held < 24 * mib; held += sizes[7]) in_use.push_back(pool_.get(sizes[7]));
  for (std::size_t i = 0; i < 300; ++i) {
    rt_->run([&]() -> task<> {
      {
        const pooled_buffer b = pool_.get(sizes[i % 7]);
      }
      co_return;
    });
    clock_.advance(100'000'000);
    test::settle(*rt_);
  }
  EXPECT_THAT(sys_.said, ::testing::MatchesRegex("weft: the memory limit of 16777216 bytes is below the 2[0-9]* bytes "
                                                 "that are held for good; [^\n]*\n"));
  EXPECT_GE(epochs_for_the_limit(), 4u);
}

}  // namespace
}  // namespace weft
