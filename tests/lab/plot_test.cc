// Plots: every label and mark lies inside the picture, and what is no number is left out.
#include <cmath>
#include <cstdlib>
#include <limits>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "plot.h"

namespace {

using namespace weft_lab;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// All values of an attribute.
std::vector<double> values_of(const std::string& svg, const std::string& attribute) {
  std::vector<double> values;
  const std::regex pattern(" " + attribute + "=\"([^\"]*)\"");
  for (std::sregex_iterator i(svg.begin(), svg.end(), pattern), end; i != end; ++i)
    values.push_back(std::strtod((*i)[1].str().c_str(), nullptr));
  return values;
}

void expect_inside(const std::string& svg) {
  ASSERT_NE(svg.find("viewBox=\"0 0 640 340\""), std::string::npos);
  for (const char* attribute : {"x", "x1", "x2", "cx"})
    for (const double x : values_of(svg, attribute)) {
      EXPECT_GE(x, 0) << attribute;
      EXPECT_LE(x, 640) << attribute;
    }
  for (const char* attribute : {"y", "y1", "y2", "cy"})
    for (const double y : values_of(svg, attribute)) {
      EXPECT_GE(y, 0) << attribute;
      EXPECT_LE(y, 340) << attribute;
    }
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(PlotTest, WhatIsPlottedLiesInside) {
  for (const bool logarithmic : {false, true})
    for (const double size : {1e-9, 1.0, 1e12}) {
      const plotted line{"line", {{1 * size, 5 * size}, {2 * size, 500 * size}, {900 * size, 7 * size}}, true};
      const std::string svg = plot("title", {"x", logarithmic}, {"y", logarithmic}, {line});
      expect_inside(svg);
      EXPECT_EQ(values_of(svg, "cx").size(), 3u);
    }
}

TEST(PlotTest, OnePointAndEqualPointsHaveAPlot) {
  for (const bool logarithmic : {false, true})
    for (const double value : {0.0, 3.0, -2.0}) {
      expect_inside(plot("title", {"x", logarithmic}, {"y", logarithmic}, {{"one", {{value, value}}, true}}));
      expect_inside(plot("title", {"x", logarithmic}, {"y", logarithmic}, {{"two", {{1, value}, {2, value}}, false}}));
    }
}

TEST(PlotTest, WhatIsNoNumberIsLeftOut) {
  const std::string svg = plot("title", {"x"}, {"y"}, {{"some", {{1, nan}, {2, 5}, {nan, 3}, {3, INFINITY}}, true}});
  expect_inside(svg);
  EXPECT_EQ(values_of(svg, "cx").size(), 1u);
  EXPECT_EQ(plot("title", {"x"}, {"y"}, {{"none", {{nan, nan}}, true}}), "");
  EXPECT_EQ(plot("title", {"x"}, {"y"}, {}), "");
}

TEST(PlotTest, AWholeAxisHasWholeNumbers) {
  const plotted line{"line", {{1, 1}, {2, 2}, {3, 1}}, true};
  EXPECT_NE(plot("title", {"x"}, {"y"}, {line}).find(">1.5<"), std::string::npos);
  const std::string svg = plot("title", {.label = "x", .whole = true}, {.label = "y", .whole = true}, {line});
  EXPECT_EQ(svg.find(">1.5<"), std::string::npos);
  EXPECT_NE(svg.find(">2<"), std::string::npos);
}

TEST(PlotTest, TextIsEscaped) {
  const std::string svg = plot("<title>", {"a & b"}, {"\"y\""}, {{"<name>", {{1, 1}}, true}});
  for (const char* escaped : {"&lt;title&gt;", "a &amp; b", "&quot;y&quot;", "&lt;name&gt;"})
    EXPECT_NE(svg.find(escaped), std::string::npos) << escaped;
  EXPECT_EQ(svg.find("<name>"), std::string::npos);
}

}  // namespace
