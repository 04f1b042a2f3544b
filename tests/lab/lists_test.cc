// The lists of workloads and choices are sound: names differ, presets are allowed, and what a choice says is allowed
// can be set.
#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "choice.h"
#include "command_line.h"
#include "expectations.h"
#include "values.h"
#include "variant.h"
#include "workload.h"

namespace {

using namespace weft_lab;

bool is_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

TEST(ListsTest, EveryWorkloadHasANameOfItsOwn) {
  std::set<std::string_view> seen;
  for (const workload* w : all_workloads()) {
    EXPECT_TRUE(is_name(w->name)) << w->name;
    EXPECT_TRUE(seen.insert(w->name).second) << w->name;
    EXPECT_FALSE(w->summary.empty()) << w->name;
    EXPECT_FALSE(w->shows.empty()) << w->name;
    EXPECT_FALSE(w->unit.empty()) << w->name;
  }
}

TEST(ListsTest, NoParameterHasTheNameOfAChoiceOrOfAnOptionOfTheLab) {
  for (const workload* w : all_workloads()) {
    std::set<std::string_view> seen;
    for (const parameter& p : w->parameters) {
      EXPECT_TRUE(is_name(p.name)) << w->name << " " << p.name;
      EXPECT_TRUE(seen.insert(p.name).second) << w->name << " " << p.name;
      EXPECT_EQ(find_choice(p.name), nullptr) << w->name << " " << p.name;
      for (const lab_option& o : lab_option_list()) EXPECT_NE(p.name, o.name) << w->name;
      EXPECT_LE(p.least, p.preset) << w->name << " " << p.name;
      EXPECT_GE(p.most, p.preset) << w->name << " " << p.name;
      const auto values = static_cast<std::size_t>(p.most - p.least + 1);
      EXPECT_TRUE(p.names.empty() || p.names.size() == values) << w->name << " " << p.name;
    }
  }
}

TEST(ListsTest, EveryChoiceTakesItsDefaultAndWhatIsWorthALook) {
  const settings defaults;
  std::set<std::string_view> seen;
  for (const choice& c : all_choices()) {
    EXPECT_TRUE(is_name(c.name)) << c.name;
    EXPECT_TRUE(seen.insert(c.name).second) << c.name;
    settings s;
    EXPECT_TRUE(c.set(c.get(defaults), s).ok()) << c.name;
    EXPECT_EQ(c.get(s), c.get(defaults)) << c.name;
    for (const std::string& value : c.swept) {
      EXPECT_TRUE(c.set(value, s).ok()) << c.name << "=" << value;
      EXPECT_TRUE(s.options.validate().ok()) << c.name << "=" << value;
    }
  }
}

TEST(ListsTest, EveryChoiceRefusesNonsenseAndSaysWhatIsAllowed) {
  for (const choice& c : all_choices()) {
    settings s;
    const absl::Status refused = c.set("nonsense", s);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << c.name;
    const std::string message(refused.message());
    EXPECT_NE(message.find("--" + c.name), std::string::npos) << message;
    EXPECT_NE(message.find("allowed"), std::string::npos) << message;
  }
}

TEST(ListsTest, EveryChoiceHasAnExpectationThatChangesIt) {
  std::set<std::string> seen;
  for (const choice& c : all_choices()) {
    EXPECT_FALSE(c.expectations.empty()) << c.name;
    for (const expectation& e : c.expectations) {
      const auto sides = sides_of(e);
      ASSERT_TRUE(sides.ok()) << e.command << ": " << sides.status();
      EXPECT_NE(c.get(settings_of(sides->at(0))), c.get(settings_of(sides->at(1)))) << c.name << ": " << e.command;
      EXPECT_FALSE(e.because.empty()) << e.command;
      EXPECT_TRUE(seen.insert(row_key(e)).second) << e.command << " has two expectations of one figure";
    }
  }
}

TEST(ListsTest, ThePageOfChoicesKeepsWhatWasMeasured) {
  const expectation& first = all_choices().front().expectations.front();
  const expectation& last = all_choices().back().expectations.front();
  const std::string empty = page_of_choices("", {});
  EXPECT_EQ(empty.find("yes"), std::string::npos);
  const std::string one = page_of_choices(empty, {{row_key(first), "more: 1 -> 2"}, {"machine", "a machine"}});
  EXPECT_NE(one.find("more: 1 -> 2"), std::string::npos);
  EXPECT_NE(one.find("Measured last on a machine."), std::string::npos);
  const std::string two = page_of_choices(one, {{row_key(last), "less: 4 -> 3"}});
  EXPECT_NE(two.find("more: 1 -> 2"), std::string::npos);
  EXPECT_NE(two.find("less: 4 -> 3"), std::string::npos);
  EXPECT_NE(two.find("Measured last on a machine."), std::string::npos);
  EXPECT_EQ(page_of_choices(two, {}), two);
  EXPECT_NE(page_of_choices("", {{row_key(first), "more: 1 -> 2, noisy machine"}}).find("| not known |"),
            std::string::npos);
}

TEST(ListsTest, AnExpectationIsHeldAgainstTheVerdict) {
  const expectation slower{"ping-pong vs --run-next=off", expectation::effect::more, "so"};
  EXPECT_TRUE(as_expected(slower, "slower: 100 ns -> 200 ns"));
  EXPECT_FALSE(as_expected(slower, "no measurable difference: 100 ns -> 101 ns"));
  EXPECT_FALSE(as_expected(slower, "faster: 100 ns -> 50 ns"));
  const expectation fewer{"ping-pong vs --run-next=off", expectation::effect::less, "so", "peak_resident_bytes"};
  EXPECT_TRUE(as_expected(fewer, "less: 2 MiB -> 1 MiB"));
  EXPECT_FALSE(as_expected(fewer, "more: 1 MiB -> 2 MiB"));
}

TEST(ListsTest, AnUnknownWorkloadIsRefusedWithTheListOfThose) {
  const std::string message(variant_of("no-such-thing").status().message());
  EXPECT_NE(message.find("no-such-thing"), std::string::npos);
  for (const workload* w : all_workloads()) EXPECT_NE(message.find(w->name), std::string::npos);
}

TEST(ListsTest, AnUnknownOptionIsRefusedWithTheListOfThose) {
  variant v = *variant_of("ping-pong");
  const std::string message(assign(v, "no-such-option", "1").message());
  EXPECT_NE(message.find("--count"), std::string::npos);
  EXPECT_NE(message.find("--run-next"), std::string::npos);
}

TEST(ListsTest, TheLastValueOfAnOptionCounts) {
  variant v = *variant_of("ping-pong");
  ASSERT_TRUE(assign(v, "count", "5").ok());
  ASSERT_TRUE(assign(v, "run-next", "off").ok());
  ASSERT_TRUE(assign(v, "count", "2k").ok());
  EXPECT_EQ(parameters_of(v).front().second, 2000);
  EXPECT_FALSE(settings_of(v).options.scheduling.run_next);
  EXPECT_EQ(v.text(), "ping-pong --run-next=off --count=2k");
}

TEST(ValuesTest, NumbersTakeKAndM) {
  EXPECT_EQ(*parse_number("x", "12", 0, 100), 12);
  EXPECT_EQ(*parse_number("x", "2M", 0, 1 << 30), 2'000'000);
  EXPECT_FALSE(parse_number("x", "", 0, 100).ok());
  EXPECT_FALSE(parse_number("x", "12x", 0, 100).ok());
  EXPECT_FALSE(parse_number("x", "101", 0, 100).ok());
  EXPECT_FALSE(parse_number("x", "99999999999999M", 0, 100).ok());
}

TEST(ValuesTest, TimesNeedAUnitUnlessZero) {
  using std::chrono::nanoseconds;
  const nanoseconds most(1'000'000'000);
  EXPECT_EQ(*parse_time("x", "3us", nanoseconds(0), most), nanoseconds(3000));
  EXPECT_EQ(*parse_time("x", "0", nanoseconds(0), most), nanoseconds(0));
  EXPECT_FALSE(parse_time("x", "3", nanoseconds(0), most).ok());
  EXPECT_FALSE(parse_time("x", "2s", nanoseconds(0), most).ok());
  EXPECT_EQ(format_time(nanoseconds(1500)), "1500ns");
  EXPECT_EQ(format_time(nanoseconds(2'000'000)), "2ms");
}

TEST(ValuesTest, SizesAreInPowersOfTwo) {
  EXPECT_EQ(*parse_size("x", "64KiB", 0, 1 << 20), 65536);
  EXPECT_EQ(*parse_size("x", "4096", 0, 1 << 20), 4096);
  EXPECT_FALSE(parse_size("x", "64kb", 0, 1 << 20).ok());
  EXPECT_EQ(format_size(65536), "64KiB");
}

}  // namespace
