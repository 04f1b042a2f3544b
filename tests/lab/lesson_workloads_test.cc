// The workloads of the lessons: every shape, owner and depth computes what it should, and the lab hears of a wrong
// command line before anything runs.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <weft/runtime.h>

#include "variant.h"
#include "workload.h"

namespace {

using namespace weft_lab;

// What a run handed back, of a workload with these options; it throws when the workload finds a wrong result.
outcome run_workload(std::string_view name, const std::vector<std::pair<std::string, std::string>>& given) {
  struct : context::observer {
    void begin() override {}
    void end() override {}
  } nobody;
  variant v = *variant_of(name);
  for (const auto& [option, value] : given)
    if (const absl::Status s = assign(v, option, value); !s.ok()) ADD_FAILURE() << s;
  settings s = settings_of(v);
  s.options.processors = 1;
  const std::unique_ptr<weft::runtime> rt = *weft::runtime::create(s.options);
  const context::parameter_values parameters = parameters_of(v);
  context c(*rt, parameters, 1, nobody);
  return v.work->run(c);
}

const parameter& parameter_of(std::string_view workload_name, std::string_view name) {
  for (const parameter& p : find_workload(workload_name)->parameters)
    if (p.name == name) return p;
  ADD_FAILURE() << "no parameter " << name;
  static const parameter none{};
  return none;
}

double figure_of(const outcome& o, std::string_view name) {
  for (const auto& [known, value] : o.figures)
    if (known == name) return value;
  ADD_FAILURE() << "no figure " << name;
  return -1;
}

TEST(LessonWorkloadsTest, EveryShapeOfACallComputesTheSame) {
  for (const std::string_view shape : parameter_of("call-site", "shape").names)
    for (const char* chained : {"off", "on"})
      EXPECT_EQ(
          run_workload("call-site", {{"shape", std::string(shape)}, {"calls", "1k"}, {"chained", chained}}).operations,
          1000u)
          << shape;
}

TEST(LessonWorkloadsTest, EveryOwnerOfABufferKeepsItsContents) {
  for (const std::string_view owner : parameter_of("buffers", "owner").names)
    for (const char* held : {"1", "7"})
      EXPECT_EQ(run_workload("buffers", {{"owner", std::string(owner)},
                                         {"buffers", "1k"},
                                         {"bytes", "100"},
                                         {"held", held},
                                         {"sizes", "3"},
                                         {"batches", "2"}})
                    .operations,
                1000u)
          << owner;
}

TEST(LessonWorkloadsTest, ATasksOwnBufferIsRefusedWhenItIsTooLargeForAFrame) {
  EXPECT_THROW(run_workload("buffers", {{"owner", "task"}, {"bytes", "4096"}, {"sizes", "2"}}), wrong_result);
}

TEST(LessonWorkloadsTest, ADescentCountsItsCallsForEveryAmountOfLocals) {
  for (const std::string_view bytes : parameter_of("recursion", "locals").names)
    for (const char* fresh : {"off", "on"})
      EXPECT_EQ(
          run_workload(
              "recursion",
              {{"locals", std::string(bytes)}, {"fresh", fresh}, {"depth", "40"}, {"breadth", "3"}, {"descents", "10"}})
              .operations,
          10u * 44)
          << bytes;
}

TEST(LessonWorkloadsTest, AtACrossingDepthEveryLeafTakesTheSpareSegmentAgain) {
  const outcome crossing = run_workload("recursion", {{"crossing", "yes"}, {"breadth", "1k"}, {"descents", "10"}});
  EXPECT_GE(figure_of(crossing, "spare taken"), 900);
  const outcome within = run_workload("recursion", {{"crossing", "no"}, {"breadth", "1k"}, {"descents", "10"}});
  EXPECT_LE(figure_of(within, "spare taken"), 100);
}

TEST(LessonWorkloadsTest, AValueWithANameIsTypedAndShownByIt) {
  variant v = *variant_of("call-site");
  ASSERT_TRUE(assign(v, "shape", "virtual").ok());
  EXPECT_EQ(text_of(parameter_of("call-site", "shape"), parameters_of(v).front().second), "virtual");
  const std::string refused(assign(v, "shape", "sideways").message());
  EXPECT_NE(refused.find("sideways"), std::string::npos) << refused;
  EXPECT_NE(refused.find("any-invocable"), std::string::npos) << refused;
}

}  // namespace
