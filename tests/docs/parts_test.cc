// The parts of programs that docs/guide.md and docs/from_go.md show, each where it compiles, and some run.
#include <chrono>
#include <optional>

#include <gtest/gtest.h>
#include <weft/weft.h>

using namespace std::chrono_literals;

namespace from_go {
#include "from_go_1.inc"  // squares
#include "from_go_2.inc"  // sum_of_squares
}  // namespace from_go

TEST(FromGoTest, ThePortedPipelineAddsUpSquares) { EXPECT_EQ(weft::run(from_go::sum_of_squares, 100), 338350); }

namespace guide {

int used = 0;

void use(const std::optional<int>& job) { used = job.value_or(-1); }

weft::task<> take_what_comes_first(weft::channel<int> jobs, weft::channel<int> results) {
#include "guide_1.inc"
}

weft::task<> offer_a_job() {
  const weft::channel<int> jobs(1);
  const weft::channel<int> nobody_receives(0);
  EXPECT_TRUE(jobs.try_send(42));
  co_await take_what_comes_first(jobs, nobody_receives);
}

}  // namespace guide

TEST(GuideTest, SelectTakesTheArmThatIsReady) {
  guide::used = 0;
  weft::run(guide::offer_a_job);
  EXPECT_EQ(guide::used, 42);
}
