// Traces: what is read is what was written, broken files are refused with the line, and a volume keeps the time.
#include <string>

#include <gtest/gtest.h>

#include "trace.h"

namespace {

using weft_lab::arrival;
using weft_lab::trace;

const trace three{{{0, 100, 0}, {1000, 200, 64}, {1000, 300, 0}}};

std::string refusal(const std::string& text) {
  return std::string(weft_lab::parse_trace("file", text).status().message());
}

TEST(TraceTest, WhatIsWrittenIsReadAgain) {
  EXPECT_EQ(weft_lab::parse_trace("file", to_text(three))->arrivals, three.arrivals);
}

TEST(TraceTest, CommentsEmptyLinesAndReturnsAreNoTasks) {
  const auto t = weft_lab::parse_trace("file", "weft-trace 1\r\n# a comment\n\n5 6 7\r\n");
  ASSERT_TRUE(t.ok()) << t.status();
  EXPECT_EQ(t->arrivals, (std::vector<arrival>{{5, 6, 7}}));
}

TEST(TraceTest, BrokenFilesAreRefusedWithTheirLine) {
  EXPECT_NE(refusal("").find("file:1: the file is empty"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 2\n").find("file:1: a trace begins with"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n# nothing\n").find("there is no task"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n1 2\n").find("file:2: expected three whole numbers"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n1 2 3 4\n").find("file:2: expected three"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n1 -2 3\n").find("file:2: expected three"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n9 2 3\n8 2 3\n").find("file:3: arrives before"), std::string::npos);
  EXPECT_NE(refusal("weft-trace 1\n1 99999999999999999 3\n").find("file:2: no arrival"), std::string::npos);
}

TEST(TraceTest, AFileThatIsNotThereIsNamed) {
  const std::string message(weft_lab::read_trace("/no/such/file").status().message());
  EXPECT_NE(message.find("/no/such/file"), std::string::npos);
}

TEST(TraceTest, TwiceTheVolumeIsTwiceTheTasksInTheSameTime) {
  const trace twice = scaled(three, 2);
  EXPECT_EQ(twice.arrivals,
            (std::vector<arrival>{
                {0, 100, 0}, {500, 100, 0}, {1000, 200, 64}, {1000, 200, 64}, {1000, 300, 0}, {1000, 300, 0}}));
}

TEST(TraceTest, HalfTheVolumeIsEverySecondTask) {
  trace many;
  for (int64_t i = 0; i < 100; ++i) many.arrivals.push_back({i * 10, i, 0});
  const trace half = scaled(many, 0.5);
  EXPECT_EQ(half.arrivals.size(), 50u);
  EXPECT_EQ(half.arrivals.front().work_ns, 1);
  EXPECT_EQ(scaled(many, 0.01).arrivals.size(), 1u);
  EXPECT_EQ(scaled(many, 0.1).arrivals.size(), 10u);
}

}  // namespace
