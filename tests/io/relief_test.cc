// What happens to operations of a processor whose worker computes: the monitor takes what they came to.
//
// A task starts another one, which begins an operation on the same processor, and then computes, with no scheduling
// point, until the other one has gone on. Only the monitor can help it. Where the other one was begun elsewhere, since
// some worker was quicker, it tries again.
#include <array>
#include <atomic>
#include <chrono>
#include <utility>

#include <unistd.h>

#include "support/io_test.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;

class ReliefTest : public test::io_test {
 protected:
  std::pair<unix_stream, unix_stream> both_ = *unix_stream::pair();
};

struct reading {
  std::atomic<const detail::processor*> begun_on{nullptr};
  std::atomic<bool> ended{false};
};

const detail::processor* here() { return detail::this_context.proc; }

task<absl::StatusOr<std::size_t>> read_one(unix_stream& on, reading& r) {
  std::array<std::byte, 8> buffer;
  // release: pairs with the acquire loads of the task that computes; here and below.
  r.begun_on.store(here(), std::memory_order_release);
  absl::StatusOr<std::size_t> n = co_await on.read_some(buffer);
  r.ended.store(true, std::memory_order_release);  // release: see above
  co_return n;
}

// Until the other one has gone on, or for so long that it never will. No scheduling point.
bool computes_until_it_ends(const reading& r) {
  const auto begin = std::chrono::steady_clock::now();
  // acquire: pairs with the release store in read_one().
  while (!r.ended.load(std::memory_order_acquire))
    if (std::chrono::steady_clock::now() - begin > 20s) return false;
  return true;
}

template <class Act>
task<absl::StatusOr<std::size_t>> beside_a_hog(unix_stream& on, Act act, bool& went_on) {
  for (;;) {
    reading r;
    join_handle<absl::StatusOr<std::size_t>> other = spawn(read_one, std::ref(on), std::ref(r));
    const detail::processor* begun_on = nullptr;
    // acquire: pairs with the release store in read_one().
    while ((begun_on = r.begun_on.load(std::memory_order_acquire)) == nullptr) co_await yield();
    if (begun_on == here()) {
      act(other);
      went_on = computes_until_it_ends(r);
      co_return co_await other;
    }
    other.request_stop();
    static_cast<void>(co_await other);
  }
}

TEST_P(ReliefTest, WhatCompletesBesideATaskThatComputesGoesOnElsewhere) {
  bool went_on = false;
  const auto write = [this](auto&) { ASSERT_EQ(::write(both_.second.fd(), "abc", 3), 3); };
  EXPECT_EQ(
      run([&]() -> task<std::size_t> { co_return (co_await beside_a_hog(both_.first, write, went_on)).value_or(99); }),
      3u);
  EXPECT_TRUE(went_on);
}

TEST_P(ReliefTest, AStopBesideATaskThatComputesIsNotHeldUp) {
  bool went_on = false;
  const auto stop = [](auto& other) { other.request_stop(); };
  EXPECT_EQ(run([&]() -> task<absl::StatusCode> {
              co_return (co_await beside_a_hog(both_.first, stop, went_on)).status().code();
            }),
            absl::StatusCode::kCancelled);
  EXPECT_TRUE(went_on);
}

INSTANTIATE_TEST_SUITE_P(On, ReliefTest,
                         ::testing::Combine(::testing::Values(io_backend::uring, io_backend::epoll),
                                            ::testing::Values(2)),
                         test::io_test_name);

}  // namespace
}  // namespace weft
