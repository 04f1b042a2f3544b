// The real seams are the real doors.
#include "os/seams.h"

#include <gtest/gtest.h>

namespace weft::os {
namespace {

TEST(SeamsTest, RealIsTheRealWorld) {
  const seams world = seams::real();
  EXPECT_EQ(world.sys, &system::real());
  EXPECT_EQ(world.time, &clock::real());
  EXPECT_EQ(world.random, &random_source::real());
}

}  // namespace
}  // namespace weft::os
